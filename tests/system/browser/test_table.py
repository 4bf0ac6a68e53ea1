"""The table in a browser: rows move by themselves, filters as one types, questions before changes."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.system.browser.conftest import SECONDS
from tests.system.browser.heatmap import until

SPEC: dict[str, Any] = {
    "dataset": "mnist5k",
    "suite": {"kind": "rotation", "tasks": 3, "step_degrees": 30},
    "network": {"kind": "flynet", "expansion": 1},
    "training": {"epochs": 1, "train_limit": 200},
}
LONG = {**SPEC, "training": {"epochs": 1000, "train_limit": 4000}}


@pytest.fixture
def submit(http: httpx.Client) -> Iterator[Callable[..., str]]:
    """Submits an experiment; afterwards none of them runs on."""
    made: list[str] = []

    def post(name: str, spec: dict[str, Any] = SPEC, **changes: Any) -> str:
        answer = http.post("/experiments?anew=true", json={**spec, "name": name, **changes})
        assert answer.status_code in (200, 202), answer.text
        made.append(answer.headers["location"])
        return str(answer.json()["id"])

    yield post
    for path in made:
        http.post(f"{path}/cancel")
        deadline = time.monotonic() + SECONDS
        while http.delete(path).status_code == 409 and time.monotonic() < deadline:
            time.sleep(0.1)


def row(page: Page, name: str) -> Locator:
    return page.get_by_role("row").filter(has=page.get_by_role("link", name=name, exact=True))


def test_the_list_fills_in_by_itself(
    page: Page, submit: Callable[..., str], screenshot: Callable[[str], None]
) -> None:
    submit("behind", tags=["one"])
    page.goto("/")
    expect(row(page, "behind").get_by_text("completed")).to_be_visible()
    expect(row(page, "behind")).to_contain_text(re.compile(r"\d\d\.\d %"))
    submit("long", LONG, tags=["two"])
    page.reload()
    bar = row(page, "long").get_by_role("progressbar")
    expect(bar).not_to_have_attribute("value", "0.0")
    seen = float(bar.get_attribute("value") or 0)
    until(page, lambda: page.evaluate("+document.querySelector('progress').value") > seen)  # nobody asked
    screenshot("experiments")


def test_a_question_comes_before_a_cancel_and_a_delete(page: Page, submit: Callable[..., str]) -> None:
    submit("to be cancelled", LONG)
    page.goto("/")
    button = page.get_by_role("button", name="Cancel to be cancelled")
    expect(row(page, "to be cancelled").get_by_text("running")).to_be_visible()
    button.click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Cancel “to be cancelled”?")
    expect(dialog.get_by_role("button", name="No")).to_be_focused()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(button).to_be_focused()
    expect(row(page, "to be cancelled").get_by_text("running")).to_be_visible()
    button.click()
    dialog.get_by_role("button", name="Cancel it").click()
    expect(row(page, "to be cancelled").get_by_text("cancelled", exact=True)).to_be_visible()
    page.get_by_role("button", name="Resume to be cancelled").click()
    dialog.get_by_role("button", name="Resume").click()
    expect(row(page, "to be cancelled").get_by_text("running")).to_be_visible()
    page.get_by_role("button", name="Cancel to be cancelled").click()
    dialog.get_by_role("button", name="Cancel it").click()
    page.get_by_role("button", name="Delete to be cancelled").click()
    expect(dialog).to_contain_text("it can be brought back")
    dialog.get_by_role("button", name="Delete it").click()
    expect(row(page, "to be cancelled")).to_have_count(0)


def test_it_is_found_while_one_types_and_the_address_says_so(page: Page, submit: Callable[..., str]) -> None:
    submit("alpha", tags=["greek"])
    submit("omega", tags=["greek", "last"])
    page.goto("/")
    page.get_by_label("Search", exact=True).press_sequentially("alp")
    expect(row(page, "omega")).to_have_count(0)
    expect(row(page, "alpha")).to_be_visible()
    expect(page).to_have_url(re.compile(r"\?.*q=alp"))
    page.get_by_label("Search", exact=True).fill("")
    expect(row(page, "omega")).to_be_visible()
    row(page, "omega").get_by_role("link", name="last").click()
    expect(page).to_have_url(re.compile(r"/\?tag=last$"))
    expect(row(page, "alpha")).to_have_count(0)
    page.get_by_role("combobox", name="Status").select_option("failed")
    expect(page.get_by_text("Nothing matches")).to_be_visible()
    page.reload()
    expect(page.get_by_role("combobox", name="Status")).to_have_value("failed")
    page.get_by_role("link", name="Show all experiments").click()
    page.get_by_role("link", name="Experiment", exact=True).click()
    expect(page.locator("th[aria-sort=ascending]")).to_have_text("Experiment")
    names = page.locator("tbody th a:not(.tag)").all_text_contents()
    assert names == sorted(names, key=str.lower)


def test_what_is_chosen_is_compared_and_stays_chosen(page: Page, submit: Callable[..., str]) -> None:
    one, two = submit("chosen first"), submit("chosen second", LONG)
    page.goto("/")
    page.get_by_label("Choose chosen first").check()
    page.get_by_label("Choose chosen second").check()
    link = page.get_by_role("link", name="Compare 2")
    expect(link).to_have_attribute("href", f"/dashboard/compare?ids={one},{two}")
    with page.expect_response(lambda answer: "hx-request" in answer.request.headers):
        pass  # the table comes anew, as something runs
    expect(page.get_by_label("Choose chosen first")).to_be_checked()
    expect(link).to_be_visible()


def test_times_are_in_the_zone_of_the_viewer(
    page: Page, http: httpx.Client, submit: Callable[..., str]
) -> None:
    experiment_id = submit("now", LONG)
    created = http.get(f"/experiments/{experiment_id}").json()["timings"]["created_at"]
    page.goto("/")
    shown = row(page, "now").locator("time")
    expect(shown).to_have_attribute("title", re.compile("GMT|CEST|CET"))  # Berlin's, of conftest.py
    berlin = page.evaluate(
        "at => new Intl.DateTimeFormat('en-GB', {dateStyle: 'medium', timeStyle: 'short', "
        "timeZone: 'Europe/Berlin'}).format(new Date(at))",
        created,
    )
    expect(shown).to_have_text(berlin)
    with page.expect_response(lambda answer: "hx-request" in answer.request.headers):
        pass
    expect(shown).to_have_text(berlin)


@pytest.mark.parametrize("width", [1440, 1024, 768, 390])
def test_names_of_a_studys_experiments_are_told_apart(
    page: Page, submit: Callable[..., str], width: int
) -> None:
    """They differ at their ends."""
    page.set_viewport_size({"width": width, "height": 900})
    name = "rotations, three seeds, two bases: epochs 3, seed 1, base 0"
    submit(name)
    page.goto("/")
    link = page.get_by_role("link", name=name, exact=True)
    expect(link).to_be_visible()
    hidden = "a => Math.max(a.scrollHeight - a.clientHeight - 1, a.scrollWidth - a.clientWidth)"
    assert link.evaluate(hidden) <= 0
