"""What is read from the similarity of tasks: trees, points, courses over the epochs."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from tgsh.schemas.wire import Measure, Wire

EmbeddingMethod = Literal["mds", "pca"]


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
    layer: str | None = Field(None, description="the layer whose part it is of; null: the whole vectors")
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
    layer: str | None = Field(None, description="the layer whose part it is of; null: the whole vectors")
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
