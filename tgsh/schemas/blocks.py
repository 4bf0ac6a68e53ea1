"""Parts of a similarity matrix that may be too large to be read whole."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from tgsh.schemas.wire import Measure, Wire


class SimilarityBlock(Wire):
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


class NearestTasks(Wire):
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
