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
from playwright.sync_api import Page, expect

from tests.system.browser.conftest import Troubles

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
    page: Page, http: httpx.Client, troubles: Troubles, screenshot: Callable[[str], Path]
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


def test_a_dataset_is_uploaded_used_and_deleted(
    page: Page, http: httpx.Client, troubles: Troubles, screenshot: Callable[[str], Path]
) -> None:
    page.goto("/dashboard/datasets")
    expect(page.get_by_role("button", name="Upload", exact=True)).to_be_disabled()
    send(page, "digits.npz", npz(**images(1)))
    expect(page.get_by_label("Name", exact=True)).to_have_value("digits")
    page.get_by_role("button", name="Upload", exact=True).click()
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
    expect(page.get_by_text("completed", exact=True).first).to_be_visible()
    page.goto("/guide")  # the experiment's page would go on asking for what is about to be deleted
    assert http.delete(made.headers["location"]).status_code == 204
    page.goto("/dashboard/datasets")
    page.get_by_role("button", name="Delete digits").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete it").click()
    expect(page.get_by_text("Nothing has been uploaded yet")).to_be_visible()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [("photo.jpg", b"\xff", "neither .npz nor .zip"), ("broken.npz", b"no zip at all", "")],
)
def test_what_is_no_dataset_is_told(
    page: Page, http: httpx.Client, troubles: Troubles, name: str, content: bytes, words: str
) -> None:
    troubles.allow("4(15|22)")
    page.goto("/dashboard/datasets")
    send(page, name, content)
    page.get_by_role("button", name="Upload", exact=True).click()
    expect(page.locator("#told .problem")).to_contain_text(words or re.compile("."))
    assert http.get("/datasets").json()["items"] == []


def send(page: Page, name: str, content: bytes) -> None:
    page.get_by_label("A file to upload").set_input_files(
        {"name": name, "mimeType": "application/octet-stream", "buffer": content}
    )
