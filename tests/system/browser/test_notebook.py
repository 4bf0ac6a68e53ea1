"""The notebook in a browser: find, do again, tag and move many, delete and bring back, note a finding."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect

SPEC = {
    "dataset": "mnist5k",
    "suite": {"kind": "rotation", "tasks": 2},
    "training": {"epochs": 1, "train_limit": 100},
}


@pytest.fixture
def three(http: httpx.Client) -> list[str]:
    """Names of three experiments of this test, and no other."""
    names = [f"notebook {number}" for number in range(3)]
    for seed, name in enumerate(names):
        body = SPEC | {"name": name, "seed": 7_000 + seed, "tags": ["notebook"]}
        assert http.post("/experiments?anew=true", json=body).status_code == 202
    return names


def row(page: Page, name: str) -> Locator:
    return page.get_by_role("row").filter(has_text=name)


def choose_all(page: Page) -> Locator:
    page.goto("/?tag=notebook")
    page.get_by_label("Choose all on this page").check()
    return page.get_by_role("toolbar")


def test_many_are_tagged_moved_deleted_and_brought_back(
    page: Page, http: httpx.Client, three: list[str], screenshot: Callable[[str], None]
) -> None:
    bar = choose_all(page)
    expect(bar).to_contain_text("chosen")
    bar.get_by_label("Tag", exact=True).fill("thesis-tag")
    bar.get_by_role("button", name="Tag", exact=True).click()
    expect(row(page, three[0]).get_by_role("link", name="thesis-tag")).to_be_visible()
    bar.get_by_label("Project").fill("thesis")
    bar.get_by_role("button", name="Move").click()
    expect(row(page, three[1]).get_by_role("link", name="project thesis")).to_be_visible()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        for width in (1440, 768, 390):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth") == width
            screenshot(f"table-chosen-{width}-{scheme}")
    page.set_viewport_size({"width": 1280, "height": 900})
    assert Axe().run(page).response["violations"] == []
    for id in [each["id"] for each in http.get("/experiments?tag=notebook").json()["items"]]:
        http.post(f"/experiments/{id}/cancel")
    bar.get_by_role("button", name="Delete").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("they can be brought back")
    dialog.get_by_role("button", name="Delete them").click()
    expect(row(page, three[0])).to_have_count(0)
    page.get_by_role("link", name="Deleted experiments").click()
    screenshot("deleted")
    assert Axe().run(page).response["violations"] == []
    page.get_by_role("button", name=f"Bring {three[2]} back").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(three[2])


def test_a_finding_is_noted_and_found_again(
    page: Page, three: list[str], screenshot: Callable[[str], None]
) -> None:
    page.goto("/?q=notebook+1")
    row(page, three[1]).get_by_role("link", name=three[1], exact=True).first.click()
    page.get_by_text("Name, tags, notes, project").click()
    page.get_by_label("Notes").fill("# Odd\n\nT7 is *strange* <b>here</b> ![x](http://nowhere.test/x.png)")
    page.get_by_role("button", name="Save").click()
    page.get_by_label("Tags").fill("odd, notebook")
    with page.expect_request(lambda request: request.method == "PATCH") as sent:
        page.get_by_role("button", name="Save").click()
    assert sent.value.post_data_json == {"tags": ["odd", "notebook"]}
    page.get_by_role("button", name="Save").click()
    notes = page.locator("#state .notes")
    expect(notes.get_by_role("heading", level=2, name="Odd")).to_be_visible()
    expect(notes.locator("em")).to_have_text("strange")
    assert notes.locator("b, img").count() == 0
    expect(page.locator("#state").get_by_role("link", name="odd")).to_be_visible()
    expect(page.get_by_role("list", name="Who changed what")).to_contain_text("notes, before nothing")
    screenshot("experiment-notes")
    assert Axe().run(page).response["violations"] == []
    page.goto("/")
    page.get_by_label("Search", exact=True).fill("strange")
    expect(row(page, three[1])).to_be_visible()
    expect(row(page, three[0])).to_have_count(0)


def test_it_is_found_by_its_spec_and_exported(page: Page, three: list[str], tmp_path: Path) -> None:
    page.goto("/?tag=notebook")
    page.get_by_text("More filters").click()
    page.get_by_role("textbox", name="Fields of the spec").fill("seed=7001")
    page.get_by_role("textbox", name="Fields of the spec").press("Enter")
    expect(row(page, three[1]).first).to_be_visible()
    expect(row(page, three[0])).to_have_count(0)
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    download.value.save_as(tmp_path / "table.csv")
    table = list(csv.DictReader((tmp_path / "table.csv").read_text("utf-8").splitlines()))
    assert {line["name"] for line in table} == {three[1]}
    page.get_by_role("textbox", name="Fields of the spec").fill("epochs=5")
    page.get_by_role("textbox", name="Fields of the spec").press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("training.epochs")


def test_it_is_done_again_with_a_change(page: Page, http: httpx.Client, three: list[str]) -> None:
    page.goto("/?q=notebook+2")
    page.get_by_role("link", name=f"{three[2]} again, with changes").first.click()
    expect(page.get_by_label("epochs")).to_have_value("1")
    page.get_by_label("epochs").fill("2")
    page.get_by_label("name", exact=True).fill("notebook, two epochs")
    page.get_by_role("button", name="Submit", exact=True).click()
    page.wait_for_url(re.compile(r"/dashboard/experiments/[0-9a-f]{16}$"))
    spec = http.get(f"/experiments/{page.url[-16:]}").json()["spec"]
    assert (spec["training"]["epochs"], spec["seed"]) == (2, 7_002)
