"""Studies in a browser: from the form to whether two pairs of tasks differ, for everybody, on any screen."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.system.browser.conftest import Troubles
from tests.system.browser.heatmap import until
from tests.system.browser.training import submit, wait

SPEC = {
    "name": "four rotations",
    "dataset": "mnist5k",
    "suite": {"kind": "rotation", "tasks": 4, "step_degrees": 30},
    "network": {"kind": "flynet", "expansion": 3},
    "training": {"epochs": 2, "train_limit": 300},
}

MINUTES = 3
"""How long a study of these tests may take, on a machine that runs other tests, too."""

NUMBERS = r"\(difference −?0\.\d{3}, 95\s% interval −?0\.\d{3} to −?0\.\d{3}, p (= 0\.\d{3}|< 0\.001)\)\."

SENTENCE = re.compile(
    rf"0° with 30°, and 30° with 60°: these two pairs do not differ {NUMBERS} More replicates than 6 .*"
    rf"|0° with 30° are (more|less) alike than 30° with 60°: these two pairs differ {NUMBERS}"
)


def form_of(page: Page, troubles: Troubles, query: str = "") -> Page:
    """The form, filled with the demo."""
    troubles.allow("422")  # asked of specs being changed
    page.goto(f"/dashboard/submit{query}")
    expect(page.get_by_label("epochs")).to_have_value("10")
    return page


def small(page: Page, name: str) -> None:
    """A little work of the demo."""
    page.get_by_label("name", exact=True).fill(name)
    page.get_by_label("tasks", exact=True).fill("4")
    page.get_by_label("step degrees").fill("30")
    page.get_by_label("epochs").fill("2")
    page.get_by_label("train limit").fill("300")


def made(http: httpx.Client, **changes: Any) -> dict[str, Any]:
    answer = http.post("/studies", json={"name": "a study", "spec": SPEC, **changes})
    assert answer.status_code == 202, answer.text
    document: dict[str, Any] = answer.json()
    return document


def over(http: httpx.Client, study_id: str) -> dict[str, Any]:
    """The study, when it is over."""
    until = time.monotonic() + 60 * MINUTES
    while True:
        document: dict[str, Any] = http.get(f"/studies/{study_id}").json()
        if document["status"] in ("completed", "failed", "cancelled"):
            return document
        assert time.monotonic() < until, document["progress"]
        time.sleep(0.3)


@pytest.fixture(scope="module")
def study(http: httpx.Client) -> dict[str, Any]:
    """A study of two cells, three seeds and two bases, when it is done."""
    grid = {"training.epochs": [1, 2]}
    begun = made(http, name="two cells", replicates={"seeds": 3, "base_seeds": 2}, grid=grid)
    done = over(http, begun["id"])
    assert done["status"] == "completed", done["reason"]
    return done


def everywhere(page: Page, screenshot: Callable[[str], None], name: str) -> None:
    """No width cuts it, in light and dark; and axe has no complaint."""
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
        for width in (1440, 768, 390):
            page.set_viewport_size({"width": width, "height": 900})
            # Plots are resized a moment after the window.
            until(page, lambda: page.evaluate("document.documentElement.scrollWidth") == width)  # noqa: B023
            screenshot(f"{name}-{width}-{scheme}")
        found = Axe().run(page)
        rules = found.response["violations"]
        assert [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in rules] == [], name
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 1280, "height": 900})


def test_from_the_form_to_whether_two_pairs_differ(
    page: Page, troubles: Troubles, http: httpx.Client, screenshot: Callable[[str], None]
) -> None:
    form = form_of(page, troubles)
    small(form, "from form to sentence")
    section = form.get_by_text("Replicates and grid")
    expect(form.get_by_label("seeds of training")).to_be_hidden()  # closed: an experiment is the usual thing
    section.click()
    form.get_by_label("seeds of training").fill("3")
    form.get_by_label("seeds of the random base").fill("2")
    send = form.locator("#send")
    expect(send).to_have_text("Submit study of 6 experiments")
    expect(form.locator("#estimate")).to_contain_text("Computed before")
    everywhere(form, screenshot, "submit-study")
    send.click()
    form.wait_for_url(re.compile(r"/dashboard/studies/[0-9a-f]{16}$"))
    study_id = form.url[-16:]
    expect(form.get_by_role("heading", level=1)).to_contain_text("from form to sentence")
    everywhere(form, screenshot, "study-running")
    # Without a reload: the state polls itself, and figures come with the first experiments.
    done = form.locator('#state[data-status="completed"]')
    expect(done).to_be_attached(timeout=60_000 * MINUTES)
    expect(form.locator("#members-title ~ div").get_by_text("completed")).to_have_count(6)
    expect(form.locator("#said-similarity")).to_contain_text("Mean over 6 replicates (3 seeds × 2 bases)")
    assert "✓" in form.title()
    choose = form.locator("#pairs select")
    for place, label in enumerate(("0°", "30°", "30°", "60°")):
        choose.nth(place).select_option(label=label)
    form.get_by_role("button", name="Compare").click()
    sentence = form.locator("#sentences li span")
    expect(sentence).to_have_text(SENTENCE)
    answer = http.get(f"/studies/{study_id}/differences?pairs=0-1:1-2").json()["differences"][0]
    words = sentence.inner_text()
    assert ("do not differ" in words) is (not answer["distinguishable"])
    assert f"{abs(answer['difference']):.3f}" in words
    form.reload()  # the address keeps what was asked
    expect(form.locator("#sentences li span")).to_have_text(words)


def test_only_one_experiment_is_an_experiment(page: Page, troubles: Troubles, http: httpx.Client) -> None:
    form = form_of(page, troubles, "?study")
    expect(form.get_by_label("seeds of training")).to_be_focused()
    small(form, "one alone")
    form.get_by_label("seeds of training").fill("1")
    form.get_by_label("seeds of the random base").fill("31,")
    expect(form.locator("#estimate")).to_contain_text("Place in the queue")
    form.locator("#send").click()
    form.wait_for_url(re.compile(r"/dashboard/experiments/[0-9a-f]{16}$"))
    spec = http.get(f"/experiments/{form.url[-16:]}").json()["spec"]
    assert (spec["seed"], spec["base_seed"]) == (0, 31)


def as_json(form: Page) -> Any:
    form.get_by_role("radio", name="JSON").check()
    return json.loads(form.get_by_label("The body of").input_value())


def test_a_study_goes_through_the_form_as_json_and_back(
    page: Page, troubles: Troubles, screenshot: Callable[[str], None]
) -> None:
    form = form_of(page, troubles)
    form.get_by_text("Replicates and grid").click()
    form.get_by_label("seeds of training").fill("0, 5, 7")
    form.get_by_role("button", name="Vary a field").click()
    expect(form.get_by_label("field", exact=True)).to_be_focused()
    form.get_by_label("values").fill("1, 3")
    form.get_by_role("button", name="Vary a field").click()
    form.get_by_label("field", exact=True).nth(1).select_option("network: kind")
    form.get_by_label("values").nth(1).fill("flynet, neuromodnet")
    expect(form.locator("#send")).to_have_text("Submit study of 12 experiments")
    everywhere(form, screenshot, "submit-grid")
    body = as_json(form)
    assert body["replicates"] == {"seeds": [0, 5, 7]}
    assert body["grid"] == {"training.epochs": [1, 3], "network.kind": ["flynet", "neuromodnet"]}
    assert body["spec"]["suite"]["kind"] == "rotation"
    text = {
        "name": "by hand",
        "spec": {"preset": "demo", "training": {"epochs": 4}},
        "replicates": {"base_seeds": 2},
        "grid": {"suite.tasks": [3, 4], "training.train_limit": [100, None]},
    }
    form.get_by_label("The body of").fill(json.dumps(text))
    expect(form.locator("#send")).to_have_text("Submit study of 8 experiments")
    form.get_by_role("radio", name="Form").check()
    expect(form.get_by_label("name", exact=True)).to_have_value("by hand")
    expect(form.get_by_label("epochs")).to_have_value("4")
    expect(form.get_by_label("seeds of training")).to_have_value("")
    expect(form.get_by_label("values").nth(1)).to_have_value("100, null")
    again = as_json(form)
    assert (again["replicates"], again["grid"]) == (text["replicates"], text["grid"])
    form.get_by_label("The body of").fill(json.dumps({**text, "notes": "n"}))
    form.get_by_role("radio", name="Form").click()
    expect(form.locator("#problems")).to_contain_text("notes of a study has no form")
    expect(form.get_by_role("radio", name="JSON")).to_be_checked()


def test_problems_of_a_study_are_beside_their_fields(page: Page, troubles: Troubles) -> None:
    form = form_of(page, troubles)
    form.get_by_text("Replicates and grid").click()
    form.get_by_label("seeds of training").fill("many")
    form.get_by_role("button", name="Vary a field").click()
    seeds = form.get_by_label("seeds of training")
    expect(seeds).to_have_attribute("aria-invalid", "true")
    note = form.locator(f"#{seeds.get_attribute('aria-errormessage')}")
    expect(note).to_have_text("must be how many there are, or a list of seeds")
    seeds.fill("2")
    row = form.locator(".grid-row")
    expect(row).to_contain_text("has no values; list them, such as [1, 3]")
    form.get_by_label("values").fill("1, 0")
    expect(row).to_contain_text("must be at least 1, is 0")
    form.get_by_text("Replicates and grid").click()
    form.get_by_label("epochs").fill("3")  # the next answer opens what has a problem
    expect(row).to_be_visible()
    form.get_by_label("epochs").fill("0")
    form.get_by_role("button", name="Remove this field of the grid").click()
    expect(form.get_by_role("button", name="Vary a field")).to_be_focused()
    expect(form.get_by_label("epochs")).to_have_attribute("aria-invalid", "true")
    form.get_by_label("epochs").fill("1")
    expect(form.locator("#send")).to_have_text("Submit study of 2 experiments")
    expect(form.locator("[aria-invalid]")).to_have_count(0)


def test_two_clicks_are_one_study(page: Page, troubles: Troubles, http: httpx.Client) -> None:
    form = form_of(page, troubles, "?study")
    small(form, "study clicked twice")
    form.get_by_label("seeds of training").fill("2")
    form.evaluate("document.getElementById('send').click(); document.getElementById('send').click()")
    form.wait_for_url(re.compile(r"/dashboard/studies/"))
    found = http.get("/studies", params={"q": "study clicked twice"}).json()["items"]
    assert len(found) == 1
    http.post(f"/studies/{found[0]['id']}/cancel")


def test_a_study_that_is_done(
    page: Page, study: dict[str, Any], http: httpx.Client, screenshot: Callable[[str], None]
) -> None:
    page.goto("/dashboard/studies")
    expect(page.get_by_role("link", name="two cells")).to_be_visible()
    everywhere(page, screenshot, "studies")
    page.get_by_role("link", name="two cells").click()
    figures = ("similarity", "dendrogram", "embedding", "ceiling", "accuracy", "cells", "effects")
    for name in figures:
        expect(page.locator(f".plot-{name} .main-svg").first).to_be_visible()
    page.get_by_label("Another pair: second task").select_option(label="90°")
    page.get_by_role("button", name="Compare").click()
    expect(page.locator("#sentences li")).to_have_count(1)
    page.get_by_label("Another pair: first task").select_option(label="60°")
    page.get_by_role("button", name="Compare").click()
    expect(page.locator("#sentences li")).to_have_count(2)
    expect(page.locator("#sentences")).to_contain_text("Holm’s correction for 2 comparisons")
    expect(page.locator(".plot-differences .main-svg").first).to_be_visible()
    everywhere(page, screenshot, "study-done")
    page.get_by_role("button", name=re.compile("^Remove: ")).first.click()
    expect(page.locator("#sentences li")).to_have_count(1)
    # Same pair twice, or one task twice, is said before anything is asked.
    page.get_by_label("One pair: second task").select_option(label="0°")
    page.get_by_role("button", name="Compare").click()
    expect(page.locator("#pairs-problem")).to_contain_text("two different ones")
    page.locator("#choice select[name=cell]").select_option("1")
    expect(page.locator("#said-similarity")).to_contain_text("6 replicates")
    expect(page.locator("#said-effects")).to_contain_text("cell 1 (training: epochs = 2)")
    page.get_by_role("radio", name="sd").check()
    expect(page.locator("#said-similarity")).to_contain_text("Standard deviation of one replicate")
    assert "cell=1" in page.url
    for link in page.locator(".links a").all():
        answer = http.get(str(link.get_attribute("href")))
        assert answer.status_code == 200, (link.get_attribute("href"), answer.text)
        assert answer.content
    ids = page.eval_on_selector_all("[id]", "found => found.map(each => each.id)")
    assert len(set(ids)) == len(ids)


def test_matrix_marks_what_may_be_chance(page: Page, study: dict[str, Any], http: httpx.Client) -> None:
    page.goto(f"/dashboard/studies/{study['id']}")
    expect(page.locator("#said-similarity")).to_contain_text("of 6 pairs holds 0")
    low, high = (
        http.get(f"/studies/{study['id']}/similarity?statistic={name}").json()["values"]
        for name in ("low", "high")
    )
    uncertain = sum(low[a][b] <= 0 <= high[a][b] for a in range(4) for b in range(a))
    expect(page.locator("#said-similarity")).to_contain_text(f"The interval of {uncertain} of 6 pairs")
    expect(page.locator(".plot-similarity .scatterlayer .point")).to_have_count(2 * uncertain)


def test_its_owner_names_extends_and_deletes_it(page: Page, http: httpx.Client) -> None:
    first = wait(http, submit(http, 4, seed=901)["id"])
    study = made(http, name="of one", spec=None, experiments=[first["id"]])
    page.goto(f"/dashboard/studies/{study['id']}")
    expect(page.get_by_role("note")).to_contain_text(["One replicate is completed"])
    expect(page.locator("#said-similarity")).to_contain_text("There are no intervals")
    page.get_by_role("button", name="Compare").click()
    expect(page.locator("#sentences")).to_contain_text("cannot be told")
    page.get_by_text("Name, notes, tags").click()
    page.get_by_label("Name", exact=True).fill("<i>renamed</i>")
    page.get_by_label("Notes").fill("first line\n<b>second</b>")
    page.get_by_label("Tags, with commas").fill("one, two")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("<i>renamed</i>")
    expect(page.locator(".notes")).to_have_text("first line\n<b>second</b>")
    assert http.get(f"/studies/{study['id']}").json()["tags"] == ["one", "two"]
    page.get_by_text("Add seeds or random bases", exact=True).click()
    page.get_by_label("More seeds").fill("1")
    expect(page.locator("[data-cost]")).to_contain_text("This adds 1 experiment;")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(
        page.get_by_text("of 2 experiments completed").or_(page.locator('[data-completed="2"]'))
    ).to_be_attached()
    over(http, study["id"])
    expect(page.locator("#said-similarity")).to_contain_text("2 replicates")
    page.get_by_role("link", name="its experiments in the table").click()
    expect(page.locator("tbody tr")).to_have_count(2)
    expect(page.locator(".counts")).to_contain_text("2 experiments of the study <i>renamed</i>")
    page.locator("tbody th a").first.click()
    page.get_by_role("link", name="<i>renamed</i>").click()
    page.get_by_role("button", name="Delete with experiments").click()
    page.get_by_role("button", name="Delete all of it").click()
    page.wait_for_url(re.compile(r"/dashboard/studies$"))
    assert http.get(f"/studies/{study['id']}").status_code == 404
    assert http.get(f"/experiments/{first['id']}").status_code == 404


def test_it_is_cancelled_and_resumed(page: Page, http: httpx.Client) -> None:
    spec = {**SPEC, "training": {"epochs": 40, "train_limit": 2000}, "seed": 70}
    study = made(http, name="stopped", spec=spec, replicates={"seeds": 4})
    page.goto(f"/dashboard/studies/{study['id']}")
    expect(page.locator("#nothing")).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Cancel it").click()
    expect(page.locator('#state[data-status="cancelled"]')).to_be_attached()
    expect(page.get_by_role("note").first).to_contain_text("cancelled and left out")
    page.get_by_role("button", name="Resume").click()
    page.get_by_role("button", name="Resume it").click()
    expect(page.locator('#state[data-active="true"]')).to_be_attached()
    http.post(f"/studies/{study['id']}/cancel")
    over(http, study["id"])
    expect(page.locator('#state[data-status="cancelled"]')).to_be_attached()  # it polls again


def test_a_hidden_tab_asks_nothing(page: Page, troubles: Troubles, study: dict[str, Any]) -> None:
    page.goto(f"/dashboard/studies/{study['id']}")
    expect(page.locator(".plot-similarity .main-svg").first).to_be_visible()
    page.evaluate("Object.defineProperty(document, 'hidden', {get: () => true, configurable: true})")
    asked = len(troubles.requests)
    page.evaluate("htmx.trigger('#state', 'anew')")
    page.evaluate("fetch('/livez')")  # what was asked before this has been sent, too
    assert [url for url in troubles.requests[asked:] if not url.endswith("/livez")] == []
    page.evaluate("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")
    until(page, lambda: any(url.endswith("/state") for url in troubles.requests[asked:]))


def test_what_is_gone_is_said(page: Page, troubles: Troubles, http: httpx.Client) -> None:
    troubles.allow("404")
    spec = {**SPEC, "training": {"epochs": 40, "train_limit": 2000}, "seed": 80}
    study = made(http, name="gone soon", spec=spec, replicates={"seeds": 2})
    page.goto(f"/dashboard/studies/{study['id']}")
    http.post(f"/studies/{study['id']}/cancel")
    assert http.delete(f"/studies/{study['id']}").status_code == 204
    page.evaluate("document.body.dispatchEvent(new CustomEvent('tgsh:shown'))")
    expect(page.locator("#note")).to_contain_text("This study is gone")
    asked = len(troubles.requests)
    page.evaluate("document.body.dispatchEvent(new CustomEvent('tgsh:shown'))")
    expect(page.get_by_role("button", name="Delete")).to_have_count(0)
    assert len([url for url in troubles.requests[asked:] if "/state" in url]) == 0
