"""From a zip of pictures to the sentence that says where they fall, by someone who knows no paper."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Page, expect

from tests.system.browser.conftest import Troubles
from tests.system.browser.training import completed, submit
from tgsh.datasets.mnist import load_dataset

SECONDS_MS = 60_000


@pytest.fixture(scope="module")
def experiment(http: httpx.Client) -> str:
    """Four quarter turns, learned well enough to be told apart."""
    return completed(http, 4, epochs=3, training={"epochs": 3, "train_limit": 1000})


def zipped(path: Path, turns: int, side: int = 40) -> Path:
    """Pictures of digits that nobody trained on, turned and larger, in class folders."""
    data = load_dataset("mnist5k", Path("unused"))
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(150):
            picture = Image.fromarray(np.rot90(data.test_images[number].reshape(28, 28), turns).copy())
            file = io.BytesIO()
            picture.resize((side, side)).save(file, "png")
            archive.writestr(f"digits/{data.test_labels[number]}/{number}.png", file.getvalue())
    return path


def place(page: Page, experiment: str, file: Path) -> None:
    page.goto(f"/dashboard/experiments/{experiment}/placements")
    page.locator("#file").set_input_files(file)
    page.get_by_role("button", name="Place them").click()
    expect(page.locator(".answer")).to_be_visible(timeout=SECONDS_MS)


def test_a_zip_of_pictures_becomes_a_sentence(
    page: Page, experiment: str, tmp_path: Path, screenshot: Callable[[str], None]
) -> None:
    page.goto(f"/dashboard/experiments/{experiment}")
    page.get_by_role("button", name="Where do my images fall?").click()
    expect(page.get_by_role("heading", name="Where do my images fall?")).to_be_visible()
    place(page, experiment, zipped(tmp_path / "mystery.zip", 1))
    expect(page.locator(".answer")).to_contain_text("Your images are most like 90°")
    expect(page.get_by_role("heading", name="mystery")).to_be_visible()
    expect(page.get_by_role("heading", name="What this does not show")).to_be_visible()
    for picture in page.locator("#placement img").all():
        picture.scroll_into_view_if_needed()
        assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 100
    ranking = page.get_by_role("region", name="Ranking").locator("tbody th")
    expect(ranking.first).to_have_text("90°")
    for width, height in ((1440, 900), (768, 1024), (390, 844)):
        page.set_viewport_size({"width": width, "height": height})
        assert page.evaluate("document.documentElement.scrollWidth") == width
        screenshot(f"placement-{width}")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
        found = Axe().run(page)
        complaints = [
            (rule["id"], [node["html"] for node in rule["nodes"]]) for rule in found.response["violations"]
        ]
        assert complaints == []
    screenshot("placement-dark")


def test_a_dataset_is_placed_and_a_placement_deleted(page: Page, experiment: str) -> None:
    page.goto(f"/dashboard/experiments/{experiment}/placements")
    page.get_by_label("Or a dataset").select_option("mnist5k")
    page.get_by_role("textbox", name="Name").fill("upright <b>digits</b>")
    page.get_by_role("button", name="Place them").click()
    expect(page.locator(".answer")).to_contain_text("most like 0°", timeout=SECONDS_MS)
    expect(page.locator("#placement-title")).to_have_text("upright <b>digits</b>")
    page.get_by_role("button", name="Delete upright <b>digits</b>").click()
    page.get_by_role("button", name="Delete it").click()
    expect(page.get_by_text("upright <b>digits</b>")).to_have_count(0)


def test_what_is_wrong_is_said_beside_the_form(
    page: Page, troubles: Troubles, experiment: str, tmp_path: Path
) -> None:
    troubles.allow("422")
    page.goto(f"/dashboard/experiments/{experiment}/placements")
    page.locator("#file").set_input_files(zipped(tmp_path / "large.zip", 0))
    page.get_by_label(re.compile("Convert images")).uncheck()
    page.get_by_label("Images a replicate").fill("many")
    page.get_by_role("button", name="Place them").click()
    expect(page.locator("#told")).to_contain_text("train_limit", timeout=SECONDS_MS)
    page.get_by_label("Images a replicate").fill("100")
    page.get_by_role("button", name="Place them").click()
    expect(page.locator("#told")).to_contain_text("size=28x28&channels=1", timeout=SECONDS_MS)


def test_an_experiment_that_is_not_completed_says_so(page: Page, http: httpx.Client) -> None:
    document = submit(http, 30, epochs=50, name="still learning")
    http.post(f"/experiments/{document['id']}/cancel")
    page.goto(f"/dashboard/experiments/{document['id']}/placements")
    expect(page.get_by_text("images are placed among the tasks of a completed one")).to_be_visible()
    expect(page.get_by_role("button", name="Place them")).to_have_count(0)
