"""Everybody can use the pages: axe-core has no complaint, nothing overflows a phone, dark is readable."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.system.browser.conftest import Troubles

PAGES = {
    "/": "tbody th",
    "/?q=nobody-has-this-name": "text=Nothing matches",
    "/dashboard/submit": "text=learning rate",
    "/dashboard/workers": "#queue:not(:text('Asking'))",
    "/dashboard/datasets": "text=KMNIST",
    "/dashboard/atlas": "h1",
    "/guide": "text=Where to go from here",
    "/guide/results": "text=cophenetic",
    "/guide/python-reference": "text=Client.submit",
    "/dashboard/nowhere": "text=Back to the experiments",
}
"""Pages, and what tells that they are there."""

SMALL = {
    "preset": "demo",
    "suite": {"tasks": 2},
    "training": {"epochs": 1, "train_limit": 100},
    "tags": ["a", "b"],
}


@pytest.fixture(autouse=True)
def something(http: httpx.Client) -> None:
    """There is an experiment."""
    if not http.get("/experiments").json()["items"]:
        assert http.post("/experiments", json=SMALL).status_code == 202


def visit(page: Page, troubles: Troubles, path: str) -> None:
    if path.endswith("/nowhere"):
        troubles.allow("404")
    page.goto(path)
    expect(page.locator(PAGES[path]).first).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", PAGES)
def test_axe_has_no_complaint(page: Page, troubles: Troubles, path: str, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
    visit(page, troubles, path)
    found = Axe().run(page)
    complaints = [
        (rule["id"], [node["html"] for node in rule["nodes"]]) for rule in found.response["violations"]
    ]
    assert complaints == []


@pytest.mark.parametrize("path", PAGES)
def test_a_phone_shows_it_whole(
    page: Page, troubles: Troubles, path: str, screenshot: Callable[[str], None]
) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    visit(page, troubles, path)
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    lists = page.locator(".wide:has(> table:is(.stack, .experiments))")  # nothing of these is out of sight
    assert all(lists.evaluate_all("all => all.map((each) => each.scrollWidth <= each.clientWidth)"))
    screenshot(f"phone-{path.split('/')[-1].split('?')[0] or 'experiments'}")


def test_headings_and_landmarks_are_there(page: Page, troubles: Troubles) -> None:
    for path in PAGES:
        visit(page, troubles, path)
        assert page.locator("h1").count() == 1
        assert page.get_by_role("main").count() == 1
        assert page.get_by_role("banner").count() == 1
        assert page.locator("html").get_attribute("lang") == "en"
        expect(page.get_by_role("navigation", name="Pages", exact=True)).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_api_page_is_dark_for_who_prefers_it(page: Page, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.goto("/docs")
    expect(page.locator(".opblock").first).to_be_visible()
    shown = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert (shown == "rgb(28, 32, 34)") is (scheme == "dark")
    other = "light" if scheme == "dark" else "dark"
    page.emulate_media(color_scheme=other)  # type: ignore[arg-type]
    expect(page.locator("html.dark-mode")).to_have_count(int(other == "dark"))
