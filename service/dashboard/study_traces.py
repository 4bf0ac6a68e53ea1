"""Plots of numbers over replicates as traces and layouts of plotly.js, each with a summary in words."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from service.dashboard.matrix_traces import AS_DESIGNED, DESIGNED_RANGE, coloured, heatmap
from service.dashboard.traces import (
    INTER,
    INTRA,
    Plot,
    category_axis,
    counted,
    label_margin,
    names,
    number,
    tree_plot,
)
from tgsh.analysis.consensus import SupportedTree
from tgsh.analysis.noise_ceilings import NoiseCeiling
from tgsh.analysis.replicate_design import Replicates
from tgsh.analysis.replicates import ReplicateEstimate
from tgsh.colours import PALETTE, SHARES, STOPS
from tgsh.schemas import Statistic
from tgsh.specs.figure_options import FigureOptions

COLOURS = (*PALETTE, "#7f6f5f", "#8a5fd0")
"""Of cells: as in print, and two more; distinguishable on white and on black, as their marks are."""

SYMBOLS = ("circle", "diamond", "square", "triangle-up", "x", "star", "cross", "triangle-down")

MARK = {"size": 5, "color": "rgba(255, 255, 255, 0.9)", "line": {"width": 1, "color": "#333c48"}}
"""Of an uncertain cell: to be seen on every colour."""

MOST_MARKS = 60
"""Rows of a matrix whose uncertain cells are marked; in more the marks would cover it."""

ROW = 34
"""Pixels of an interval's row."""

PANEL = 250
"""Pixels of a small matrix."""


@dataclass(frozen=True)
class DifferencePlot(Plot):
    """A plot with a sentence for each of its rows."""

    sentences: Sequence[str] = ()


@dataclass(frozen=True)
class IntervalRow:
    """A row of intervals: name, number, ends; None where there is none."""

    name: str
    value: float | None
    low: float | None
    high: float | None


def replicates_words(replicates: Replicates) -> str:
    """ "6 replicates (3 seeds × 2 bases)"."""
    seeds, bases = len(set(replicates.seeds)), len(set(replicates.base_seeds))
    whole = seeds * bases == len(replicates)
    inside = f" ({counted(seeds, 'seed')} × {'1 base' if bases == 1 else f'{bases} bases'})" if whole else ""
    return f"{counted(len(replicates), 'replicate')}{inside}"


def over_words(over: str) -> str:
    """Source that an interval generalises over, in words."""
    return {"seeds": "seeds", "base_seeds": "random bases", "both": "seeds and random bases"}[over]


# --- matrices


def statistic_plot(
    found: ReplicateEstimate,
    order: Sequence[int],
    labels: Sequence[str],
    tasks: Sequence[int],
    statistic: Statistic,
    replicates: Replicates,
    colours: FigureOptions = AS_DESIGNED,
) -> Plot:
    """A matrix of a statistic, its rows in this order; a dot marks pairs whose interval holds 0."""
    plot, shown = _statistic_plot(found, order, labels, tasks, statistic, replicates)
    if not plot.data:
        return plot
    designed = (0.0, plot.layout["coloraxis"]["cmax"]) if statistic == "sd" else DESIGNED_RANGE
    return coloured(plot, [shown], colours, designed)


def _statistic_plot(
    found: ReplicateEstimate,
    order: Sequence[int],
    labels: Sequence[str],
    tasks: Sequence[int],
    statistic: Statistic,
    replicates: Replicates,
) -> tuple[Plot, np.ndarray]:
    """The matrix as it is designed, and its values."""
    rows = np.ix_(list(order), list(order))
    mean, sd, low, high = (getattr(found, name)[rows] for name in ("mean", "sd", "low", "high"))
    shown = {"mean": mean, "sd": sd, "low": low, "high": high}[statistic]
    names_of_rows = names([labels[place] for place in order], [tasks[place] for place in order])
    words = {
        "mean": "Mean",
        "sd": "Standard deviation of one replicate",
        "low": f"Lower end of the {100 * found.level:g} % interval",
        "high": f"Upper end of the {100 * found.level:g} % interval",
    }[statistic]
    about = f"{words} over {replicates_words(replicates)}"
    if found.reason is not None:
        about = f"{about}. There are no intervals: {found.reason}"
    elif statistic != "mean":
        about = f"{about}, if {over_words(found.over)} were drawn anew"
    plot = heatmap(shown, names_of_rows, f"{about}.")
    if statistic != "mean" and not np.isfinite(shown).any():
        return Plot(plot.summary), shown
    trace = {**plot.data[0], "customdata": _cells(mean, sd, low, high), "hovertemplate": HOVER}
    layout = dict(plot.layout)
    if statistic == "sd":
        layout["coloraxis"] = _spread_colours(shown)
    uncertain = found.includes_zero[rows]
    pairs = int(uncertain.sum()) // 2
    if found.reason is not None or statistic == "sd":
        return replace(plot, data=[trace], layout=layout), shown
    total = len(order) * (len(order) - 1) // 2
    told = f"The interval of {pairs:,} of {total:,} pairs holds 0: that they are alike at all may be chance"
    if not pairs or len(order) > MOST_MARKS:
        told = told if pairs else "No interval holds 0"
        return replace(plot, summary=f"{plot.summary} {told}.", data=[trace], layout=layout), shown
    marks = {
        "type": "scatter",
        "mode": "markers",
        "x": [names_of_rows[column] for _, column in np.argwhere(uncertain).tolist()],
        "y": [names_of_rows[row] for row, _ in np.argwhere(uncertain).tolist()],
        "marker": MARK,
        "hoverinfo": "skip",
        "showlegend": False,
    }
    told = f"{plot.summary} {told}; dots mark them."
    return replace(plot, summary=told, data=[trace, marks], layout=layout), shown


