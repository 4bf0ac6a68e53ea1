"""What goes over the wire, shared by service and client. Times are ISO 8601 in UTC; durations are seconds."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tgsh.spec import ExperimentSpec

ExperimentStatus = Literal["queued", "running", "completed", "failed", "cancelled"]
TaskStatus = ExperimentStatus
TERMINAL: frozenset[ExperimentStatus] = frozenset({"completed", "failed", "cancelled"})

Order = Literal["task", "cluster"]
Measure = Literal["cosine", "correlation"]
ReconstructionMethod = Literal["pinv", "ridge"]
EmbeddingMethod = Literal["mds", "pca"]


class Wire(BaseModel):
    """A frozen document. Clients ignore what they do not know, so that a newer service can be read."""

    model_config = ConfigDict(frozen=True, extra="ignore")


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
    timings: Timings
    links: dict[str, str]


class ExperimentPage(Wire):
    """A page of experiments, newest first; `next` is the cursor of the page after, null on the last."""

    items: list[Experiment]
    next: str | None = None


class Task(Wire):
    """One task of an experiment and what was learned on it."""

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
    items: list[Task]


class Similarity(Wire):
    """A labelled T×T matrix. Rows and columns follow `tasks`; tasks that have no vector yet are left out."""

    experiment_id: str
    base_id: str
    stage: str = Field(description='"before", "after" or the number of an epoch')
    measure: Measure
    order: Order
    layer: str | None = Field(None, description="the layer whose part was compared; null: the whole vectors")
    complete: bool = Field(description="whether every task of the experiment is in it")
    tasks: list[int]
    labels: list[str]
    values: list[list[float]]


class SimilarityCourse(Wire):
    """The similarity of two tasks at every epoch; null where one of them has no vector yet."""

    tasks: tuple[int, int]
    labels: tuple[str, str]
    values: list[float | None]


class SimilarityEpochs(Wire):
    """How the similarity of chosen pairs of tasks changes while they are learned."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "experiment_id": "47341124ceace8e6",
                    "base_id": "0f3a5c",
                    "measure": "cosine",
                    "complete": True,
                    "epochs": [0, 1, 2],
                    "pairs": [
                        {"tasks": [0, 1], "labels": ["0°", "10°"], "values": [0.01, 0.62, 0.71]},
                        {"tasks": [0, 18], "labels": ["0°", "180°"], "values": [-0.02, 0.05, 0.11]},
                    ],
                }
            ]
        }
    )

    experiment_id: str
    base_id: str
    measure: Measure
    complete: bool = Field(description="whether every value is there")
    epochs: list[int] = Field(description="0 is before training")
    pairs: list[SimilarityCourse]


class Dendrogram(Wire):
    """Agglomerative clustering of the tasks on the distance 1 − similarity.

    `linkage` is SciPy's, T − 1 rows [node, node, distance, tasks below]: numbers below T are places in
    `tasks` and `labels`, T + i is what row i made. `scipy.cluster.hierarchy` takes it as it is.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "experiment_id": "47341124ceace8e6",
                    "base_id": "0f3a5c",
                    "stage": "after",
                    "measure": "cosine",
                    "method": "average",
                    "complete": True,
                    "tasks": [0, 1, 2],
                    "labels": ["0°", "10°", "180°"],
                    "linkage": [[0, 1, 0.25, 2], [2, 3, 0.9, 3]],
                    "leaves": [2, 0, 1],
                    "leaf_labels": ["180°", "0°", "10°"],
                    "cophenetic_correlation": 0.99,
                    "newick": "('180°':0.45,('0°':0.125,'10°':0.125):0.325);",
                }
            ]
        }
    )

    experiment_id: str
    base_id: str
    stage: str
    measure: Measure
    method: str = Field(description="single, complete, average or weighted")
    complete: bool = Field(description="whether every task of the experiment is in it")
    tasks: list[int]
    labels: list[str]
    linkage: list[tuple[int, int, float, int]]
    leaves: list[int] = Field(description="places in `tasks`, left to right, like beside like")
    leaf_labels: list[str]
    cophenetic_correlation: float | None = Field(
        description="of the tree's distances with the true ones; null where it is not defined"
    )
    newick: str = Field(description="with lengths; two leaves are their cophenetic distance apart")


class Embedding(Wire):
    """Tasks as points, one row of `dimensions` coordinates a task; axes by falling importance.

    The signs are fixed: on every axis the task that is farthest out has a positive coordinate.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "experiment_id": "47341124ceace8e6",
                    "base_id": "0f3a5c",
                    "stage": "after",
                    "method": "mds",
                    "measure": "cosine",
                    "dimensions": 2,
                    "complete": True,
                    "tasks": [0, 1, 2],
                    "labels": ["0°", "10°", "180°"],
                    "values": [[-0.32, 0.12], [-0.3, -0.13], [0.62, 0.01]],
                    "explained": [0.94, 0.06],
                    "positive_eigenvalue_share": 1.0,
                    "stress": 0.0,
                }
            ]
        }
    )

    experiment_id: str
    base_id: str
    stage: str
    method: EmbeddingMethod
    measure: Measure | None = Field(description="of the similarity behind mds; null for pca")
    dimensions: int
    complete: bool = Field(description="whether every task of the experiment is in it")
    tasks: list[int]
    labels: list[str]
    values: list[list[float]]
    explained: list[float] = Field(
        description="share of each axis: of the positive eigenvalues (mds), of the variance (pca)"
    )
    positive_eigenvalue_share: float = Field(
        description="of all eigenvalues, by absolute value; 1 where the distances are Euclidean"
    )
    stress: float = Field(description="Kruskal's stress-1 of the points against the distances; 0 is exact")


