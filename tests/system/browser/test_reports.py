"""A report made by a person's way: figures added from an experiment's page, text, order, PDF, one file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect
from pypdf import PdfReader

from tests.system.browser import training

ARE_DRAWN = "all => Promise.all(all.map((image) => image.decode().then(() => image.naturalWidth > 100)))"


def text_of(pdf: bytes, folder: Path) -> str:
    """Words of a PDF, as pdftotext or any reader of its own would find them."""
    path = folder / "report.pdf"
    path.write_bytes(pdf)
    return "\n".join(page.extract_text() for page in PdfReader(path).pages)


def test_a_report_is_made_and_printed_to_pdf(
    page: Page, http: httpx.Client, screenshot: Callable[[str], None], tmp_path: Path
) -> None:
    experiment = training.completed(http, 4, name="four rotations for a report")
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
    assert Axe().run(page).response["violations"] == []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        for width in (1440, 768, 390):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth") == width
            screenshot(f"report-edit-{width}-{scheme}")
    page.get_by_role("button", name="Save").click()

    expect(page.get_by_role("heading", name="How alike rotations are")).to_be_visible()
    figures = page.locator("article figure img")
    expect(figures).to_have_count(2)
    assert figures.evaluate_all(ARE_DRAWN) == [True, True]
    assert Axe().run(page).response["violations"] == []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        for width in (1440, 768, 390):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth") == width
            screenshot(f"report-{width}-{scheme}")
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
    page.set_viewport_size({"width": 1280, "height": 900})
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
