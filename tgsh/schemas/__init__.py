"""What goes over the wire, shared by service and client. Times are ISO 8601 in UTC; durations are seconds."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import ConfigDict, Field

from tgsh.schemas import examples
from tgsh.schemas.accuracies import Accuracy as Accuracy
from tgsh.schemas.accuracies import AccuracyMatrix as AccuracyMatrix
from tgsh.schemas.accuracies import AccuracyMatrixSummary as AccuracyMatrixSummary
from tgsh.schemas.accuracies import TaskAccuracy as TaskAccuracy
from tgsh.schemas.ahead import Estimate as Estimate
from tgsh.schemas.ahead import Preview as Preview
from tgsh.schemas.ahead import PreviewStatus as PreviewStatus
from tgsh.schemas.blocks import NearestTasks as NearestTasks
from tgsh.schemas.blocks import SimilarityBlock as SimilarityBlock
from tgsh.schemas.comparison import Alternative as Alternative
from tgsh.schemas.comparison import ComparedExperiment as ComparedExperiment
from tgsh.schemas.comparison import ComparedPair as ComparedPair
from tgsh.schemas.comparison import Comparison as Comparison
from tgsh.schemas.comparison import MantelTest as MantelTest
from tgsh.schemas.comparison import SameTask as SameTask
from tgsh.schemas.comparison import SpecDifference as SpecDifference
from tgsh.schemas.datasets import Dataset as Dataset
from tgsh.schemas.datasets import DatasetPage as DatasetPage
from tgsh.schemas.datasets import DatasetSamples as DatasetSamples
from tgsh.schemas.inference import Predictions as Predictions
from tgsh.schemas.inference import Representations as Representations
from tgsh.schemas.representations import Geometry as Geometry
from tgsh.schemas.representations import GeometryBaseline as GeometryBaseline
from tgsh.schemas.representations import GeometrySample as GeometrySample
from tgsh.schemas.representations import GeometryStage as GeometryStage
from tgsh.schemas.representations import ReconstructionMethod as ReconstructionMethod
from tgsh.schemas.representations import Reconstructions as Reconstructions
from tgsh.schemas.representations import ReconstructionScore as ReconstructionScore
from tgsh.schemas.representations import Samples as Samples
from tgsh.schemas.similarities import Dendrogram as Dendrogram
from tgsh.schemas.similarities import Embedding as Embedding
from tgsh.schemas.similarities import EmbeddingMethod as EmbeddingMethod
from tgsh.schemas.similarities import SimilarityCourse as SimilarityCourse
from tgsh.schemas.similarities import SimilarityEpochs as SimilarityEpochs
from tgsh.schemas.wire import Measure as Measure
from tgsh.schemas.wire import Wire as Wire
from tgsh.schemas.workers import Queue as Queue
from tgsh.schemas.workers import QueuedExperiment as QueuedExperiment
from tgsh.schemas.workers import Worker as Worker
from tgsh.schemas.workers import Workers as Workers
from tgsh.schemas.workers import WorkingOn as WorkingOn
from tgsh.spec import ExperimentSpec

ExperimentStatus = Literal["queued", "running", "completed", "failed", "cancelled"]
TaskStatus = ExperimentStatus
TERMINAL: frozenset[ExperimentStatus] = frozenset({"completed", "failed", "cancelled"})

Order = Literal["task", "cluster"]


class Progress(Wire):
    """How far an experiment is. `fraction` counts epochs, so it moves while tasks are running."""

    tasks_total: int
    tasks_done: int
    fraction: float = Field(ge=0, le=1)
    eta_seconds: float | None = Field(None, description="time left at today's pace; null until one is known")


class Timings(Wire):
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    seconds: float | None = Field(None, description="from start to end, or to now")


class Experiment(Wire):
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


class Sharing(Wire):
    """Who sees an experiment or a dataset beside its owner: nobody, or everybody with a key."""

    model_config = ConfigDict(extra="forbid", strict=True, json_schema_extra={"examples": [{"shared": True}]})

    shared: bool


class ExperimentPage(Wire):
    """A page of experiments, newest first; `next` is the cursor of the page after, null on the last."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.EXPERIMENT_PAGE]})

    items: list[Experiment]
    next: str | None = None


class Task(Wire):
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
    epochs_done: int = 0
    loss: list[float] = Field(
        default_factory=list, description="mean training cross-entropy of each epoch, in nats"
    )
    seconds: float = Field(0.0, description="time spent training, all attempts that count")
    attempts: int = 0
    worker: str | None = None
    compute: str | None = Field(None, description="device and code path that trained it")
    links: dict[str, str] = Field(default_factory=dict)


class TaskList(Wire):
    model_config = ConfigDict(json_schema_extra={"examples": [examples.TASK_LIST]})

    items: list[Task]


class Similarity(Wire):
    """A labelled T×T matrix. Rows and columns follow `tasks`; tasks that have no vector yet are left out."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.SIMILARITY]})

    experiment_id: str
    base_id: str
    stage: str = Field(description='"before", "after" or the number of an epoch')
    measure: Measure
    order: Order
    layer: str | None = Field(None, description="the layer whose part it is of; null: the whole vectors")
    complete: bool = Field(description="whether every task of the experiment is in it")
    tasks: list[int]
    labels: list[str]
    values: list[list[float]]


class ContextVectors(Wire):
    """Context vectors v_t = g_t·c_t, one row a task: T×H."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.CONTEXT_VECTORS]})

    experiment_id: str
    base_id: str
    stage: str
    layer: str | None = Field(None, description="the layer whose part it is of; null: the whole vectors")
    complete: bool
    tasks: list[int]
    labels: list[str]
    values: list[list[float]]


class CatalogEntry(Wire):
    name: str
    description: str
    json_schema: dict[str, Any] | None = None
    cost: str | None = Field(None, description="what it costs to run, for a person")
    details: dict[str, Any] = Field(default_factory=dict)


class Catalog(Wire):
    """What can be asked for."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.CATALOG]})

    datasets: list[CatalogEntry]
    suites: list[CatalogEntry]
    networks: list[CatalogEntry]
    presets: list[CatalogEntry]
    spec_schema: dict[str, Any] = Field(description="JSON Schema of the body of POST /experiments")


class Check(Wire):
    ok: bool
    detail: str


class Readiness(Wire):
    """Whether the service can do its work: store, queue, disk, workers."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.READINESS]})

    ready: bool
    checks: dict[str, Check]


class FieldError(Wire):
    field: str = Field(description="dotted path into the request")
    message: str


class Problem(Wire):
    """RFC 9457 problem document, `application/problem+json`."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.PROBLEM]})

    type: str = Field(description="stable identifier of the kind of problem")
    title: str
    status: int
    detail: str
    instance: str | None = None
    errors: list[FieldError] = Field(default_factory=list)


class ProgressEvent(Wire):
    """Data of a `progress` event: a task has ended an epoch."""

    index: int
    epoch: int
    loss: float
    progress: Progress


class TaskEvent(Wire):
    """Data of a `task` event: a task has changed its status."""

    index: int
    label: str
    status: TaskStatus
    attempt: int = 0
    accuracy: float | None = None
    reason: str | None = None


class StatusEvent(Wire):
    """Data of a `status` event: the experiment has changed its status."""

    status: ExperimentStatus
    reason: str | None = None