HOVER = "%{y} and %{x}: <b>%{customdata}</b><extra></extra>"


def _cells(mean: np.ndarray, sd: np.ndarray, low: np.ndarray, high: np.ndarray) -> list[list[str]]:
    """Text that the pointer tells of each pair."""

    def words(place: tuple[int, int]) -> str:
        about = number(float(mean[place]), 3)
        if np.isfinite(low[place]) and np.isfinite(high[place]):
            about += f"</b><br>interval {number(float(low[place]), 3)} to {number(float(high[place]), 3)}<b>"
        if np.isfinite(sd[place]):
            about += f"</b><br>sd {number(float(sd[place]), 3)}<b>"
        return about

    side = range(len(mean))
    return [[words((row, column)) for column in side] for row in side]


def _spread_colours(values: np.ndarray) -> dict[str, Any]:
    """Colours from 0 to the greatest deviation."""
    greatest = float(np.nanmax(values, initial=0.0, where=np.isfinite(values))) or 1.0
    ticks = [0.0, greatest / 2, greatest]
    stops = STOPS[SHARES]
    scale = [[place / (len(stops) - 1), colour] for place, colour in enumerate(stops)]
    return {
        "cmin": 0,
        "cmax": greatest,
        "colorscale": scale,
        "colorbar": {"tickvals": ticks, "ticktext": [f"{tick:.2g}" for tick in ticks]},
    }


def cells_plot(
    matrices: Sequence[tuple[str, np.ndarray, Sequence[str]]],
    left_out: int,
    colours: FigureOptions = AS_DESIGNED,
) -> Plot:
    """Mean matrices side by side, in one range of colours. matrices: title, values, labels of each cell."""
    columns = min(len(matrices), 2 if len(matrices) in (2, 4) else 3)
    rows = math.ceil(len(matrices) / columns)
    data, layout = [], {"height": 40 + rows * PANEL, "margin": {"t": 34, "b": 8, "l": 8, "r": 8}}
    annotations = []
    for place, (title, values, labels) in enumerate(matrices):
        row, column = divmod(place, columns)
        left, top = column / columns, 1 - row / rows
        suffix = str(place + 1) if place else ""
        x_axis = {"domain": [left, left + 0.94 / columns], "anchor": f"y{suffix}"}
        y_axis = {"domain": [top - 0.86 / rows, top], "anchor": f"x{suffix}"}
        one = heatmap(values, labels, "")
        data.append({**one.data[0], "xaxis": f"x{suffix}", "yaxis": f"y{suffix}"})
        bare = {"showticklabels": False, "ticks": ""}
        layout[f"xaxis{suffix}"] = {**one.layout["xaxis"], **x_axis, **bare}
        layout[f"yaxis{suffix}"] = {**one.layout["yaxis"], **y_axis, **bare}
        annotations.append(
            {
                "xref": "paper", "x": left, "xanchor": "left", "yref": "paper", "y": top, "yanchor": "bottom",
                "text": html.escape(title, quote=False), "showarrow": False, "font": {"size": 11},
            }
        )  # fmt: skip
    layout["annotations"] = annotations
    summary = f"Mean similarities of {counted(len(matrices), 'cell')}, all in one range of colours."
    if left_out:
        summary += f" {counted(left_out, 'cell')} more {'is' if left_out == 1 else 'are'} not drawn."
    return coloured(Plot(summary, data, layout), [values for _, values, _ in matrices], colours)


