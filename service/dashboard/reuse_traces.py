"""Plots of reuse as traces and layouts of plotly.js: transfer, settings of continual learning, hash codes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from service.dashboard.matrix_traces import heatmap
from service.dashboard.traces import (
    DIGITS,
    FAINT,
    INTER,
    INTRA,
    Plot,
    category_axis,
    label_margin,
    names,
    number,
)
from tgsh.colours import PALETTE, SHARES, STOPS
from tgsh.schemas import (
    AccuracyMatrix,
    ContextTransfer,
    HashProperties,
    HashRetrieval,
    ScenarioEstimate,
    Scenarios,
)

MOST_POINTS = 4_000
"""Pairs of tasks that are drawn; of more a part, evenly chosen."""

MOST_ROWS = 60
"""Tasks in a table; the files have all."""

THIRD = PALETTE[2]
"""Beside INTRA and INTER; visible on white and on black."""

SETTINGS = (
    ("task_known", "task known", THIRD, "circle"),
    ("domain", "task inferred, class within it", INTRA, "diamond"),
    ("class_", "task and class inferred", INTER, "square"),
)

LEGEND = {"orientation": "h", "x": 0, "y": -0.22, "yanchor": "top", "font": {"size": 11}}


@dataclass(frozen=True)
class TabledPlot(Plot):
    """A plot with a table of its numbers. words: columns of words, before those of numbers."""

    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    words: int = 1


def percent(share: float | None) -> str:
    """ "94.4 %"; "–" for None."""
    return "–" if share is None else f"{100 * share:.1f} %"


def transfer_plot(similarities: np.ndarray, accuracies: np.ndarray, transfer: ContextTransfer) -> TabledPlot:
    """Accuracy under another task's context against similarity, float [T, T] both, and the sources."""
    labels = names([each.label for each in transfer.sources], [each.task for each in transfer.sources])
    of = {each.task: label for label, each in zip(labels, transfer.sources, strict=True)}
    first, second = np.nonzero(~np.eye(len(labels), dtype=bool))
    step = -(-len(first) // MOST_POINTS)
    first, second = first[::step], second[::step]
    pairs: dict[str, Any] = {
        "type": "scatter",
        "mode": "markers",
        "name": "a context on another task",
        "x": _rounded(similarities[first, second]),
        "y": _rounded(accuracies[first, second]),
        "text": [f"context of {labels[a]} on {labels[b]}" for a, b in zip(first, second, strict=True)],
        "marker": {"size": 5, "color": FAINT},
        "hovertemplate": "%{text}<br>similarity %{x:.2f}, accuracy <b>%{y:.1%}</b><extra></extra>",
    }
    chosen: dict[str, Any] = {
        "type": "scatter",
        "mode": "markers",
        "name": "chosen by similarity",
        "x": [round(each.similarity, DIGITS) for each in transfer.sources],
        "y": [round(each.accuracy, DIGITS) for each in transfer.sources],
        "text": [f"context of {of[each.chosen]} on {of[each.task]}" for each in transfer.sources],
        "marker": {"size": 8, "symbol": "diamond", "color": INTER},
        "hovertemplate": "%{text}<br>similarity %{x:.2f}, accuracy <b>%{y:.1%}</b><extra></extra>",
    }  # fmt: skip
    own = float(np.diagonal(accuracies).mean())
    line = {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": own, "y1": own}
    layout = {
        "margin": {"t": 14, "b": 84, "l": 56, "r": 12},
        "xaxis": {"title": {"text": "similarity of the two context vectors"}, "zeroline": False},
        "yaxis": {"title": {"text": "test accuracy"}, "tickformat": ".0%", "range": [0, 1.01]},
        "legend": LEGEND,
        "hovermode": "closest",
        "shapes": [{**line, "line": {"color": FAINT, "width": 1.5, "dash": "dash"}}],
        "annotations": [
            {"xref": "paper", "x": 0, "xanchor": "left", "y": own, "yanchor": "bottom", "showarrow": False,
             "text": f"own contexts, mean {own:.1%}", "font": {"size": 10.5}},
        ],
    }  # fmt: skip
    return TabledPlot(
        _transfer_summary(transfer, step),
        [pairs, *_fit_traces(transfer), chosen],
        layout,
        warnings=transfer.warnings,
        columns=("Task", "Use the context of", "Similarity", "Expected", "Measured", "Best other", "Own"),
        rows=[
            [
                each.label,
                each.chosen_label,
                number(each.similarity),
                _interval(each.expected, each.low, each.high),
                percent(each.accuracy),
                percent(each.best),
                percent(each.own),
            ]
            for each in transfer.sources[:MOST_ROWS]
        ],
        words=2,
    )


def _rounded(values: np.ndarray) -> list[float]:
    return [round(float(value), DIGITS) for value in values]


def _fit_traces(transfer: ContextTransfer) -> list[dict[str, Any]]:
    """The expected accuracy and its interval."""
    fit = transfer.fit
    if fit is None:
        return []
    common: dict[str, Any] = {
        "type": "scatter",
        "mode": "lines",
        "x": [round(x, DIGITS) for x in fit.similarities],
    }
    edge = {**common, "line": {"width": 0}, "hoverinfo": "skip"}
    return [
        {**edge, "y": [round(y, DIGITS) for y in fit.low], "showlegend": False},
        {
            **edge,
            "y": [round(y, DIGITS) for y in fit.high],
            "fill": "tonexty",
            "fillcolor": "rgba(53, 132, 200, 0.22)",
            "name": f"{fit.level:.0%} interval",
        },
        {
            **common,
            "y": [round(y, DIGITS) for y in fit.expected],
            "name": "expected",
            "line": {"width": 2.5, "color": INTRA},
            "hovertemplate": "similarity %{x:.2f}: expect <b>%{y:.1%}</b><extra></extra>",
        },
    ]  # fmt: skip


def _transfer_summary(transfer: ContextTransfer, step: int) -> str:
    agreement = "Similarity or accuracy is the same for all pairs, so nothing correlates."
    if transfer.pearson is not None:
        mantel = transfer.mantel
        test = "" if mantel is None else f", Mantel p {number(mantel.p_value, 3)}"
        agreement = (
            f"Similarity and accuracy correlate with Pearson {number(transfer.pearson, 3)}, "
            f"Spearman {number(transfer.spearman, 3)}{test}."
        )
    choice = (
        f"The context that similarity chooses has an accuracy of {percent(transfer.mean_chosen)} on average, "
        f"the best other one {percent(transfer.mean_best)}, one at random {percent(transfer.mean_random)}."
    )
    fit = transfer.fit
    told = f" There is no fit: {transfer.reason}." if fit is None and transfer.reason else ""
    if fit is not None:
        told = f" Of pairs whose task was left out of the fit, {percent(fit.coverage)} lie in the interval."
    part = f" Every {step}th pair is drawn." if step > 1 else ""
    return f"{agreement} {choice}{told}{part}"


def _interval(value: float | None, low: float | None, high: float | None) -> str:
    if value is None:
        return "–"
    if low is None or high is None:
        return percent(value)
    return f"{percent(value)} ({100 * low:.0f} to {100 * high:.0f})"


def scenarios_plot(scenarios: Scenarios) -> TabledPlot:
    """Accuracy in the three settings by images a batch, with chance."""
    sizes = [f"{row.images:,}" for row in scenarios.rows]
    data: list[dict[str, Any]] = []
    for name, label, colour, symbol in SETTINGS:
        found: list[ScenarioEstimate | None] = [getattr(row, name) for row in scenarios.rows]
        data.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": label,
                "x": sizes,
                "y": [None if each is None else round(each.value, DIGITS) for each in found],
                "error_y": {
                    "type": "data",
                    "symmetric": False,
                    "array": [_reach(each, "high") for each in found],
                    "arrayminus": [_reach(each, "low") for each in found],
                    "thickness": 1.2,
                    "width": 3,
                },
                "line": {"color": colour, "width": 2},
                "marker": {"size": 8, "symbol": symbol, "color": colour},
                "hovertemplate": f"{label}, %{{x}} images: <b>%{{y:.1%}}</b><extra></extra>",
            }
        )
    guesses = scenarios.chance
    for name, _, colour, _ in SETTINGS[1:]:
        guess = float(getattr(guesses, name))
        data.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": f"chance {guess:.2%}" if guess < 0.01 else f"chance {guess:.0%}",
                "x": sizes,
                "y": [round(guess, DIGITS)] * len(sizes),
                "line": {"color": colour, "width": 1.3, "dash": "dot"},
                "hoverinfo": "skip",
            }
        )
    layout = {
        "margin": {"t": 14, "b": 104, "l": 56, "r": 12},
        "xaxis": category_axis(sizes, title={"text": "images a batch, all of one task"}),
        "yaxis": {"title": {"text": "test accuracy"}, "tickformat": ".0%", "range": [0, 1.03]},
        "legend": LEGEND,
    }
    rows = [
        [f"{row.images:,}", *(_estimate(getattr(row, name)) for name in _SHOWN)] for row in scenarios.rows
    ]
    rows.append(["chance", *(_chance(getattr(guesses, name)) for name in _SHOWN)])
    return TabledPlot(
        _scenarios_summary(scenarios),
        data,
        layout,
        warnings=scenarios.warnings,
        columns=("Images a batch", "Task known", "Class, task inferred", "Task and class", "Task named"),
        rows=rows,
    )


