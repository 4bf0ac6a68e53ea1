"""Tables and pictures of a comparison: pairs, specs with accuracies, matrices side by side, correlations."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from string import ascii_uppercase
from typing import Any

import numpy as np

from service import subprocesses
from service.results.base import Sketch, stage_words
from service.results.compared_subjects import ComparedParams, ComparedSubject
from tgsh.arrays import table_csv
from tgsh.errors import InvalidSpec
from tgsh.schemas import Comparison, ComparisonPart

MOST_DRAWN = 20_000_000
"""Numbers of all matrices in one picture; they go to the process that draws."""

PAIR_COLUMNS = ("tasks", "pearson", "spearman", "mantel_p", "same_base", "same_task", "verdict", "verdict_p")


def letter(place: int) -> str:
    """The name on pages and in pictures of the one at this place: A to Z, then AA to AZ."""
    before, last = divmod(place, len(ascii_uppercase))
    return (letter(before - 1) if before else "") + ascii_uppercase[last]


def check_part(part: ComparisonPart, format: str, compared: int, numbers: int) -> None:
    """Refuse a part that this format does not have, or that these do not have.

    compared: how many are not left out. numbers: entries of their matrices. Raises InvalidSpec.
    """
    if format == "json":
        if part != "matrices":
            raise InvalidSpec("part", "is of csv and of pictures; json has all of it")
        return
    if part == "specs" and format != "csv":
        raise InvalidSpec("part", "specs are a table and no picture; take csv")
    if part == "difference" and compared != 2:
        raise InvalidSpec("part", f"difference is of two that can be compared, and here are {compared}")
    if format != "csv" and numbers > MOST_DRAWN:
        raise InvalidSpec(
            "ids", f"their matrices are {numbers:,} numbers, too many for a picture; compare fewer"
        )


def pairs_table(found: Comparison) -> bytes:
    """A row for each pair of experiments or studies."""
    names = {each.id: each.name for each in found.experiments}
    rows = []
    for pair in found.pairs:
        replicates = getattr(pair, "replicates", None)
        rows.append(
            (
                *(pair.a, pair.b, names[pair.a], names[pair.b]),
                *(pair.tasks, pair.pearson, pair.spearman),
                None if pair.mantel is None else pair.mantel.p_value,
                pair.same_base,
                None if pair.same_task is None else pair.same_task.mean,
                None if replicates is None else replicates.verdict,
                None if replicates is None else replicates.p,
            )
        )
    return table_csv(["a", "b", "name_a", "name_b", *PAIR_COLUMNS], rows)


def specs_table(
    subjects: Sequence[ComparedSubject],
    differences: Iterable[Mapping[str, Any]],
    notes: Sequence[str | None],
) -> bytes:
    """A row for name, status, accuracy and each field that differs; a column for each that is compared."""
    rows: list[Sequence[object]] = [
        ("name", *(each.title for each in subjects)),
        ("status", *(each.status for each in subjects)),
        ("mean_accuracy", *(each.mean_accuracy for each in subjects)),
        *((each["field"], *map(_cell, each["values"])) for each in differences),
        ("left_out", *notes),
    ]
    return table_csv(["field", *(each.name for each in subjects)], rows)


def _cell(value: object) -> object:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else value


def sketch(
    subjects: Sequence[ComparedSubject],
    matrices: Mapping[int, np.ndarray],
    tasks: Sequence[str],
    params: ComparedParams,
    part: ComparisonPart,
) -> Sketch:
    """The picture of a part. matrices: [T, T] of the common tasks, by place among the subjects."""
    names = [_name(each, place) for place, each in enumerate(subjects)]
    drawn = [names[place] for place in matrices]
    left_out = [name for place, name in enumerate(names) if place not in matrices]
    notes = [f"left out, as it cannot be aligned: {', '.join(left_out)}"] if left_out else []
    when = stage_words(params.stage) + (f", {params.layer}" if params.layer else "")
    if part == "correlations":
        title = f"correlations (Pearson) of the similarities {when}"
        return Sketch(subprocesses.draw_correlations, (list(matrices.values()), drawn, title, notes))
    if part == "difference":
        one, other = matrices.values()
        title = f"{drawn[0]} − {drawn[1]}: similarities {when}"
        return Sketch(subprocesses.draw_difference, (one - other, list(tasks), title, params.measure, notes))
    title = f"similarities {when}, {len(tasks)} common tasks"
    arguments = (list(matrices.values()), list(tasks), drawn, title, params.measure, notes)
    return Sketch(subprocesses.draw_compared, arguments)


def _name(subject: ComparedSubject, place: int) -> str:
    mean = f", mean of {subject.study['replicates']}" if subject.is_study else ""
    return f"{letter(place)}: {subject.title or subject.name}{mean}"
