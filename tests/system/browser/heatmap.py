"""What the similarity heatmap on an experiment's page shows, as the browser knows it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from playwright.sync_api import Page


def matrix_on(page: Page) -> np.ndarray:
    """The values of the heatmap that is drawn; NaN where it has a gap."""
    rows = page.evaluate("document.querySelector('.plot-similarity .place').data?.[0].z ?? []")
    return np.array(rows, float)


def labels_on(page: Page) -> list[str]:
    """The tasks of the heatmap that is drawn, from the top down."""
    names: list[str] = page.evaluate("document.querySelector('.plot-similarity .place').data[0].y")
    return names


def until(page: Page, is_so: Callable[[], bool]) -> None:
    """Wait; the policy of the pages lets Playwright itself not evaluate anything again and again."""
    for _ in range(600):
        if is_so():
            return
        page.wait_for_timeout(100)
    raise AssertionError("it did not come to be so")


def is_like(page: Page, expected: np.ndarray) -> bool:
    return bool(np.allclose(matrix_on(page), expected, atol=1e-3))


def until_drawn(page: Page, values: Any) -> None:
    """Wait until the heatmap shows this matrix: it is asked for when the page has already told the news."""
    expected = np.array(values)
    until(page, lambda: matrix_on(page).shape == expected.shape and is_like(page, expected))
