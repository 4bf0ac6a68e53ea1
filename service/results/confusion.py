"""Confusion of one task's classes: what its test images were taken for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from service import subprocesses
from service.dependencies import Services
from service.results import base
from service.results.base import (
    Computed,
    NoParams,
    Result,
    Sketch,
    Source,
    as_arrays,
    as_json,
    check_text,
    source_itself,
)
from service.results.classes import read_info
from service.results.measurements import overlap_warnings
from tgsh.analysis.confusion import accuracy, balanced_accuracy, chance
from tgsh.arrays import LabelledArray
from tgsh.datasets.classes import task_labels
from tgsh.errors import Conflict
from tgsh.execution.presenters import NOT_COUNTED, accuracy_warnings
from tgsh.schemas import Confusion, TaskAccuracy
from tgsh.specs import figure_options
from tgsh.specs.results import PICTURES, ResultSpec
from tgsh.store import queries
from tgsh.store.confusions import load_confusion


class TaskKey(NamedTuple):
    """A task of an experiment."""

    experiment_id: str
    task: int


@dataclass(frozen=True, eq=False)
class TaskConfusion:
    """Confusion counts [K, K] of a task, and what its figure is called."""

    key: TaskKey
    label: str
    title: str
    class_names: tuple[str, ...]
    counts: np.ndarray

    @property
    def scores(self) -> TaskAccuracy:
        """The accuracies that follow."""
        return TaskAccuracy(
            index=self.key.task,
            label=self.label,
            accuracy=accuracy(self.counts),
            balanced=balanced_accuracy(self.counts),
            chance=chance(self.counts),
        )


ConfusionValue = Computed[TaskConfusion, TaskConfusion, NoParams]


def _find(services: Services, key: TaskKey, _params: NoParams) -> Source[TaskConfusion]:
    record = queries.experiment(services.database, key.experiment_id).record
    task = queries.task(services.database, *key)
    counts = load_confusion(services.database, *key)
    if counts is None and task.status == "completed":
        raise Conflict(NOT_COUNTED.format(task.label))
    if counts is None:
        raise Conflict(f"test images are counted when a task completes; task {key.task} is {task.status}")
    info = read_info(services, key.experiment_id, base.spec_of(services, key.experiment_id))
    title = f"{record.name}: {task.label}"
    content = TaskConfusion(key, task.label, title, task_labels(info, key.task), counts)
    digest = f"{key.experiment_id} {key.task} {title} {content.class_names} {counts.tolist()}"
    return Source(content, digest, f"{key.experiment_id}-{key.task}")


def _warnings(services: Services, key: TaskKey) -> list[str]:
    task = queries.task(services.database, *key)
    if task.accuracy is None:
        return []
    scores = TaskAccuracy(index=task.index, label=task.label, accuracy=task.accuracy, chance=task.chance)
    return [*accuracy_warnings([scores]), *overlap_warnings(services, key.experiment_id)]


def _check_size(content: TaskConfusion, _params: NoParams, format: str) -> None:
    check_text(format, *content.counts.shape)


def _document(computed: ConfusionValue) -> Confusion:
    content = computed.value
    return Confusion(
        experiment_id=content.key.experiment_id,
        task=content.key.task,
        class_names=list(content.class_names),
        counts=content.counts.tolist(),
        warnings=list(computed.warnings),
        **content.scores.model_dump(include={"label", "accuracy", "balanced", "chance"}),
    )


def _array(computed: ConfusionValue) -> LabelledArray:
    content = computed.value
    about = {
        "experiment_id": content.key.experiment_id,
        "task": str(content.key.task),
        "label": content.label,
    }
    numbers = list(range(len(content.class_names)))
    return LabelledArray(content.counts, numbers, content.class_names, content.class_names, about)


def _figure(_services: Services, computed: ConfusionValue) -> Sketch:
    content = computed.value
    return Sketch(subprocesses.draw_confusion, (content.counts, content.class_names, content.title))


CONFUSION = Result(
    spec=ResultSpec("confusion", ("json", "csv", "npy", "safetensors", *PICTURES)),
    params=NoParams,
    find=_find,
    compute=source_itself,
    encoders={"json": as_json(_document), **as_arrays(_array, "csv", "npy", "safetensors")},
    figure=_figure,
    figure_options=figure_options.MATRIX,
    limits=_check_size,
    warnings=_warnings,
)
"""Of one task: (id of the experiment, index of the task)."""
