"""Histograms of intra and inter cosines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tgsh.colours import PALETTE
from tgsh.figures.options import titled, widening
from tgsh.figures.style import NotebookFigure, format_number, legend_font, open_frame, text, wrapped
from tgsh.schemas import Geometry, GeometryStage

COLOURS = PALETTE[:2]
NAMES = ("intra (one task, two classes)", "inter (one class, two tasks)")
ACROSS = "cosine of two representations"


@dataclass(frozen=True)
class Panel:
    """Two histograms over the same bins.

    Attributes
    ----------
    title : str
        Title, taken literally.
    counts : tuple[Sequence[int], Sequence[int]]
        Counts per bin of the first and the second distribution.
    means : tuple[float | None, float | None]
        Their means; None where they are not defined.
    p_greater : float | None
        P(first > second); None where it is not defined.
    note : str, default=""
        A line below the summary, taken literally.
    p_interval : tuple[float, float] | None, default=None
        Ends of the interval of `p_greater`.
    """

    title: str
    counts: tuple[Sequence[int], Sequence[int]]
    means: tuple[float | None, float | None]
    p_greater: float | None
    note: str = ""
    p_interval: tuple[float, float] | None = None


def distributions_figure(
    panels: Sequence[Panel],
    edges: Sequence[float],
    names: tuple[str, str],
    *,
    title: str,
    across: str,
    columns: int = 1,
) -> Figure:
    """Draw panels of two normalised histograms each, over the same bins, row by row.

    Parameters
    ----------
    panels : Sequence[Panel]
        One or more panels.
    edges : Sequence[float]
        Bin edges, in units of `across`; one more than there are counts.
    names : tuple[str, str]
        Names of the two distributions.
    title : str
        Title, taken literally.
    across : str
        Name of the horizontal axis.
    columns : int, default=1
        Panels in a row.

    Returns
    -------
    Figure
        New figure.

    Raises
    ------
    ValueError
        If the panels do not fill their rows.
    """
    rows, rest = divmod(len(panels), columns)
    if rest or not panels:
        raise ValueError(f"{len(panels)} panels do not fill rows of {columns}")
    width = 5.2 if columns == 1 else 4.0 * columns
    figure = NotebookFigure(figsize=(width, 1.3 + 1.9 * rows))
    figure.set_layout_engine("compressed", w_pad=0.07, h_pad=0.07)
    grid = figure.subplots(rows, columns, sharex=True, squeeze=False)
    for axes, panel in zip(grid.flat, panels, strict=True):
        draw_panel(axes, panel, np.asarray(edges, float), names)
    for axes in grid[-1]:
        axes.set_xlabel(across, **text(9))
        axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    for axes in grid[:, 0]:
        axes.set_ylabel("density", **text(8))
    if shown := titled(title):
        figure.suptitle(wrapped(shown, width - 0.2), x=0.01, ha="left", **text(10))
    handles = grid[0, 0].get_legend_handles_labels()
    columns = 2 if widening() > 0.8 else 1
    figure.legend(*handles, loc="outside lower center", ncols=columns, frameon=False, prop=legend_font(8))
    return figure


def draw_panel(axes: Axes, panel: Panel, edges: np.ndarray, names: tuple[str, str]) -> None:
    """Draw one panel into axes, without a legend.

    Parameters
    ----------
    axes : Axes
        Axes of a figure.
    panel : Panel
        Two histograms.
    edges : np.ndarray
        float [bins + 1], bin edges.
    names : tuple[str, str]
        Names of the two distributions.
    """
    for counts, mean, name, colour in zip(panel.counts, panel.means, names, COLOURS, strict=True):
        total = max(sum(counts), 1)
        density = np.asarray(counts) / total / np.diff(edges)
        axes.stairs(density, edges, fill=True, color=colour, alpha=0.35, label=name)
        axes.stairs(density, edges, color=colour, linewidth=0.9)
        if mean is not None:
            axes.axvline(mean, color=colour, linewidth=0.9, linestyle=(0, (4, 2)))
    open_frame(axes)
    axes.set_ylim(bottom=0)
    # Above the axes, where no distribution can be.
    lines = [panel.title, _summary(panel, names), *([panel.note] if panel.note else [])]
    axes.set_title("\n".join(lines), loc="left", linespacing=1.4, **text(8))


def _summary(panel: Panel, names: tuple[str, str]) -> str:
    first, second = (name.split()[0] for name in names)
    means = zip((first, second), panel.means, strict=True)
    parts = [f"mean {name} {format_number(mean)}" for name, mean in means if mean is not None]
    if panel.p_greater is not None:
        ends = "" if panel.p_interval is None else f" ({' to '.join(map(format_number, panel.p_interval))})"
        parts.append(f"P({first} > {second}) = {format_number(panel.p_greater)}{ends}")
    return ", ".join(parts)


def geometry_figure(geometry: Geometry, *, title: str) -> Figure:
    """Draw the cosines of untrained contexts over those of trained ones; a baseline's to their right.

    Parameters
    ----------
    geometry : Geometry
        Distributions before and after training.
    title : str
        Title, taken literally.

    Returns
    -------
    Figure
        New figure.
    """
    rows = [[("before training", geometry.before)], [("after training", geometry.after)]]
    if (baseline := geometry.baseline) is not None:
        rows = [
            [(f"{geometry.network}, {when}", stage), (f"baseline {baseline.network}, {when}", other)]
            for [(when, stage)], other in zip(rows, (baseline.before, baseline.after), strict=True)
        ]
    panels = [stage_panel(stage, name) for row in rows for name, stage in row]
    return distributions_figure(
        panels, geometry.edges, NAMES, title=title, across=ACROSS, columns=len(rows[0])
    )


def stage_panel(stage: GeometryStage, title: str) -> Panel:
    """Make the panel of one stage.

    Parameters
    ----------
    stage : GeometryStage
        Distributions before or after training.
    title : str
        Title, taken literally.

    Returns
    -------
    Panel
        Histograms, means, P(intra > inter) with its interval over test images where there is one, and how
        well the parameter of a task left out is read.
    """
    means, p = (stage.intra_mean, stage.inter_mean), stage.p_intra_greater
    interval = stage.intervals.p_intra_greater
    ends = None if interval is None else (interval.low, interval.high)
    return Panel(title, (stage.intra, stage.inter), means, p, _left_out_note(stage), ends)


def _left_out_note(stage: GeometryStage) -> str:
    left_out = stage.left_out
    if left_out.r2 is None or left_out.median_error is None:
        return ""
    error = format_number(left_out.median_error)
    return f"γ of a task left out: R² {format_number(left_out.r2)}, median error {error} {left_out.unit}"
