"""Maps of tasks in a plane and in space as traces and layouts of plotly.js, each with a summary in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from service.dashboard.traces import DIGITS, FAINT, INTRA, Plot, counted, label_margin, names, number
from tgsh.analysis.consensus import ConsensusMap
from tgsh.analysis.embedding import TaskMap, TaskScale

MAX_NAMED = 40  # points with their names beside them
IN_ORDER, AROUND = "coloraxis2", "coloraxis3"  # as plots.js knows them
GREY = "#808c9b"  # visible on white and on black; WebGL shows nothing of a line that light shines through
ORDINALS = ("first", "second", "third")
COUNTS = {2: "Two", 3: "Three"}
PAD = 0.08  # around the points in space, as a share of the longest axis
SHORTEST = 0.4  # of the longest axis
LONGEST = 0.8  # of the axes in space, where plotly.js looks from (1.25, 1.25, 1.25): titles are in sight


def map_plot(task_map: TaskMap, scale: TaskScale | None) -> Plot:
    """Tasks as points [T, 2] in a plane or [T, 3] in space.

    scale: the parameter that joins and colours them; None: they are in no order.
    """
    tasks = len(task_map.tasks)
    if tasks < 3:
        return Plot("A map takes three tasks that are done.")
    in_space = task_map.points.shape[1] == 3
    labels = names(task_map.labels, task_map.tasks)
    at = _coordinates(task_map.points)
    points = {
        **at,
        "mode": "markers+text" if tasks <= MAX_NAMED else "markers",
        "text": labels,
        "hovertext": labels,
        "textfont": {"size": 10},
        "hovertemplate": "<b>%{hovertext}</b><extra></extra>",
        **(_space_marks(scale) if in_space else _plane_marks(scale)),
    }
    if tasks <= MAX_NAMED:
        points["meta"] = {"named": True}  # map-labels.js finds the room
    data = [points]
    if scale is not None:
        path = {axis: [at[axis][row] for row in scale.path] for axis in at if axis != "type"}
        line = {"color": GREY, "width": 2} if in_space else {"color": FAINT, "width": 1}
        data = [{"type": at["type"], "mode": "lines", **path, "line": line, "hoverinfo": "skip"}, points]
    layout = _space_layout(task_map) if in_space else _plane_layout(task_map, at, label_margin(labels))
    summary = (
        f"{counted(tasks, 'task')} by classical MDS of 1 − similarity: tasks that lie near each other are "
        f"alike. {COUNTS[task_map.points.shape[1]]} axes show {sum(task_map.explained):.0%} of it; stress "
        f"{number(task_map.stress)}."
    )
    return Plot(summary, data, layout)


def spread_map_plot(task_map: TaskMap, found: ConsensusMap, scale: TaskScale | None) -> Plot:
    """Tasks as points, and those of the single replicates around them, in as many dimensions."""
    plot = map_plot(task_map, scale)
    if not plot.data:
        return plot
    dimensions = task_map.points.shape[1]
    points = found.replicates[:, :, :dimensions].reshape(-1, dimensions)
    single = {
        **_coordinates(points[np.isfinite(points).all(axis=1)]),
        "mode": "markers",
        "marker": {"size": 4 if dimensions == 2 else 2, "color": GREY, "opacity": 0.75},
        "hoverinfo": "skip",
    }
    told = "Small points are single replicates, turned onto the mean (Procrustes)."
    if found.reason is not None:
        told = f"No spread: {found.reason}."
    return replace(plot, summary=f"{plot.summary} {told}", data=[single, *plot.data])


def _coordinates(points: np.ndarray) -> dict[str, Any]:
    """Kind of trace and coordinates of points [N, 2] or [N, 3]."""
    kind = "scatter3d" if points.shape[1] == 3 else "scatter"
    axes = zip("xyz", points.T.round(DIGITS).tolist(), strict=False)
    return {"type": kind, **dict(axes)}


def _plane_marks(scale: TaskScale | None) -> dict[str, Any]:
    outline = {"color": FAINT, "width": 1}
    return {"marker": {"size": 9, "line": outline, **_point_colours(scale)}, "cliponaxis": False}


def _space_marks(scale: TaskScale | None) -> dict[str, Any]:
    outline = {"color": GREY, "width": 1}
    return {"marker": {"size": 3, "line": outline, **_point_colours(scale)}}


def _plane_layout(task_map: TaskMap, at: Mapping[str, Any], margin: int) -> dict[str, Any]:
    return {
        "margin": {"t": 24, "b": 40, "l": 48, "r": 24},
        "xaxis": {
            "title": {"text": _axis_title(task_map, 0)},
            "range": _padded_range(at["x"], margin / 400),
            "zeroline": False,
            "constrain": "domain",  # else each change of the window's size zooms out
        },
        "yaxis": {
            "title": {"text": _axis_title(task_map, 1)},
            "range": _padded_range(at["y"], 0.1),
            "zeroline": False,
            "constrain": "domain",
            "scaleanchor": "x",
        },
        "showlegend": False,
    }


def _space_layout(task_map: TaskMap) -> dict[str, Any]:
    """One scale on all axes, as distances are what a map shows; a short axis has room for its name, too."""
    low, high = task_map.points.min(axis=0), task_map.points.max(axis=0)
    longest = float((high - low).max() or 1)
    pad = PAD * longest + np.maximum(SHORTEST * longest - (high - low), 0) / 2
    low, high = (low - pad).round(DIGITS), (high + pad).round(DIGITS)
    lengths = (high - low) / (high - low).max()
    axes = {
        f"{name}axis": {
            "title": {"text": _axis_title(task_map, axis)},
            "range": [float(low[axis]), float(high[axis])],
            "nticks": 1 + round(5 * float(lengths[axis])),
            "zeroline": False,
        }
        for axis, name in enumerate("xyz")
    }
    aspect = dict(zip("xyz", (LONGEST * lengths).round(DIGITS).tolist(), strict=True))
    return {
        "margin": {"t": 0, "b": 0, "l": 0, "r": 0},
        "scene": {**axes, "aspectmode": "manual", "aspectratio": aspect},
        "showlegend": False,
    }


def _axis_title(task_map: TaskMap, axis: int) -> str:
    return f"{ORDINALS[axis]} axis, {task_map.explained[axis]:.0%}"


def _point_colours(scale: TaskScale | None) -> dict[str, Any]:
    """One colour where tasks are in no order, a closed scale of colours where they go all the way round."""
    if scale is None:
        return {"color": INTRA}
    axis = IN_ORDER if scale.period is None else AROUND
    return {"color": scale.shares.round(DIGITS).tolist(), "coloraxis": axis}


def _padded_range(values: Sequence[float], share: float) -> list[float]:
    """A range with padding on both sides, as a share of its length."""
    low, high = min(values), max(values)
    pad = share * (high - low or 1)
    return [low - pad, high + pad]
