"""Schemas of context vectors, similarity matrices, dendrograms, embeddings and comparisons."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from tgsh.schemas import examples
from tgsh.schemas.base import WARNINGS, EmbeddingMethod, Measure, Order, WireModel


class ClassOverlap(WireModel):
    """Which class of each task is which output of the network, where tasks do not all have the same.

    Rows are all tasks of the experiment, in its order.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [examples.CLASS_OVERLAP]})

    matching: Literal["names", "nearest", "order", "map"] = Field(description="how classes were matched")
    outputs: list[str] = Field(description="names of the K outputs")
    classes: list[list[str | None]] | None = Field(
        None,
        description="T × K names of the tasks' own classes, null where a task lacks one; null where they are "
        "over 10,000, or not matched yet",
    )
    shared: list[list[int]] | None = Field(
        None, description="T × T numbers of classes that two tasks share; null where not matched yet"
    )


class NullRange(WireModel):
    """Similarities of tasks whose classes were shuffled at random, each task's by itself."""

    shuffles: int = Field(description="how many times the classes of all tasks were shuffled and trained")
    low: float = Field(description="the least similarity of two tasks in any of them")
    high: float = Field(description="the greatest")
    mean: float


class Similarity(WireModel):
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
    null: NullRange | None = Field(
        None,
        description="what unrelated labels give, where the experiment was submitted with null_shuffles",
    )
    class_overlap: ClassOverlap | None = Field(
        None, description="which classes tasks share, where they do not all have the same"
    )
    warnings: list[str] = Field(default_factory=list, description=WARNINGS)


class ContextVectors(WireModel):
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


class SimilarityCourse(WireModel):
    """The similarity of two tasks at every epoch; null where one has no vector yet, or no update."""

    tasks: tuple[int, int]
    labels: tuple[str, str]
    values: list[float | None]


class SimilarityEpochs(WireModel):
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
    layer: str | None = Field(None, description="the layer whose part it is of; null: the whole vectors")
    complete: bool = Field(description="whether every value is there")
    epochs: list[int] = Field(description="0 is before training")
    pairs: list[SimilarityCourse]
    warnings: list[str] = Field(default_factory=list, description=WARNINGS)


class Dendrogram(WireModel):
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
    layer: str | None = Field(None, description="the layer whose part it is of; null: the whole vectors")
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
    warnings: list[str] = Field(default_factory=list, description=WARNINGS)


class Embedding(WireModel):
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
                    "parameter": [0.0, 10.0, 180.0],
                    "period": None,
                }
            ]
        }
    )

    experiment_id: str
    base_id: str
    stage: str
    layer: str | None = Field(None, description="the layer whose part it is of; null: the whole vectors")
    method: EmbeddingMethod
    measure: Measure | None = Field(
        description="of the similarity behind mds; null for pca, but update where it is of v − v₀"
    )
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
    parameter: list[float] | None = Field(
        None, description="of each task its angle in degrees or its shift in pixels; null: in no order"
    )
    period: float | None = Field(
        None, description="of `parameter`, where the tasks go all the way round; null: they do not"
    )
    warnings: list[str] = Field(default_factory=list, description=WARNINGS)


class SimilarityBlock(WireModel):
    """Similarities of some tasks (rows) with some tasks (columns)."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "experiment_id": "47341124ceace8e6",
                    "base_id": "0f3a5c",
                    "stage": "after",
                    "measure": "cosine",
                    "layer": None,
                    "rows": [0],
                    "row_labels": ["0°"],
                    "columns": [0, 1, 18],
                    "column_labels": ["0°", "10°", "180°"],
                    "values": [[1.0, 0.715, 0.115]],
                }
            ]
        }
    )

    experiment_id: str
    base_id: str
    stage: str
    measure: Measure
    layer: str | None = Field(None, description="the layer whose part was compared; null: the whole vectors")
    rows: list[int]
    row_labels: list[str]
    columns: list[int]
    column_labels: list[str]
    values: list[list[float]]
    warnings: list[str] = Field(default_factory=list, description=WARNINGS)


class NearestTasks(WireModel):
    """The most similar other tasks of every task, best first."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "experiment_id": "47341124ceace8e6",
                    "base_id": "0f3a5c",
                    "stage": "after",
                    "measure": "cosine",
                    "layer": None,
                    "complete": True,
                    "tasks": [0, 1, 2],
                    "labels": ["0°", "10°", "20°"],
                    "nearest": [[1, 2], [2, 0], [1, 0]],
                    "values": [[0.715, 0.493], [0.716, 0.715], [0.716, 0.493]],
                }
            ]
        }
    )

    experiment_id: str
    base_id: str
    stage: str
    measure: Measure
    layer: str | None = Field(None, description="the layer whose part was compared; null: the whole vectors")
    complete: bool = Field(description="whether every task of the experiment is in it")
    tasks: list[int]
    labels: list[str]
    nearest: list[list[int]] = Field(description="indices of tasks, a row a task")
    values: list[list[float]] = Field(description="their similarities, in the same places")
    warnings: list[str] = Field(default_factory=list, description=WARNINGS)


Alternative = Literal["greater", "less", "two-sided"]