_SHOWN = ("task_known", "domain", "class_", "task")


def _reach(estimate: ScenarioEstimate | None, end: str) -> float | None:
    if estimate is None or (value := getattr(estimate, end)) is None:
        return None
    return round(abs(float(value) - estimate.value), DIGITS)


def _estimate(estimate: ScenarioEstimate | None) -> str:
    return "–" if estimate is None else _interval(estimate.value, estimate.low, estimate.high)


def _chance(guess: float) -> str:
    return f"{guess:.2%}".replace("%", " %") if guess < 0.01 else percent(guess)


def _scenarios_summary(scenarios: Scenarios) -> str:
    known = [row for row in scenarios.rows if row.domain and row.class_ and row.task_known and row.task]
    missing = [f"{row.images:,} images: {row.reason}." for row in scenarios.rows if row.reason]
    told = ""
    if known:
        row = next((each for each in known if each.images == 10), known[-1])
        assert row.task_known is not None and row.domain is not None  # noqa: PT018
        assert row.class_ is not None and row.task is not None  # noqa: PT018
        batch = "Of single images" if row.images == 1 else f"Of batches of {row.images:,} images"
        told = (
            f"{batch} whose task nobody told, {percent(row.task.value)} are given the right task; the class "
            f"within the task is right in {percent(row.domain.value)}, task and class in "
            f"{percent(row.class_.value)}. With the task told it is {percent(row.task_known.value)}."
        )
    return " ".join([*([told] if told else []), *missing])


