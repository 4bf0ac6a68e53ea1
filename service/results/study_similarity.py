"""Similarities over the replicates of a study: statistics, ceilings, differences, tree and embedding."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from service import subprocesses
from service.dependencies import Services
from service.errors import NotAcceptable
from service.results.base import Computed, Result, Sketch, Source, as_arrays, as_json
from service.results.study_replicates import (
    MOST_NUMBERS,
    CellParams,
    CellReplicates,
    EstimateParams,
    StudyKey,
    array_about,
    cell_about,
    cell_estimate,
    cell_warnings,
    check_numbers,
    check_streamed,
    find_cell,
    is_large,
    matrices,
    matrices_of,
    mean_matrix,
    numbers,
)
from tgsh.analysis.clustering import dendrogram
from tgsh.analysis.differences import PairDifference, pair_differences
from tgsh.analysis.noise_ceilings import NoiseCeiling, noise_ceiling
from tgsh.analysis.replicates import ReplicateEstimate
from tgsh.arrays import LabelledArray, table_csv
from tgsh.errors import InvalidSpec
from tgsh.schemas import (
    CorrelationName,
    NoiseCeilingValues,
    Order,
    Over,
    SimilarityDifference,
    Statistic,
    StudyCeiling,
    StudyDifferences,
    StudySimilarity,
)
from tgsh.specs import figure_options
from tgsh.specs.results import PICTURES, ResultSpec
from tgsh.task_names import MAX_NAME, told_apart

MOST_DIFFERENCES = 200

# --- the matrix


class StatisticParams(EstimateParams):
    """Parameters of a statistic of similarities."""

    statistic: Statistic = "mean"
    order: Order = "task"


@dataclass(frozen=True, eq=False)
class OrderedEstimate:
    """An estimate [T, T], and the order of its rows as places among the cell's tasks."""

    estimate: ReplicateEstimate
    order: list[int]

    def values(self, statistic: Statistic | Literal["includes_zero"]) -> np.ndarray:
        """A statistic in this order, or where the interval holds 0."""
        whole: np.ndarray = getattr(self.estimate, statistic)
        return whole[np.ix_(self.order, self.order)]


Statistics = Computed[OrderedEstimate, CellReplicates, StatisticParams]


def _statistics(services: Services, cell: CellReplicates, params: StatisticParams) -> OrderedEstimate:
    found = cell_estimate(services, cell, params)
    order = list(range(len(cell.tasks)))
    if params.order == "cluster" and len(order) > 1:
        order = list(dendrogram(mean_matrix(found, cell, params)).leaves)
    return OrderedEstimate(found, order)


def _statistics_document(computed: Statistics) -> StudySimilarity:
    cell, params, found = computed.content, computed.params, computed.value
    about = cell_about(cell, params, computed.warnings)
    about["tasks"] = [cell.tasks[place] for place in found.order]
    about["labels"] = [cell.labels[place] for place in found.order]
    return StudySimilarity.model_validate(
        {
            **about,
            "statistic": params.statistic,
            "level": params.level,
            "over": found.estimate.over,
            "order": params.order,
            "values": numbers(found.values(params.statistic)),
            "reason": None if params.statistic == "mean" else found.estimate.reason,
        }
    )


def _statistics_array(computed: Statistics) -> LabelledArray:
    cell, params, found = computed.content, computed.params, computed.value
    labels = [cell.labels[place] for place in found.order]
    more = {
        "statistic": params.statistic,
        "level": str(params.level),
        "over": found.estimate.over,
        "order": params.order,
    }
    tasks = [cell.tasks[place] for place in found.order]
    values = found.values(params.statistic)
    return LabelledArray(values, tasks, labels, labels, array_about(cell, params, **more))


def _statistics_figure(_: Services, computed: Statistics) -> Sketch:
    cell, params, found = computed.content, computed.params, computed.value
    names = told_apart(cell.labels, cell.tasks, MAX_NAME)
    labels = [names[place] for place in found.order]
    words = {
        "mean": "mean",
        "sd": "standard deviation",
        "low": f"lower end of the {params.level:.0%} interval",
        "high": f"upper end of the {params.level:.0%} interval",
    }
    title = f"{cell.title}: {words[params.statistic]} of similarities"
    values = found.values(params.statistic)
    note = "" if params.statistic == "mean" else (found.estimate.reason or "")
    if params.statistic == "sd":
        return Sketch(subprocesses.draw_spread, (values, labels, title, note))
    marks = found.values("includes_zero") if params.statistic == "mean" else None
    if marks is not None and marks.any():
        note = f"Dots: the {100 * params.level:g} % interval holds 0."
    return Sketch(subprocesses.draw_similarity_values, (values, labels, title, params.measure, note, marks))


