"""Two experiments side by side, as a researcher compares them."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.system.browser.training import completed

TASKS = 8


@pytest.fixture(scope="module")
def two(http: httpx.Client) -> list[str]:
    """The ids of two completed experiments of the same tasks, that differ in seed and epochs."""
    return [
        completed(http, TASKS, 2, name="first of two"),
        completed(http, TASKS, 3, name="second <b>of</b> two", seed=1),
    ]


def go(page: Page, ids: list[str], query: str = "") -> None:
    page.goto(f"/dashboard/compare?ids={','.join(ids)}{query}")
    expect(page.locator("#comparison")).not_to_have_attribute("aria-busy", "true")


def matrices_on(page: Page) -> list[np.ndarray]:
    found = page.evaluate(
        "[...document.querySelectorAll('[data-plots] .place')].map(place => place.data[0].z)"
    )
    return [np.array(values, float) for values in found]


def test_experiments_are_found_and_chosen_by_name(page: Page, two: list[str]) -> None:
    page.goto("/dashboard/compare")
    search = page.get_by_role("searchbox")
    search.fill("of two")  # matches the first; in the second, tags stand between
    offered = page.locator("#offered li")
    expect(offered).to_have_count(1)
    offered.get_by_role("link", name="first of two").click()
    page.wait_for_url(f"**/dashboard/compare?ids={two[0]}&*")
    page.get_by_role("searchbox").fill("second")
    page.get_by_role("link", name="second <b>of</b> two").click()
    page.wait_for_url(f"**/dashboard/compare?ids={two[0]},{two[1]}&*")
    expect(page.locator("ol.chosen li")).to_have_count(2)
    expect(page.locator("[data-plots] .main-svg").first).to_be_visible()
    page.get_by_role("link", name="Remove first of two").click()
    page.wait_for_url(f"**/dashboard/compare?ids={two[1]}&*")
    expect(page.locator("ol.chosen li")).to_have_count(1)


def test_two_are_compared(
    page: Page, http: httpx.Client, two: list[str], screenshot: Callable[[str], Path]
) -> None:
    found = http.get("/comparison", params={"ids": ",".join(two)}).json()
    go(page, two)
    first, second, difference = matrices_on(page)
    assert np.allclose(first, found["matrices"][0])
    assert np.allclose(second, found["matrices"][1])
    assert np.allclose(difference, first - second)
    rows = page.locator("[data-differences] tbody tr")
    told = {row.split("\t")[0]: row.split("\t")[1:] for row in rows.all_inner_texts()}
    assert told == {"training.epochs": ["2", "3"], "seed": ["0", "1"]}
    [pair] = found["pairs"]
    cells = page.locator("[data-pairs] tbody tr td").all_inner_texts()
    numbers = (pair["pearson"], pair["spearman"], pair["mantel"]["p_value"])
    assert cells == [*(f"{number:.3f}" for number in numbers), "the same"]
    expect(page.locator("[data-test]")).to_contain_text(f"{pair['mantel']['permutations']:,} times")
    titles = page.locator("[data-plots] h3").all_inner_texts()
    assert titles == ["A: first of two", "B: second <b>of</b> two", "A − B"]  # words, not tags
    screenshot("compare")

    with page.expect_download() as started:
        page.get_by_role("link", name="All similarities as csv").click()
    _, *lines = csv.reader(io.StringIO(Path(started.value.path()).read_text()))
    assert len(lines) == TASKS * (TASKS - 1) // 2

    page.get_by_role("link", name="before training").click()
    expect(page.locator("#comparison")).not_to_have_attribute("aria-busy", "true")
    before = http.get("/comparison", params={"ids": ",".join(two), "stage": "before"}).json()
    assert np.allclose(matrices_on(page)[0], before["matrices"][0])


def test_three_are_compared_on_a_narrow_dark_page(
    page: Page, http: httpx.Client, two: list[str], screenshot: Callable[[str], Path]
) -> None:
    third = completed(http, TASKS, 2, name="third", base_seed=5)
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 400, "height": 800})
    go(page, [*two, third])
    assert len(matrices_on(page)) == 3
    bases = page.locator("[data-pairs] tbody tr td:last-child").all_inner_texts()
    assert bases == ["the same", "another", "another"]
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    screenshot("compare-narrow-dark")
    found = Axe().run(page)
    assert [(rule["id"], rule["nodes"][0]["html"]) for rule in found.response["violations"]] == []


def test_what_cannot_be_compared_is_said(
    page: Page, http: httpx.Client, two: list[str], troubles: Any
) -> None:
    troubles.allow("409|422")
    other = completed(http, 1, name="one task")
    go(page, [two[0], other])
    expect(page.locator("#comparison .problem")).to_contain_text("They cannot be compared")


def test_missing_and_too_many_are_told(page: Page, two: list[str]) -> None:
    page.goto(f"/dashboard/compare?ids={two[0]},0123456789abcdef,<script>,{two[0]}")
    expect(page.get_by_role("alert")).to_have_count(2)
    expect(page.get_by_role("alert").last).to_contain_text("<script>")
    expect(page.locator("ol.chosen li")).to_have_count(1)
