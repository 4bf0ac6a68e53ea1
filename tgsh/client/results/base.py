"""Base classes of results: conversion to NumPy and pandas, and plots for notebooks."""

from __future__ import annotations

from abc import abstractmethod
from base64 import b64encode
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from pydantic import BaseModel

from tgsh.client.results.array_access import ArrayAccess
from tgsh.errors import MachineProblem

if TYPE_CHECKING:
    import pandas
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


Png = tuple[bytes, dict[str, int]]
"""Content of a PNG file, and its width and height on a page in CSS pixels."""


PROVENANCE = ("experiment_id", "study_id", "base_id", "stage", "measure", "layer", "statistic")
"""Fields of results that files of their arrays tell."""

MACHINERY = frozenset(dir(BaseModel)) - {"model_dump", "model_dump_json"}
"""Names of pydantic's, which Tab does not complete."""


class QuietModel(BaseModel):
    """Document whose own names are what Tab completes, not pydantic's."""

    def __dir__(self) -> list[str]:
        return [name for name in super().__dir__() if name.startswith("__") or name not in MACHINERY]


class LabelledResult(ArrayAccess, QuietModel):
    """Result with an array whose rows and columns have labels; `numpy.asarray` converts it."""

    @abstractmethod
    def to_dataframe(self) -> pandas.DataFrame:
        """The array with its labels.

        Returns
        -------
        pandas.DataFrame
            Table with labelled rows and columns.

        Raises
        ------
        MachineProblem
            If pandas is not installed.
        """

    @abstractmethod
    def _summary(self) -> str:
        """Summary for `repr` and notebooks, less than a line."""

    def _about(self) -> dict[str, str]:
        told = {name: getattr(self, name, None) for name in PROVENANCE}
        return {name: str(value) for name, value in told.items() if value is not None}

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self._summary()}>"

    __str__ = __repr__


class PlottableResult(LabelledResult):
    """Labelled result with a plot, which a notebook displays."""

    @overload
    def plot(self, ax: None = None, **options: Any) -> Figure: ...
    @overload
    def plot(self, ax: Axes, **options: Any) -> Axes: ...

    def plot(self, ax: Axes | None = None, **options: Any) -> Figure | Axes:
        """Plot the array, as the service draws it.

        Matplotlib's rcParams are obeyed where they are not matplotlib's defaults: ``font.family``,
        ``font.size``, ``text.color``, ``figure.figsize``, ``figure.dpi``, the two ``facecolor`` and
        ``image.cmap``.

        Parameters
        ----------
        ax : Axes | None, default=None
            Axes to draw into; None creates a figure.
        **options : Any
            Options of the figure: ``width`` and ``height`` (mm), ``font`` (points), ``title`` (``"on"``,
            ``"off"`` or a text), ``labels`` (``"all"``, ``"some"``, ``"off"``), ``range`` (``"auto"`` or two
            numbers), ``diagonal`` (``"show"``, ``"mask"``), ``cmap``, ``dpi`` and ``svg_text`` (``"text"``,
            ``"paths"``). Axes of your own have their own size, title and file.

        Returns
        -------
        Figure | Axes
            The new figure, which is not registered with pyplot (`savefig` writes it to a file), or `ax`.

        Raises
        ------
        InvalidSpec
            If an option has no such value, or this plot cannot use it: all of them at once.
        ValueError
            If there is nothing to plot yet.

        Examples
        --------
        >>> similarity.plot(width=85, font=8, diagonal="mask", svg_text="text").savefig("similarity.svg")
        """
        from tgsh.client import plotting, study_plots  # noqa: F401  # registers its figures

        if ax is None:
            return plotting.figure_with_options(self, options)
        plotting.draw_with_options(self, ax, options)
        return ax

    def _repr_png_(self) -> Png | None:
        """None if there is nothing to plot yet."""
        from tgsh.client import plotting, study_plots  # noqa: F401

        try:
            return plotting.png(self)
        except ValueError:
            return None

    def _repr_html_(self) -> str:
        return self._html(self._repr_png_())

    def _repr_mimebundle_(self, **_: object) -> tuple[dict[str, object], dict[str, object]]:
        """HTML and PNG of one rendering; IPython would otherwise render twice."""
        png = self._repr_png_()
        data: dict[str, object] = {"text/html": self._html(png)}
        return (data, {}) if png is None else (data | {"image/png": png[0]}, {"image/png": png[1]})

    def _html(self, png: Png | None) -> str:
        summary = escape(self._summary())
        warnings = "".join(
            f"<div><b>Warning:</b> {escape(each)}</div>" for each in getattr(self, "warnings", ())
        )
        if png is None:
            return f"<div>{summary}</div>{warnings}"
        source = f"data:image/png;base64,{b64encode(png[0]).decode()}"
        return f'<div>{summary}</div><img alt="{summary}" width="{png[1]["width"]}" src="{source}">'


def import_pandas() -> Any:
    """Pandas, which is loaded for tables only.

    Returns
    -------
    Any
        The module.

    Raises
    ------
    MachineProblem
        If pandas is not installed.
    """
    try:
        import pandas
    except ImportError as error:
        raise MachineProblem("tables need pandas: pip install 'tgsh[notebook]'") from error
    return pandas


def labelled_table(
    values: object, rows: Mapping[str, Sequence[Any]], columns: Mapping[str, Sequence[Any]]
) -> pandas.DataFrame:
    """Table with labelled rows and columns.

    Parameters
    ----------
    values : object
        Array of two dimensions.
    rows : Mapping[str, Sequence[Any]]
        Labels of the rows by the name of the index; several names make a MultiIndex.
    columns : Mapping[str, Sequence[Any]]
        Labels of the columns, as `rows`.

    Returns
    -------
    pandas.DataFrame
        The table.

    Raises
    ------
    MachineProblem
        If pandas is not installed.
    """
    library = import_pandas()

    def index(labels: Mapping[str, Sequence[Any]]) -> pandas.Index[Any]:
        if len(labels) == 1:
            ((name, only),) = labels.items()
            single: pandas.Index[Any] = library.Index(list(only), name=name or None)
            return single
        several: pandas.Index[Any] = library.MultiIndex.from_arrays(
            [list(each) for each in labels.values()], names=list(labels)
        )
        return several

    frame: pandas.DataFrame = library.DataFrame(np.asarray(values), index=index(rows), columns=index(columns))
    return frame


def label_range(labels: list[str], noun: str = "tasks") -> str:
    """Number of labels, with the first and the last of them.

    Parameters
    ----------
    labels : list[str]
        Labels of the tasks.
    noun : str, default='tasks'
        What they label.

    Returns
    -------
    str
        Text such as ``"36 tasks, 0° … 350°"``.
    """
    if len(labels) < 2:
        return f"1 task, {labels[0]}" if labels else f"no {noun} yet"
    return f"{len(labels)} {noun}, {labels[0]} … {labels[-1]}"


def stage_text(stage: str) -> str:
    """Stage in words.

    Parameters
    ----------
    stage : str
        ``"before"``, ``"after"`` or the number of an epoch.

    Returns
    -------
    str
        Text such as ``"after training"`` or ``"after epoch 3"``.
    """
    return f"{stage} training" if stage in {"before", "after"} else f"after epoch {stage}"
