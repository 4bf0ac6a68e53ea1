"""From a figure to the bytes of a file."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import matplotlib
from matplotlib.figure import Figure

FigureFormat = Literal["png", "svg", "pdf"]

DPI = 200

_METADATA: dict[FigureFormat, dict[str, None]] = {
    "png": {"Software": None},
    "svg": {"Date": None},
    "pdf": {"CreationDate": None},
}
_OPTIONS = {
    "svg.hashsalt": "tgsh",  # element ids from content, not from a random salt
    "svg.fonttype": "path",  # looks the same where the font is missing
    "pdf.fonttype": 42,  # TrueType: many journals refuse Type 3 fonts
    "axes.unicode_minus": True,
}
_DRAWING = threading.Lock()  # matplotlib's renderers share caches and options that know no threads


def render(figure: Figure, format: FigureFormat) -> bytes:
    """Turn a figure into a file's bytes; equal figures give equal bytes. Safe in several threads."""
    buffer = io.BytesIO()
    with _DRAWING, _options():
        figure.savefig(buffer, format=format, dpi=DPI, metadata=_METADATA[format])
    return buffer.getvalue()


@contextmanager
def _options() -> Iterator[None]:
    """Set our options and put back only these: `rc_context` would undo what other threads set meanwhile."""
    table: Any = matplotlib.rcParams
    before = {name: table[name] for name in _OPTIONS}
    table.update(_OPTIONS)
    try:
        yield
    finally:
        table.update(before)
