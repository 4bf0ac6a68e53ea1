"""The table of experiments on a phone: whatever it holds, all is in sight."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.system.browser.lab import Lab, serving_lab

REASONS = (
    "CUDA out of memory: the batch of 3 tasks needs 1.2 GB",
    "DataError: /srv/tgsh/data/a_folder_with_a_long_name_and_no_space/train-images-idx3-ubyte.gz is gone",
    "x" * 300,
)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, migrated_sqlite: Path) -> Iterator[Lab]:
    """Experiments in which everything is as long as it may be."""
    with serving_lab(tmp_path_factory.mktemp("phone"), migrated_sqlite) as lab:
        lab.submitted("W" * 200, tags=["W" * 60, "a b c", "tag"])
        lab.submitted("many short words " * 10, tags=[f"tag {number}" for number in range(20)])
        for number, reason in enumerate(REASONS):
            id = lab.submitted(f"failed {number}")
            lab.set([id], status="failed", reason=reason, project="W" * 60)
        lab.set([lab.submitted("to be cancelled")], status="running", cancel_requested=True)
        lab.set([lab.submitted("cancelled")], status="cancelled")
        yield lab


@pytest.mark.parametrize("width", [320, 360, 390, 600])
def test_whatever_they_hold_all_is_in_sight(
    page: Page, width: int, screenshot: Callable[[str], None]
) -> None:
    page.set_viewport_size({"width": width, "height": 740})
    page.goto("/")
    expect(page.locator("tbody th").first).to_be_visible()
    screenshot(f"phone-table-{width}")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    table = page.locator(".wide:has(> table.experiments)")
    assert table.evaluate("each => each.scrollWidth - each.clientWidth") == 0
