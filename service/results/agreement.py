"""Agreement of similarities with a stated geometry: of an experiment, and of the replicates of a study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from service.dependencies import Services
from service.results import base
from service.results.classes import read_info
from service.results.compared_subjects import find_compared_stage
from service.results.similarity import MOST_AT_ONCE
from tgsh.analysis.comparison import aligned
from tgsh.analysis.model_geometry import (
    GeometryAgreement,
    formula_geometry,
    geometry_agreement,
    parse_formula,
)
from tgsh.analysis.replicate_design import Over, Replicates
from tgsh.errors import InvalidSpec
from tgsh.networks.registry import shares_base
from tgsh.schemas import Agreement, AgreementCeiling, AgreementQuestion, GeometryOfExperiment, Measure
from tgsh.schemas.agreement import GeometryMatrix, StatedGeometry
from tgsh.specs import ExperimentSpec
from tgsh.store import queries
from tgsh.store.results import StageRef
from tgsh.suites.task_identity import parameter_unit, task_identity

AGREED_HERE = 50_000_000
"""Entries that permutations move in half a second; more are moved in a process of their own."""

MOST_MOVED = 1_000_000_000
"""Entries that all permutations move: about ten seconds."""

KENDALL_SLOWNESS = 20
"""Times that Kendall's correlation takes of the others' time."""

SYMMETRY = 1e-9
"""Difference of two entries that are the same but for rounding."""

NO_SHARED_BASE = "no p: tasks share no random base, and it would be read as evidence"


@dataclass(frozen=True)
class GeometryTasks:
    """The T tasks of an experiment, as geometries refer to them.

    identities: what each is in any experiment. labels: its names here. parameters: values of each parameter
    by its name, None where a task lacks it. periods: lengths of the circles of those that go round.
    """

    identities: tuple[str, ...]
    labels: tuple[str, ...]
    parameters: Mapping[str, Sequence[float | str | None]]
    periods: Mapping[str, float]

    def __len__(self) -> int:
        return len(self.labels)


def geometry_tasks(services: Services, experiment_id: str) -> GeometryTasks:
    """The tasks of an experiment, and what is known of them. Raises NotFound."""
    spec = base.spec_of(services, experiment_id)
    records = queries.tasks(services.database, experiment_id)
    names = dict.fromkeys(name for record in records for name in record.params)
    parameters: dict[str, Sequence[float | str | None]] = {
        name: [_scalar(record.params.get(name)) for record in records] for name in names
    }
    parameters = {name: values for name, values in parameters.items() if any(v is not None for v in values)}
    _, period = parameter_unit(spec.suite, read_info(services, experiment_id, spec))
    circles: list[str] = [name for name in ("angle", "shift") if name in parameters]
    periods = {} if period is None else dict.fromkeys(circles, period)
    parameters.setdefault("index", [float(record.index) for record in records])
    return GeometryTasks(
        identities=tuple(task_identity(spec.suite, record.label) for record in records),
        labels=tuple(record.label for record in records),
        parameters=parameters,
        periods=periods,
    )


def _scalar(value: object) -> float | str | None:
    """A number or a name; None for what is neither, such as a list."""
    if isinstance(value, str):
        return value
    return float(value) if isinstance(value, int | float) else None


def stated_geometry(
    services: Services,
    field: str,
    geometry: StatedGeometry,
    tasks: GeometryTasks,
    question: AgreementQuestion,
) -> np.ndarray:
    """Similarities [T, T] of these tasks that a geometry states; NaN for tasks that have no place in it.

    The caller must have made sure that another experiment is visible. Raises InvalidSpec that names the
    field, NotFound where the other experiment has no such stage.
    """
    if isinstance(geometry, str):
        try:
            return formula_geometry(parse_formula(geometry), tasks.parameters, tasks.periods)
        except ValueError as error:
            raise InvalidSpec(field, str(error)) from error
    if isinstance(geometry, GeometryOfExperiment):
        return _of_experiment(services, field, geometry.experiment, tasks, question)
    return _of_matrix(field, geometry, len(tasks))


def _of_matrix(field: str, rows: GeometryMatrix, tasks: int) -> np.ndarray:
    if len(rows) != tasks or any(len(row) != tasks for row in rows):
        widths = sorted({len(row) for row in rows})
        shape = f"{len(rows)}×{' or '.join(map(str, widths)) or 0}"
        raise InvalidSpec(
            field, f"is {shape}, and the experiment has {tasks} tasks: send a row and a column for each"
        )
    matrix = np.array(rows, np.float64).reshape(tasks, tasks)
    off = ~(np.isclose(matrix, matrix.T, rtol=SYMMETRY, atol=SYMMETRY) | np.isnan(matrix + matrix.T))
    off |= np.isnan(matrix) != np.isnan(matrix.T)
    if off.any():
        row, column = np.argwhere(off)[0].tolist()
        raise InvalidSpec(
            field,
            f"is not symmetric: {matrix[row, column]:g} in row {row}, column {column}, and "
            f"{matrix[column, row]:g} the other way round; send (G + Gᵀ)/2",
        )
    return (matrix + matrix.T) / 2


def _of_experiment(
    services: Services, field: str, experiment_id: str, tasks: GeometryTasks, question: AgreementQuestion
) -> np.ndarray:
    ref = find_compared_stage(services, experiment_id, question.stage)
    base.require_at_most(ref.tasks, MOST_AT_ONCE, "an agreement")
    try:
        ref = base.measured_stage(ref, question.measure)
        values = base.similarities(services, ref, question.measure, question.layer).values
    except InvalidSpec as error:
        raise InvalidSpec(field, f"{experiment_id}: {error}") from error
    suite = base.spec_of(services, experiment_id).suite
    _, (own, others) = aligned([tasks.identities, [task_identity(suite, label) for label in ref.labels]])
    if len(own) < len(ref.labels) and not own:
        raise InvalidSpec(field, f"{experiment_id} has none of the tasks of this experiment")
    stated = np.full((len(tasks), len(tasks)), np.nan)
    stated[np.ix_(own, own)] = values[np.ix_(others, others)]
    return stated


def similarities_of(
    services: Services, experiment_id: str, tasks: int, stage: str, measure: Measure, layer: str | None
) -> tuple[StageRef, np.ndarray]:
    """Similarities [T, T] of all tasks of an experiment at a stage; NaN for those that have no vector there.

    Raises NotFound, InvalidSpec.
    """
    ref = base.measured_stage(base.stage_source(services, experiment_id, stage).content, measure)
    base.require_at_most(ref.tasks, MOST_AT_ONCE, "an agreement")
    values = np.full((tasks, tasks), np.nan)
    if ref.tasks:
        values[np.ix_(ref.tasks, ref.tasks)] = base.similarities(services, ref, measure, layer).values
    return ref, values


def agree(
    services: Services,
    matrices: np.ndarray,
    replicates: Replicates,
    geometry: np.ndarray,
    other: np.ndarray | None,
    question: AgreementQuestion,
    over: Over | None = None,
    level: float = 0.95,
) -> GeometryAgreement:
    """Agreement of similarities [R, T, T] with a geometry [T, T], another one held constant.

    Where it takes long it is computed in a process of its own. Raises InvalidSpec for permutations and
    correlations that take too long.
    """
    moved = matrices.shape[1] ** 2
    slowness = KENDALL_SLOWNESS if question.correlation == "kendall" else 1
    of_ceiling = len(matrices) ** 2 * moved * slowness  # every replicate with every other
    if question.correlation == "kendall" and of_ceiling > MOST_MOVED:
        raise InvalidSpec(
            "correlation",
            f"kendall takes too long for {len(matrices)} replicates of {matrices.shape[1]:,} tasks; spearman "
            "compares the order, too",
        )
    if moved * question.permutations > MOST_MOVED:
        raise InvalidSpec(
            "permutations", f"take too long for so many tasks; {MOST_MOVED // moved:,} are possible here"
        )
    options = {
        "other": other,
        "correlation": question.correlation,
        "over": over,
        "level": level,
        "permutations": question.permutations,
        "alternative": question.alternative,
        "seed": question.seed,
    }
    cost = moved * question.permutations * slowness + of_ceiling
    if cost <= AGREED_HERE:
        return geometry_agreement(matrices, geometry, replicates, **options)  # type: ignore[arg-type]
    call = services.analysis_process.call
    return call(geometry_agreement, matrices, geometry, replicates, **options)  # type: ignore[arg-type]


def experiment_agreement(services: Services, experiment_id: str, question: AgreementQuestion) -> Agreement:
    """Agreement of one experiment. Raises NotFound, InvalidSpec."""
    spec = base.spec_of(services, experiment_id)
    tasks = geometry_tasks(services, experiment_id)
    where = (question.stage, question.measure, question.layer)
    _, values = similarities_of(services, experiment_id, len(tasks), *where)
    geometry, other = stated_geometries(services, tasks, question)
    found = agree(services, values[None], replicates_of([spec]), geometry, other, question)
    if not shares_base(spec.network):
        found = without_evidence(found)
    return agreement_document([experiment_id], tasks, question, found)


def without_evidence(found: GeometryAgreement) -> GeometryAgreement:
    """The same without p, of a network whose tasks share no random base."""
    return replace(found, p=None, reason="; ".join(filter(None, (found.reason, NO_SHARED_BASE))))


def stated_geometries(
    services: Services, tasks: GeometryTasks, question: AgreementQuestion
) -> tuple[np.ndarray, np.ndarray | None]:
    """The geometry of a question, and the one that is held constant. Raises as `stated_geometry` does."""
    geometry = stated_geometry(services, "geometry", question.geometry, tasks, question)
    if question.partial is None:
        return geometry, None
    return geometry, stated_geometry(services, "partial", question.partial, tasks, question)


def replicates_of(specs: Sequence[ExperimentSpec]) -> Replicates:
    """The seeds of experiments that differ in nothing else."""
    return Replicates(tuple(spec.seed for spec in specs), tuple(spec.base_seed for spec in specs))


def others_of(question: AgreementQuestion) -> list[str]:
    """Ids of the experiments that a question names: the caller must be allowed to see them."""
    stated = (question.geometry, question.partial)
    return [each.experiment for each in stated if isinstance(each, GeometryOfExperiment)]


def agreement_document(
    experiments: Sequence[str],
    tasks: GeometryTasks,
    question: AgreementQuestion,
    found: GeometryAgreement,
    warnings: Sequence[str] = (),
) -> Agreement:
    """An agreement as the API has it."""
    ceiling = found.ceiling
    return Agreement(
        experiments=list(experiments),
        stage=question.stage,
        measure=question.measure,
        layer=question.layer,
        correlation=question.correlation,
        tasks=list(found.tasks),
        labels=[tasks.labels[task] for task in found.tasks],
        agreement=found.agreement,
        partial=found.partial,
        low=found.low,
        high=found.high,
        values=list(found.values),
        p=found.p,
        permutations=found.permutations,
        alternative=found.alternative,
        seed=question.seed,
        ceiling=AgreementCeiling(
            over=ceiling.over,
            lower=ceiling.lower,
            upper=ceiling.upper,
            between=ceiling.between,
            replicates=ceiling.replicates,
            reason=ceiling.reason,
        ),
        within_ceiling=found.within_ceiling,
        reason=found.reason,
        warnings=list(warnings),
    )