def collisions_plot(properties: HashProperties) -> Plot:
    """Agreement of codes against the cosine of what was hashed."""
    data: list[dict[str, Any]] = []
    if properties.kind == "simhash":
        cosine = np.linspace(-1, 1, 81)
        data.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": "random planes, 1 − θ/π",
                "x": _rounded(cosine),
                "y": _rounded(1 - np.arccos(cosine) / np.pi),
                "line": {"color": FAINT, "width": 1.5},
                "hoverinfo": "skip",
            }
        )
    for curve in properties.curves:
        name = f"{curve.pairs_of} tasks, {curve.stage} training"
        hollow = "-open" if curve.stage == "before" else ""
        colour, symbol = (INTRA, "circle") if curve.pairs_of == "within" else (INTER, "square")
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": name,
                "x": [round(value, DIGITS) for value in curve.cosine],
                "y": [round(value, DIGITS) for value in curve.agreement],
                "customdata": curve.pairs,
                "marker": {"size": 8, "symbol": symbol + hollow, "color": colour},
                "hovertemplate": f"{name}<br>cosine %{{x:.2f}}: <b>%{{y:.1%}}</b> of %{{customdata:,}} pairs"
                "<extra></extra>",
            }
        )
    same = "share of equal bits" if properties.kind == "simhash" else "share of common units"
    layout = {
        "margin": {"t": 14, "b": 104, "l": 56, "r": 12},
        "xaxis": {"title": {"text": "cosine of the representations"}, "zeroline": False},
        "yaxis": {"title": {"text": same}, "tickformat": ".0%", "range": [0, 1.03]},
        "legend": LEGEND,
        "hovermode": "closest",
    }
    return Plot(_collisions_summary(properties), data, layout, warnings=properties.warnings)


