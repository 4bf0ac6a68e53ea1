"""What can be reused of an experiment: its page from the images without labels to the hash codes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.support.uploads import npz, picture, zipped
from tests.system.browser.conftest import Troubles
from tests.system.browser.heatmap import until
from tests.system.browser.training import completed, submit
from tgsh.datasets.mnist import load_dataset

SECONDS_MS = 60_000


@pytest.fixture(scope="module")
def experiment(http: httpx.Client) -> str:
    """Six rotations, learned well enough to be told apart, without the accuracy matrix."""
    return completed(http, 6, epochs=3, training={"epochs": 3, "train_limit": 1000}, name="six <b>turns</b>")


def photographs() -> bytes:
    """A zip of large digits that nobody trained on, upright."""
    digits = load_dataset("mnist5k", Path("unused")).test_images[:60].reshape(-1, 28, 28)
    large = [np.kron(digit, np.ones((2, 2), np.uint8)) for digit in digits]
    return zipped({f"photo {place}.png": picture(image) for place, image in enumerate(large)})


def shown(page: Page, name: str) -> None:
    expect(page.locator(f".plot-{name} .main-svg").first).to_be_visible(timeout=SECONDS_MS)


def test_everything_that_can_be_reused(
    page: Page,
    troubles: Troubles,
    experiment: str,
    http: httpx.Client,
    tmp_path: Path,
    screenshot: Callable[[str], None],
) -> None:
    troubles.allow("422")
    page.goto(f"/dashboard/experiments/{experiment}")
    page.get_by_role("button", name="What can be reused?").click()
    expect(page.get_by_role("link", name="six <b>turns</b>")).to_be_visible()

    # which task are these images?
    (tmp_path / "words.txt").write_text("no images")
    page.locator("#file").set_input_files(tmp_path / "words.txt")
    page.get_by_role("button", name="Name the task").click()
    expect(page.locator("#told")).to_contain_text("nothing that images are read from", timeout=SECONDS_MS)
    photos = tmp_path / "photos.zip"
    photos.write_bytes(photographs())
    page.locator("#file").set_input_files(photos)
    page.get_by_label("Convert images to 28 × 28").uncheck()
    page.get_by_role("button", name="Name the task").click()
    expect(page.locator("#told")).to_contain_text("no images of mnist5k", timeout=SECONDS_MS)
    page.get_by_label("Convert images to 28 × 28").check()
    page.get_by_role("button", name="Name the task").click()
    sentence = page.locator("#inferred .answer")
    expect(sentence).to_contain_text(
        "Your 60 images are most likely from 0° (probability", timeout=SECONDS_MS
    )
    ranking = page.get_by_role("region", name="Ranking of the tasks").locator("tbody tr")
    expect(ranking).to_have_count(6)
    expect(ranking.first).to_contain_text("0°")
    single = tmp_path / "single.npz"
    single.write_bytes(npz(x=load_dataset("mnist5k", Path("unused")).test_images[:1].reshape(1, 28, 28)))
    page.locator("#file").set_input_files(single)
    page.locator("#rule").select_option("blind-hash")
    page.get_by_role("button", name="Name the task").click()
    expect(sentence).to_contain_text("Your image is most like those of", timeout=SECONDS_MS)
    expect(page.locator("#inferred")).to_contain_text("There are no probabilities")

    # which context can be reused? The matrix is computed now.
    expect(page.locator("#matrix")).to_contain_text("36 evaluations")
    page.get_by_role("button", name="Compute the accuracy matrix").click()
    shown(page, "transfer")
    expect(page.locator("#said-transfer")).to_contain_text("Pearson")
    expect(page.get_by_role("region", name="Source for every task").locator("tbody tr")).to_have_count(6)

    # settings and hash codes, with their choices in the address
    shown(page, "scenarios")
    page.locator("#scenarios").get_by_label("entropy").check()
    expect(page.locator(".plot-scenarios [data-links] a", has_text="svg")).to_have_attribute(
        "href", f"/experiments/{experiment}/scenarios?rule=entropy&format=svg"
    )
    expect(page.get_by_role("region", name="Accuracy by images a batch")).to_contain_text("chance")
    shown(page, "collisions")
    page.locator("#hashing").get_by_label("top share").check()
    retrieval = page.get_by_role("region", name="Precision of retrieval")
    expect(retrieval).to_contain_text("FlyHash")
    expect(page.locator("#said-retrieval")).to_contain_text("gives the task away")
    assert "rule=entropy" in page.url
    assert "kind=top-share" in page.url
    page.reload()
    expect(page.locator("#hashing").get_by_label("top share")).to_be_checked()
    shown(page, "retrieval")
    for href in page.locator("a.reading").evaluate_all(
        "links => links.map((link) => link.getAttribute('href'))"
    ):
        path, _, anchor = href.partition("#")
        assert f'id="{anchor}"' in http.get(path, headers={"Accept": "text/html"}).text, href
    expect(page.locator(".limits")).to_have_count(4)

    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
        for width, height in ((1440, 900), (768, 1024), (390, 844)):
            page.set_viewport_size({"width": width, "height": height})
            for name in ("transfer", "scenarios", "collisions", "retrieval"):
                shown(page, name)
            until(page, lambda: page.evaluate("document.documentElement.scrollWidth") == width)  # noqa: B023
            screenshot(f"reuse-{scheme}-{width}")
        violations = Axe().run(page).response["violations"]
        assert [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in violations] == []


def test_an_experiment_that_is_not_completed_says_so(page: Page, http: httpx.Client) -> None:
    document = submit(http, 30, epochs=50, name="still learning")
    http.post(f"/experiments/{document['id']}/cancel")
    page.goto(f"/dashboard/experiments/{document['id']}/reuse")
    expect(page.get_by_text("these questions are about a completed one")).to_be_visible()
    expect(page.get_by_role("button", name="Name the task")).to_have_count(0)
