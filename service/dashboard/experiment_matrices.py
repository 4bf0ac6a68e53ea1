"""The matrix of an experiment that may still be running, and the tree beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from service.dashboard.experiment_plot import DIGITS, Plot, categories, counted, names, number, room_for
from tgsh.analysis.clustering import Dendrogram
from tgsh.analysis.similarity import SimilarityMatrix

TOP = 10  # pixels above matrix and tree alike, so that their rows lie beside each other


def matrix_plot(matrix: SimilarityMatrix, labels: Sequence[str], tasks: Sequence[int], what: str) -> Plot:
    """A heatmap with a place for each of `tasks`; those that the matrix does not have are left empty.

    labels, tasks: of all rows, in their order. what: of how many tasks, what the values are, and when.
    """
    if not tasks:
        return Plot("No task is done yet.")
    shown = names(labels, tasks)
    place = {task: row for row, task in enumerate(tasks)}
    rows = [place[task] for task in matrix.tasks]
    values = np.full((len(tasks), len(tasks)), np.nan)
    values[np.ix_(rows, rows)] = matrix.values
    return heatmap(values, shown, f"{len(matrix.tasks)} {what}. {_extremes(matrix)}")


def means_plot(means: np.ndarray, starts: Sequence[int], tasks: int, what: str) -> Plot:
    """A heatmap of the means of groups of neighbouring tasks. starts: the first task of each."""
    ends = [*starts[1:], tasks]
    shown = [f"tasks {first}–{end - 1}" for first, end in zip(starts, ends, strict=True)]
    summary = (
        f"{tasks:,} tasks: {what}, as means of {len(starts)} groups of neighbouring tasks. "
        "The files have every task."
    )
    return heatmap(means, shown, summary)


def heatmap(values: np.ndarray, shown: Sequence[str], summary: str) -> Plot:
    """Values [T, T], the first row on top; NaN is a gap."""
    room = room_for(shown)
    trace = {
        "type": "heatmap",
        "x": list(shown),
        "y": list(shown),
        "z": [
            [None if np.isnan(value) else round(value, DIGITS) for value in row] for row in values.tolist()
        ],
        "coloraxis": "coloraxis",
        "xgap": 1 if len(shown) <= 60 else 0,
        "ygap": 1 if len(shown) <= 60 else 0,
        "hoverongaps": False,
        "hovertemplate": "%{y} and %{x}: <b>%{z:.3f}</b><extra></extra>",
    }
    ends = [-0.5, len(shown) - 0.5]
    frame = {"showgrid": False, "zeroline": False, "showline": True, "mirror": True}
    layout = {
        "margin": {"t": TOP, "b": room, "l": room, "r": 8},
        "xaxis": categories(shown, range=ends, tickangle=-90, **frame),
        "yaxis": categories(shown, range=ends[::-1], **frame),
    }
    return Plot(summary, [trace], layout)


def tree_plot(tree: Dendrogram) -> Plot:
    """The tree with its leaves at the left, in the order of the matrix's clusters."""
    tasks = len(tree.tasks)
    if tasks < 2:
        return Plot("A tree takes two tasks that are done.")
    leaves = [names(tree.labels, tree.tasks)[place] for place in tree.leaves]
    x, y, joints = _branches(tree)
    lines = {"type": "scatter", "mode": "lines", "x": x, "y": y, "line": {"width": 1.2}, "hoverinfo": "skip"}
    marks = {
        "type": "scatter",
        "mode": "markers",
        "x": [round(joint[0], DIGITS) for joint in joints],
        "y": [joint[1] for joint in joints],
        "customdata": [joint[2] for joint in joints],
        "marker": {"size": 9, "opacity": 0},
        "hovertemplate": "%{customdata} tasks join at a distance of <b>%{x:.3f}</b><extra></extra>",
    }
    step = -(-tasks // 40)
    layout = {
        "margin": {"t": TOP, "b": room_for(leaves), "l": room_for(leaves), "r": 8},
        "xaxis": {"title": {"text": "1 − similarity"}, "rangemode": "tozero", "zeroline": False},
        "yaxis": {
            "range": [tasks - 0.5, -0.5],
            "tickvals": list(range(0, tasks, step)),
            "ticktext": leaves[::step],
            "showgrid": False,
            "zeroline": False,
        },
        "showlegend": False,
    }
    return Plot(_tree_summary(tree), [lines, marks], layout)


def _branches(tree: Dendrogram) -> tuple[list[Any], list[Any], list[tuple[float, float, int]]]:
    """All brackets as one line with gaps, and each joint: distance, row, tasks below it."""
    tasks = len(tree.tasks)
    rows = np.zeros(tasks + len(tree.linkage))
    heights = np.concatenate([np.zeros(tasks), tree.linkage[:, 2]])
    rows[list(tree.leaves)] = np.arange(tasks)
    x: list[Any] = []
    y: list[Any] = []
    joints = []
    for place, (left, right, height, below) in enumerate(tree.linkage.tolist()):
        a, b, node = int(left), int(right), tasks + place
        rows[node] = (rows[a] + rows[b]) / 2
        x += [round(float(value), DIGITS) for value in (heights[a], height, height, heights[b])] + [None]
        y += [float(value) for value in (rows[a], rows[a], rows[b], rows[b])] + [None]
        joints.append((float(height), float(rows[node]), int(below)))
    return x, y, joints


def _extremes(matrix: SimilarityMatrix) -> str:
    """Which pairs are most and least alike."""
    tasks = len(matrix.tasks)
    if tasks < 2:
        return "A pair takes two tasks."
    first, second = np.triu_indices(tasks, 1)
    pairs = matrix.values[first, second]

    def told(which: int) -> str:
        a, b = matrix.labels[first[which]], matrix.labels[second[which]]
        return f"{a} and {b} ({number(pairs[which])})"

    return (
        f"Most alike are {told(int(pairs.argmax()))}, least {told(int(pairs.argmin()))}; "
        f"the mean of all pairs is {number(float(pairs.mean()))}."
    )


def _tree_summary(tree: Dendrogram) -> str:
    tasks = len(tree.tasks)
    left, right, height, _ = tree.linkage[-1]
    sizes = [1 if node < tasks else int(tree.linkage[int(node) - tasks, 3]) for node in (left, right)]
    told = f"{counted(tasks, 'task')} by average linkage: groups of {sizes[0]} and {sizes[1]} join last, "
    told += f"at a distance of {number(float(height))}."
    if tree.cophenetic is not None:
        told += f" Cophenetic correlation {number(tree.cophenetic)}."
    return told
