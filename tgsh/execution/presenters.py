"""Schemas of the API from rows of the store; reaches no torch."""

from __future__ import annotations

from tgsh.networks.registry import available_results
from tgsh.schemas import (
    Accuracy,
    AccuracyMatrix,
    AccuracyMatrixSummary,
    Dataset,
    Experiment,
    Task,
    TaskAccuracy,
    Timings,
)
from tgsh.specs import ExperimentSpec
from tgsh.store.datasets import StoredDataset
from tgsh.store.models import TaskRecord, as_datetime
from tgsh.store.queries import Snapshot


def experiment_view(snapshot: Snapshot) -> Experiment:
    """An experiment with its progress."""
    record = snapshot.record
    root = f"/experiments/{record.id}"
    spec = ExperimentSpec.model_validate(record.spec)
    below = ("tasks", "events", "bundle", *available_results(spec.network))
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
            "base_id": record.base_id,
            "digest": record.digest,
            "versions": record.versions,
            "owner": record.owner,
            "shared": record.shared,
            "timings": _timings(snapshot),
            "links": {"self": root, **{name: f"{root}/{name}" for name in below}},
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
            "epochs_done": record.epochs_done,
            "loss": record.losses,
            "seconds": record.seconds,
            "attempts": record.attempts,
            "worker": record.worker,
            "compute": record.compute,
            "links": {
                "self": root,
                "experiment": experiment,
                **{name: f"{root}/{name}" for name in ("representations", "predictions")},
            },
        }
    )


def accuracy_view(
    experiment_id: str, tasks: list[TaskRecord], mean: float | None, matrix: AccuracyMatrix | None = None
) -> Accuracy:
    """Accuracy of the tasks that are done, in task order, and a summary of the matrix where there is one."""
    done = [
        TaskAccuracy(index=task.index, label=task.label, accuracy=task.accuracy)
        for task in tasks
        if task.status == "completed" and task.accuracy is not None
    ]
    values = [task.accuracy for task in done]
    return Accuracy(
        experiment_id=experiment_id,
        complete=len(done) == len(tasks),
        mean=mean,
        min=min(values, default=None),
        max=max(values, default=None),
        tasks=done,
        matrix=None if matrix is None else _summary(matrix),
    )


def dataset_view(dataset: StoredDataset) -> Dataset:
    """An uploaded dataset under the name of one of its holders."""
    record, holder = dataset.record, dataset.holder
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
