"""Jobs about completed experiments: placements of new data, accuracy matrices that were not asked for."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy.exc import DBAPIError

from tgsh import progress
from tgsh.analysis import placements as ranking
from tgsh.analysis.placements import cosines_between
from tgsh.datasets.base import DatasetInfo
from tgsh.datasets.placed_classes import NONE, outputs_mapped, outputs_named, outputs_nearest
from tgsh.errors import Conflict, Interrupted, InvalidSpec, LeaseLost, TgshError
from tgsh.execution import faults
from tgsh.execution.context import WorkerContext
from tgsh.execution.finish import log_failure
from tgsh.logs import log_context
from tgsh.specs import ExperimentSpec, RotationSuite, ShiftSuite
from tgsh.store import analyses, queries, removals
from tgsh.store.analyses import MATRIX, AnalysisLease
from tgsh.store.database import is_transient, retry_transient
from tgsh.store.jobs import LeaseState
from tgsh.store.leases import LeaseRenewer
from tgsh.store.models import AnalysisJob
from tgsh.store.results import find_stage, load_result, load_stage
from tgsh.store.scheduling import QUEUE, TORCH_QUEUE
from tgsh.suites import SuiteTask, build
from tgsh.suites.sources import load_images
from tgsh.suites.task_identity import parameter_unit
from tgsh.training.measurements import MOST_SAMPLES, accuracy_matrix
from tgsh.training.placements import PlacedImages, PlacedVectors, normalisation_for, place
from tgsh.training.state import from_tensors
from tgsh.training.trainer import Trainer

log = logging.getLogger(__name__)

MOST_BETWEEN = 1_000
"""Tasks whose similarities with each other a placement is compared with; of more, evenly chosen ones."""

MOST_MATCHED = 100
"""Tasks whose class means are compared with those of new images."""

TrainerOf = Callable[[ExperimentSpec], Trainer]


def run_analysis(
    context: WorkerContext, trainer_of: TrainerOf, stop: Callable[[], bool], *, in_turn: bool
) -> tuple[AnalysisJob, int, str, str] | None:
    """Lease the analysis that is due, run it and record its end.

    Parameters
    ----------
    context : WorkerContext
        The process's.
    trainer_of : callable
        A spec's trainer.
    stop : callable
        Called between batches; True gives the lease back.
    in_turn : bool
        Whether it waits while other owners' tasks are more due.

    Returns
    -------
    tuple[AnalysisJob, int, str, str] or None
        The job, its attempt, how it ended (see `tgsh.execution.runner.Work`) and the queue of its messages;
        None where none is due.
    """
    lease = analyses.lease_next(
        context.database, context.worker, context.lease_seconds, context.has_torch, in_turn=in_turn
    )
    if lease is None:
        return None
    limits = context.lease_seconds, context.stall_seconds
    with (
        log_context(experiment=lease.job.experiment_id, worker=context.worker, task=lease.job.kind),
        LeaseRenewer(context.database, [lease], *limits) as renewer,
    ):

        def should_stop() -> bool:
            progress.step()
            return stop() or renewer.should_stop

        outcome = "completed"
        try:
            run = _run_matrix if lease.job.kind == MATRIX else _run_placement
            run(context, lease, trainer_of, should_stop)
        except Exception as error:
            outcome = _record_failure(context, lease, renewer, error)
        finally:
            renewer.drop(lease)
    queue = TORCH_QUEUE if lease.needs_torch else QUEUE
    return lease.job, lease.attempt, outcome, queue


def _run_placement(
    context: WorkerContext, lease: AnalysisLease, trainer_of: TrainerOf, should_stop: Callable[[], bool]
) -> None:
    """Write the file, then the row; a worker that lost its lease leaves neither."""
    experiment_id, params = lease.job.experiment_id, lease.params
    spec = _spec_of(context, experiment_id)
    trainer = trainer_of(spec)
    tasks = build(spec.suite, trainer.info)
    vectors = load_stage(context.artifacts, find_stage(context.database, experiment_id, "after"))
    new = _new_images(context, lease, trainer.info)
    outputs, matched = _outputs(context, lease, new, trainer.info)
    own = outputs[new.labels]
    images, classes = new.images[own != NONE], own[own != NONE]
    placed = PlacedImages(images, classes, normalisation_for(spec, trainer.info, new.info))
    learned = place(
        trainer,
        tasks,
        vectors,
        placed,
        params["train_limit"],
        params["replicates"],
        params["seed"],
        should_stop,
        deal=params["classes"] != "nearest",
    )
    compared = np.linspace(0, len(tasks) - 1, min(len(tasks), MOST_BETWEEN)).round().astype(int)
    between = cosines_between(vectors[compared], vectors[compared])
    found = ranking.place(learned.cosines, learned.dealt, learned.known, between, learned.images, len(images))
    summary = _summary(new, outputs, placed, learned, found) | {"matched_with": matched}
    summary["nearest"] = _nearest(tasks, found)
    summary["estimate"] = _estimate(spec, tasks, trainer.info, learned.cosines)
    tensors = {"vectors": learned.vectors, "cosines": learned.cosines, "similarity": found.similarity}
    first = _first_of_each_class(classes)
    tensors |= {"samples": images[first], "sample_outputs": classes[first]}
    if found.half_width is not None:
        tensors["half_width"] = found.half_width
    faults.fault_point("mid-placement")
    key, retry_seconds = lease.artifact, context.lease_seconds
    sha256 = retry_transient(lambda: context.artifacts.save(key, tensors, {}), retry_seconds)
    size = sum(tensor.nbytes for tensor in tensors.values())
    faults.fault_point("before the placement's row")
    try:
        retry_transient(
            lambda: analyses.complete_placement(context.database, lease, summary, sha256, size), retry_seconds
        )
    except LeaseLost:
        removals.discard(context.database, context.artifacts, [key])
        raise


@dataclass(frozen=True, eq=False)
class _NewImages:
    """Images uint8 [N, D] with labels int64 [N] that name their classes by number."""

    info: DatasetInfo
    names: tuple[str, ...]
    images: np.ndarray
    labels: np.ndarray


def _new_images(context: WorkerContext, lease: AnalysisLease, info: DatasetInfo) -> _NewImages:
    """Images that came with the request, or the training images of a dataset.

    Raises what loading them raises, and InvalidSpec where they are not of the experiment's size.
    """
    if lease.images is not None:
        tensors, _ = context.artifacts.load(*lease.images)
        names = tuple(lease.params["class_names"])
        return _NewImages(info, names, tensors["images"], tensors["labels"].astype(np.int64))
    dataset = load_images(lease.params["dataset"], context.data_dir, context.uploads)
    if dataset.info.shape != info.shape:
        raise InvalidSpec("dataset", f"has images of {dataset.info.shape}, the experiment of {info.shape}")
    labels = dataset.train_labels.astype(np.int64)
    return _NewImages(dataset.info, dataset.info.names, dataset.train_images, labels)


def _outputs(
    context: WorkerContext, lease: AnalysisLease, new: _NewImages, info: DatasetInfo
) -> tuple[np.ndarray, str | None]:
    """The output of each class, and the label of the task whose class means decided."""
    rule = lease.params["classes"]
    if rule == "names":
        return outputs_named(new.names, info), None
    if rule != "nearest":
        return outputs_mapped(new.names, rule, info), None
    experiment_id = lease.job.experiment_id
    measured = load_result(context.database, context.artifacts, experiment_id, "class-means")
    if measured is None:
        raise Conflict(
            "the experiment keeps no class means, as its tasks or classes are too many: match classes by "
            "names or by a map"
        )
    means = measured[0]["means"]
    places = np.linspace(0, len(means) - 1, min(len(means), MOST_MATCHED)).round().astype(int)
    present = np.unique(new.labels)
    order = np.searchsorted(present, new.labels)
    found, place = outputs_nearest(new.images, order, len(present), means[places])
    outputs = np.full(len(new.names), NONE, np.int64)
    outputs[present] = found
    return outputs, queries.task(context.database, experiment_id, int(places[place])).label


def _nearest(tasks: tuple[SuiteTask, ...], found: ranking.PlacementRanking) -> dict[str, Any]:
    best = int(found.order[0])
    similarity = float(found.similarity[best])
    half = None if found.half_width is None else float(found.half_width[best])
    return {
        "task": best,
        "label": tasks[best].label,
        "similarity": similarity,
        "low": None if half is None else max(similarity - half, -1.0),
        "high": None if half is None else min(similarity + half, 1.0),
    }


def _first_of_each_class(classes: np.ndarray) -> np.ndarray:
    """Places of the first image of each class, of MOST_SAMPLES classes at most."""
    _, places = np.unique(classes, return_index=True)
    return np.asarray(places[:MOST_SAMPLES])


def _summary(
    new: _NewImages,
    outputs: np.ndarray,
    placed: PlacedImages,
    learned: PlacedVectors,
    found: ranking.PlacementRanking,
) -> dict[str, Any]:
    """Findings of a placement as small numbers."""
    counts = np.bincount(new.labels, minlength=len(new.names))
    return {
        "images": len(placed.images),
        "images_left_out": len(new.images) - len(placed.images),
        "images_drawn": learned.images,
        "classes": [
            {"name": name, "output": int(output) if output != NONE else None, "images": int(count)}
            for name, output, count in zip(new.names, outputs, counts, strict=True)
        ],
        "normalisation": {"mean": placed.normalisation.mean, "deviation": placed.normalisation.deviation},
        "order": found.order.tolist(),
        "expected": found.expected,
        "corrected": found.corrected,
        "percentile": found.percentile,
        "threshold": found.threshold,
        "p": found.p,
        "novel": found.novel,
        "dealings": len(learned.dealt),
        "known_tasks": len(learned.known),
    }


def _estimate(
    spec: ExperimentSpec, tasks: tuple[SuiteTask, ...], info: DatasetInfo, cosines: np.ndarray
) -> dict[str, Any] | None:
    """The angle or shift that fits the similarities best; None for suites whose tasks have neither."""
    if not isinstance(spec.suite, RotationSuite | ShiftSuite):
        return None
    name = "angle" if isinstance(spec.suite, RotationSuite) else "shift"
    parameters = np.array([float(task.params[name]) for task in tasks])  # type: ignore[arg-type]
    unit, period = parameter_unit(spec.suite, info)
    value = ranking.interpolated_parameter(parameters, cosines.mean(axis=0), period)
    return None if value is None else {"value": value, "unit": unit}


def _run_matrix(
    context: WorkerContext, lease: AnalysisLease, trainer_of: TrainerOf, should_stop: Callable[[], bool]
) -> None:
    """Write the matrix, then name it among the experiment's results."""
    experiment_id = lease.job.experiment_id
    spec = _spec_of(context, experiment_id)
    trainer = trainer_of(spec)
    tasks = build(spec.suite, trainer.info)
    states = []
    for task in tasks:
        record = queries.task(context.database, experiment_id, task.index)
        checkpoint = context.artifacts.load(str(record.checkpoint), str(record.checkpoint_sha256))
        states.append(from_tensors(*checkpoint, spec, task.index, context.uploads.info))
    tensors, about = accuracy_matrix(trainer, tasks, states, should_stop)
    key, retry_seconds = lease.artifact, context.lease_seconds
    sha256 = retry_transient(lambda: context.artifacts.save(key, tensors, about), retry_seconds)
    try:
        retry_transient(lambda: analyses.complete_matrix(context.database, lease, sha256), retry_seconds)
    except (LeaseLost, Conflict):
        removals.discard(context.database, context.artifacts, [key])
        raise