STUDY_SIMILARITY = Result(
    spec=ResultSpec("similarity", ("json", "csv", "npy", "safetensors", *PICTURES)),
    warnings=cell_warnings,
    params=StatisticParams,
    find=find_cell,
    compute=_statistics,
    encoders={
        "json": as_json(_statistics_document),
        **as_arrays(_statistics_array, "csv", "npy", "safetensors"),
    },
    figure=_statistics_figure,
    figure_options=figure_options.MATRIX,
    limits=check_streamed,
    file_stem="study-similarity",
    file_params=("statistic", "stage", "layer"),
)


# --- noise ceilings


Ceilings = Computed[list[NoiseCeiling], CellReplicates, CellParams]


def _ceilings(services: Services, cell: CellReplicates, params: CellParams) -> list[NoiseCeiling]:
    values = matrices(services, cell, params)
    return [
        noise_ceiling(values, cell.replicates, over, correlation)
        for over in get_args(Over)
        for correlation in get_args(CorrelationName)
    ]


def _ceilings_document(computed: Ceilings) -> StudyCeiling:
    ceilings = [
        NoiseCeilingValues.model_validate(
            {
                "over": each.over,
                "measure": each.correlation,
                "lower": each.lower,
                "upper": each.upper,
                "between": each.between,
                "replicates": each.replicates,
                "tasks": each.tasks,
                "reason": each.reason,
            }
        )
        for each in computed.value
    ]
    about = cell_about(computed.content, computed.params, computed.warnings)
    return StudyCeiling.model_validate({**about, "ceilings": ceilings})


def _ceilings_table(computed: Ceilings) -> bytes:
    rows = [
        (each.over, each.correlation, each.lower, each.upper, each.between, each.replicates, each.reason)
        for each in computed.value
    ]
    header = ["over", "measure", "lower", "upper", "between", "replicates", "reason"]
    return table_csv(header, rows)


def _ceilings_figure(_: Services, computed: Ceilings) -> Sketch:
    known = [each for each in computed.value if each.lower is not None]
    reasons = dict.fromkeys(each.reason for each in computed.value if each.reason)
    if not known:
        raise NotAcceptable(f"there is no noise ceiling to draw: {'; '.join(reasons)}; take json or csv")
    rows = [
        [np.nan if one is None else one for one in (each.lower, each.upper, each.between)] for each in known
    ]
    sources = {"seeds": "seeds", "base_seeds": "bases", "both": "both"}
    names = [f"{sources[each.over]}, {each.correlation.capitalize()}" for each in known]
    title = f"{computed.content.title}: noise ceiling"
    note = f"Not drawn: {'; '.join(reasons)}." if reasons else ""
    return Sketch(subprocesses.draw_ceilings, (np.array(rows), names, title, note))


STUDY_CEILING = Result(
    spec=ResultSpec("ceiling", ("json", "csv", *PICTURES)),
    warnings=cell_warnings,
    params=CellParams,
    find=find_cell,
    compute=_ceilings,
    encoders={"json": as_json(_ceilings_document), "csv": _ceilings_table},
    figure=_ceilings_figure,
    limits=check_numbers,
    file_stem="study-ceiling",
    file_params=("stage", "layer"),
)


# --- differences


class DifferencesParams(EstimateParams):
    """Parameters of differences of similarities."""

    pairs: str = ""


Differences = Computed[list[PairDifference], CellReplicates, DifferencesParams]

_PAIRS = re.compile(r"(\d{1,5})-(\d{1,5}):(\d{1,5})-(\d{1,5})", re.ASCII)


