"""The form in a browser: presets fill it, problems are beside their fields, two clicks are one experiment."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.system.browser.conftest import Troubles
from tgsh.specs import SplitSuite
from tgsh.specs.presets import PRESETS, Submission


@pytest.fixture
def form(page: Page, troubles: Troubles) -> Page:
    """The page with its form, filled with the demo."""
    troubles.allow("422")  # asked of specs being changed, and of data not at hand
    page.goto("/dashboard/submit")
    expect(page.get_by_label("epochs")).to_have_value("10")
    return page


def as_json(page: Page) -> dict[str, Any]:
    """What the form would send."""
    page.get_by_role("radio", name="JSON").check()
    spec: dict[str, Any] = json.loads(page.get_by_label("The body of").input_value())
    page.get_by_role("radio", name="Form").check()
    return spec


def small(page: Page, name: str) -> None:
    """Make little work of the demo, of its own: nothing was computed before."""
    page.get_by_label("name", exact=True).fill(name)
    page.get_by_label("tasks", exact=True).fill("4")
    page.get_by_label("epochs").fill("2")
    page.get_by_label("train limit").fill("300")
    page.get_by_label("seed", exact=True).fill(str(sum(map(ord, name))))


def test_the_demo_is_submitted_and_learned(
    form: Page, http: httpx.Client, screenshot: Callable[[str], None]
) -> None:
    small(form, "from the form")
    screenshot("submit")
    form.get_by_role("button", name="Submit").click()
    form.wait_for_url(re.compile(r"/dashboard/experiments/[0-9a-f]{16}$"))
    experiment = http.get(f"/experiments/{form.url[-16:]}").json()
    assert (experiment["name"], experiment["spec"]["dataset"]) == ("from the form", "mnist5k")
    assert (experiment["spec"]["suite"]["tasks"], experiment["spec"]["training"]["train_limit"]) == (4, 300)
    form.goto("/")
    row = form.get_by_role("row").filter(has_text="from the form")
    expect(row.get_by_text("completed")).to_be_visible()


def test_the_priority_is_sent(form: Page, http: httpx.Client, screenshot: Callable[[str], None]) -> None:
    small(form, "has a priority")
    form.get_by_label("priority").fill("3")
    for scheme in ("light", "dark"):
        form.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        for width in (1440, 768, 390):
            form.set_viewport_size({"width": width, "height": 900})
            assert form.evaluate("document.documentElement.scrollWidth") == width
            screenshot(f"submit-{width}-{scheme}")
    form.get_by_role("button", name="Submit").click()
    form.wait_for_url(re.compile(r"/dashboard/experiments/[0-9a-f]{16}$"))
    assert http.get(f"/experiments/{form.url[-16:]}").json()["priority"] == 3


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_goes_through_the_form_unchanged(form: Page, name: str) -> None:
    form.get_by_label("Start from").select_option(name)
    expect(form.get_by_label("name", exact=True)).to_have_value(PRESETS[name].name)  # type: ignore[index]
    assert Submission.model_validate(as_json(form)).spec() == PRESETS[name]  # type: ignore[index]


def test_what_no_worker_can_run_says_so_in_every_list(page: Page, http: httpx.Client) -> None:
    catalog = http.get("/catalog").json()
    for kind, name in (("suites", "augment"), ("networks", "tgsh"), ("presets", "augment-mnist")):
        for entry in catalog[kind]:
            if entry["name"] == name:
                entry["unavailable"] = f"{name} needs torch: pip install 'tgsh[worker]'"
    page.route(
        "**/catalog", lambda route: route.fulfill(json=catalog)
    )  # as a service of light workers has it
    page.goto("/dashboard/submit")
    expect(page.get_by_label("epochs")).to_have_value("10")
    for label, option in (
        ("kind of suite", "augment (needs torch)"),
        ("kind of network", "tgsh (needs torch)"),
    ):
        expect(page.get_by_label(label).get_by_role("option", name=option)).to_have_count(1)
    preset = page.get_by_label("Start from")
    expect(
        preset.get_by_role("option", name=re.compile(r"\(augment-mnist\) \(needs torch\)$"))
    ).to_have_count(1)
    preset.select_option("augment-mnist")
    expect(page.get_by_label("kind of suite")).to_have_value("augment")
    assert Submission.model_validate(as_json(page)).spec() == PRESETS["augment-mnist"]


def test_it_says_what_differs_from_its_source(form: Page, screenshot: Callable[[str], None]) -> None:
    changes, name, epochs = (
        form.locator("#changes"),
        form.get_by_label("name", exact=True),
        form.get_by_label("epochs"),
    )
    expect(changes).to_have_text("No change to demo")
    expect(name).to_have_value(PRESETS["demo"].name)
    silent = """found => found.filter(each => !(each.getAttribute("aria-describedby") ?? "").split(" ").some(
        id => document.getElementById(id)?.textContent.trim())).map(each => each.id)"""
    assert form.eval_on_selector_all("#form .field > :is(input, select)[id]:not([aria-label])", silent) == []
    expect(epochs).to_have_accessible_description("times that a task learns from all its images · 1 to 1,000")
    epochs.fill("4")
    expect(changes).to_contain_text("1 change to demo")
    expect(changes).to_contain_text("training epochs: 10 → 4")
    expect(epochs).to_have_accessible_description(re.compile("demo: 10"))
    form.get_by_label("kind of network").select_option("neuromodnet")
    expect(changes).to_contain_text("2 changes to demo")
    expect(changes).to_contain_text("network kind: flynet → neuromodnet")
    expect(name).to_have_value("")  # it is not the demo any more
    assert "tags" not in as_json(form) or as_json(form)["tags"] == []
    for scheme in ("light", "dark"):
        form.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        for width in (1440, 768, 390):
            form.set_viewport_size({"width": width, "height": 900})
            assert form.evaluate("document.documentElement.scrollWidth") == width
            screenshot(f"submit-changes-{width}-{scheme}")
    form.get_by_role("button", name="Set network kind back to flynet").click()
    expect(form.get_by_label("kind of network")).to_have_value("flynet")
    expect(form.get_by_label("kind of network")).to_be_focused()
    expect(changes).to_contain_text("1 change to demo")
    form.get_by_role("button", name="Set training epochs back to 10").click()
    expect(epochs).to_have_value("10")
    expect(epochs).to_have_accessible_description(re.compile("1,000$"))
    expect(changes).to_have_text("No change to demo")
    expect(name).to_have_value(PRESETS["demo"].name)  # it is again
    epochs.fill("5")
    form.get_by_label("accuracy matrix").check()
    form.get_by_role("button", name="Take it (the name of demo)").click()
    expect(name).to_have_value(PRESETS["demo"].name)
    name.fill("of my own")
    form.get_by_role("button", name="Set all back").click()
    expect(changes).to_have_text("No change to demo")
    form.get_by_label("kind of suite").select_option("manifold")  # it brings its own images
    expect(form.get_by_label("dataset", exact=True)).to_be_hidden()
    expect(changes).to_contain_text("1 change to demo")
    expect(form.locator("#estimate")).to_contain_text("Task-epochs")
    form.get_by_label("project").fill("thesis")
    form.get_by_label("Start from").select_option("split-mnist")  # what a person wrote stays, the demo's goes
    expect(form.get_by_label("dataset", exact=True)).to_be_visible()
    expect(changes).to_have_text("No change to split-mnist")
    spec = as_json(form)
    assert (spec["name"], spec["tags"], spec["project"]) == ("of my own", ["benchmark"], "thesis")
    form.get_by_role("radio", name="JSON").check()
    form.get_by_label("The body of").fill('{"preset": "split-mnist", "suite": {"classes_per_task": 5}}')
    expect(changes).to_have_text("1 change to split-mnistsuite classes per task: 2 → 5")


def test_corruptions_are_ticked_and_a_split_is_chosen(form: Page) -> None:
    form.get_by_label("kind of suite").select_option("corruption")
    expect(form.get_by_text("Task 0 has the clean images")).to_be_visible()
    expect(form.get_by_label("glass-blur")).to_be_checked()
    form.get_by_label("glass-blur").uncheck()
    form.get_by_label("zigzag").check()
    form.get_by_label("3", exact=True).uncheck()
    suite = as_json(form)["suite"]
    assert suite["names"] == ["gaussian-noise", "fog", "contrast", "zigzag"]
    assert suite["severities"] == [1, 5]
    form.get_by_label("Form", exact=True).check()
    form.get_by_label("kind of suite").select_option("split")
    expect(form.get_by_text("Each task has some of the classes")).to_be_visible()
    form.get_by_label("outputs").select_option("own")
    form.get_by_label("order", exact=True).select_option("random")
    spec = Submission.model_validate(as_json(form)).spec()
    assert spec.suite == SplitSuite(order="random", outputs="own")
    form.get_by_label("Form", exact=True).check()
    form.get_by_label("kind of suite").select_option("domains")
    expect(form.get_by_text("Each domain of one dataset is a task")).to_be_visible()


def test_a_custom_suite_is_composed(form: Page) -> None:
    form.get_by_label("kind of suite").select_option("custom")
    form.get_by_label("label").fill("mirrored")
    form.get_by_role("button", name="Add transform").click()
    form.get_by_label("kind of suite tasks 0 transforms 0").select_option("affine")
    form.get_by_role("textbox", name="degrees", exact=True).fill("20")
    sent = as_json(form)
    assert sent["suite"]["kind"] == "custom"
    [task] = Submission.model_validate(sent).spec().suite.tasks  # type: ignore[union-attr, misc]
    assert task.label == "mirrored"  # type: ignore[union-attr]
    assert task.transforms[0].degrees == 20  # type: ignore[union-attr]
    ids = form.eval_on_selector_all("#form [id]", "found => found.map(each => each.id)")
    assert len(set(ids)) == len(ids)  # labels lead to their own fields


def test_several_datasets_say_which_classes_are_the_same(form: Page) -> None:
    form.get_by_label("kind of suite").select_option("datasets")
    form.locator("#form label").filter(has_text="mnist5k").locator("input").check()
    expect(form.get_by_label("classes", exact=True)).to_have_value("names")
    suite = as_json(form)["suite"]
    assert suite == {"kind": "datasets", "datasets": ["mnist5k"], "classes": "names", "fit": "squash"}
    form.get_by_label("classes", exact=True).select_option("nearest")
    form.get_by_label("size", exact=True).fill("14 × 20")
    form.get_by_label("channels", exact=True).select_option("3: colour")
    form.get_by_label("fit", exact=True).select_option("crop")
    expect(form.locator("#estimate")).to_contain_text("mnist5k are made 14 × 20 × 3 from 28 × 28")
    suite = as_json(form)["suite"]
    assert (suite["classes"], suite["size"], suite["channels"], suite["fit"]) == (
        "nearest",
        [14, 20],
        3,
        "crop",
    )


def test_a_problem_is_beside_its_field(form: Page) -> None:
    form.get_by_label("epochs").fill("0")
    form.get_by_label("fan in").fill("many")
    form.get_by_role("button", name="Submit").click()
    field = form.get_by_label("epochs")
    expect(field).to_have_attribute("aria-invalid", "true")
    note = form.locator(f"#{field.get_attribute('aria-errormessage')}")
    expect(note).to_have_text("must be at least 1, is 0")
    expect(form.get_by_label("fan in")).to_have_attribute("aria-invalid", "true")
    expect(form.get_by_label("fan in")).to_be_focused()  # the first of them, for the next key
    assert form.url.endswith("/dashboard/submit")


def test_what_is_no_json_is_told(form: Page) -> None:
    form.get_by_role("radio", name="JSON").check()
    form.get_by_label("The body of").fill('{"preset": "demo"')
    form.get_by_role("button", name="Submit").click()
    expect(form.locator("#problems")).to_contain_text("body:")
    form.get_by_role("radio", name="Form").click()
    expect(form.locator("#problems")).to_contain_text("cannot be shown as a form")
    expect(form.get_by_role("radio", name="JSON")).to_be_checked()
    form.get_by_label("The body of").fill(
        '{"preset": "demo", "training": {"epochs": 4}, "suite": {"tasks": 5}}'
    )
    form.get_by_role("radio", name="Form").check()
    expect(form.get_by_label("epochs")).to_have_value("4")
    expect(form.get_by_label("batch size")).to_have_value("128")
    form.get_by_role("radio", name="JSON").check()
    form.get_by_label("The body of").fill('{"preset": "demo", "colour": "blue"}')
    form.get_by_role("button", name="Submit").click()
    expect(form.locator("#problems")).to_contain_text("colour: unknown key")


def test_a_double_click_makes_one_experiment(form: Page, http: httpx.Client) -> None:
    small(form, "clicked twice")
    sent: list[str] = []
    form.on(
        "request",
        lambda request: (
            sent.append(request.headers["idempotency-key"])
            if request.method == "POST" and "/experiments" in request.url
            else None
        ),
    )
    form.evaluate("document.getElementById('send').click(); document.getElementById('send').click()")
    form.wait_for_url(re.compile(r"/dashboard/experiments/"))
    assert len(set(sent)) == 1
    found = http.get("/experiments", params={"q": "clicked twice"}).json()["items"]
    assert len(found) == 1


def test_with_the_keyboard_alone(form: Page, http: httpx.Client) -> None:
    form.keyboard.press("Tab")
    expect(form.get_by_role("link", name="Skip to the content")).to_be_focused()
    form.keyboard.press("Enter")
    form.keyboard.press("Tab")
    expect(form.get_by_label("Start from")).to_be_focused()
    form.keyboard.press("Tab")
    expect(form.get_by_role("radio", name="Form")).to_be_focused()
    form.keyboard.press("ArrowRight")
    text = form.get_by_label("The body of")
    expect(text).to_be_visible()
    form.keyboard.press("Tab")
    expect(text).to_be_focused()
    form.keyboard.press("Control+A")
    form.keyboard.insert_text(
        '{"preset": "demo", "name": "by keys", "suite": {"tasks": 2}, "seed": 77,'
        ' "training": {"epochs": 1, "train_limit": 100}}'
    )
    form.keyboard.press("Tab")
    if form.get_by_role("link", name="Open the result").is_visible():
        form.keyboard.press("Tab")
    expect(form.locator("#send")).to_be_focused()
    form.keyboard.press("Enter")
    form.wait_for_url(re.compile(r"/dashboard/experiments/"))
    assert [item["name"] for item in http.get("/experiments?q=by+keys").json()["items"]] == ["by keys"]


def test_it_begins_from_what_the_address_names(form: Page, http: httpx.Client) -> None:
    form.goto("/dashboard/submit?preset=shift-mnist-2px")
    expect(form.get_by_label("step pixels")).to_have_value("2")
    spec = {
        "preset": "demo",
        "name": "again",
        "suite": {"tasks": 3},
        "training": {"train_limit": 50, "epochs": 1},
    }
    made = http.post("/experiments?anew=true", json=spec).json()["id"]
    form.goto(f"/dashboard/submit?from={made}")
    expect(form.get_by_label("name", exact=True)).to_have_value("again")
    expect(form.get_by_label("train limit")).to_have_value("50")
    expect(form.get_by_label("tasks", exact=True)).to_have_value("3")
    of = f"experiment {made[:6]}"
    expect(form.get_by_label("Start from").locator("option:checked")).to_have_text(f"again ({of})")
    expect(form.locator("#changes")).to_have_text(f"No change to {of}")
    expect(form.get_by_role("link", name=of)).to_have_attribute("href", f"/dashboard/experiments/{made}")
    form.get_by_label("seed", exact=True).fill("5")
    expect(form.locator("#changes")).to_contain_text("seed: 0 → 5")
    form.get_by_role("button", name="Submit").click()
    form.wait_for_url(re.compile(r"/dashboard/experiments/[0-9a-f]{16}$"))
    spec = http.get(f"/experiments/{form.url[-16:]}").json()["spec"]
    assert (spec["seed"], spec["name"], spec["tags"]) == (5, "", [])
    split = {
        "preset": "demo",
        "name": "by hand",
        "suite": {"kind": "split", "order": [["0", "1"], ["2", "3"]]},
    }
    split |= {"training": {"train_limit": 50, "epochs": 1}}
    made = http.post("/experiments", json=split).json()["id"]
    form.goto(f"/dashboard/submit?from={made}")  # it has no form
    expect(form.get_by_label("The body of")).to_have_value(re.compile('"by hand"'))
    expect(form.locator("#changes")).to_have_text(f"No change to experiment {made[:6]}")
