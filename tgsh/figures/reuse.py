"""Figures of reuse: accuracy against similarity, settings of continual learning, collisions of hash codes."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tgsh.figures.curves import COLOURS
from tgsh.figures.options import set_following_height, titled, widening
from tgsh.figures.style import (
    FAINT,
    INK,
    NotebookFigure,
    label_columns,
    legend_font,
    open_frame,
    text,
    write_title,
)
from tgsh.schemas import ContextTransfer, HashProperties, ScenarioEstimate, Scenarios, TransferFit

SIZE = (4.8, 3.6)  # inches
WIDE = (7.6, 3.4)
NARROW = 0.75  # of the width that it is designed for: panels stand above one another
SETTINGS = (
    ("task_known", "task known", COLOURS[2]),
    ("domain", "task inferred, class within it", COLOURS[0]),
    ("class_", "task and class inferred", COLOURS[1]),
)


def _open(size: tuple[float, float], panels: int = 1) -> tuple[Figure, list[Axes]]:
    figure = NotebookFigure(figsize=size, layout="constrained")
    shape = (1, panels)
    if panels > 1 and widening() < NARROW:
        shape = (panels, 1)
        set_following_height(figure, size[1] * panels)
    return figure, [figure.add_subplot(*shape, place + 1) for place in range(panels)]


def transfer_figure(
    similarities: np.ndarray, accuracies: np.ndarray, fit: TransferFit | None, *, title: str
) -> Figure:
    """Plot accuracy under the context of another task against similarity, a point an ordered pair.

    Parameters
    ----------
    similarities : np.ndarray
        float [T, T].
    accuracies : np.ndarray
        float [T, T], of the context of task i on the images of task j.
    fit : TransferFit | None
        Expected accuracies and their intervals.
    title : str
        Title, taken literally.

    Returns
    -------
    Figure
        New figure.
    """
    figure, [axes] = _open(SIZE)
    draw_transfer(axes, similarities, accuracies, fit)
    write_title(axes, title, SIZE[0] - 0.8)
    return figure


def sources_figure(transfer: ContextTransfer, *, title: str) -> Figure:
    """Plot the accuracy of every task under the context that similarity chooses.

    Parameters
    ----------
    transfer : ContextTransfer
        The measurements.
    title : str
        Title, taken literally.

    Returns
    -------
    Figure
        New figure.
    """
    figure, [axes] = _open(SIZE)
    draw_sources(axes, transfer)
    write_title(axes, title, SIZE[0] - 0.8)
    return figure


def draw_sources(axes: Axes, transfer: ContextTransfer) -> None:
    """Draw the points of `sources_figure` into axes: chosen, best, random and own context of every task.

    Parameters
    ----------
    axes : Axes
        Axes of a figure.
    transfer : ContextTransfer
        The measurements.
    """
    marks = (("own", "_", 2), ("best", "^", 3), ("accuracy", "o", 0), ("random", "x", 1))
    for name, marker, colour in marks:
        values = [100 * getattr(source, name) for source in transfer.sources]
        label = "chosen by similarity" if name == "accuracy" else name
        axes.plot(values, linestyle="", marker=marker, markersize=4, color=COLOURS[colour], label=label)
    open_frame(axes)
    label_columns(axes, [source.label for source in transfer.sources])
    axes.set_ylim(0, 101)
    axes.set_ylabel("test accuracy (%)", **text(9))
    axes.legend(frameon=False, prop=legend_font(7), title="context", title_fontproperties=legend_font(7))


def draw_transfer(
    axes: Axes, similarities: np.ndarray, accuracies: np.ndarray, fit: TransferFit | None
) -> None:
    """Draw the points of `transfer_figure` into axes.

    Parameters
    ----------
    axes : Axes
        Axes of a figure.
    similarities : np.ndarray
        float [T, T].
    accuracies : np.ndarray
        float [T, T], of the context of task i on the images of task j.
    fit : TransferFit | None
        Expected accuracies and their intervals.
    """
    off = ~np.eye(len(similarities), dtype=bool)
    axes.plot(
        similarities[off],
        100 * accuracies[off],
        linestyle="",
        marker="o",
        markersize=2.5,
        alpha=0.5,
        color=COLOURS[0],
        label="a context on another task",
    )
    own = 100 * float(np.diagonal(accuracies).mean())
    axes.axhline(own, color=FAINT, linewidth=0.8, linestyle="--", label="own contexts, mean")
    if fit is not None:
        axes.plot(
            fit.similarities, 100 * np.array(fit.expected), color=COLOURS[1], linewidth=1.3, label="expected"
        )
        low, high = (100 * np.array(ends) for ends in (fit.low, fit.high))
        axes.fill_between(
            fit.similarities,
            low,
            high,
            color=COLOURS[1],
            alpha=0.18,
            linewidth=0,
            label=f"{fit.level:.0%} interval",
        )
    open_frame(axes)
    axes.set_ylim(0, 101)
    axes.set_xlabel("similarity of the two context vectors", **text(9))
    axes.set_ylabel("test accuracy (%)", **text(9))
    axes.legend(frameon=False, prop=legend_font(7), loc="lower right")


def scenarios_figure(scenarios: Scenarios, *, title: str) -> Figure:
    """Plot the accuracies of the three settings by images a batch, with chance and intervals.

    Parameters
    ----------
    scenarios : Scenarios
        The measurements.
    title : str
        Title, taken literally.

    Returns
    -------
    Figure
        New figure.
    """
    figure, [axes] = _open(SIZE)
    draw_scenarios(axes, scenarios)
    write_title(axes, title, SIZE[0] - 0.8)
    return figure


def draw_scenarios(axes: Axes, scenarios: Scenarios) -> None:
    """Draw the lines of `scenarios_figure` into axes.

    Parameters
    ----------
    axes : Axes
        Axes of a figure.
    scenarios : Scenarios
        The measurements.
    """
    sizes = [row.images for row in scenarios.rows]
    for name, label, colour in SETTINGS:
        estimates: list[ScenarioEstimate | None] = [getattr(row, name) for row in scenarios.rows]
        known = [(place, each) for place, each in enumerate(estimates) if each is not None]
        places = [place for place, _ in known]
        axes.plot(
            places,
            [100 * each.value for _, each in known],
            color=colour,
            marker="o",
            markersize=4,
            label=label,
        )
        for place, each in known:
            if each.low is not None and each.high is not None:
                axes.vlines(place, 100 * each.low, 100 * each.high, color=colour, linewidth=1.3, alpha=0.6)
        guess = 100 * float(getattr(scenarios.chance, name))
        if name != "task_known":
            axes.axhline(guess, color=colour, linewidth=0.8, linestyle=":", label=f"chance {guess:.2g} %")
    open_frame(axes)
    axes.set_xticks(range(len(sizes)), [str(size) for size in sizes])
    axes.set_xlim(-0.4, len(sizes) - 0.6)
    axes.set_ylim(0, 101)
    axes.set_xlabel(f"images a batch, all of one task (rule: {scenarios.rule})", **text(9))
    axes.set_ylabel("test accuracy (%)", **text(9))
    axes.legend(frameon=False, prop=legend_font(7), loc="best")


def hash_figure(properties: HashProperties, *, title: str) -> Figure:
    """Plot agreement of codes against cosine, and precision of retrieval beside it.

    Parameters
    ----------
    properties : HashProperties
        The measurements.
    title : str
        Title, taken literally.

    Returns
    -------
    Figure
        New figure of two panels.
    """
    figure, [left, right] = _open(WIDE, 2)
    draw_collisions(left, properties)
    _draw_retrieval(right, properties)
    if shown := titled(title):
        figure.suptitle(shown, x=0.01, ha="left", **text(10))
    return figure


def draw_collisions(axes: Axes, properties: HashProperties) -> None:
    """Draw agreement of codes against cosine into axes.

    Parameters
    ----------
    axes : Axes
        Axes of a figure.
    properties : HashProperties
        The measurements.
    """
    if properties.kind == "simhash":
        cosine = np.linspace(-1, 1, 101)
        axes.plot(cosine, 1 - np.arccos(cosine) / np.pi, color=FAINT, linewidth=0.9, label="1 − θ/π")
    for place, curve in enumerate(properties.curves):
        axes.plot(
            curve.cosine,
            curve.agreement,
            linestyle="",
            marker="os^D"[place % 4],
            markersize=3.5,
            color=COLOURS[place],
            label=f"{curve.pairs_of} tasks, {curve.stage} training",
        )
    open_frame(axes)
    axes.set_xlabel("cosine of the representations", **text(9))
    same = "share of equal bits" if properties.kind == "simhash" else "share of common units"
    axes.set_ylabel(same, **text(9))
    axes.legend(frameon=False, prop=legend_font(6.5), loc="best")


def _draw_retrieval(axes: Axes, properties: HashProperties) -> None:
    rows = [*properties.retrieval, properties.chance]
    names = [row.name for row in rows]
    for shift, name, label, colour in (
        (-0.2, "same_task", "same task", COLOURS[1]),
        (0.2, "same_class", "same class", COLOURS[0]),
    ):
        values = [100 * (getattr(row, name) or 0.0) for row in rows]
        axes.barh(np.arange(len(rows)) + shift, values, height=0.36, color=colour, label=label)
    open_frame(axes)
    axes.set_yticks(range(len(rows)), names, color=INK)
    axes.invert_yaxis()
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.set_xlim(0, 100)
    axes.set_xlabel(f"of the {properties.count} nearest codes (%)", **text(9))
    axes.legend(frameon=False, prop=legend_font(7), loc="lower right")
