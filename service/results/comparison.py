"""Comparison of experiments and studies: differences of specs, agreement of similarity matrices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import Any, get_args

import numpy as np

from service.dependencies import ComparedId, Services
from service.results import base
from service.results.base import Computed, Result, Sketch, Source, as_json
from service.results.compared_subjects import (
    ComparedParams,
    ComparedSubject,
    find_subject,
    subject_warnings,
    too_large,
)
from service.results.comparison_exports import check_part, pairs_table, sketch, specs_table
from service.results.study_replicates import MOST_NUMBERS, replicate_matrix
from service.subprocesses import AnalysisProcess
from tgsh.analysis.comparison import (
    FEWEST,
    MatrixAgreement,
    agreement,
    alignable,
    aligned,
    correlated,
    row_similarities,
)
from tgsh.analysis.consensus import mean_similarity
from tgsh.analysis.noise_ceilings import NoiseCeiling, StudyAgreement, noise_ceiling, study_agreement
from tgsh.analysis.replicate_design import Replicates
from tgsh.analysis.similarity import similarity
from tgsh.arrays import table_csv
from tgsh.errors import Conflict, InvalidSpec
from tgsh.networks.registry import shares_base
from tgsh.schemas import Alternative, Comparison, ComparisonPart, CorrelationName
from tgsh.specs import figure_options
from tgsh.specs.results import PICTURES, ResultSpec

MOVED_HERE = 10_000_000
"""Entries that permutations move in a tenth of a second; more are moved in a process of their own."""

MOST_MOVED = 1_000_000_000
"""Entries that all permutations of all pairs move: about ten seconds."""

EXCHANGE_SLOWNESS = 10
"""Times that an exchange of replicates takes of the time of a moved entry."""

MOST_ORDERS = 250_000
"""Permutations of all pairs, of few tasks: about ten seconds. Twenty experiments have 190 pairs."""

PERMUTATIONS = 999
"""Of Mantel's test, where nobody asks for others."""

LARGE = (
    f"its matrices and those of studies before it are more than {MOST_NUMBERS:,} numbers; compare fewer "
    "studies at a time, or such of fewer tasks or replicates"
)

MOST_NAMED = 5
"""Tasks that an error names."""


class ComparisonParams(ComparedParams):
    """Vectors to compare, and the parameters of Mantel's test and of the test against replicates.

    permutations: None for PERMUTATIONS, or no test where these take too long. part: of a table or a picture.
    """

    permutations: int | None = None
    alternative: Alternative = "greater"
    seed: int = 0
    level: float = 0.95
    part: ComparisonPart = "matrices"


