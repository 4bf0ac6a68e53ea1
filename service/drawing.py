"""Figures are drawn in a process of their own: pictures neither fill nor stop the API."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, ParamSpec

from service.child import Child

if TYPE_CHECKING:
    from matplotlib.figure import Figure

P = ParamSpec("P")

FigureFormat = Literal["png", "svg", "pdf"]

DRAWN: dict[str, FigureFormat] = {"png": "png", "svg": "svg", "pdf": "pdf"}
"""The formats that are pictures."""

FIGURES_A_CHILD = 200
"""Matplotlib keeps some memory with every figure."""


class Artist:
    """Draws one figure at a time."""

    def __init__(self) -> None:
        self._child = Child(FIGURES_A_CHILD)

    def draw(
        self, sketch: Callable[P, Figure], format: FigureFormat, /, *args: P.args, **kwargs: P.kwargs
    ) -> bytes:
        """The figure that `sketch`, one of service/sketches.py, makes of these values, as a file's bytes."""
        return self._child.call(_draw, sketch, format, *args, **kwargs)

    def close(self) -> None:
        """End the child."""
        self._child.close()


def _draw(sketch: Callable[P, Figure], format: FigureFormat, /, *args: P.args, **kwargs: P.kwargs) -> bytes:
    from tgsh.figures import render

    return render(sketch(*args, **kwargs), format)