class ContextVectors(Wire):
    """Context vectors v_t = g_t·c_t, one row a task: T×H."""

    experiment_id: str
    base_id: str
    stage: str
    complete: bool
    tasks: list[int]
    labels: list[str]
    values: list[list[float]]


class TaskAccuracy(Wire):
    index: int
    label: str
    accuracy: float


class Accuracy(Wire):
    """Test accuracy of the tasks that are done."""

    experiment_id: str
    complete: bool
    mean: float | None = None
    min: float | None = None
    max: float | None = None
    tasks: list[TaskAccuracy]


class ReconstructionScore(Wire):
    """Reconstructions against mean images of class and task, over the tasks and classes asked for."""

    correlation: float = Field(description="mean class-centred correlation with the mean image")
    right_class: float | None = Field(description="share whose own class, of these classes, fits best")
    right_task: float | None = Field(description="share whose own task, of these tasks, fits best")


class Reconstructions(Wire):
    """x̂ = A⁺(v_t ⊙ w_k + ε): images[task][class][sample][row][column], in units of the network's input."""

    experiment_id: str
    base_id: str
    stage: str
    method: ReconstructionMethod
    ridge: float = Field(description="λ; 0 is the pseudo-inverse")
    seed: int
    tasks: list[int]
    labels: list[str]
    classes: list[int]
    score: ReconstructionScore | None = Field(description="of the mean over samples; null before the finish")
    images: list[list[list[list[list[float]]]]]


class GeometryStage(Wire):
    """Cosines of representations: intra (one task, different classes), inter (one class, different tasks)."""

    intra: list[int] = Field(description="pairs in each bin")
    inter: list[int] = Field(description="pairs in each bin")
    intra_mean: float | None
    inter_mean: float | None
    overlap: float | None = Field(description="shared area of the two distributions, 0 to 1")
    p_intra_greater: float | None = Field(description="P(intra > inter) of two random pairs")
    task_accuracy: float = Field(description="how well a ridge map names the task, on images it never saw")
    parameter_r2: float | None = Field(
        description="share of the variance of the task's angle or shift (as cosine and sine) that it reads"
    )


class GeometrySample(Wire):
    """What was measured on: these tasks, so many classes, so many test images a class."""

    tasks: list[int]
    classes: int
    images: int


class Geometry(Wire):
    """Definition 1 measured, with untrained and with trained contexts."""

    experiment_id: str
    base_id: str
    sample: GeometrySample
    edges: list[float] = Field(description="of the bins; one more than there are bins")
    before: GeometryStage
    after: GeometryStage


class CatalogEntry(Wire):
    name: str
    description: str
    json_schema: dict[str, Any] | None = None
    cost: str | None = Field(None, description="what it costs to run, for a person")
    details: dict[str, Any] = Field(default_factory=dict)


class Catalog(Wire):
    """What can be asked for."""

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

    ready: bool
    checks: dict[str, Check]


class FieldError(Wire):
    field: str = Field(description="dotted path into the request")
    message: str


class Problem(Wire):
    """RFC 9457 problem document, `application/problem+json`."""

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