def _spec_of(context: WorkerContext, experiment_id: str) -> ExperimentSpec:
    """The experiment's spec. Raises NotFound, and Conflict where it is no longer completed."""
    record = queries.experiment(context.database, experiment_id).record
    analyses.require_completed(record)
    spec: Mapping[str, Any] = record.spec
    return ExperimentSpec.model_validate(spec)


def _record_failure(
    context: WorkerContext, lease: AnalysisLease, renewer: LeaseRenewer, error: Exception
) -> str:
    """Record why an analysis was not made; the outcome."""
    try:
        if isinstance(error, LeaseLost) or renewer.state(lease) is LeaseState.LOST:
            log.warning("%s: %s", lease.job, error)
        elif isinstance(error, Interrupted):
            retry_transient(lambda: analyses.release(context.database, lease), context.lease_seconds)
            return "released"
        elif isinstance(error, DBAPIError) and is_transient(error):
            log.error("%s: the database is away; the lease runs out by itself", lease.job, exc_info=error)
        else:
            log_failure(lease.job, error)
            reason = str(error) if isinstance(error, TgshError) else f"{type(error).__name__}: {error}"
            retry_transient(lambda: analyses.fail(context.database, lease, reason), context.lease_seconds)
            return "failed"
    except LeaseLost as lost:
        log.warning("%s: %s", lease.job, lost)
    return "lost"
