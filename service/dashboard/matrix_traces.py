"""Matrices of tasks as heatmaps of plotly.js, in the colours and with the diagonal that are asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from service.dashboard.traces import DIGITS, TOP, Plot, category_axis, label_margin, names, number
from tgsh.analysis.similarity import SimilarityMatrix
from tgsh.colours import off_diagonal, rounded_ends
from tgsh.specs.figure_options import FigureOptions
from tgsh.task_names import told_apart

AS_DESIGNED = FigureOptions()
DESIGNED_RANGE = (-1.0, 1.0)  # of similarities, as in print
PALE = 0.25  # similarities nearer to 0 than this are hardly seen in the range of all that there can be


def matrix_plot(
    matrix: SimilarityMatrix,
    labels: Sequence[str],
    tasks: Sequence[int],
    subject: str,
    colours: FigureOptions = AS_DESIGNED,
) -> Plot:
    """A heatmap with a row for each of `tasks`; rows of tasks that the matrix does not have are empty.

    labels, tasks: of all rows, in order. subject: of the summary, such as "of 36 tasks: cosine similarity".
    colours: range and diagonal, as of a picture.
    """
    if not tasks:
        return Plot("No task is done yet.")
    names_of_rows = names(labels, tasks)
    place = {task: row for row, task in enumerate(tasks)}
    rows = [place[task] for task in matrix.tasks]
    values = np.full((len(tasks), len(tasks)), np.nan)
    values[np.ix_(rows, rows)] = matrix.values
    plot = heatmap(values, names_of_rows, f"{len(matrix.tasks)} {subject}. {_extremes(matrix)}")
    with_tasks = replace(plot, data=[{**plot.data[0], "meta": {"tasks": list(tasks)}}])
    return coloured(with_tasks, [values], colours)


def coloured(
    plot: Plot,
    matrices: Sequence[np.ndarray],
    colours: FigureOptions,
    designed: tuple[float, float] = DESIGNED_RANGE,
) -> Plot:
    """The plot in the range that was asked for, without the diagonals where that was asked for.

    matrices: values of its first traces, heatmaps all; other traces stay. designed: range where none is asked
    for, which the layout has.
    """
    seen = np.concatenate([off_diagonal(matrix) for matrix in matrices])
    data, layout, summary = list(plot.data), dict(plot.layout), plot.summary
    if colours.diagonal == "mask":
        data[: len(matrices)] = [_without_diagonal(trace) for trace in data[: len(matrices)]]
    if colours.range is None:
        reach = float(np.abs(seen).max(initial=0.0))
        if len(seen) and designed == DESIGNED_RANGE and reach < PALE:
            summary += (
                f" All pairs lie within ±{number(reach)}: colours that follow the values tell them apart."
            )
    else:
        ends = rounded_ends(seen, designed) if colours.range == "auto" else colours.range
        ticks = [ends[0], sum(ends) / 2, ends[1]]
        layout["coloraxis"] = {
            **layout.get("coloraxis", {}),
            "cmin": ends[0],
            "cmax": ends[1],
            "colorbar": {"tickvals": ticks, "ticktext": [f"{tick:.2g}".replace("-", "−") for tick in ticks]},
        }
        summary += f" Colours go from {ticks[0]:.2g} to {ticks[2]:.2g}.".replace("-", "−")
    return replace(plot, data=data, layout=layout, summary=summary)


def _without_diagonal(trace: Mapping[str, Any]) -> dict[str, Any]:
    rows = [
        [None if row == column else value for column, value in enumerate(line)]
        for row, line in enumerate(trace["z"])
    ]
    return {**trace, "z": rows}


def means_plot(
    means: np.ndarray,
    starts: Sequence[int],
    tasks: int,
    subject: str,
    colours: FigureOptions = AS_DESIGNED,
) -> Plot:
    """A heatmap of means of groups of neighbouring tasks. starts: the first task of each group."""
    ends = [*starts[1:], tasks]
    labels = [f"tasks {first}–{end - 1}" for first, end in zip(starts, ends, strict=True)]
    summary = (
        f"{tasks:,} tasks: {subject}, as means of {len(starts)} groups of neighbouring tasks. "
        "The files have every task."
    )
    return coloured(heatmap(means, labels, summary), [means], colours)


def heatmap(values: np.ndarray, labels: Sequence[str], summary: str) -> Plot:
    """Heatmap of values [T, T], the first row on top; NaN is a gap."""
    margin = label_margin(labels)
    trace = {
        "type": "heatmap",
        "x": list(labels),
        "y": list(labels),
        "z": [
            [None if np.isnan(value) else round(value, DIGITS) for value in row] for row in values.tolist()
        ],
        "coloraxis": "coloraxis",
        "xgap": 1 if len(labels) <= 60 else 0,
        "ygap": 1 if len(labels) <= 60 else 0,
        "hoverongaps": False,
        "hovertemplate": "%{y} and %{x}: <b>%{z:.3f}</b><extra></extra>",
    }
    ends = [-0.5, len(labels) - 0.5]
    frame = {"showgrid": False, "zeroline": False, "showline": True, "mirror": True}
    layout = {
        "margin": {"t": TOP, "b": margin, "l": margin, "r": 8},
        "xaxis": category_axis(labels, range=ends, tickangle=-90, **frame),
        "yaxis": category_axis(labels, range=ends[::-1], **frame),
    }
    return Plot(summary, [trace], layout)


def _extremes(matrix: SimilarityMatrix) -> str:
    """A sentence about the most and the least similar pair."""
    tasks = len(matrix.tasks)
    if tasks < 2:
        return "A pair takes two tasks."
    first, second = np.triu_indices(tasks, 1)
    pairs = matrix.values[first, second]
    called = told_apart(matrix.labels, matrix.tasks)

    def pair(index: int) -> str:
        a, b = called[first[index]], called[second[index]]
        return f"{a} and {b} ({number(pairs[index])})"

    return (
        f"Most alike are {pair(int(pairs.argmax()))}, least {pair(int(pairs.argmin()))}; "
        f"the mean of all pairs is {number(float(pairs.mean()))}."
    )