@dataclass(frozen=True)
class AlignedSubjects:
    """Compared experiments and studies, with the places of their common tasks, by their labels.

    rows: none for one that is left out, as its note says.
    """

    subjects: Sequence[ComparedSubject]
    labels: Sequence[str]
    rows: Sequence[Sequence[int]]
    notes: Sequence[str | None]

    @property
    def places(self) -> list[int]:
        """Of those that are compared."""
        return [place for place, note in enumerate(self.notes) if note is None]

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """Places of all two of them."""
        return list(combinations(self.places, 2))

    @property
    def numbers(self) -> int:
        """Of all matrices that are shown."""
        return len(self.places) * len(self.labels) ** 2

    @property
    def most_permutations(self) -> int:
        """That all pairs together can have in some ten seconds."""
        pairs = max(1, len(self.pairs))
        return min(MOST_MOVED // (pairs * max(1, len(self.labels)) ** 2), MOST_ORDERS // pairs)

    @property
    def most_exchanges(self) -> int:
        """Of replicates, that all pairs with a study together can have in some ten seconds."""
        units = [len(subject.refs) for subject in self.subjects]
        moved = sum(
            (units[one] + units[other]) ** 2
            for one, other in self.pairs
            if self.subjects[one].is_study or self.subjects[other].is_study
        )
        return MOST_MOVED // (EXCHANGE_SLOWNESS * max(1, moved))


@dataclass(frozen=True)
class AlignedMatrices:
    """Matrices of each one that is compared, by its place, and vectors [common tasks, H] of experiments.

    replicates: similarities [R, T, T], of an experiment one. analysis: where long tests are done.
    """

    vectors: Mapping[int, np.ndarray]
    matrices: Mapping[int, np.ndarray]
    replicates: Mapping[int, np.ndarray]
    ceilings: Mapping[int, Mapping[str, NoiseCeiling]]
    analysis: AnalysisProcess


Compared = Computed[AlignedMatrices, AlignedSubjects, ComparisonParams]


def _find(
    services: Services, keys: Sequence[ComparedId], params: ComparisonParams
) -> Source[AlignedSubjects]:
    """Raises NotFound or InvalidSpec where nothing has this stage, or this layer."""
    subjects = [find_subject(services, key, params) for key in keys]
    problems = [each.problem for each in subjects if each.problem is not None]
    if len(problems) == len(keys) and not any(isinstance(each, Conflict) for each in problems):
        raise problems[0]  # a conflict ends, and what differs is told until then
    out = too_large(subjects)
    identities = [[] if place in out else each.identities for place, each in enumerate(subjects)]
    kept = alignable(identities)
    _, of_kept = aligned([identities[place] for place in kept]) if kept else ([], [])
    rows: list[Sequence[int]] = [()] * len(keys)
    for place, own in zip(kept, of_kept, strict=True):
        rows[place] = own
    labels = [subjects[kept[0]].labels[row] for row in rows[kept[0]]] if kept else []
    notes = [
        None if place in kept else LARGE if place in out else _note(each, labels)
        for place, each in enumerate(subjects)
    ]
    of_each = (f"{each.state} {note}" for each, note in zip(subjects, notes, strict=True))
    content = AlignedSubjects(subjects, labels, rows, notes)
    final = all(each.is_final for each in subjects)
    return Source(content, "\n".join(of_each), _subject([key.name for key in keys]), final)


def _subject(ids: Sequence[str]) -> str:
    """Their name in file names: no file system has names of fifty ids."""
    return "-".join(ids) if len(ids) <= MOST_NAMED + 1 else f"{ids[0]}-and-{len(ids) - 1}-more"


def _note(subject: ComparedSubject, labels: Sequence[str]) -> str:
    """Reason why one is left out."""
    if subject.problem is not None:
        return str(subject.problem)
    wait = "" if subject.is_complete else "; more may come, as it is not complete at this stage"
    others = f"the others are compared over {_first_labels(labels)}" if labels else "no two have as many"
    return f"it has {_first_labels(subject.labels)}, and {FEWEST} common tasks are needed: {others}{wait}"


def _too_few(content: AlignedSubjects) -> Conflict | InvalidSpec:
    """Tasks may be still to come, or experiments have others."""
    there = [each for each in content.subjects if each.problem is None]
    has = "; ".join(f"{each.name} has {_first_labels(each.labels)}" for each in there)
    what = f"no two of them have {FEWEST} tasks in common: {has}"
    waits = any(isinstance(each.problem, Conflict) for each in content.subjects)
    if waits or not all(each.is_complete for each in there):
        return Conflict(f"at this stage {what}. Wait until more tasks are done")
    return InvalidSpec("ids", what)


def _first_labels(labels: Sequence[str]) -> str:
    more = len(labels) - MOST_NAMED
    return ", ".join(labels[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "") if labels else "none"


def _check_size(content: AlignedSubjects, params: ComparisonParams, format: str) -> None:
    has_numbers = format == "csv" and params.part in ("matrices", "difference")
    if format != "json" and params.part != "specs" and not content.pairs:
        raise _too_few(content)
    check_part(params.part, format, len(content.places), content.numbers)
    if has_numbers and content.numbers > base.MAX_TEXT_VALUES:
        raise InvalidSpec(
            "ids", f"{_too_large(content)}; compare fewer experiments, or take similarity as npy"
        )
    possible = content.most_permutations
    if params.permutations is not None and params.permutations > possible and content.pairs:
        raise InvalidSpec("permutations", f"take too long for so many tasks; {possible:,} are possible here")


def _too_large(content: AlignedSubjects) -> str:
    return (
        f"{len(content.places)} matrices of {len(content.labels):,} common tasks are more than "
        f"{base.MAX_TEXT_VALUES:,} numbers"
    )


def _matrices(services: Services, content: AlignedSubjects, params: ComparisonParams) -> AlignedMatrices:
    vectors, replicates, ceilings = {}, {}, {}
    for place in content.places if params.part != "specs" else ():
        subject, rows = content.subjects[place], content.rows[place]
        values = np.empty((len(subject.refs), len(rows), len(rows)))
        for number, ref in enumerate(subject.refs):
            if subject.is_study:
                whole = replicate_matrix(services, ref, params.measure, params.layer)
                values[number] = whole[np.ix_(rows, rows)]
            else:
                chosen = vectors[place] = base.vectors(services, ref, params.layer)[rows]
                values[number] = similarity(chosen, content.labels, range(len(chosen)), params.measure).values
        replicates[place] = values
        ceilings[place] = {
            correlation: noise_ceiling(values, _replicates(subject), None, correlation)
            for correlation in get_args(CorrelationName)
        }
    matrices = {
        place: mean_similarity(values, _replicates(content.subjects[place])).mean
        for place, values in replicates.items()
    }
    return AlignedMatrices(vectors, matrices, replicates, ceilings, services.analysis_process)


def _replicates(subject: ComparedSubject) -> Replicates:
    """Seeds of a study's completed experiments, or those of an experiment."""
    if subject.cell is not None:
        return subject.cell.replicates
    return Replicates((subject.spec.seed,), (subject.spec.base_seed,))


def _table(compared: Compared) -> bytes:
    part = compared.params.part
    if part == "correlations":
        return pairs_table(_document(compared))
    if part == "specs":
        subjects = compared.content.subjects
        return specs_table(subjects, _differences([each.fields for each in subjects]), compared.content.notes)
    labels, matrices = compared.content.labels, compared.value.matrices
    columns = {compared.content.subjects[place].name: matrix for place, matrix in matrices.items()}
    if part == "difference":
        one, other = columns.values()
        columns = {part: one - other}
    rows = (
        (labels[row], labels[column], *(float(matrix[row, column]) for matrix in columns.values()))
        for row, column in combinations(range(len(labels)), 2)
    )
    return table_csv(["task", "other", *columns], rows)


def _sketch(_: Services, compared: Compared) -> Sketch:
    content, params = compared.content, compared.params
    return sketch(content.subjects, compared.value.matrices, content.labels, params, params.part)


def _document(compared: Compared) -> Comparison:
    content, params = compared.content, compared.params
    subjects = content.subjects
    fits = content.numbers <= base.MAX_TEXT_VALUES
    shown = {place: matrix.tolist() for place, matrix in compared.value.matrices.items() if fits}
    is_tested = content.most_permutations >= (params.permutations or PERMUTATIONS)
    bases = {each.base_id for each in subjects}
    return Comparison.model_validate(
        {
            "stage": params.stage,
            "measure": params.measure,
            "layer": params.layer,
            "experiments": [_experiment(compared, place) for place in range(len(subjects))],
            "differences": list(_differences([each.fields for each in subjects])),
            "tasks": content.labels,
            "matrices": [shown.get(place, []) for place in range(len(subjects))],
            "pairs": [_pair(compared, *pair, is_tested) for pair in content.pairs],
            "same_base": len(bases) == 1 and None not in bases,
            "notes": list(_notes(content, fits, is_tested, params)),
            "warnings": list(compared.warnings),
        }
    )


def _notes(content: AlignedSubjects, fits: bool, is_tested: bool, params: ComparisonParams) -> Iterator[str]:
    if not fits:
        yield f"no matrices: {_too_large(content)}; GET /experiments/ID/similarity has each as npy"
    if not is_tested:
        yield (
            f"no Mantel test: {PERMUTATIONS} permutations of {len(content.pairs):,} pairs take too long; "
            f"compare fewer experiments, or ask for permutations={content.most_permutations} or fewer"
        )
    if content.most_exchanges < (params.permutations or PERMUTATIONS):
        yield "no test against replicates: so many pairs of studies take too long; compare fewer"
    for subject in content.subjects:
        inside = [
            other.name
            for other in content.subjects
            if not other.is_study and other.name in subject.study.get("experiments", ())
        ]
        if inside:
            yield f"{', '.join(inside)}: of the study {subject.name} itself, and so agrees the more with it"


def _experiment(compared: Compared, place: int) -> dict[str, Any]:
    subject = compared.content.subjects[place]
    told = {
        "id": subject.name,
        "name": subject.title,
        "status": subject.status,
        "base_id": subject.base_id,
        "digest": subject.digest,
        "mean_accuracy": subject.mean_accuracy,
        "complete": subject.is_complete,
        "tasks": [subject.refs[0].tasks[row] for row in compared.content.rows[place]] if subject.refs else [],
        "note": compared.content.notes[place],
    }
    if not subject.is_study:
        return told
    ceilings = compared.value.ceilings.get(place, {})
    names = ("over", "lower", "upper", "between", "replicates", "tasks", "reason")
    return {
        **told,
        **subject.study,
        "ceilings": [
            {"measure": measure, **{name: getattr(each, name) for name in names}}
            for measure, each in ceilings.items()
        ],
    }


def _differences(specs: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Fields that differ, as the first spec orders them."""
    flat = [dict(_flat(spec)) for spec in specs]
    for field in dict.fromkeys(field for each in flat for field in each):
        values = [each.get(field) for each in flat]
        if any(value != values[0] for value in values):
            yield {"field": field, "values": values}


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted path, value) of everything that is no object, and no list of objects."""
    members: Any = ()
    if isinstance(value, Mapping):
        members = value.items()
    elif isinstance(value, list) and any(isinstance(member, Mapping) for member in value):
        members = enumerate(value)
    elif path:
        yield path, value
    for name, member in members:
        yield from _flat(member, f"{path}.{name}" if path else str(name))


def _pair(compared: Compared, one: int, other: int, is_tested: bool) -> dict[str, Any]:
    first, second = (compared.content.subjects[place] for place in (one, other))
    agreed = _agreement(compared, one, other, is_tested)
    is_evidence = all(shares_base(each.spec.network) for each in (first, second))
    mantel = agreed.mantel if is_evidence else None
    same_base, same_task = first.base_id is not None and first.base_id == second.base_id, None
    vectors = compared.value.vectors
    if same_base and one in vectors and other in vectors:
        rows = row_similarities(vectors[one], vectors[other], compared.params.measure)
        same_task = {"mean": float(rows.mean()), "values": rows.tolist()}
    pair = {
        "a": first.name,
        "b": second.name,
        "tasks": agreed.tasks,
        "pearson": agreed.pearson,
        "spearman": agreed.spearman,
        "mantel": None if mantel is None else {**vars(mantel), "seed": compared.params.seed},
        "same_base": same_base,
        "same_task": same_task,
    }
    if not first.is_study and not second.is_study:
        return pair
    return {**pair, "replicates": _against_replicates(compared, one, other)}


def _against_replicates(compared: Compared, one: int, other: int) -> dict[str, Any]:
    """Comparison of a difference with those of replicates, in numbers and in words."""
    value, params = compared.value, compared.params
    subjects = [compared.content.subjects[place] for place in (one, other)]
    replicates = (_replicates(subjects[0]), _replicates(subjects[1]))
    matrices = (value.replicates[one], value.replicates[other])
    ceilings = (value.ceilings[one]["pearson"], value.ceilings[other]["pearson"])
    permutations = params.permutations or PERMUTATIONS
    found = StudyAgreement("pearson", len(compared.content.labels), ceilings, reason="no test: see notes")
    if compared.content.most_exchanges >= permutations:
        test = partial(
            study_agreement,
            *matrices,
            replicates,
            permutations=permutations,
            level=params.level,
            seed=params.seed,
            ceilings=ceilings,
        )
        units = sum(map(len, replicates))
        moved = permutations * units**2 * EXCHANGE_SLOWNESS + units**2 * len(compared.content.labels) ** 2
        found = test() if moved <= MOVED_HERE else value.analysis.call(test)
    return {
        "verdict": _verdict(found),
        "as_alike": found.as_alike,
        "level": params.level,
        "p": found.p,
        "least_p": found.least_p,
        "permutations": found.permutations,
        "agreement": found.agreement,
        "a_with_b": found.one_by_other,
        "b_with_a": found.other_by_one,
        "between": found.between,
        "within": found.within,
        "over": "base_seeds" if any(each.varying != "seeds" for each in replicates) else "seeds",
        "reason": found.reason,
    }


def _verdict(found: StudyAgreement) -> str:
    if found.as_alike is None:
        return f"not to be told: {found.reason}"
    return "as alike as replicates are" if found.as_alike else "less alike than replicates are"


def _agreement(compared: Compared, one: int, other: int, is_tested: bool) -> MatrixAgreement:
    first, second = (compared.value.matrices[place] for place in (one, other))
    params = compared.params
    if not is_tested:
        return correlated(first, second)
    permutations = params.permutations or PERMUTATIONS
    how = (permutations, params.alternative, params.seed)
    if first.size * permutations <= MOVED_HERE:
        return agreement(first, second, *how)
    return compared.value.analysis.call(agreement, first, second, *how)


COMPARISON = Result(
    spec=ResultSpec("comparison", ("json", "csv", *PICTURES)),
    warnings=subject_warnings,
    params=ComparisonParams,
    find=_find,
    compute=_matrices,
    encoders={"json": as_json(_document), "csv": _table},
    figure=_sketch,
    figure_options=figure_options.MATRIX,
    limits=_check_size,
    file_params=("stage", "layer"),
)
"""Of several experiments and cells of studies."""