# --- tree


def supported_plot(found: SupportedTree) -> Plot:
    """The tree of the mean with the share of replicates that have each group."""
    plot = tree_plot(found.tree)
    if not plot.data:
        return plot
    if found.reason is not None:
        return replace(plot, summary=f"{plot.summary} No support: {found.reason}.")
    joints = plot.data[1]
    inner = [place for place, share in enumerate(found.support[:-1]) if share is not None]
    shares = [100 * float(found.support[place] or 0) for place in inner]
    support = {
        "type": "scatter",
        "mode": "text",
        "x": [joints["x"][place] for place in inner],
        "y": [joints["y"][place] for place in inner],
        "text": [f"{share:.0f} " for share in shares],
        "textposition": "middle left",
        "textfont": {"size": 11, "color": INTER},
        "hoverinfo": "skip",
        "cliponaxis": False,
    }
    all_have = sum(share == 100 for share in shares)
    told = (
        f"Numbers are the share of {counted(found.trees, 'replicate')} that have a group, in percent; "
        f"{all_have} of {counted(len(inner), 'group')} {'is' if all_have == 1 else 'are'} in all of them."
    )
    return replace(plot, summary=f"{plot.summary} {told}", data=[*plot.data, support])


# --- intervals


def accuracies_plot(
    cells: Sequence[tuple[str, ReplicateEstimate, ReplicateEstimate]],
    labels: Sequence[str],
    tasks: Sequence[int],
) -> Plot:
    """Accuracy of each task with its interval. cells: title, estimates of the tasks, of their mean."""
    names_of_tasks = names(labels, tasks)
    shift = min(0.6 / len(cells), 0.18)
    data, drawn = [], []
    for place, (title, found, _) in enumerate(cells):
        x = np.arange(len(tasks)) + (place - (len(cells) - 1) / 2) * shift
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": html.escape(title or "all", quote=False),
                "x": x.round(3).tolist(),
                "y": _or_none(found.mean),
                "error_y": _error(found.mean, found.low, found.high),
                "marker": {
                    "size": 7,
                    "color": COLOURS[place % len(COLOURS)],
                    "symbol": SYMBOLS[place % len(SYMBOLS)],
                },
                "text": names_of_tasks,
                "hovertemplate": "<b>%{text}</b>: %{y:.1%}<extra></extra>",
            }
        )
        drawn += [value for array in (found.mean, found.low, found.high) for value in array.tolist()]
    known = [value for value in drawn if math.isfinite(value)]
    pad = max(0.08 * (max(known) - min(known)), 0.01)
    step = -(-len(tasks) // 40)
    many = len(cells) > 1
    layout = {
        "margin": {
            "t": 20 + 22 * min(len(cells), 8) * many,
            "b": label_margin(names_of_tasks),
            "l": 52,
            "r": 12,
        },
        "xaxis": {
            "tickvals": list(range(0, len(tasks), step)),
            "ticktext": names_of_tasks[::step],
            "range": [-0.7, len(tasks) - 0.3],
            "showgrid": False,
            "zeroline": False,
            "tickangle": -90,
        },
        "yaxis": {"tickformat": ".0%", "range": [min(known) - pad, max(known) + pad], "zeroline": False},
        "showlegend": many,
        "legend": {"x": 0, "y": 1, "yanchor": "bottom"},
    }
    return Plot(_accuracy_words(cells), data, layout)


def _accuracy_words(cells: Sequence[tuple[str, ReplicateEstimate, ReplicateEstimate]]) -> str:
    parts = []
    for title, _, overall in cells[:6]:
        mean, low, high = (float(getattr(overall, name)[0]) for name in ("mean", "low", "high"))
        words = f"{100 * mean:.1f} %" if math.isfinite(mean) else "unknown"
        if math.isfinite(low) and math.isfinite(high):
            level = f"{100 * overall.level:g} % interval"
            words += f" ({level} {100 * low:.1f} to {100 * high:.1f} %)"
        parts.append(f"of cell {title}, {words}" if title else words)
    more = f"; and {counted(len(cells) - 6, 'cell')} more" if len(cells) > 6 else ""
    reason = next((overall.reason for _, _, overall in cells if overall.reason is not None), None)
    return f"Mean test accuracy {'; '.join(parts)}{more}." + (f" No intervals: {reason}." if reason else "")


def _error(mean: np.ndarray, low: np.ndarray, high: np.ndarray) -> dict[str, Any]:
    return {
        "type": "data",
        "symmetric": False,
        "array": _or_none(high - mean),
        "arrayminus": _or_none(mean - low),
        "thickness": 1.4,
        "width": 3,
    }


def _or_none(values: np.ndarray) -> list[float | None]:
    return [round(value, 5) if math.isfinite(value) else None for value in values.tolist()]


def ceilings_plot(ceilings: Sequence[NoiseCeiling]) -> Plot:
    """A bar from the lower to the upper ceiling of each source, and the agreement of two replicates."""
    known = [each for each in ceilings if each.lower is not None and each.upper is not None]
    if not known:
        reasons = dict.fromkeys(each.reason for each in ceilings if each.reason)
        return Plot(f"No noise ceiling: {'; '.join(reasons)}." if reasons else "No noise ceiling.")
    sources = {"seeds": "seeds", "base_seeds": "bases", "both": "both"}
    rows = [f"{sources[each.over]}, {each.correlation.capitalize()}" for each in known]
    bars: dict[str, Any] = {
        "type": "bar",
        "orientation": "h",
        "y": rows,
        "base": [round(float(each.lower or 0), 5) for each in known],
        "x": [round(float(each.upper or 0) - float(each.lower or 0), 5) for each in known],
        "customdata": [f"{number(each.lower, 3)} to {number(each.upper, 3)}" for each in known],
        "marker": {"color": INTRA, "line": {"width": 2, "color": INTRA}},  # a line where the two are equal
        "width": 0.4,
        "hovertemplate": "%{y}: ceiling <b>%{customdata}</b><extra></extra>",
    }
    between = {
        "type": "scatter",
        "mode": "markers",
        "x": [None if each.between is None else round(each.between, 5) for each in known],
        "y": rows,
        "marker": {"symbol": "diamond", "size": 9, "color": INTER},
        "hovertemplate": "%{y}: two replicates agree <b>%{x:.3f}</b><extra></extra>",
    }
    ends = [value for each in known for value in (each.lower, each.upper, each.between) if value is not None]
    pad = max(0.08 * (max(ends) - min(ends)), 0.0005)
    layout = {
        "height": 80 + ROW * len(rows),
        "margin": {"t": 8, "b": 44, "l": label_margin(rows), "r": 16},
        "xaxis": {"title": {"text": "correlation"}, "range": [min(ends) - pad, max(ends) + pad], "nticks": 6},
        "yaxis": category_axis(rows, autorange="reversed", showgrid=False),
        "showlegend": False,
        "barmode": "overlay",
    }
    widest = next((each for each in known[::-1] if each.correlation == "pearson"), known[-1])
    summary = (
        f"The best possible matrix would agree with single replicates by {number(widest.lower, 3)} to "
        f"{number(widest.upper, 3)} ({widest.correlation.capitalize()}, over {over_words(widest.over)}): "
        "what reaches that explains all that can be explained. Diamonds: how far two replicates agree."
    )
    missing = dict.fromkeys(
        f"{over_words(each.over)}: {each.reason}" for each in ceilings if each.lower is None and each.reason
    )
    return Plot(summary + (f" None over {'; '.join(missing)}." if missing else ""), [bars, between], layout)


def intervals_plot(rows: Sequence[IntervalRow], axis: str, summary: str, *, of: str = "") -> Plot:
    """Numbers with their intervals, one a row, and a line at zero. of: number format, such as ".1%"."""
    known = [each for each in rows if each.value is not None]
    if not known:
        return Plot(summary)
    places = list(range(len(known)))
    values, low, high = (
        np.array([np.nan if one is None else one for one in column], np.float64)
        for column in ([e.value for e in known], [e.low for e in known], [e.high for e in known])
    )
    titles = [html.escape(each.name, quote=False) for each in known]
    short = [title if len(title) <= 34 else f"{title[:33]}…" for title in titles]
    data = {
        "type": "scatter",
        "mode": "markers",
        "x": _or_none(values),
        "y": places,
        "error_x": _error(values, low, high),
        "marker": {"size": 8, "color": INTRA},
        "text": titles,
        "hovertemplate": f"<b>%{{text}}</b>: %{{x:{of or '.3f'}}}<extra></extra>",
    }
    layout = {
        "height": 90 + ROW * len(known),
        "margin": {"t": 8, "b": 44, "l": label_margin(short), "r": 16},
        "xaxis": {
            "title": {"text": axis}, "rangemode": "tozero", "zeroline": True, "zerolinewidth": 2, "nticks": 6,
            **({"tickformat": of} if of else {}),
        },
        "yaxis": {
            "tickvals": places, "ticktext": short, "range": [len(known) - 0.5, -0.5], "showgrid": False,
            "zeroline": False,
        },
        "showlegend": False,
    }  # fmt: skip
    return Plot(summary, [data], layout)