def parse_pairs(text: str, tasks: tuple[int, ...]) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Pairs of pairs of tasks in text such as "0-1:9-10,0-9:0-18". Raises InvalidSpec: all that is wrong."""
    parts = [part.strip() for part in text.split(",")]
    form = 'write two pairs of tasks with a colon between them, such as "0-1:9-10,0-9:0-18"'
    if len(parts) > MOST_DIFFERENCES:
        raise InvalidSpec("pairs", f"{len(parts)} differences are more than {MOST_DIFFERENCES}; choose fewer")
    found, wrong = [], []
    for part in parts:
        match = _PAIRS.fullmatch(part)
        if match is None:
            wrong.append(f"{part[:40]!r} is no difference; {form}")
            continue
        one, other, third, fourth = (int(number) for number in match.groups())
        missing = sorted({one, other, third, fourth} - set(tasks))
        if missing:
            there = f"{tasks[0]} to {tasks[-1]}" if tasks else "none"
            wrong.append(f"{part}: there is no task {', '.join(map(str, missing))}; there are {there}")
        elif {one, other} == {third, fourth} or one == other or third == fourth:
            wrong.append(f"{part}: compares a task or a pair with itself; name two different pairs")
        else:
            found.append(((one, other), (third, fourth)))
    if wrong:
        first, *others = [("pairs", message) for message in wrong]
        raise InvalidSpec(*first, others)
    return found


def _find_differences(services: Services, key: StudyKey, params: DifferencesParams) -> Source[CellReplicates]:
    source = find_cell(services, key, params)
    parse_pairs(params.pairs, source.content.tasks)
    return source


def _differences(services: Services, cell: CellReplicates, params: DifferencesParams) -> list[PairDifference]:
    parsed = parse_pairs(params.pairs, cell.tasks)
    if is_large(cell):
        rows = _named_rows(cell, params)
        values = matrices_of(services, cell, params, rows)
    else:
        rows = list(range(len(cell.tasks)))
        values = matrices(services, cell, params)
    place = {cell.tasks[row]: place for place, row in enumerate(rows)}
    pairs = [
        ((place[one], place[other]), (place[third], place[fourth]))
        for (one, other), (third, fourth) in parsed
    ]
    found = pair_differences(values, pairs, cell.replicates, params.over, params.level)
    return [
        PairDifference(((rows[a], rows[b]), (rows[c], rows[d])), each.result)
        for each in found
        for (a, b), (c, d) in [each.pairs]
    ]


def _named_rows(cell: CellReplicates, params: DifferencesParams) -> list[int]:
    """Rows of the tasks that the pairs name."""
    named = {task for both in parse_pairs(params.pairs, cell.tasks) for pair in both for task in pair}
    return [row for row, task in enumerate(cell.tasks) if task in named]


def _check_differences(cell: CellReplicates, params: DifferencesParams, _format: str) -> None:
    tasks = len(_named_rows(cell, params))
    if is_large(cell) and len(cell.refs) * tasks**2 > MOST_NUMBERS:
        raise InvalidSpec(
            "pairs", f"name {tasks:,} tasks, too many for {len(cell.refs)} replicates; name fewer"
        )


def _difference_rows(computed: Differences) -> list[dict[str, Any]]:
    cell = computed.content
    return [
        {
            "pairs": [[cell.tasks[row] for row in pair] for pair in each.pairs],
            "labels": [[cell.labels[row] for row in pair] for pair in each.pairs],
            **vars(each.result),
        }
        for each in computed.value
    ]


def _differences_document(computed: Differences) -> StudyDifferences:
    rows = _difference_rows(computed)
    params = computed.params
    reasons = dict.fromkeys(row["reason"] for row in rows if row["reason"])
    return StudyDifferences.model_validate(
        {
            **cell_about(computed.content, params, computed.warnings),
            "level": params.level,
            "over": params.over or computed.content.replicates.varying,
            "differences": [SimilarityDifference.model_validate(row) for row in rows],
            "reason": "; ".join(reasons) or None,
        }
    )


def _differences_table(computed: Differences) -> bytes:
    columns = ("difference", "low", "high", "p", "p_holm", "distinguishable", "replicates", "reason")
    rows = [
        (*("-".join(map(str, pair)) for pair in row["pairs"]), *(row[column] for column in columns))
        for row in _difference_rows(computed)
    ]
    return table_csv(["pair", "other", *columns], rows)


def _differences_figure(_: Services, computed: Differences) -> Sketch:
    rows = _difference_rows(computed)
    names = [" less ".join(" and ".join(pair) for pair in row["labels"]) for row in rows]
    intervals = np.array(
        [
            [np.nan if row[name] is None else row[name] for name in ("difference", "low", "high")]
            for row in rows
        ]
    )
    title = f"{computed.content.title}: differences of similarities"
    return Sketch(subprocesses.draw_intervals, (intervals, names, title, "difference of similarities"))


STUDY_DIFFERENCES = Result(
    spec=ResultSpec("differences", ("json", "csv", *PICTURES)),
    warnings=cell_warnings,
    params=DifferencesParams,
    find=_find_differences,
    compute=_differences,
    encoders={"json": as_json(_differences_document), "csv": _differences_table},
    figure=_differences_figure,
    limits=_check_differences,
    file_stem="study-differences",
    file_params=("stage", "layer"),
)
