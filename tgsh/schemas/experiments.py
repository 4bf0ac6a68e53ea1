"""Schemas of experiments, their tasks and events, previews and estimates."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import ConfigDict, Field

from tgsh.schemas import examples
from tgsh.schemas.base import ExperimentStatus, TaskStatus, WireModel
from tgsh.schemas.similarity import ClassOverlap
from tgsh.specs import ExperimentSpec

PreviewStatus = Literal["queued", "drawing", "ready", "failed"]


class Progress(WireModel):
    """How far an experiment is. `fraction` counts epochs, so it moves while tasks are running."""

    tasks_total: int
    tasks_done: int
    fraction: float = Field(ge=0, le=1)
    eta_seconds: float | None = Field(None, description="time left at today's pace; null until one is known")


class Timings(WireModel):
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    seconds: float | None = Field(None, description="from start to end, or to now")


class Experiment(WireModel):
    """An experiment as the service sees it."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.EXPERIMENT]})

    id: str
    name: str
    status: ExperimentStatus
    reason: str | None = Field(None, description="why it failed")
    cancel_requested: bool = False
    spec: ExperimentSpec
    progress: Progress
    mean_accuracy: float | None = Field(None, description="mean test accuracy of the tasks that are done")
    base_id: str = Field(description="digest of the random base; equal ids make vectors comparable")
    digest: str = Field(description="digest of the spec; equal digests make results equal")
    versions: dict[str, str] = Field(default_factory=dict, description="software that trained it")
    owner: str | None = Field(None, description="the key that made it; null: nobody's, everybody sees it")
    shared: bool = Field(False, description="whether others see it, too")
    stored_answer: bool = Field(
        False, description="answers a submission without training anew, as this was computed before"
    )
    timings: Timings
    links: dict[str, str]
    warnings: list[str] = Field(
        default_factory=list,
        description="what a reader of its results must know; in GET /experiments/{id} alone",
    )


class Sharing(WireModel):
    """Who sees an experiment or a dataset beside its owner: nobody, or everybody with a key."""

    model_config = ConfigDict(extra="forbid", strict=True, json_schema_extra={"examples": [{"shared": True}]})

    shared: bool


class ExperimentPage(WireModel):
    """A page of experiments, newest first; `next` is the cursor of the page after, null on the last."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.EXPERIMENT_PAGE]})

    items: list[Experiment]
    next: str | None = None


class Task(WireModel):
    """One task of an experiment and what was learned on it."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.TASK]})

    index: int
    label: str
    params: dict[str, Any]
    status: TaskStatus
    reason: str | None = None
    accuracy: float | None = Field(
        None, description="share of test images classified right, after the last epoch"
    )
    balanced: float | None = Field(None, description="mean over the classes of the share classified right")
    chance: float | None = Field(None, description="share of the commonest class in the test images")
    epochs_done: int = 0
    loss: list[float] = Field(
        default_factory=list, description="mean training cross-entropy of each epoch, in nats"
    )
    seconds: float = Field(0.0, description="time spent training, all attempts that count")
    attempts: int = 0
    worker: str | None = None
    compute: str | None = Field(None, description="device and code path that trained it")
    links: dict[str, str] = Field(default_factory=dict)


class TaskList(WireModel):
    model_config = ConfigDict(json_schema_extra={"examples": [examples.TASK_LIST]})

    items: list[Task]


class ProgressEvent(WireModel):
    """Data of a `progress` event: a task has ended an epoch."""

    index: int
    epoch: int
    loss: float
    progress: Progress


class TaskEvent(WireModel):
    """Data of a `task` event: a task has changed its status."""

    index: int
    label: str
    status: TaskStatus
    attempt: int = 0
    accuracy: float | None = None
    reason: str | None = None


class StatusEvent(WireModel):
    """Data of a `status` event: the experiment has changed its status."""

    status: ExperimentStatus
    reason: str | None = None


class Preview(WireModel):
    """What the tasks of a spec look like, once a worker has drawn it: the test images of an experiment."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.PREVIEW]})

    key: str = Field(description="digest of what decides the picture: dataset, suite and seed")
    status: PreviewStatus
    reason: str | None = Field(None, description="why it failed, or why nobody draws it yet")
    tasks: list[str] = Field(description="labels of the tasks that are drawn, a row each")
    indices: list[int] = Field(description="places of these tasks in the suite")
    tasks_total: int = Field(description="tasks of the suite; of many, some are drawn, evenly spread")
    class_overlap: ClassOverlap | None = Field(
        None, description="which classes tasks share, where they do not all have the same"
    )
    warnings: list[str] = Field(default_factory=list, description="what would mislead a reader of the result")
    links: dict[str, str] = Field(default_factory=dict)


class Estimate(WireModel):
    """What an experiment would cost on today's workers."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.ESTIMATE]})

    digest: str = Field(description="digest of the spec; equal digests make results equal")
    tasks: int
    task_epochs: int
    seconds: float | None = Field(None, description="with all workers to itself; null where there is none")
    queue_seconds: float | None = Field(
        None, description="longer, as workers are shared with what waits or runs; null where there is none"
    )
    experiments_ahead: int = Field(description="experiments that wait or run")
    tasks_ahead: int = Field(
        description="tasks of those that come in between: workers are shared evenly, so of each experiment "
        "no more than this one has itself"
    )
    workers: int = Field(description="jobs that today's workers do at a time")
    basis: Literal["measured", "typical"] = Field(
        description="measured: on experiments of this suite, dataset and network here; typical: elsewhere"
    )
    stored: str | None = Field(
        None, description="id of a completed experiment with these results, which the caller may see"
    )
    class_overlap: ClassOverlap | None = Field(
        None, description="which classes tasks share, where they do not all have the same"
    )
    warnings: list[str] = Field(default_factory=list, description="what would mislead a reader of the result")
