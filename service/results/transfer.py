"""Contexts to reuse: similarity against the accuracy matrix, and the source that it chooses for every
task."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from service import subprocesses
from service.dependencies import Services
from service.results import base
from service.results.base import Computed, Params, Result, Sketch, Source, as_json
from service.results.measurements import accuracy_matrix
from service.results.warnings import warnings_of
from tgsh.analysis.source_choice import (
    FEWEST_FITTED,
    LEVEL,
    MOST_FITTED,
    AccuracyFit,
    SourceChoice,
    SourceChoices,
    source_choices,
)
from tgsh.arrays import table_csv
from tgsh.errors import Conflict
from tgsh.schemas import ContextTransfer, MantelTest, Measure, TransferFit, TransferSource
from tgsh.specs import figure_options
from tgsh.specs.results import RESULT_SPECS
from tgsh.store import queries
from tgsh.store.results import StageRef

MOST_TASKS = 500
"""Tasks whose matrices are compared in seconds."""

COMPARED_HERE = 40
"""Tasks that are compared in a third of a second; more in a process of their own."""

CURVE_POINTS = 60
"""Similarities at which the fit is told."""


class TransferParams(Params):
    """Parameters of the similarity that is compared with accuracies."""

    measure: Measure = "cosine"
    layer: str | None = None


@dataclass(frozen=True, eq=False)
class MeasuredAccuracies:
    """Vectors of an experiment, and its accuracy matrix [T, T]."""

    ref: StageRef
    name: str
    accuracies: np.ndarray


TransferValue = Computed[tuple[np.ndarray, SourceChoices], MeasuredAccuracies, TransferParams]


def _find(services: Services, experiment_id: str, params: TransferParams) -> Source[MeasuredAccuracies]:
    record = queries.experiment(services.database, experiment_id).record
    matrix = accuracy_matrix(services, experiment_id)
    if matrix is None and record.status != "completed":
        raise Conflict(
            "contexts are compared by their accuracy on every task, which is measured when an experiment "
            f"completes; {experiment_id} is {record.status}"
        )
    if matrix is None:
        raise Conflict(
            "contexts are compared by their accuracy on every task, and that was not asked for: "
            f"POST /experiments/{experiment_id}/accuracy/matrix computes it now; "
            'a new experiment has it with "accuracy_matrix": true'
        )
    base.layer_slice(services, experiment_id, params.layer)
    source = base.stage_source(services, experiment_id, "after")
    ref = base.measured_stage(source.content, params.measure)
    base.require_at_most(ref.tasks, MOST_TASKS, "transfer")
    if len(ref.tasks) < 2:
        raise Conflict("of one task there is no other context to reuse")
    name = base.figure_name(services, experiment_id)
    content = MeasuredAccuracies(ref, name, np.array(matrix.values))
    digest = f"{base.stage_digest(ref)} {matrix.model_dump_json()} {name}"
    return Source(content, digest, experiment_id, source.final)


def _compute(
    services: Services, content: MeasuredAccuracies, params: TransferParams
) -> tuple[np.ndarray, SourceChoices]:
    values = base.similarities(services, content.ref, params.measure, params.layer).values
    if len(values) <= COMPARED_HERE:
        return values, source_choices(values, content.accuracies)
    return values, services.analysis_process.call(source_choices, values, content.accuracies)


def _document(computed: TransferValue) -> ContextTransfer:
    ref, (_, found) = computed.content.ref, computed.value
    reason = None
    if found.fit is None:
        few = len(ref.tasks) < FEWEST_FITTED
        reason = (
            f"a fit that leaves a task out needs {FEWEST_FITTED} tasks"
            if few
            else f"intervals of more than {MOST_FITTED} tasks take too long"
        )
    return ContextTransfer(
        experiment_id=ref.experiment_id,
        base_id=ref.base_id,
        measure=computed.params.measure,
        layer=computed.params.layer,
        pearson=found.pearson,
        spearman=found.spearman,
        mantel=None if found.mantel is None else MantelTest(**asdict(found.mantel), seed=0),
        sources=[_source(ref, choice) for choice in found.choices],
        mean_chosen=float(np.mean([choice.accuracy for choice in found.choices])),
        mean_best=float(np.mean([choice.best_accuracy for choice in found.choices])),
        mean_random=float(np.mean([choice.random_accuracy for choice in found.choices])),
        fit=None if found.fit is None else _fit(found.fit),
        reason=reason,
        warnings=list(computed.warnings),
    )


def _source(ref: StageRef, choice: SourceChoice) -> TransferSource:
    label, chosen = ref.labels[choice.task], ref.labels[choice.chosen]
    expected = (
        ""
        if choice.expected is None
        else f": expected accuracy {choice.expected:.2f} ({choice.low:.2f} to {choice.high:.2f})"
    )
    return TransferSource(
        task=ref.tasks[choice.task],
        label=label,
        chosen=ref.tasks[choice.chosen],
        chosen_label=chosen,
        similarity=choice.similarity,
        accuracy=choice.accuracy,
        best=choice.best_accuracy,
        best_task=ref.tasks[choice.best],
        random=choice.random_accuracy,
        own=choice.own_accuracy,
        expected=choice.expected,
        low=choice.low,
        high=choice.high,
        sentence=f"{label}: use the context of {chosen}{expected}",
    )


def _fit(fit: AccuracyFit) -> TransferFit:
    places = np.linspace(fit.similarities[0], fit.similarities[-1], CURVE_POINTS)
    rows = [fit.predict(float(place)) for place in places]
    expected, low, high = (list(column) for column in zip(*rows, strict=True))
    return TransferFit(
        similarities=places.tolist(),
        expected=expected,
        low=low,
        high=high,
        level=LEVEL,
        coverage=fit.coverage,
    )


COLUMNS = ("task", "label", "chosen", "chosen_label", "similarity", "accuracy", "best", "best_task", "random")


def _table(computed: TransferValue) -> bytes:
    names = [*COLUMNS, "own", "expected", "low", "high"]
    rows = ([getattr(source, name) for name in names] for source in _document(computed).sources)
    return table_csv([name.replace("_", " ") for name in names], rows)


def _figure(_services: Services, computed: TransferValue) -> Sketch:
    values, _ = computed.value
    title = f"{computed.content.name}: accuracy under the contexts of other tasks"
    return Sketch(
        subprocesses.draw_transfer, (values, computed.content.accuracies, _document(computed).fit, title)
    )


TRANSFER = Result(
    spec=RESULT_SPECS["transfer"],
    params=TransferParams,
    find=_find,
    compute=_compute,
    encoders={"json": as_json(_document), "csv": _table},
    figure=_figure,
    figure_options=figure_options.SHAPE,
    warnings=warnings_of,
)
