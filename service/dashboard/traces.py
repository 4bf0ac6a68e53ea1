"""Plots of an experiment as traces and layouts of plotly.js, each with a summary in words."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tgsh.analysis.clustering import ClusterTree
from tgsh.colours import PALETTE
from tgsh.schemas import GeometryStage
from tgsh.store.models import TaskRecord
from tgsh.task_names import MAX_NAME, shortened, told_apart

CHARACTER = 6.2  # approximate width of a label's character in pixels
DIGITS = 4  # decimals of drawn values
TOP = 10  # pixels above matrix and dendrogram alike, so that their rows align
NEAR_CHANCE = 0.2  # chance farther below all accuracies is told, not drawn
MAX_LINES = 100  # losses with a line each; more are drawn as a band
FAINT = "rgba(128, 140, 155, 0.45)"  # visible on white and on black
INTRA, INTER = PALETTE[:2]


@dataclass(frozen=True)
class Plot:
    """One plot.

    summary: the plot in words; without data where there is nothing to draw yet.
    links: format -> path of the same result as a file, with the parameters of the plot.
    warnings: what a reader must know.
    """

    summary: str
    data: Sequence[Mapping[str, Any]] = ()
    layout: Mapping[str, Any] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    warnings: Sequence[str] = ()


def names(labels: Sequence[str], tasks: Sequence[int]) -> list[str]:
    """Labels for plotly: shortened, unique, and with HTML escaped."""
    return [html.escape(shortened(name), quote=False) for name in told_apart(labels, tasks, MAX_NAME)]


def label_margin(labels: Sequence[str]) -> int:
    """Pixels that labels take beside an axis."""
    longest = max((len(html.unescape(name)) for name in labels), default=0)
    return round(14 + CHARACTER * longest)


def category_axis(labels: Sequence[str], **options: Any) -> dict[str, Any]:
    """An axis with these labels as categories, in this order."""
    return {"type": "category", "categoryorder": "array", "categoryarray": list(labels), **options}


def number(value: float | None, digits: int = 2) -> str:
    """A number in a sentence, without a minus sign where it rounds to 0."""
    if value is None:
        return "unknown"
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "−")


def counted(count: int, noun: str) -> str:
    """ "1 task", "2 tasks"."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def accuracy_plot(tasks: Sequence[TaskRecord]) -> Plot:
    """Test accuracy of each completed task, on an axis of all tasks."""
    values = [task.accuracy if task.status == "completed" else None for task in tasks]
    done = [value for value in values if value is not None]
    if not done:
        return Plot("No task is done yet.")
    labels = names([task.label for task in tasks], [task.index for task in tasks])
    mean = sum(done) / len(done)
    beside = _beside_accuracy(tasks, labels, min(done))
    drawn = [*done, *(value for trace in beside for value in trace["y"] if value is not None)]
    marks = {
        "type": "scatter",
        "mode": "markers",
        "x": labels,
        "y": values,
        "name": "accuracy",
        "marker": {"size": 8, "color": INTRA},
        "hovertemplate": "<b>%{x}</b>: %{y:.1%}<extra></extra>",
    }
    low, high = min(drawn), max(drawn)
    pad = max(0.1 * (high - low), 0.01)
    line = {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": mean, "y1": mean}
    layout = {
        "margin": {"t": 46 if beside else 24, "b": label_margin(labels), "l": 52, "r": 12},
        "xaxis": category_axis(labels, showgrid=False, range=[-0.7, len(labels) - 0.3], tickangle=-90),
        "yaxis": {
            "tickformat": ".1%" if high - low < 0.05 else ".0%",
            "range": [low - pad, high + pad],
            "zeroline": False,
        },
        "legend": {"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom"},
        "showlegend": bool(beside),
        "shapes": [{**line, "line": {"color": FAINT, "width": 1.5, "dash": "dash"}}],
        "annotations": [
            {
                "xref": "paper", "x": 1, "xanchor": "right", "yref": "paper", "y": 1, "yanchor": "bottom",
                "text": f"mean {mean:.1%}", "showarrow": False,
                "yshift": 20 if beside else 0,  # above the legend
            }
        ],
    }  # fmt: skip
    summary = (
        f"Test accuracy of {len(done)} of {counted(len(tasks), 'task')}: mean {mean:.1%}, "
        f"from {min(done):.1%} to {max(done):.1%}."
    )
    return Plot(summary + _balanced_summary(tasks), [marks, *beside], layout)


def _beside_accuracy(
    tasks: Sequence[TaskRecord], labels: Sequence[str], lowest: float
) -> list[dict[str, Any]]:
    """Traces of balanced accuracy, and of chance where it is not far below; none where nobody counted."""
    symbols = {"balanced": "diamond-open", "chance": "line-ew-open"}
    values = {name: [getattr(task, name) for task in tasks] for name in symbols}
    return [
        {
            "type": "scatter",
            "mode": "markers",
            "x": list(labels),
            "y": values[name],
            "name": name,
            "marker": {"size": 9, "symbol": symbol, "color": INTER, "line": {"width": 1.5}},
            "hovertemplate": f"<b>%{{x}}</b>, {name}: %{{y:.1%}}<extra></extra>",
        }
        for name, symbol in symbols.items()
        if (known := [value for value in values[name] if value is not None])
        and (name == "balanced" or max(known) > lowest - NEAR_CHANCE)
    ]


def _balanced_summary(tasks: Sequence[TaskRecord]) -> str:
    counted_tasks = [task for task in tasks if task.balanced is not None and task.chance is not None]
    if not counted_tasks:
        return ""
    balanced, chance = (
        sum(getattr(task, name) for task in counted_tasks) / len(counted_tasks)
        for name in ("balanced", "chance")
    )
    return (
        f" Every class counted alike (balanced): {balanced:.1%}; always saying the commonest class (chance): "
        f"{chance:.1%}."
    )


def loss_plot(tasks: Sequence[TaskRecord]) -> Plot:
    """Training loss of each epoch: a line for each task and their mean; of many tasks a band and the mean."""
    trained = [task for task in tasks if task.losses]
    if not trained:
        return Plot("No epoch is done yet.")
    longest = max(len(task.losses) for task in trained)
    table = np.full((len(trained), longest), np.nan)
    for row, task in zip(table, trained, strict=True):
        row[: len(task.losses)] = task.losses
    mode = "lines+markers" if longest < 3 else "lines"
    common: dict[str, Any] = {"type": "scatter", "mode": mode, "x": list(range(1, longest + 1))}
    mean = np.nanmean(table, axis=0)
    middle = {
        **common,
        "y": _rounded(mean),
        "line": {"width": 3, "color": INTRA},
        "hovertemplate": "mean, epoch %{x}: <b>%{y:.3f}</b><extra></extra>",
    }
    layout = {
        "margin": {"t": 10, "b": 40, "l": 52, "r": 12},
        "xaxis": {
            "title": {"text": "epoch"},
            "range": [1 - 0.02 * longest, longest * 1.02],
            "zeroline": False,
            **({"dtick": 1} if longest <= 12 else {}),
        },
        "yaxis": {"title": {"text": "cross-entropy, nats"}, "rangemode": "tozero"},
        "showlegend": False,
        "hovermode": "closest",
    }
    first, last = (number(float(mean[place]), 3) for place in (0, -1))
    trend = f"goes from {first} in the first epoch to {last} in epoch {longest}"
    summary = f"Training loss of {counted(len(trained), 'task')}: the mean "
    summary += f"{trend}." if longest > 1 else f"in the first epoch is {first}."
    each = _task_lines(trained, common) if len(trained) <= MAX_LINES else _loss_band(table, common)
    return Plot(summary, [*each, middle], layout)


def _task_lines(trained: Sequence[TaskRecord], common: dict[str, Any]) -> list[dict[str, Any]]:
    labels = names([task.label for task in trained], [task.index for task in trained])
    return [
        {
            **common,
            "y": [round(loss, DIGITS) for loss in task.losses],
            "name": name,
            "line": {"color": FAINT, "width": 1},
            "hovertemplate": f"{name.replace('{', '(')}, epoch %{{x}}: <b>%{{y:.3f}}</b><extra></extra>",
        }
        for name, task in zip(labels, trained, strict=True)
    ]


def _loss_band(table: np.ndarray, common: dict[str, Any]) -> list[dict[str, Any]]:
    """The band from the 10th to the 90th percentile of the tasks."""
    low, high = np.nanpercentile(table, [10, 90], axis=0)
    edge = {**common, "mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
    return [
        {**edge, "y": _rounded(low)},
        {**edge, "y": _rounded(high), "fill": "tonexty", "fillcolor": FAINT},
    ]


def _rounded(values: np.ndarray) -> list[float]:
    return [round(value, DIGITS) for value in values.tolist()]


def geometry_plot(edges: Sequence[float], before: GeometryStage, after: GeometryStage) -> Plot:
    """Densities of intra and inter cosines of representations, before over after training."""
    data = [
        _density_trace(edges, counts, name, axis)
        for axis, stage in (("y2", before), ("y", after))
        for name, counts in (
            ("intra: one task, two classes", stage.intra),
            ("inter: one class, two tasks", stage.inter),
        )
    ]
    titles = [
        {
            "xref": "paper", "x": 0, "yref": "paper", "y": top, "xanchor": "left", "yanchor": "bottom",
            "text": text, "showarrow": False,
        }
        for top, text in ((1, "before training"), (0.45, "after training"))
    ]  # fmt: skip
    layout = {
        "margin": {"t": 24, "b": 92, "l": 52, "r": 12},
        "xaxis": {"title": {"text": "cosine of two representations"}, "anchor": "y", "zeroline": False},
        "yaxis": {"domain": [0, 0.45], "title": {"text": "density"}, "rangemode": "tozero"},
        "yaxis2": {"domain": [0.55, 1], "title": {"text": "density"}, "rangemode": "tozero"},
        "annotations": titles,
        "legend": {"orientation": "h", "x": 0, "y": -0.2, "yanchor": "top"},
        "bargap": 0,
    }
    return Plot(_geometry_summary(before, after), data, layout)


def _geometry_summary(before: GeometryStage, after: GeometryStage) -> str:
    if after.inter_mean is None:
        return "Inter is measured between tasks, and there is one alone."
    return (
        "Look for intra to the right of inter: there the task matters more than the class. "
        f"After training, two classes in one task have a mean cosine of {number(after.intra_mean)}, "
        f"one class in two tasks {number(after.inter_mean)}; P(intra > inter) is "
        f"{number(after.p_intra_greater, 3)}{_over_images(after)} "
        f"(before training {number(before.p_intra_greater, 3)}). A linear map names the task of "
        f"{after.task_accuracy:.1%} of the images. {_left_out_sentence(before, after)}"
    )


def _over_images(stage: GeometryStage) -> str:
    """The interval of P(intra > inter) over test images; nothing where there is none."""
    ends, level = stage.intervals.p_intra_greater, stage.intervals.level
    if ends is None:
        return ""
    return f", {level:.0%} interval over test images {number(ends.low, 3)} to {number(ends.high, 3)}"


def _left_out_sentence(before: GeometryStage, after: GeometryStage) -> str:
    """Sentence on the readout of the parameter of tasks that were left out of the fit."""
    if after.left_out.reason is not None:
        return f"No parameter is read of tasks left out: {after.left_out.reason}."

    def scores(stage: GeometryStage) -> str:
        return f"R² {number(stage.left_out.r2)}, median error {number(stage.left_out.median_error, 1)} {unit}"

    unit = after.left_out.unit
    return (
        f"Fitted on all tasks but one, it reads the parameter of that one with {scores(after)} "
        f"(before training {scores(before)})."
    )


def _density_trace(edges: Sequence[float], counts: Sequence[int], name: str, axis: str) -> dict[str, Any]:
    total = max(sum(counts), 1)
    density = [count / total / (b - a) for count, a, b in zip(counts, edges[:-1], edges[1:], strict=True)]
    kind = name.partition(":")[0]
    return {
        "type": "scatter",
        "mode": "lines",
        "x": [round(edge, DIGITS) for edge in edges],
        "y": [*(round(value, DIGITS) for value in density), 0],
        "yaxis": axis,
        "name": name,
        "legendgroup": kind,
        "showlegend": axis == "y",
        "line": {
            "shape": "hv", "width": 1.5,
            "color": INTRA if kind == "intra" else INTER,
            "dash": "solid" if kind == "intra" else "dot",
        },
        "fill": "tozeroy",
        "hovertemplate": kind + " at %{x:.2f}: %{y:.2f}<extra></extra>",
    }  # fmt: skip


def tree_plot(tree: ClusterTree) -> Plot:
    """The dendrogram with its leaves at the left, in the cluster order of the matrix."""
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
        "margin": {"t": TOP, "b": label_margin(leaves), "l": label_margin(leaves), "r": 8},
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


def _branches(tree: ClusterTree) -> tuple[list[Any], list[Any], list[tuple[float, float, int]]]:
    """All brackets as one line with gaps, and for each merge its distance, row and number of tasks."""
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


def _tree_summary(tree: ClusterTree) -> str:
    tasks = len(tree.tasks)
    left, right, height, _ = tree.linkage[-1]
    sizes = [1 if node < tasks else int(tree.linkage[int(node) - tasks, 3]) for node in (left, right)]
    summary = f"{counted(tasks, 'task')} by average linkage: groups of {sizes[0]} and {sizes[1]} join last, "
    summary += f"at a distance of {number(float(height))}."
    if tree.cophenetic is not None:
        summary += f" Cophenetic correlation {number(tree.cophenetic)}."
    return summary
