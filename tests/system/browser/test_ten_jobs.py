"""Ten jobs of a lab's day, each by a person's way, among a hundred experiments of all states.

The rows are written through the store, a few with vectors; nothing trains. Every test has experiments of its
own, so that none needs another.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect
from pypdf import PdfReader

from tests.support.drawn import Drawn, cells
from tests.system.browser.conftest import Troubles
from tests.system.browser.lab import COUNT, SPEC, Lab, serving_lab
from tgsh.store.models import ExperimentRecord

BERLIN = ZoneInfo("Europe/Berlin")
"""Where the viewer is, of conftest.py."""

SWEEP, GRID = range(20), range(20, 32)
"""Numbers of those that are deleted, and of those that are tagged and moved."""

ARE_DRAWN = "all => Promise.all(all.map((image) => image.decode().then(() => image.naturalWidth > 100)))"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, migrated_sqlite: Path) -> Iterator[Lab]:
    """The lab, where the fixtures of this folder expect a stack: no worker has to be there."""
    with serving_lab(tmp_path_factory.mktemp("lab"), migrated_sqlite) as lab:
        names = {number: f"run {number:05}" for number in range(COUNT)}
        names |= {number: f"sweep {number:02}" for number in SWEEP}
        names |= {number: f"grid {number:02}" for number in GRID}
        now = datetime.now(UTC).timestamp()
        for number, name in names.items():
            values: dict[str, Any] = {"name": name, "created_at": now - 3600 * (2 + COUNT - number)}
            if number in SWEEP:
                values["status"] = "failed" if number % 5 == 0 else "completed"
            lab.set([f"{number:016x}"], **values, project=("rotations", "shifts", None)[number % 3])
        yield lab


@pytest.fixture
def lab(stack: Lab) -> Lab:
    """The lab."""
    return stack


def row(page: Page, name: str) -> Locator:
    return page.get_by_role("row").filter(has=page.get_by_role("link", name=name, exact=True))


def search(page: Page, text: str) -> None:
    page.get_by_label("Search", exact=True).fill(text)
    expect(page).to_have_url(re.compile(rf"[?&]q={quote(text)}(&|$)"))


def found(page: Page, count: int) -> None:
    """So many experiments are told to be found."""
    expect(page.locator(".counts")).to_contain_text(re.compile(rf"^\s*{count} experiment"))


def is_in_order(page: Page, name: str, screenshot: Callable[[str], None]) -> None:
    """No width cuts it, in light and dark; and axe has no complaint."""
    violations = Axe().run(page).response["violations"]
    assert [(rule["id"], rule["nodes"][0]["html"]) for rule in violations] == []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        for width in (1440, 768, 390):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth") == width
            screenshot(f"{name}-{width}-{scheme}")
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 1280, "height": 900})


def test_yesterdays_run_is_found_and_done_again_with_five_epochs(
    page: Page, troubles: Troubles, lab: Lab
) -> None:
    troubles.allow("422")  # asked of specs being changed
    network = {"kind": "neuromodnet", "layers": [3, 4]}
    wanted = lab.completed("modulated rotations", network=network, seed=11)
    late = lab.submitted("modulated today", network=network, seed=12)
    yesterday = datetime.now(BERLIN).date() - timedelta(days=1)
    begin, end = (
        datetime.combine(day, datetime.min.time(), BERLIN)
        for day in (yesterday, yesterday + timedelta(days=1))
    )
    # Of Berlin's yesterday its last minute, which another zone calls today.
    lab.set([wanted], created_at=end.timestamp() - 60)
    lab.set([late], created_at=end.timestamp() + 60)

    page.goto("/")
    page.get_by_text("More filters").click()
    page.get_by_label("Submitted since").fill(str(yesterday))
    page.get_by_label("and before").fill(str(yesterday + timedelta(days=1)))
    page.get_by_role("combobox", name="Network").select_option("neuromodnet")
    expect(page).to_have_url(re.compile("network=neuromodnet"))
    expect(row(page, "modulated rotations")).to_be_visible()
    expect(row(page, "modulated today")).to_have_count(0)
    with lab.services.database.read() as session:
        rows = session.query(ExperimentRecord).all()
    there = {
        each.name
        for each in rows
        if begin.timestamp() <= each.created_at < end.timestamp()
        and each.spec["network"]["kind"] == "neuromodnet"
    }
    assert set(page.locator("tbody th a.name").all_inner_texts()) == there
    assert len(there) > 1

    page.get_by_role("link", name="modulated rotations again, with changes").click()
    expect(page.get_by_label("epochs")).to_have_value("2")
    page.get_by_label("epochs").fill("5")
    page.get_by_label("name", exact=True).fill("modulated rotations, five epochs")
    page.get_by_role("button", name="Submit", exact=True).click()
    page.wait_for_url(re.compile(r"/dashboard/experiments/[0-9a-f]{16}$"))
    before, after = (lab.http.get(f"/experiments/{id}").json()["spec"] for id in (wanted, page.url[-16:]))
    assert after["training"].pop("epochs") == 5
    assert before["training"].pop("epochs") == 2
    assert {**before, "name": ""} == {**after, "name": ""}


def test_five_seeds_are_a_study(page: Page, troubles: Troubles, lab: Lab) -> None:
    troubles.allow("422")
    lab.completed("one seed alone", seed=21)
    page.goto("/")
    search(page, "one seed alone")
    page.get_by_role("link", name="one seed alone again, with changes").click()
    expect(page.get_by_label("epochs")).to_have_value("2")
    page.get_by_text("Replicates and grid").click()
    page.get_by_label("seeds of training").fill("5")
    page.get_by_role("button", name="Submit study of 5 experiments").click()
    page.wait_for_url(re.compile(r"/dashboard/studies/[0-9a-f]{16}$"))
    study = lab.http.get(f"/studies/{page.url[-16:]}").json()
    assert study["replicates"]["seeds"] == [21, 22, 23, 24, 25]
    page.get_by_role("link", name="its experiments in the table").click()
    found(page, 5)
    expect(page.locator("tbody tr")).to_have_count(5)


def test_twelve_are_tagged_and_moved(page: Page, lab: Lab, screenshot: Callable[[str], None]) -> None:
    page.goto("/")
    search(page, "grid")
    found(page, len(GRID))
    boxes = page.locator("input.choose")
    boxes.first.click()
    boxes.last.click(modifiers=["Shift"])
    bar = page.get_by_role("toolbar")
    expect(bar).to_contain_text("12 chosen")
    expect(page.get_by_label("Choose all on this page")).to_be_checked()
    is_in_order(page, "table-chosen", screenshot)
    bar.get_by_label("Tag", exact=True).fill("thesis-tag")
    bar.get_by_role("button", name="Tag", exact=True).click()
    expect(page.get_by_role("link", name="thesis-tag")).to_have_count(12)
    bar.get_by_label("Project").fill("thesis")
    bar.get_by_role("button", name="Move").click()
    expect(page.get_by_role("link", name="project thesis")).to_have_count(12)
    moved = lab.http.get("/experiments?project=thesis&tag=thesis-tag").json()["items"]
    assert {each["name"] for each in moved} == {f"grid {number:02}" for number in GRID}


def test_why_two_differ(page: Page, lab: Lab) -> None:
    ids = [
        lab.completed("slow learner", seed=31, training={**SPEC["training"], "learning_rate": 0.001}),
        lab.completed("fast learner", seed=31),
    ]
    lab.set(ids[:1], mean_accuracy=0.94512)
    lab.set(ids[1:], mean_accuracy=0.94549)
    page.goto("/")
    search(page, "learner")
    for name in ("slow learner", "fast learner"):
        page.get_by_label(f"Choose {name}").check()
    page.get_by_role("link", name="Compare 2").click()
    table = page.locator("[data-differences] tbody tr")
    expect(table.first).to_contain_text("mean accuracy")
    differences = {line.split("\t")[0]: line.split("\t")[1:] for line in table.all_inner_texts()}
    usual = lab.http.get(f"/experiments/{ids[1]}").json()["spec"]["training"]["learning_rate"]
    assert differences == {
        "mean accuracy": ["94.51 %", "94.55 %"],  # to the digits that differ
        "training.learning_rate": ["0.001", str(usual)],
    }
    assert "accuracy 94.51 %" in page.locator("ol.chosen").inner_text()


def test_twenty_are_deleted_and_one_comes_back(
    page: Page, lab: Lab, screenshot: Callable[[str], None]
) -> None:
    page.goto("/")
    search(page, "sweep")
    found(page, len(SWEEP))
    page.get_by_label("Choose all on this page").check()
    bar = page.get_by_role("toolbar")
    expect(bar).to_contain_text("20 chosen")
    bar.get_by_role("button", name="Delete").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Delete 20 experiments with all results?")
    expect(dialog).to_contain_text("they can be brought back")
    dialog.get_by_role("button", name="Delete them").click()
    expect(page.get_by_text("Nothing matches")).to_be_visible()
    page.get_by_role("link", name="Deleted experiments").click()
    is_in_order(page, "deleted", screenshot)
    page.get_by_role("button", name="Bring sweep 07 back").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("sweep 07")
    left = lab.http.get("/experiments?q=sweep").json()["items"]
    assert [each["name"] for each in left] == ["sweep 07"]


def test_a_finding_is_noted_and_found_again(page: Page, lab: Lab, screenshot: Callable[[str], None]) -> None:
    lab.completed("odd one", seed=41, tags=["first"])
    page.goto("/")
    search(page, "odd one")
    row(page, "odd one").get_by_role("link", name="odd one", exact=True).click()
    page.get_by_text("Name, tags, notes, project").click()
    page.get_by_label("Notes").fill("# Odd\n\nT3 is *strange* <b>here</b> ![x](http://nowhere.test/x.png)")
    page.get_by_role("button", name="Save").click()
    page.get_by_label("Tags").fill("odd, first")
    with page.expect_request(lambda request: request.method == "PATCH") as sent:
        page.get_by_role("button", name="Save").click()
    assert sent.value.post_data_json == {"tags": ["odd", "first"]}  # what is the same is not sent
    notes = page.locator("#state .notes")
    expect(notes.get_by_role("heading", level=2, name="Odd")).to_be_visible()
    expect(notes.locator("em")).to_have_text("strange")
    assert notes.locator("b, img").count() == 0
    expect(page.locator("#state").get_by_role("link", name="odd", exact=True)).to_be_visible()
    expect(page.get_by_role("list", name="Who changed what")).to_contain_text("notes, before nothing")
    screenshot("experiment-notes")
    assert Axe().run(page).response["violations"] == []
    page.goto("/")
    search(page, "strange")
    expect(row(page, "odd one")).to_be_visible()
    found(page, 1)


def test_the_grouped_table_is_a_csv(page: Page, lab: Lab, tmp_path: Path) -> None:
    page.goto("/")
    tag = page.get_by_role("search").get_by_label("Tag", exact=True)
    tag.fill("week-0")
    tag.press("Enter")
    expect(page).to_have_url(re.compile("tag=week-0"))
    page.get_by_text("More filters").click()
    fields = page.get_by_role("textbox", name="Fields of the spec")
    fields.fill("epochs=5")
    fields.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("training.epochs")  # the name that was meant
    fields.fill("training.train_limit=null")
    fields.press("Enter")
    page.get_by_label("Group by").fill("dataset")
    page.get_by_label("Group by").press("Enter")
    groups = page.get_by_role("region", name="Table of groups of experiments").locator("tbody tr")
    expect(groups).to_have_count(3)
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV of the groups").click()
    download.value.save_as(tmp_path / "groups.csv")
    lines = list(csv.DictReader((tmp_path / "groups.csv").read_text("utf-8").splitlines()))
    answer = lab.http.get(
        "/experiments/table", params={"group_by": "dataset", "tag": "week-0", "columns": "accuracy"}
    ).json()
    assert answer["columns"] == ["dataset", "experiments", "completed", "accuracy_mean", "accuracy_sd"]
    asked = [dict(zip(answer["columns"], each, strict=True)) for each in answer["rows"]]
    for line, each in zip(lines, asked, strict=True):
        assert (line["dataset"], line["experiments"]) == (each["dataset"], str(each["experiments"]))
        for name in ("accuracy_mean", "accuracy_sd"):
            assert float(line[name]) == pytest.approx(each[name])
    for line, shown in zip(lines, groups.all(), strict=True):
        mean, deviation = (100 * float(line[f"accuracy_{name}"]) for name in ("mean", "sd"))
        expect(shown).to_contain_text(f"{mean:.1f} ± {deviation:.1f} %")


def text_of(pdf: bytes, folder: Path) -> str:
    """Words of a PDF, as pdftotext or any reader of its own would find them."""
    path = folder / "report.pdf"
    path.write_bytes(pdf)
    return "\n".join(page.extract_text() for page in PdfReader(path).pages)


def test_a_report_is_made_and_printed_to_pdf(
    page: Page, lab: Lab, screenshot: Callable[[str], None], tmp_path: Path
) -> None:
    experiment = lab.completed("four rotations for a report", seed=51)
    page.goto(f"/dashboard/experiments/{experiment}")
    page.get_by_role("link", name="add to a report …").click()
    form = page.locator("#add")
    expect(form).to_contain_text("four rotations for a report")
    form.get_by_label("Dendrogram").check()
    form.get_by_role("button", name="Add").click()

    page.wait_for_url("**/edit")
    page.get_by_label("Title").fill("How alike rotations are")
    page.get_by_label("Caption").first.fill("Cosine of the *context vectors*")
    page.get_by_role("button", name="Add text").click()
    page.get_by_role("textbox", name="Text").fill(
        "## What it shows\n\nNeighbouring angles are alike. <script>alert(1)</script>"
    )
    for _ in range(2):
        page.locator(".item").filter(has=page.get_by_role("textbox", name="Text")).get_by_role(
            "button", name="Up"
        ).click()
    is_in_order(page, "report-edit", screenshot)
    page.get_by_role("button", name="Save").click()

    expect(page.get_by_role("heading", name="How alike rotations are")).to_be_visible()
    figures = page.locator("article figure img")
    expect(figures).to_have_count(2)
    assert figures.evaluate_all(ARE_DRAWN) == [True, True]
    is_in_order(page, "report", screenshot)
    page.emulate_media(media="print", color_scheme="light")
    expect(page.get_by_role("navigation", name="Pages")).to_be_hidden()
    printed = text_of(page.pdf(format="A4"), tmp_path)
    for line in (
        "How alike rotations are",
        "What it shows",
        "Neighbouring angles are alike",
        "context vectors",
    ):
        assert line in printed
    assert "Print or save" not in printed

    page.emulate_media(media="screen", color_scheme="light")
    with page.expect_download() as download:
        page.get_by_role("button", name="One file (HTML)").click()
    kept = tmp_path / "kept.html"
    download.value.save_as(kept)
    offline = page.context.browser.new_context(offline=True)  # type: ignore[union-attr]
    other = offline.new_page()
    other.goto(kept.as_uri())
    expect(other.get_by_role("heading", name="How alike rotations are")).to_be_visible()
    assert other.locator("figure svg").count() == 2
    with other.expect_download() as table:
        other.get_by_role("link", name="csv").first.click()
    assert Path(table.value.path()).read_text("utf-8").startswith(",0°")
    offline.close()
    page.goto("/dashboard/reports")
    expect(page.get_by_role("link", name="How alike rotations are")).to_be_visible()
    screenshot("reports-1280-light")


def test_a_column_wide_matrix_goes_into_a_paper(page: Page, troubles: Troubles, lab: Lab) -> None:
    troubles.allow("409")  # nothing was measured at a finish here
    experiment = lab.completed("four rotations for a paper", seed=61)
    page.goto("/")
    search(page, "for a paper")
    page.get_by_role("link", name="four rotations for a paper", exact=True).click()
    expect(page.locator(".plot-similarity .main-svg").first).to_be_visible()
    page.get_by_role("button", name="For a paper: Similarity of the tasks").click()
    form = page.locator("#figure")
    form.get_by_label("Start from").select_option(label="one column: 85 mm, 8 pt")
    form.get_by_label("Diagonal").select_option("mask")
    expect(form.locator("[data-summary]")).to_contain_text("85 × ")
    with page.expect_download() as download:
        form.get_by_role("button", name="Download", exact=True).click()
    assert download.value.suggested_filename == f"similarity-{experiment}.svg"
    drawn = Drawn(Path(download.value.path()).read_text("utf-8"))
    assert drawn.width == pytest.approx(85, abs=0.1)
    assert {size for _, size in drawn.texts} == {8}
    words = " ".join(word for word, _ in drawn.texts)
    assert "four rotations" in words  # letters, not their outlines
    opaque = cells(drawn.pixels, 4)[:, :, 3] > 0
    assert (opaque == ~np.eye(4, dtype=bool)).all()
