"""Workers and datasets in a browser, with what this service has of either."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Page, expect

from tests.system.browser.conftest import Troubles
from tests.system.browser.heatmap import until

LONG: dict[str, Any] = {
    "preset": "demo",
    "name": "works for long",
    "suite": {"tasks": 3},
    "training": {"epochs": 1000},
    "seed": 4711,
}


SHORT: dict[str, Any] = {"suite": {"kind": "rotation", "tasks": 2}, "training": {"epochs": 1}}


def npz(**arrays: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)  # type: ignore[arg-type]
    return file.getvalue()


def images(seed: int) -> dict[str, np.ndarray]:
    x = np.random.default_rng(seed).integers(0, 255, (60, 12, 10), dtype=np.uint8)
    return {"x": x, "y": np.arange(60) % 3}


def test_workers_and_what_they_do(
    page: Page, http: httpx.Client, troubles: Troubles, screenshot: Callable[[str], None]
) -> None:
    path = http.post("/experiments", json=LONG).headers["location"]
    try:
        page.goto("/dashboard/workers")
        table = page.get_by_role("region", name="Table of workers")
        expect(table.get_by_role("link", name="works for long")).to_be_visible()
        expect(table).to_contain_text(re.compile(r"task \d+ \(\d+°\)"))
        expect(table).to_contain_text("cpu")
        expect(page.locator("#queue")).to_contain_text(re.compile(r"\d running · \d+ queued"))
        screenshot("workers")
    finally:
        http.post(f"{path}/cancel")
    expect(page.get_by_text("Nothing waits")).to_be_visible()  # it looks again by itself


def test_processes_that_cannot_work_say_why(
    page: Page, http: httpx.Client, troubles: Troubles, screenshot: Callable[[str], None]
) -> None:
    until(page, lambda: bool(http.get("/workers").json()["workers"][0]["children"]))
    status = http.get("/workers").json()
    (worker,) = status["workers"]
    since = worker["seen_at"]
    old = {**worker, "host": "an-earlier-version", "children": None, "version": None}
    reasons = {
        "stuck": "no progress for 300 s on task 3 of 0123456789abcdef",
        "broken": "no CUDA: driver too old",
    }
    worker["children"] = [
        {
            "slot": f"cuda:{index}",
            "pid": 70 + index,
            "state": state,
            "since": since,
            "reason": reasons.get(state, ""),
        }
        for index, state in enumerate(["starting", "idle", "busy", "stuck", "broken"])
    ]
    page.route(
        re.compile(r"\d/workers$"), lambda route: route.fulfill(json={**status, "workers": [worker, old]})
    )
    lines = [
        "Workers: 2 of 5 slots cannot work: cuda:4 of gpu-1: no CUDA: driver too old",
        "worker: ended 3 times",
    ]
    page.route("**/dashboard/health", lambda route: route.fulfill(json={"lines": lines}))
    page.goto("/dashboard/workers")
    table = page.get_by_role("region", name="Table of workers")
    for state in ("starting", "idle", "busy", "stuck", "broken"):
        expect(table.locator(f".child-{state}")).to_be_visible()
    for reason in reasons.values():
        expect(table.get_by_text(reason)).to_be_visible()
    expect(table.get_by_text(f"tgsh {worker['version']}")).to_be_visible()
    expect(
        table.get_by_role("row").filter(has_text="an-earlier-version").get_by_role("cell").nth(1)
    ).to_have_text("–")
    banner = page.locator("#banner")
    for line in lines:
        expect(banner.get_by_text(line)).to_be_visible()
    expect(banner.get_by_role("link", name="What to do")).to_be_visible()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
        assert [
            (rule["id"], rule["nodes"][0]["html"]) for rule in Axe().run(page).response["violations"]
        ] == []
        for width in (1440, 768, 390):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth") == width
            screenshot(f"workers-{width}-{scheme}")


def test_a_service_that_can_work_has_no_banner(page: Page, troubles: Troubles) -> None:
    page.goto("/")
    until(page, lambda: page.evaluate("localStorage.getItem('tgsh:health') !== null"))
    page.goto("/dashboard/workers")
    expect(page.locator("#queue")).to_contain_text("running")
    expect(page.locator("#banner")).to_be_empty()
    asked = [url for url in troubles.requests if url.endswith("/dashboard/health")]
    assert len(asked) == 1  # the second page knows what the first was told


def test_a_dataset_is_uploaded_used_and_deleted(
    page: Page, http: httpx.Client, troubles: Troubles, screenshot: Callable[[str], None]
) -> None:
    page.goto("/dashboard/datasets")
    expect(page.get_by_role("button", name="Check it")).to_be_disabled()
    send(page, "digits.npz", npz(**images(1)))
    expect(page.get_by_label("Name", exact=True)).to_have_value("digits")
    page.get_by_role("button", name="Check it").click()
    expect(page.locator("#told")).to_contain_text("60 images in 3 classes")
    assert http.get("/datasets").json()["items"] == []  # nothing is kept yet
    screenshot("dataset-checked")
    page.get_by_role("button", name="Keep it").click()
    expect(page.locator("#told")).to_have_text("digits: 60 images in 3 classes are there.")
    row = page.locator("#uploaded").get_by_role("row").filter(has_text="digits")
    expect(row).to_contain_text("12 × 10")
    page.get_by_role("button", name="Look at digits").click()
    image = page.get_by_role("dialog").get_by_role("img")
    expect(image).to_be_visible()
    assert image.evaluate("image => image.naturalWidth") > 50
    page.keyboard.press("Escape")
    screenshot("datasets")
    page.get_by_role("link", name="Submit an experiment with digits").click()
    expect(page.get_by_label("dataset", exact=True)).to_have_value(re.compile("^id:"))
    (digits,) = http.get("/datasets").json()["items"]
    made = http.post("/experiments", json={"dataset": {"id": digits["id"]}, **SHORT})
    page.goto(f"/dashboard{made.headers['location']}")
    expect(page.get_by_text("completed", exact=True).first).to_be_visible(timeout=60_000)
    page.goto("/guide")  # the experiment's page would go on asking for what is about to be deleted
    assert http.delete(made.headers["location"]).status_code == 204
    page.goto("/dashboard/datasets")
    page.get_by_role("button", name="Delete digits").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete it").click()
    expect(page.get_by_text("Nothing has been uploaded yet")).to_be_visible()


def photos(folder: Path) -> Path:
    """A folder of two classes, one with a name that no ASCII has, and a broken file."""
    rng = np.random.default_rng(3)
    for name in ("Äpfel", "Birnen"):
        (folder / "Obst" / name).mkdir(parents=True)
        for index in range(8):
            pixels = rng.integers(0, 255, (12, 10, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / "Obst" / name / f"{index}.png")
    (folder / "Obst" / "Birnen" / "8.png").write_bytes(b"\x89PNG broken")
    return folder / "Obst"


def test_a_folder_is_checked_kept_and_described(
    page: Page, http: httpx.Client, troubles: Troubles, screenshot: Callable[[str], None], tmp_path: Path
) -> None:
    troubles.allow("422")
    page.goto("/dashboard/datasets")
    page.get_by_label("Or a folder").set_input_files(photos(tmp_path))
    expect(page.locator("#chosen")).to_have_text("Obst with 17 files is chosen")
    page.get_by_role("button", name="Check it").click()
    expect(page.locator("#told .problem").first).to_contain_text("8.png")
    expect(page.locator("#told .problem").last).to_contain_text("?on_bad=skip")
    page.get_by_label("Files that cannot be read").select_option("skip")
    page.get_by_role("button", name="Check it").click()
    expect(page.locator("#told")).to_contain_text("16 images in 2 classes")
    expect(page.get_by_role("region", name="Images of each class")).to_contain_text("Äpfel")
    page.get_by_role("button", name="Keep it").click()
    page.locator("#told").get_by_role("link", name="Obst").click()
    expect(page.get_by_role("heading", name="Obst")).to_be_visible()
    page.get_by_label("Notes").fill("from the market")
    page.get_by_label("Name").fill("fruit")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#saved")).to_have_text("Saved.")
    (fruit,) = http.get("/datasets").json()["items"]
    assert (fruit["name"], fruit["notes"]) == ("fruit", "from the market")
    assert sorted(fruit["class_names"]) == ["Birnen", "Äpfel"]
    expect(page.get_by_role("heading", name="fruit")).to_be_visible()
    page.mouse.move(0, 0)
    page.locator("#saved").click()
    sheet = page.locator("#samples img")
    until(page, lambda: sheet.evaluate("image => image.naturalWidth") > 50)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
        assert [
            (rule["id"], rule["nodes"][0]["html"]) for rule in Axe().run(page).response["violations"]
        ] == []
        for width in (1440, 768, 390):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth") == width
            screenshot(f"dataset-{width}-{scheme}")
    page.goto("/guide")
    assert http.delete(f"/datasets/{fruit['id']}").status_code == 204


@pytest.mark.parametrize(("name", "content"), [("photo.jpg", b"\xff"), ("broken.npz", b"no zip at all")])
def test_what_is_no_dataset_is_told(
    page: Page, http: httpx.Client, troubles: Troubles, name: str, content: bytes
) -> None:
    troubles.allow("422")
    page.goto("/dashboard/datasets")
    send(page, name, content)
    page.get_by_role("button", name="Check it").click()
    expect(page.locator("#told .problem")).to_contain_text(re.compile("."))
    assert http.get("/datasets").json()["items"] == []


def send(page: Page, name: str, content: bytes) -> None:
    page.get_by_label("A file").set_input_files(
        {"name": name, "mimeType": "application/octet-stream", "buffer": content}
    )
