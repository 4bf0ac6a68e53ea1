"""Schemas of experiments, their tasks and events, previews and estimates."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from tgsh.schemas import examples
from tgsh.schemas.base import ExperimentStatus, TaskStatus, WireModel
from tgsh.schemas.similarity import ClassOverlap
from tgsh.specs import ExperimentSpec
from tgsh.specs.base import MAX_TAGS, Name, Notes, Project, Tag
from tgsh.specs.presets import Priority

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
    mean_balanced: float | None = Field(
        None, description="the same of balanced accuracy, once all tasks have ended; null: not counted"
    )
    base_id: str = Field(description="digest of the random base; equal ids make vectors comparable")
    digest: str = Field(description="digest of the spec; equal digests make results equal")
    versions: dict[str, str] = Field(default_factory=dict, description="software that trained it")
    owner: str | None = Field(None, description="the key that made it; null: nobody's, everybody sees it")
    shared: bool = Field(False, description="whether others see it, too")
    priority: int = Field(0, description="among its owner's experiments the greater goes first")
    notes: str | None = Field(None, description="Markdown; what people say of it")
    project: str | None = Field(None, description="what it belongs to")
    stored_answer: bool = Field(
        False, description="answers a submission without training anew, as this was computed before"
    )
    timings: Timings
    links: dict[str, str]
    warnings: list[str] = Field(
        default_factory=list,
        description="what a reader of its results must know; in GET /experiments/{id} alone",
    )


class ExperimentChanges(WireModel):
    """What is to be changed of an experiment; what is left out stays."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"examples": [{"name": "five epochs", "tags": ["pilot"], "notes": "T7 is odd"}]},
    )

    name: Name | None = None
    tags: list[Tag] | None = Field(None, max_length=MAX_TAGS, description="all that it has from now on")
    notes: Notes | None = Field(None, description="Markdown; null or empty removes them")
    project: Project | None = Field(None, description="null removes it")
    shared: bool | None = Field(None, description="whether everybody with a key sees it, not its owner alone")
    priority: Priority | None = Field(
        None, description="among its owner's experiments the greater goes first; takes nothing from others"
    )

    @model_validator(mode="after")
    def _change_something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("changes nothing; send name, tags, notes, project, shared or priority")
        for field in ("name", "tags", "shared", "priority"):
            if field in self.model_fields_set and getattr(self, field) is None:
                raise ValueError(f"{field} cannot be null; leave it out to keep it")
        if self.name is not None and not self.name.strip():
            raise ValueError("name cannot be empty; leave it out to keep it")
        return self


class ExperimentChange(WireModel):
    """One change of what people say of an experiment."""

    field: str
    before: Any = None
    after: Any = None
    changed_at: datetime
    changed_by: str | None = Field(description="name of the key; null: without a key")


class ExperimentHistory(WireModel):
    """Who changed what of an experiment, the newest first."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "items": [
                        {
                            "field": "tags",
                            "before": [],
                            "after": ["pilot"],
                            "changed_at": "2026-11-29T12:00:00Z",
                            "changed_by": "alice",
                        }
                    ]
                }
            ]
        }
    )

    items: list[ExperimentChange]


class DeletedExperiment(WireModel):
    """An experiment that was deleted and can be brought back."""

    id: str
    name: str
    owner: str | None = None
    tasks: int
    created_at: datetime
    deleted_at: datetime
    deleted_by: str | None = None
    kept_until: datetime = Field(description="then its files go, and nothing brings it back")
    study: str | None = Field(None, description="the study that was deleted with it, and comes back with it")
    study_name: str | None = None


class DeletedPage(WireModel):
    """A page of deleted experiments, the last deleted first; `next` is the cursor of the page after."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "items": [
                        {
                            "id": "4be0643f1d98573b",
                            "name": "RotationMNIST",
                            "owner": "alice",
                            "tasks": 36,
                            "created_at": "2026-11-29T12:00:00Z",
                            "deleted_at": "2026-11-29T15:00:00Z",
                            "deleted_by": "alice",
                            "kept_until": "2026-12-06T15:00:00Z",
                        }
                    ],
                    "next": None,
                }
            ]
        }
    )

    items: list[DeletedExperiment]
    next: str | None = None


BatchAction = Literal["cancel", "resume", "delete", "restore", "tag", "untag", "project"]

MOST_IN_BATCH = 1_000


class Batch(WireModel):
    """One action on many experiments. value: the tag, or the project; null takes them out of theirs."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"examples": [{"action": "tag", "ids": ["4be0643f1d98573b"], "value": "pilot"}]},
    )

    action: BatchAction
    ids: list[str] = Field(min_length=1, max_length=MOST_IN_BATCH)
    value: Project | None = None

    @model_validator(mode="after")
    def _has_its_value(self) -> Self:
        if self.action in ("tag", "untag") and self.value is None:
            raise ValueError(f"{self.action} needs a value: the tag")
        if self.action not in ("tag", "untag", "project") and self.value is not None:
            raise ValueError(f"{self.action} takes no value")
        return self


class BatchOutcome(WireModel):
    """What became of one experiment of a batch."""

    id: str
    done: bool
    detail: str | None = Field(None, description="why it was not done")


class BatchOutcomes(WireModel):
    """One outcome for each id, in the order in which they came."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"outcomes": [{"id": "4be0643f1d98573b", "done": True, "detail": None}]}]
        }
    )

    outcomes: list[BatchOutcome]


class ExperimentPage(WireModel):
    """A page of experiments, newest first; `next` is the cursor of the page after, null on the last."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.EXPERIMENT_PAGE]})

    items: list[Experiment]
    next: str | None = None


TableCell = str | int | float | bool | None


class ExperimentTable(WireModel):
    """Experiments, or groups of them, as rows of cells under columns.

    Of groups the first columns are what they are grouped by, `experiments` and `completed`, how many they
    are; of a column of numbers there are NAME_mean and NAME_sd. An experiment with several tags or studies
    is in several groups.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "group_by": "epochs",
                    "columns": ["epochs", "experiments", "completed", "accuracy_mean", "accuracy_sd"],
                    "rows": [[3, 5, 5, 0.9457, 0.0012], [5, 5, 4, 0.9512, 0.0009]],
                    "next": None,
                    "groups": 2,
                }
            ]
        }
    )

    group_by: str | None = None
    columns: list[str]
    rows: list[list[TableCell]]
    next: str | None = Field(None, description="cursor of the rows that follow; of groups there is none")
    groups: int | None = Field(None, description="how many there are, also where these are the first of them")


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


class Webhook(WireModel):
    """A URL that is told when an experiment or a study ends."""

    id: str
    url: str
    status: Literal["waiting", "due", "delivered", "failed"] = Field(
        description="waiting: for the end; due: it is sent until somebody takes it; failed: given up"
    )
    attempts: int
    response: int | None = Field(None, description="HTTP status of the last answer")
    reason: str | None = Field(None, description="why the last attempt failed")
    next_at: datetime | None = Field(None, description="of the next attempt")
    ended_at: datetime | None = Field(None, description="when it was delivered or given up")


class WebhookList(WireModel):
    """Webhooks of an experiment or a study, the newest first."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "items": [
                        {
                            "id": "5fe2a81c90d3b746",
                            "url": "https://hooks.example.org/tgsh",
                            "status": "due",
                            "attempts": 1,
                            "response": 503,
                            "reason": "it answered 503",
                            "next_at": "2026-11-28T10:00:10Z",
                        }
                    ]
                }
            ]
        }
    )

    items: list[Webhook]


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
