"""What somebody new does with the pages: submit, read the matrix, compare, download a bundle."""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from pathlib import Path

import httpx
from playwright.sync_api import Page, expect

from tests.system.browser.heatmap import until_drawn
from tests.system.browser.training import wait

TASKS, EPOCHS = "4", "2"


def submitted(page: Page, http: httpx.Client, name: str, seed: str) -> str:
    """The id of a small demo that was submitted by the form, when its page says that it is completed."""
    page.goto("/dashboard/submit")
    expect(page.get_by_label("epochs")).to_have_value("10")  # the demo's
    for label, value in (("name", name), ("tasks", TASKS), ("epochs", EPOCHS), ("seed", seed)):
        page.get_by_label(label, exact=True).fill(value)
    page.get_by_role("button", name="Submit").click()
    page.wait_for_url(re.compile(r"/dashboard/experiments/[0-9a-f]{16}$"))
    assert wait(http, page.url[-16:])["status"] == "completed"
    expect(page.locator("#state")).to_contain_text("completed")
    return page.url[-16:]


def test_from_the_first_click_to_a_bundle(page: Page, http: httpx.Client) -> None:
    ids = [submitted(page, http, f"newcomer {seed}", seed) for seed in ("81", "82")]
    until_drawn(page, http.get(f"/experiments/{ids[1]}/similarity").json()["values"])

    page.goto("/")
    for id in ids:
        page.locator(f"input[value='{id}']").check()
    page.get_by_role("button", name="Compare").or_(page.get_by_role("link", name="Compare")).last.click()
    page.wait_for_url(re.compile(r"/dashboard/compare\?.*ids="))
    assert set(ids) <= set(re.findall("[0-9a-f]{16}", page.url))
    expect(page.get_by_text("Mantel", exact=False).first).to_be_visible()

    page.goto(f"/dashboard/experiments/{ids[0]}")
    with page.expect_download(timeout=60_000) as started:
        page.locator("a.bundle").click()
    assert started.value.suggested_filename.endswith(".zip")
    with zipfile.ZipFile(Path(started.value.path())) as bundle:
        manifest = json.loads(bundle.read("manifest.json"))
        assert {"spec.json", "CITATION.cff"} <= set(bundle.namelist())
        for name, file in manifest["files"].items():
            assert hashlib.sha256(bundle.read(name)).hexdigest() == file["sha256"]
