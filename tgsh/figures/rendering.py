"""From a figure to the bytes of a file."""

from __future__ import annotations

import io
import threading
from base64 import b64encode
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


SHOWN = 80
"""Pixels of a page that an inch takes in a notebook."""


class Picture(Figure):
    """A figure that a notebook shows by itself, without pyplot, which would keep it alive."""

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        return render(self, "png"), size_shown(self)

    def _ipython_display_(self) -> None:
        """Goes first: once pyplot is imported, its printer for figures would show every pixel of ours."""
        from IPython.display import display

        content, size = self._repr_png_()
        page = {"image/png": b64encode(content).decode(), "text/plain": str(self)}
        display(page, raw=True, metadata={"image/png": size})  # type: ignore[no-untyped-call]


def size_shown(figure: Figure) -> dict[str, int]:
    """Width and height on a page: its many pixels are for screens that have them."""
    width, height = figure.get_size_inches()
    return {"width": round(SHOWN * width), "height": round(SHOWN * height)}


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
