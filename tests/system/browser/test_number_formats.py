"""Numbers as people read them, on the server; the browser's have the same words."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from playwright.sync_api import Page

from service.dashboard.rendering import (
    format_bytes,
    format_deviation,
    format_seconds,
    format_share,
    format_time,
)

SECONDS = {
    0: "0.0 s",
    9.94: "9.9 s",
    9.96: "10 s",
    59.4: "59 s",
    59.6: "1 min",
    185: "3 min 5 s",
    7_800: "2 h 10 min",
    273_600: "3 d 4 h",
}
BYTES = {
    0: "0 B",
    999: "999 B",
    1_000: "1.0 kB",
    99_500: "100 kB",
    1_540_000: "1.5 MB",
    2_000_000_000: "2.0 GB",
    5e12: "5.0 TB",
}


@pytest.mark.parametrize(("seconds", "words"), SECONDS.items())
def test_seconds(seconds: float, words: str) -> None:
    assert format_seconds(seconds) == words


@pytest.mark.parametrize(("count", "words"), BYTES.items())
def test_bytes(count: float, words: str) -> None:
    assert format_bytes(count) == words


def test_the_rest() -> None:
    assert (format_seconds(None), format_bytes(None), format_share(None)) == ("–", "–", "–")
    assert format_share(0.9349) == "93.5 %"
    assert [format_deviation(value) for value in (0.00034, 0.0123, 0.0, None)] == [
        "0.034 %",
        "1.2 %",
        "0 %",
        "–",
    ]
    assert format_time(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)) == "2026-01-02 03:04 UTC"


def test_the_browser_says_the_same(page: Page) -> None:
    page.goto("/")
    folder = page.locator("link[rel=icon]").evaluate("link => link.href").rpartition("/")[0]
    for file, function, known in (
        ("format.js", "formatSeconds", SECONDS),
        ("format.js", "formatBytes", BYTES),
    ):
        said = page.evaluate(
            f"async values => values.map((await import('{folder}/{file}')).{function})", list(known)
        )
        assert said == list(known.values())
