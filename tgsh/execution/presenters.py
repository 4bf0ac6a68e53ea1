"""Schemas of the API from rows of the store; reaches no torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from tgsh.analysis.image_bootstrap import LEVEL, RESAMPLES, accuracy_intervals, seed_from
from tgsh.datasets.uploads.report import report_from
from tgsh.networks.registry import available_results, shares_base
from tgsh.schemas import (
    Accuracy,
    AccuracyMatrix,
    AccuracyMatrixSummary,
    Dataset,
    DatasetReport,
    DeletedExperiment,
    Experiment,
    ExperimentChange,
    Task,
    TaskAccuracy,
    Timings,
)
from tgsh.specs import ExperimentSpec
from tgsh.store.datasets import StoredDataset
from tgsh.store.deleted import KEPT_SECONDS, DeletedExperimentRow
from tgsh.store.models import ChangeRecord, TaskRecord, as_datetime
from tgsh.store.queries import Snapshot

MOST_NAMED = 5
"""Tasks that a sentence names."""


def experiment_view(snapshot: Snapshot) -> Experiment:
    """An experiment with its progress."""
    record = snapshot.record
    root = f"/experiments/{record.id}"
    spec = ExperimentSpec.model_validate(record.spec)
    placed = ("placements",) if shares_base(spec.network) else ()
    below = ("tasks", "events", "bundle", *placed, *available_results(spec.network))
    return Experiment.model_validate(
        {
            "id": record.id,
            "name": record.name,
            "status": record.status,
            "reason": record.reason,
            "cancel_requested": record.cancel_requested,
            "spec": spec,
            "progress": snapshot.progress,
            "mean_accuracy": record.mean_accuracy,
            "mean_balanced": record.mean_balanced,
            "base_id": record.base_id,
            "digest": record.digest,
            "versions": record.versions,
            "owner": record.owner,
            "shared": record.shared,
            "priority": record.priority,
            "notes": record.notes,
            "project": record.project,
            "timings": _timings(snapshot),
            "links": {"self": root, **{name: f"{root}/{name}" for name in below}},
        }
    )


def change_view(record: ChangeRecord) -> ExperimentChange:
    """One change of what people say of an experiment."""
    return ExperimentChange.model_validate(
        {
            "field": record.field,
            "before": record.before,
            "after": record.after,
            "changed_at": as_datetime(record.changed_at),
            "changed_by": record.changed_by,
        }
    )


def deleted_view(row: DeletedExperimentRow) -> DeletedExperiment:
    """An experiment that can be brought back, and until when."""
    record = row.record
    return DeletedExperiment.model_validate(
        {
            "id": record.id,
            "name": record.name,
            "owner": record.owner,
            "tasks": record.tasks_total,
            "created_at": as_datetime(record.created_at),
            "deleted_at": as_datetime(record.deleted_at),
            "deleted_by": record.deleted_by,
            "kept_until": as_datetime(record.deleted_at + KEPT_SECONDS),
            "study": row.study_id,
            "study_name": row.study_name,
        }
    )


def _timings(snapshot: Snapshot) -> Timings:
    record = snapshot.record
    until = record.finished_at or snapshot.at
    return Timings.model_validate(
        {
            "created_at": as_datetime(record.created_at),
            "started_at": as_datetime(record.started_at),
            "finished_at": as_datetime(record.finished_at),
            "seconds": None if record.started_at is None else max(until - record.started_at, 0.0),
        }
    )


def task_view(record: TaskRecord) -> Task:
    """One task and what was learned on it."""
    experiment = f"/experiments/{record.experiment_id}"
    root = f"{experiment}/tasks/{record.index}"
    return Task.model_validate(
        {
            "index": record.index,
            "label": record.label,
            "params": record.params,
            "status": record.status,
            "reason": record.reason,
            "accuracy": record.accuracy,
            "balanced": record.balanced,
            "chance": record.chance,
            "epochs_done": record.epochs_done,
            "loss": record.losses,
            "seconds": record.seconds,
            "attempts": record.attempts,
            "worker": record.worker,
            "compute": record.compute,
            "links": {
                "self": root,
                "experiment": experiment,
                **{name: f"{root}/{name}" for name in ("confusion", "representations", "predictions")},
            },
        }
    )


NOT_COUNTED = "a version that did not count what test images were recognised as completed {}; submit it anew"
MOST_RECALLS = 1_000_000

MOST_RESAMPLED, MOST_RESAMPLED_CLASSES = 10_000, 1_000
"""Recalls of all tasks that are drawn anew (five seconds), and of one task (a second and 80 MB)."""

Recalls = Mapping[int, Sequence[float | None]]
"""Share of each class that is recognised by the index of the task; None for a class without test images."""


def accuracy_view(
    experiment_id: str,
    tasks: list[TaskRecord],
    mean: float | None,
    matrix: AccuracyMatrix | None = None,
    recalls: Recalls = MappingProxyType({}),
    class_names: Sequence[str] = (),
) -> Accuracy:
    """Accuracy of the tasks that are done, in task order, and a summary of the matrix where there is one."""
    done = [
        TaskAccuracy(
            index=task.index,
            label=task.label,
            accuracy=task.accuracy,
            balanced=task.balanced,
            chance=task.chance,
        )
        for task in tasks
        if task.status == "completed" and task.accuracy is not None
    ]
    values = [task.accuracy for task in done]
    nothing = [None] * len(class_names)
    per_class = [list(recalls.get(task.index, nothing)) for task in done] if recalls else None
    return Accuracy(
        experiment_id=experiment_id,
        complete=len(done) == len(tasks),
        mean=mean,
        min=min(values, default=None),
        max=max(values, default=None),
        tasks=done,
        class_names=list(class_names) if recalls else None,
        per_class=per_class,
        reason=_why_null(done, len(class_names)),
        matrix=None if matrix is None else _summary(matrix),
    )


def too_many_to_resample(tasks: int, classes: int) -> str | None:
    """Reason why so many tasks of so many classes have no intervals; None where they have."""
    if tasks * classes <= MOST_RESAMPLED and classes <= MOST_RESAMPLED_CLASSES:
        return None
    return (
        f"no intervals: {tasks:,} tasks of {classes:,} classes are too many to draw test images anew; "
        f"{MOST_RESAMPLED:,} in all and {MOST_RESAMPLED_CLASSES:,} classes are the most. Counts are in "
        "tasks/INDEX/confusion"
    )


def with_intervals(accuracy: Accuracy, confusions: Iterable[tuple[int, np.ndarray]], digest: str) -> Accuracy:
    """Accuracies with intervals over the test images of each task.

    confusions: index and confusion counts of each task that has them. digest: of the experiment's spec, from
    which the resamples follow. Tasks of no counts, of no test image, or too many keep nulls.
    """
    seed, count = seed_from(digest), len(accuracy.tasks)
    ends = {
        index: _ends(counts, seed)
        for index, counts in confusions
        if counts.any() and too_many_to_resample(count, len(counts)) is None
    }
    tasks = [task.model_copy(update=ends.get(task.index, {})) for task in accuracy.tasks]
    return accuracy.model_copy(update={"tasks": tasks})


def _ends(counts: np.ndarray, seed: int) -> dict[str, float]:
    found = accuracy_intervals(counts, LEVEL, RESAMPLES, seed)
    return {
        "low": float(found.accuracy.low),
        "high": float(found.accuracy.high),
        "balanced_low": float(found.balanced.low),
        "balanced_high": float(found.balanced.high),
    }


def _why_null(done: Sequence[TaskAccuracy], classes: int) -> str | None:
    missing = [task.label for task in done if task.balanced is None]
    if missing:
        more = f" and {len(missing) - MOST_NAMED} more" if len(missing) > MOST_NAMED else ""
        return NOT_COUNTED.format(", ".join(missing[:MOST_NAMED]) + more)
    if len(done) * classes > MOST_RECALLS:
        return f"{len(done):,} × {classes:,} numbers are too many; tasks/INDEX/confusion has one task's"
    return None


def accuracy_warnings(tasks: Sequence[TaskAccuracy]) -> list[str]:
    """A warning where tasks are recognised no better than by always saying the commonest class."""
    poor = [task for task in tasks if task.chance is not None and task.accuracy <= task.chance]
    if not poor:
        return []
    named = ", ".join(
        f"{task.label} ({task.accuracy:.1%}, chance {task.chance:.1%})" for task in poor[:MOST_NAMED]
    )
    more = f" and {len(poor) - MOST_NAMED} more" if len(poor) > MOST_NAMED else ""
    return [f"accuracy is no better than always saying the commonest class: {named}{more}"]


def accuracy_table(accuracy: Accuracy) -> tuple[list[str], list[tuple[object, ...]]]:
    """Header and rows of the accuracies, a row a task; empty where nobody counted."""
    header = ["task", "label", "accuracy", "balanced", "chance"]
    header += ["low", "high", "balanced low", "balanced high"]
    header += [f"recall of {name}" for name in accuracy.class_names or ()]
    per_class = accuracy.per_class or [[] for _ in accuracy.tasks]
    return header, [
        (task.index, task.label, task.accuracy, task.balanced, task.chance, *_interval_cells(task), *recalls)
        for task, recalls in zip(accuracy.tasks, per_class, strict=True)
    ]


def _interval_cells(task: TaskAccuracy) -> tuple[float | None, ...]:
    return task.low, task.high, task.balanced_low, task.balanced_high


def report_view(document: Mapping[str, Any]) -> DatasetReport:
    """Report of an upload, and sentences of it."""
    report = report_from(document)
    return DatasetReport.model_validate({**report.as_dict(), "sentences": report.sentences()})


def dataset_view(dataset: StoredDataset) -> Dataset:
    """An uploaded dataset under the name of one of its holders."""
    record, holder = dataset.record, dataset.holder
    report = holder.report or record.report
    root = f"/datasets/{record.id}"
    return Dataset.model_validate(
        {
            "id": record.id,
            "name": holder.name,
            "images": record.train + record.test,
            "train": record.train,
            "test": record.test,
            "classes": len(record.class_names),
            "class_names": record.class_names,
            "height": record.height,
            "width": record.width,
            "channels": record.channels,
            "mean": record.mean,
            "deviation": record.deviation,
            "bytes": record.bytes,
            "created_at": as_datetime(holder.created_at),
            "used_by": dataset.used_by,
            "owner": dataset.owner,
            "shared": holder.shared,
            "domains": record.domains or [],
            "notes": holder.notes,
            "citation": holder.citation,
            "licence": holder.licence,
            "report": None if report is None else report_view(report),
            "links": {"self": root, "samples": f"{root}/samples"},
        }
    )


def _summary(matrix: AccuracyMatrix) -> AccuracyMatrixSummary:
    return AccuracyMatrixSummary(
        forgetting=matrix.forgetting,
        mean_forgetting=matrix.mean_forgetting,
        forward_transfer=matrix.forward_transfer,
        link=f"/experiments/{matrix.experiment_id}/accuracy/matrix",
    )
