"""Arrays that know what their rows and columns are, and how they look."""

from __future__ import annotations

from abc import ABC, abstractmethod
from base64 import b64encode
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from tgsh.errors import MachineProblem

if TYPE_CHECKING:
    import pandas
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


Png = tuple[bytes, dict[str, int]]
"""A picture, and the size at which a page shows it."""


class Labelled(ABC):
    """A document with an array in it: `numpy.asarray` takes it as it is."""

    @abstractmethod
    def to_numpy(self) -> np.ndarray:
        """The array alone."""

    @abstractmethod
    def to_dataframe(self) -> pandas.DataFrame:
        """The array as a table with its labels. Raises: MachineProblem where pandas is missing."""

    @abstractmethod
    def _says(self) -> str:
        """What it is, in less than a line."""

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.to_numpy(), dtype=dtype, copy=copy)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self._says()}>"

    __str__ = __repr__


class Drawn(Labelled):
    """An array that can be drawn, and is, where a notebook shows it."""

    @overload
    def plot(self) -> Figure: ...
    @overload
    def plot(self, ax: Axes) -> Axes: ...

    def plot(self, ax: Axes | None = None) -> Figure | Axes:
        """Draw it: a figure of its own, which a notebook shows by itself, or into `ax`.

        The figure belongs to its caller: pyplot does not know it. `savefig` writes it to a file.
        """
        from tgsh.client import pictures  # matplotlib comes along: only for whoever draws

        if ax is None:
            return pictures.figure(self)
        pictures.draw(self, ax)
        return ax

    def _repr_png_(self) -> Png | None:
        """None before there is anything to draw."""
        from tgsh.client import pictures

        try:
            return pictures.png(self)
        except ValueError:
            return None

    def _repr_html_(self) -> str:
        return self._page(self._repr_png_())

    def _repr_mimebundle_(self, **_: object) -> tuple[dict[str, object], dict[str, object]]:
        """Both at once: IPython would draw twice."""
        png = self._repr_png_()
        page: dict[str, object] = {"text/html": self._page(png)}
        return (page, {}) if png is None else (page | {"image/png": png[0]}, {"image/png": png[1]})

    def _page(self, png: Png | None) -> str:
        said = escape(self._says())
        if png is None:
            return f"<div>{said}</div>"
        source = f"data:image/png;base64,{b64encode(png[0]).decode()}"
        return f'<div>{said}</div><img alt="{said}" width="{png[1]["width"]}" src="{source}">'


def table(
    values: object, rows: Mapping[str, Sequence[Any]], columns: Mapping[str, Sequence[Any]]
) -> pandas.DataFrame:
    """A table whose rows and columns are named by one label, or by several (a MultiIndex)."""
    try:
        import pandas
    except ImportError as error:
        raise MachineProblem("tables need pandas: pip install 'tgsh[notebook]'") from error

    def index(labels: Mapping[str, Sequence[Any]]) -> pandas.Index[Any]:
        if len(labels) == 1:
            ((name, only),) = labels.items()
            named: pandas.Index[Any] = pandas.Index(list(only), name=name or None)
            return named
        return pandas.MultiIndex.from_arrays([list(each) for each in labels.values()], names=list(labels))

    return pandas.DataFrame(np.asarray(values), index=index(rows), columns=index(columns))


def span(labels: list[str], what: str = "tasks") -> str:
    """How many there are, from the first to the last."""
    if len(labels) < 2:
        return f"1 task, {labels[0]}" if labels else f"no {what} yet"
    return f"{len(labels)} {what}, {labels[0]} … {labels[-1]}"


def when(stage: str) -> str:
    """A stage in words."""
    return f"{stage} training" if stage in {"before", "after"} else f"after epoch {stage}"
