"""Figures of pages: for a paper, and the same on the pages of experiments and studies as in print."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from matplotlib.colors import to_rgb
from playwright.sync_api import Page, expect

from tests.support.drawn import Drawn, cells, decoded
from tests.system.browser.heatmap import labels_on, matrix_on, until, until_drawn
from tests.system.browser.test_study import made, over
from tests.system.browser.training import completed

TASKS = 12
SEEN = 8
"""Of 255: a step of a colour that nobody sees."""


@pytest.fixture(scope="module")
def done(http: httpx.Client) -> str:
    """The id of a completed experiment of twelve rotations."""
    return completed(http, TASKS, 2, name="twelve rotations")


def go(page: Page, experiment_id: str, query: str = "") -> None:
    page.goto(f"/dashboard/experiments/{experiment_id}{query}")
    expect(page.locator(".plot-similarity .main-svg").first).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_column_wide_matrix_with_real_text_and_no_diagonal(
    page: Page, http: httpx.Client, done: str, scheme: Any, screenshot: Callable[[str], None], troubles: Any
) -> None:
    troubles.allow("422")
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    go(page, done, "?order=cluster")
    page.get_by_role("button", name="For a paper: Similarity of the tasks").click()
    form = page.locator("#figure")
    expect(form.get_by_text("As chosen above: after training, cluster order, cosine.")).to_be_visible()
    form.get_by_label("Start from").select_option(label="one column: 85 mm, 8 pt")
    form.get_by_label("Diagonal").select_option("mask")
    form.get_by_label("Title").fill("off")
    said = form.locator("[data-summary]")
    expect(said).to_contain_text("85 × ")
    preview = form.locator(".preview img")
    until(page, lambda: round(preview.evaluate("image => image.naturalWidth")) == round(85 / 25.4 * 96))
    assert [*Axe().run(page, "#paper").response["violations"]] == []
    screenshot(f"figure-form-{scheme}")

    with page.expect_download() as started:
        form.get_by_role("button", name="Download", exact=True).click()
    assert started.value.suggested_filename == f"similarity-{done}.svg"
    content = Path(started.value.path()).read_text("utf-8")
    drawn = Drawn(content)
    assert drawn.width == pytest.approx(85, abs=0.1)
    known = http.get(f"/experiments/{done}/similarity", params={"order": "cluster"}).json()
    words = [word for word, _ in drawn.texts]
    assert {size for _, size in drawn.texts} == {8}
    assert words[: 2 * TASKS] == [*known["labels"], *known["labels"]]
    assert not [word for word in words if "twelve rotations" in word]  # the title is off
    opaque = cells(drawn.pixels, TASKS)[:, :, 3] > 0
    assert (opaque == ~np.eye(TASKS, dtype=bool)).all()
    form.get_by_role("button", name="Copy its address").click()
    expect(page.locator("#said")).to_have_text("Copied.")
    address = page.evaluate("navigator.clipboard.readText()")
    assert http.get(address).text == content

    form.get_by_label("Width, mm").fill("5")
    expect(form.get_by_text("5 is no size from 20 to 600 mm")).to_be_visible()
    expect(preview).to_be_hidden()
    form.get_by_label("Width, mm").fill("85")
    expect(preview).to_be_visible()
    form.locator("[name=figure]").select_option("accuracy")
    expect(form.get_by_label("Diagonal")).to_be_hidden()  # it has none
    form.get_by_label("PNG", exact=True).check()
    form.get_by_label("Pixels an inch").fill("100")
    expect(said).to_contain_text("PNG, ")
    until(page, lambda: abs(preview.evaluate("image => image.naturalWidth") - 85 / 25.4 * 100) < 1.5)


def colours_on(page: Page, tasks: int = TASKS) -> np.ndarray:
    image = page.locator(".plot-similarity .heatmaplayer image").first
    return cells(decoded(image.get_attribute("href") or image.get_attribute("xlink:href") or ""), tasks)


def until_chosen(page: Page, colours: str, diagonal: str) -> None:
    """Wait until the matrix and the link to its picture are as chosen."""
    link = page.get_by_role("link", name="Similarity of the tasks as svg")
    until(page, lambda: ("range=" in (link.get_attribute("href") or "")) == bool(colours))
    until(page, lambda: bool(np.isnan(matrix_on(page)).any()) == bool(diagonal))


def test_page_and_print_show_the_same(page: Page, http: httpx.Client, done: str) -> None:
    go(page, done, "?order=cluster")
    known = http.get(f"/experiments/{done}/similarity", params={"order": "cluster"}).json()
    until_drawn(page, known["values"])
    colours = []
    for range_, diagonal in (("", ""), ("auto", "mask")):
        page.get_by_label("Range of the matrix' colours").select_option(range_)
        page.get_by_label("Diagonal of the matrix").select_option(diagonal)
        until_chosen(page, range_, diagonal)
        href = page.get_by_role("link", name="Similarity of the tasks as svg").get_attribute("href")
        drawn = Drawn(http.get(f"{href}&svg_text=text").text)
        printed = cells(drawn.pixels, TASKS)
        off = ~np.eye(TASKS, dtype=bool)
        assert np.abs(colours_on(page) - printed)[off][:, :3].max() <= SEEN
        assert [word for word, _ in drawn.texts][TASKS : 2 * TASKS] == labels_on(page)
        colours.append(printed[off])
    assert np.abs(colours[0] - colours[1]).max() > SEEN  # the range does something

    link = page.locator(".plot-embedding").get_by_role("link", name="svg")
    printed_points = Drawn(http.get(link.get_attribute("href") or "").text).points
    trace = page.evaluate(
        "(() => { const {x, y, hovertext} = document.querySelector('.plot-embedding .place').data.at(-1);"
        " return {x, y, hovertext}; })()"
    )
    fills = page.locator(".plot-embedding .scatterlayer .point").evaluate_all(
        "all => all.map(point => getComputedStyle(point).fill.match(/\\d+/g).map(Number))"
    )
    wanted = np.array([to_rgb(colour) for colour, _, _ in printed_points])
    assert np.abs(np.array(fills) / 255 - wanted).max() <= SEEN / 255
    assert trace["hovertext"] == http.get(f"/experiments/{done}/embedding").json()["labels"]
    for axis, sign in ((1, 1), (2, -1)):  # down is up in an svg
        there = np.array([point[axis] for point in printed_points])
        assert np.corrcoef(trace["xy"[axis - 1]], sign * there)[0, 1] > 0.9999

    page.goto(f"/dashboard/experiments/{done}")  # what was chosen for colours holds
    expect(page.get_by_label("Range of the matrix' colours")).to_have_value("auto")
    until(page, lambda: bool(np.isnan(matrix_on(page)).any()))


def test_page_and_print_of_a_study_show_the_same(page: Page, http: httpx.Client) -> None:
    study = over(http, made(http, name="four", replicates={"seeds": 2, "base_seeds": 2})["id"])["id"]
    page.goto(f"/dashboard/studies/{study}?range=auto&diagonal=mask")  # the address has them
    expect(page.get_by_label("Range of the matrix' colours")).to_have_value("auto")
    off = ~np.eye(4, dtype=bool)
    for statistic in ("mean", "sd", "high"):
        page.get_by_label(statistic, exact=True).check()
        known = http.get(f"/studies/{study}/similarity", params={"statistic": statistic}).json()
        for range_, diagonal in (("auto", "mask"), ("", ""), ("-0.5,0.5", "")):
            page.get_by_label("Range of the matrix' colours").select_option(range_)
            page.get_by_label("Diagonal of the matrix").select_option(diagonal)
            until_chosen(page, range_, diagonal)
            values = np.array(known["values"]) + np.where(off | (not diagonal), 0, np.nan)
            until(page, lambda: bool(np.allclose(matrix_on(page), values, atol=1e-3, equal_nan=True)))  # noqa: B023
            href = page.get_by_role("link", name="Similarity of the tasks as svg").get_attribute("href")
            assert href is not None
            assert f"range={range_.replace(',', '%2C')}" in href or not range_
            printed = cells(Drawn(http.get(href).text).pixels, 4)
            until(page, lambda: np.abs(colours_on(page, 4) - printed)[off][:, :3].max() <= SEEN)  # noqa: B023
    assert "range=-0.5%2C0.5" in page.url
    page.goto(f"/dashboard/studies/{study}")  # what was chosen for colours holds
    expect(page.get_by_label("Range of the matrix' colours")).to_have_value("-0.5,0.5")


def test_a_cell_shows_both_tasks_and_a_row_leads_to_its_task(page: Page, done: str) -> None:
    go(page, done)
    pair = page.locator(".pair")
    expect(pair).to_contain_text("Point at a cell")
    area = page.locator(".plot-similarity .nsewdrag").bounding_box()
    assert area is not None
    bar = page.locator(".plot-similarity .modebar-container").bounding_box()
    assert bar is not None
    assert (
        bar["y"] + page.locator(".plot-similarity .modebar").evaluate("bar => bar.offsetHeight") <= area["y"]
    )
    for _ in range(2):  # the first move only enters
        page.mouse.move(area["x"] + area["width"] * 3.4 / TASKS, area["y"] + area["height"] * 1.4 / TASKS)
        page.mouse.move(
            area["x"] + area["width"] * 3.5 / TASKS, area["y"] + area["height"] * 1.5 / TASKS, steps=3
        )
    expect(pair.get_by_role("link")).to_have_text(["30°", "90°"])
    expect(pair.get_by_role("img")).to_have_count(20)
    expect(pair.get_by_role("img", name="class 3, 90°")).to_be_visible()
    row = page.locator("#task-1")
    expect(row).to_be_hidden()
    pair.get_by_role("link", name="30°").click()
    expect(row).to_be_in_viewport()
    page.locator("#task-list > summary").click()
    page.locator(".plot-similarity .ytick text", has_text=re.compile("^60°$")).click()
    expect(page.locator("#task-2")).to_be_in_viewport()


def test_a_matrix_that_is_drawn_again_is_listened_to_once(page: Page, http: httpx.Client, done: str) -> None:
    go(page, done)
    place = "document.querySelector('.plot-similarity .place')"
    listeners = f"['plotly_hover', 'plotly_click'].map(name => {place}._ev.listenerCount(name))"
    until(page, lambda: page.evaluate(f"'hasPairs' in {place}.dataset"))
    before = page.evaluate(listeners)
    for order in ("cluster", "task", "cluster"):
        page.get_by_label(f"{order} order").check()
        until_drawn(
            page, http.get(f"/experiments/{done}/similarity", params={"order": order}).json()["values"]
        )
    page.get_by_label("Diagonal of the matrix").select_option("mask")
    until(page, lambda: bool(np.isnan(matrix_on(page)).any()))
    assert page.evaluate(listeners) == before


def test_names_on_the_map_cover_nothing(page: Page, http: httpx.Client) -> None:
    crowded = completed(
        http, 24, 1, name="near one another", suite={"kind": "rotation", "tasks": 24, "step_degrees": 1}
    )
    page.set_viewport_size({"width": 390, "height": 800})
    go(page, crowded)
    left_out = page.locator(".plot-embedding [data-unnamed]")
    expect(left_out).to_contain_text("no room here")
    boxes = page.locator(".plot-embedding .textpoint text").evaluate_all(
        "all => all.filter(text => text.textContent.trim()).map(text => { const {left, top, right, bottom} = "
        "text.getBoundingClientRect(); return [left, top, right, bottom]; })"
    )
    count = re.match(r"\d+", left_out.inner_text())
    assert count is not None
    assert len(boxes) == 24 - int(count[0])
    assert len(boxes) >= 4
    for first, a in enumerate(boxes):
        for b in boxes[first + 1 :]:
            across, along = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
            assert across <= 1 or along <= 4, (a, b)  # a line is higher than its letters


def test_terms_are_explained_in_place_by_keyboard(page: Page, http: httpx.Client, done: str) -> None:
    go(page, done)
    for word, section in (
        ("stress", "embedding"),
        ("Cophenetic correlation", "dendrogram"),
        ("intra", "geometry"),
    ):
        button = page.locator("figcaption").get_by_role("button", name=word, exact=True)
        button.focus()
        page.keyboard.press("Enter")
        note = page.locator(".term-note:popover-open")
        link = note.get_by_role("link")
        expect(link).to_have_attribute("href", f"/guide/results#{section}")
        page.keyboard.press("Tab")
        expect(link).to_be_focused()
        page.keyboard.press("Escape")
        expect(note).to_have_count(0)
        expect(button).to_be_focused()
    for address in sorted(
        {
            *page.locator("a[href^='/guide/']").evaluate_all(
                "all => all.map(link => link.getAttribute('href'))"
            )
        }
    ):
        path, _, anchor = address.partition("#")
        assert not anchor or f'id="{anchor}"' in http.get(path, headers={"Accept": "text/html"}).text, address
