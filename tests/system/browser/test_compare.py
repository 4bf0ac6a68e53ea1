"""Two experiments side by side, as a researcher compares them."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

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
    page: Page, http: httpx.Client, two: list[str], screenshot: Callable[[str], None]
) -> None:
    found = http.get("/comparison", params={"ids": ",".join(two)}).json()
    go(page, two)
    first, second, difference = matrices_on(page)
    assert np.allclose(first, found["matrices"][0])
    assert np.allclose(second, found["matrices"][1])
    assert np.allclose(difference, first - second)
    rows = page.locator("[data-differences] tbody tr")
    told = {row.split("\t")[0]: row.split("\t")[1:] for row in rows.all_inner_texts()}
    accuracies = told.pop("mean accuracy")
    assert told == {"training.epochs": ["2", "3"], "seed": ["0", "1"]}
    known = [100 * each["mean_accuracy"] for each in found["experiments"]]
    assert known[0] != known[1]
    assert accuracies[0] != accuracies[1]  # to the digits that differ
    assert [float(text.removesuffix(" %")) for text in accuracies] == pytest.approx(known, abs=0.051)
    for place, accuracy in enumerate(accuracies):
        expect(page.locator("ol.chosen li").nth(place)).to_contain_text(f"accuracy {accuracy}")
    [pair] = found["pairs"]
    cells = page.locator("[data-pairs] tbody tr td").all_inner_texts()
    numbers = (pair["pearson"], pair["spearman"], pair["mantel"]["p_value"])
    assert cells == [*(f"{number:.3f}" for number in numbers), "the same"]
    expect(page.locator("[data-test]")).to_contain_text(f"{pair['mantel']['permutations']:,} times")
    titles = page.locator("[data-plots] h3").all_inner_texts()
    assert titles == ["A: first of two", "B: second <b>of</b> two", "A − B"]  # words, not tags
    screenshot("compare")

    for name in ("The matrices as pdf", "A − B as svg", "Every pair as png", "What differs as csv"):
        with page.expect_download() as started:
            page.get_by_role("link", name=name).click()
        assert Path(started.value.path()).stat().st_size > 100
    with page.expect_download() as started:
        page.get_by_role("link", name="The matrices as csv").click()
    _, *lines = csv.reader(io.StringIO(Path(started.value.path()).read_text()))
    assert len(lines) == TASKS * (TASKS - 1) // 2

    page.get_by_role("link", name="before training").click()
    expect(page.locator("#comparison")).not_to_have_attribute("aria-busy", "true")
    before = http.get("/comparison", params={"ids": ",".join(two), "stage": "before"}).json()
    assert np.allclose(matrices_on(page)[0], before["matrices"][0])


def test_three_are_compared_on_a_narrow_dark_page(
    page: Page, http: httpx.Client, two: list[str], screenshot: Callable[[str], None]
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


def test_what_cannot_be_compared_is_said(page: Page, http: httpx.Client, two: list[str]) -> None:
    other = completed(http, 1, name="one task")
    go(page, [two[0], other])
    expect(page.locator("[data-summary]")).to_contain_text("No two of them have three tasks in common")
    expect(page.locator("[data-notes]")).to_contain_text("B (one task) is left out: it has 0°")
    expect(page.locator("[data-differences] tbody")).to_contain_text("suite.tasks")
    expect(page.locator("[data-agree]")).to_be_hidden()
    go(page, [*two, other])
    assert len(matrices_on(page)) == 2
    expect(page.locator("[data-pairs] tbody tr")).to_have_count(1)
    expect(page.locator("[data-notes]")).to_contain_text("C (one task) is left out")


def test_many_are_small(
    page: Page, http: httpx.Client, two: list[str], screenshot: Callable[[str], None]
) -> None:
    more = [completed(http, TASKS, 1, name=f"one of many {seed}", seed=seed) for seed in range(2, 8)]
    go(page, [*two, *more])
    assert len(matrices_on(page)) == 8
    titles = page.locator("[data-plots] h3").all_inner_texts()
    assert titles[-1] == "H: one of many 7"
    expect(page.locator("[data-plane] h3")).to_have_text("Pearson of every pair")
    expect(page.locator("[data-pairs] tbody tr")).to_have_count(28)
    expect(page.locator("[data-differences] tbody tr")).to_have_count(8)
    expect(page.locator("[data-differences] thead")).to_contain_text("training.epochs")
    screenshot("compare-many")
    page.set_viewport_size({"width": 400, "height": 800})
    go(page, [*two, *more])
    screenshot("compare-many-narrow")
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    found = Axe().run(page)
    assert [(rule["id"], rule["nodes"][0]["html"]) for rule in found.response["violations"]] == []


def test_missing_and_too_many_are_told(page: Page, two: list[str]) -> None:
    page.goto(f"/dashboard/compare?ids={two[0]},0123456789abcdef,<script>,{two[0]}")
    expect(page.get_by_role("alert")).to_have_count(2)
    expect(page.get_by_role("alert").last).to_contain_text("<script>")
    expect(page.locator("ol.chosen li")).to_have_count(1)


def test_a_study_beside_an_experiment(
    page: Page, http: httpx.Client, two: list[str], screenshot: Callable[[str], None]
) -> None:
    members = [
        completed(http, TASKS, 2, name="of a study", seed=seed, base_seed=base)
        for base in (5, 6)
        for seed in (7, 8)
    ]
    made = http.post("/studies", json={"experiments": members, "name": "four <i>replicates</i>"}).json()["id"]
    page.goto(f"/dashboard/compare?ids={two[0]}")
    page.get_by_role("searchbox").fill("replicates")
    page.locator("#offered li").get_by_role("link", name="four <i>replicates</i>").click()
    page.wait_for_url(f"**/dashboard/compare?ids={two[0]},{made}&*")
    expect(page.locator("#comparison")).not_to_have_attribute("aria-busy", "true")
    found = http.get("/comparison", params={"ids": f"{two[0]},{made}"}).json()
    assert np.allclose(matrices_on(page)[1], found["matrices"][1])
    assert page.locator("[data-plots] h3").all_inner_texts()[1] == "B: four <i>replicates</i>, mean of 4"
    expect(page.locator("[data-pairs] tbody tr td").last).to_have_text("several")
    row = page.locator("[data-replicates] tbody tr")
    expect(row).to_contain_text(found["pairs"][0]["replicates"]["verdict"])
    expect(page.locator("[data-differences] tbody")).to_contain_text("[7,8]")
    expect(page.locator("ol.chosen")).to_contain_text("study, 4 replicates")
    screenshot("compare-study")
    page.set_viewport_size({"width": 400, "height": 800})
    page.emulate_media(color_scheme="dark")
    go(page, [two[0], made])
    screenshot("compare-study-narrow-dark")
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    violations = Axe().run(page).response["violations"]
    assert [(rule["id"], rule["nodes"][0]["html"]) for rule in violations] == []
