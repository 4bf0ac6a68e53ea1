"""Text of others that looks like markup: shown letter by letter, with only the pages' own care between."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tests.system.browser.training import completed
from tgsh.stack.stack import Stack

HOSTILE = '<img src=x onerror="window.ran = 1">'
RAN = "window.ran ?? null"


@pytest.fixture
def bare(browser: Browser, stack: Stack) -> Iterator[Page]:
    """A page without the content security policy, which would let no such script run."""
    context = browser.new_context(base_url=stack.url, bypass_csp=True)
    context.set_default_timeout(20_000)
    yield context.new_page()
    context.close()


@pytest.fixture
def uploaded(http: httpx.Client) -> Iterator[str]:
    """The id of a dataset whose name and classes are markup."""
    file = io.BytesIO()
    random = np.random.default_rng(5)
    with zipfile.ZipFile(file, "w") as archive:
        for number in range(40):
            picture = io.BytesIO()
            Image.fromarray(random.integers(0, 255, (8, 8), dtype=np.uint8)).save(picture, "png")
            archive.writestr(f"{HOSTILE if number % 2 else 'b'}/{number}.png", picture.getvalue())
    answer = http.post(
        "/datasets",
        params={"name": HOSTILE},
        content=file.getvalue(),
        headers={"Content-Type": "application/zip"},
    )
    assert answer.status_code in (200, 201), answer.text
    id = answer.json()["id"]
    yield id
    for experiment in http.get("/experiments", params={"dataset": id}).json()["items"]:
        http.delete(f"/experiments/{experiment['id']}")
    assert http.delete(f"/datasets/{id}").status_code == 204


def test_nothing_in_the_form_becomes_markup(bare: Page, http: httpx.Client, uploaded: str) -> None:
    catalog = http.get("/catalog").json()
    for kind in ("datasets", "suites", "networks", "presets"):
        for entry in catalog[kind]:
            entry["description"] = f"{HOSTILE} {entry['description']}"
            entry["unavailable"] = f"{entry['name']} {HOSTILE}: no"
    schema = catalog["spec_schema"]
    for each in [schema, *schema["$defs"].values()]:
        each["description"] = HOSTILE
        for field in each.get("properties", {}).values():
            field["description"] = f"{HOSTILE} of a field"
            field["title"] = HOSTILE
    bare.route("**/catalog", lambda route: route.fulfill(json=catalog))
    bare.goto(f"/dashboard/submit?dataset={uploaded}")
    dataset = bare.get_by_label("dataset", exact=True)
    expect(dataset).to_have_value(f"id:{uploaded}")
    bare.wait_for_load_state("networkidle")
    assert bare.evaluate(RAN) is None
    shown = dataset.locator(f'[value="id:{uploaded}"]')
    expect(shown).to_have_text(f"{HOSTILE} (uploaded, 40 images)")
    for suite in bare.get_by_label("kind of suite").locator("option").all():
        bare.get_by_label("kind of suite").select_option(suite.get_attribute("value"))
        expect(bare.get_by_text(f"{HOSTILE} of a field").first).to_be_visible()
    bare.get_by_label("kind of suite").select_option("datasets")
    expect(bare.locator("#form label").filter(has_text=HOSTILE).first).to_be_visible()
    expect(bare.locator("#form img")).to_have_count(0)
    assert bare.evaluate(RAN) is None


def test_no_page_takes_it_for_markup(bare: Page, http: httpx.Client, uploaded: str) -> None:
    changes: dict[str, Any] = {
        "name": HOSTILE,
        "tags": [HOSTILE],
        "dataset": {"id": uploaded},
        "training": {"epochs": 1},
    }
    experiment = completed(http, 2, **changes)
    study = http.post(
        "/studies", json={"name": HOSTILE, "notes": HOSTILE, "experiments": [experiment]}
    ).json()
    for path in (
        "/",
        "/dashboard/studies",
        f"/dashboard/studies/{study['id']}",
        f"/?study={study['id']}",
        "/dashboard/datasets",
        f"/dashboard/experiments/{experiment}",
        f"/dashboard/compare?ids={experiment}",
    ):
        bare.goto(path)
        expect(bare.get_by_text(HOSTILE).locator("visible=true").first).to_be_visible()
        bare.wait_for_load_state("networkidle")
        assert bare.evaluate(RAN) is None, path
    bare.goto(f"/dashboard/experiments/{experiment}")
    samples = bare.locator("form[data-images$=samples]")
    samples.scroll_into_view_if_needed()
    expect(samples.locator("canvas").first).to_be_visible()
    expect(samples.get_by_text(HOSTILE).first).to_be_visible()
    assert bare.evaluate(RAN) is None