def _collisions_summary(properties: HashProperties) -> str:
    said = [
        f"pairs {curve.pairs_of} tasks have a cosine of {number(curve.mean_cosine)} and agree in "
        f"{percent(curve.mean_agreement)}"
        + ("" if curve.deviation is None else f", {number(curve.deviation, 3)} from what random planes give")
        for curve in properties.curves
        if curve.stage == "after" and curve.mean_cosine is not None
    ]
    return f"After training: {'; '.join(said)}." if said else "There are no pairs."


def retrieval_plot(properties: HashProperties) -> TabledPlot:
    """Shares of the nearest codes that are of the query's task and class, beside baselines and chance."""
    shown = [*properties.retrieval, properties.chance]
    labels = [row.name for row in shown]
    data = [
        {
            "type": "bar",
            "orientation": "h",
            "name": title,
            "y": labels,
            "x": [_share(row, field) for row in shown],
            "marker": {
                "color": colour,
                "pattern": {"shape": pattern, "fillmode": "overlay", "fgcolor": "#fff"},
            },
            "hovertemplate": f"%{{y}}: <b>%{{x:.1%}}</b> of the {title}<extra></extra>",
        }
        for field, title, colour, pattern in (
            ("same_task", "query's task", INTER, "/"),
            ("same_class", "query's class", INTRA, ""),
        )
    ]
    layout = {
        "height": 150 + 40 * len(labels),
        "margin": {"t": 14, "b": 84, "l": label_margin(labels), "r": 12},
        "xaxis": {
            "title": {"text": f"of the {properties.count} nearest codes"},
            "tickformat": ".0%",
            "range": [0, 1.01],
        },
        "yaxis": category_axis(labels[::-1], automargin=True),
        "barmode": "group",
        "legend": {**LEGEND, "y": -0.16, "traceorder": "normal"},
    }
    return TabledPlot(
        _retrieval_summary(properties),
        data,
        layout,
        columns=("Codes", "Query", "Database", "Same task", "Same class", "Same class, own task"),
        rows=[
            [
                row.name,
                row.query,
                row.database,
                percent(row.same_task),
                percent(row.same_class),
                percent(row.same_class_within),
            ]
            for row in shown
        ],
        words=3,
    )


def _share(row: HashRetrieval, field: str) -> float | None:
    value = getattr(row, field)
    return None if value is None else round(value, DIGITS)


def _retrieval_summary(properties: HashProperties) -> str:
    by_name = {row.name: row for row in properties.retrieval}
    own, blind = by_name.get("own context"), by_name.get("blind")
    if own is None:
        return properties.note
    told = (
        f"Of the {properties.count} nearest codes {percent(own.same_task)} are of the query's task and "
        f"{percent(own.same_class)} of its class"
    )
    if blind is not None:
        told += f"; without any context {percent(blind.same_task)} and {percent(blind.same_class)}"
    return f"{told}. {properties.note}"


def accuracy_matrix_plot(matrix: AccuracyMatrix) -> Plot:
    """Accuracy of the context of each row on the data of each column, from 0 to 100 %, as in print."""
    values = 100 * np.array(matrix.values, np.float64)
    tasks = len(values)
    summary = (
        f"Every context on the data of every task; the mean of its own is {np.diag(values).mean():.1f} %"
    )
    if tasks > 1:
        others = values[~np.eye(tasks, dtype=bool)]
        summary += f", of other tasks {others.mean():.1f} %. Look for blocks of high values off the diagonal"
        summary += ": one context serves several tasks"
    plot = heatmap(values, names(matrix.labels, matrix.tasks), f"{summary}.")
    stops, ticks = STOPS[SHARES], [0, 25, 50, 75, 100]
    trace = {
        **plot.data[0],
        "hovertemplate": "context of %{y} on the data of %{x}: <b>%{z:.1f} %</b><extra></extra>",
    }
    layout = {
        **plot.layout,
        "coloraxis": {
            "cmin": 0,
            "cmax": 100,
            "colorscale": [[place / (len(stops) - 1), colour] for place, colour in enumerate(stops)],
            "colorbar": {"tickvals": ticks, "ticktext": [f"{tick} %" for tick in ticks]},
        },
    }
    return Plot(plot.summary, [trace], layout)
