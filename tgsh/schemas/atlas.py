"""Schemas of random bases: what was learned on each, the nearest tasks across experiments, the map."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import ConfigDict, Field

from tgsh.schemas.base import WireModel

AtlasMethod = Literal["mds", "pca", "umap"]

AtlasGroup = Literal["experiment", "dataset", "suite"]

AtlasKind = Literal["task", "placement"]

_ID, _OTHER, _BASE_ID = "47341124ceace8e6", "9326c31d29f87427", "5f1c" * 16

_BASE: dict[str, Any] = {
    "base_id": _BASE_ID,
    "network": {"kind": "flynet", "expansion": 10, "fan_in": 7},
    "base_seed": 0,
    "pixels": 784,
    "classes": 10,
    "width": 7840,
    "experiments": 2,
    "tasks": 64,
    "datasets": ["mnist"],
    "suites": ["rotation", "shift"],
    "used_at": "2026-11-29T12:00:00Z",
    "links": {
        "self": f"/bases/{_BASE_ID}",
        "nearest": f"/bases/{_BASE_ID}/nearest",
        "map": f"/bases/{_BASE_ID}/map",
    },
}

_NEAR: dict[str, Any] = {
    "kind": "task",
    "experiment": _OTHER,
    "name": "shifts",
    "task": 0,
    "placement": None,
    "label": "0 px",
    "dataset": "mnist",
    "suite": "shift",
    "owner": "alice",
    "similarity": 0.984,
}

_PLACED: dict[str, Any] = {
    "id": _ID,
    "name": "rotations",
    "dataset": "mnist",
    "suite": "rotation",
    "owner": "alice",
}


class RandomBaseSummary(WireModel):
    """A random base, and how much was learned on it of what the caller sees."""

    model_config = ConfigDict(json_schema_extra={"examples": [_BASE]})

    base_id: str = Field(description="digest of the random weights; contexts of other bases are unrelated")
    network: dict[str, Any] = Field(description="kind of the network, and what shapes its random weights")
    base_seed: int
    pixels: int | None = Field(description="D, numbers of an image; null where its dataset is gone")
    classes: int | None = Field(description="K, outputs")
    width: int | None = Field(description="H, numbers of a context vector")
    experiments: int = Field(description="experiments on it that the caller sees")
    tasks: int = Field(description="learned tasks of these")
    datasets: list[str]
    suites: list[str]
    used_at: datetime = Field(description="when the newest experiment on it was submitted")
    links: dict[str, str]


class BasePage(WireModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [_BASE]}]})

    items: list[RandomBaseSummary]
    next: str | None = Field(None, description="`cursor` of the next page; null on the last")


class AtlasGap(WireModel):
    """What the caller may see and is left out."""

    reason: str
    tasks: int
    experiment: str | None = Field(None, description="null: of several")


class NearTaskElsewhere(WireModel):
    """A learned task on the same base, or a placement: new images that were placed among tasks on it."""

    kind: AtlasKind = Field("task", description="what the context was learned for")
    experiment: str = Field(description="id; of a placement, of the experiment in which it was made")
    name: str = Field(description="of the experiment")
    task: int | None = Field(description="index; null for a placement")
    placement: str | None = Field(None, description="id; null for a task")
    label: str = Field(description="of the task, or the name of the placement")
    dataset: str
    suite: str | None = Field(description="null for a placement, which has none")
    owner: str | None = Field(None, description="name of the API key; null: no key")
    similarity: float = Field(description="cosine of the two context vectors")


class NearestElsewhere(WireModel):
    """The tasks whose contexts are most like that of one task, among all on its base that the caller sees."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "base_id": _BASE_ID,
                    "experiment": _ID,
                    "task": 0,
                    "label": "0°",
                    "measure": "cosine",
                    "compared": 63,
                    "placements": 0,
                    "experiments": 2,
                    "nearest": [_NEAR],
                    "left_out": [],
                }
            ]
        }
    )

    base_id: str
    experiment: str
    task: int
    label: str
    measure: Literal["cosine"] = "cosine"
    compared: int = Field(description="learned tasks and placements among which these are the nearest")
    placements: int = Field(0, description="placements of these")
    experiments: int = Field(description="experiments of these tasks")
    nearest: list[NearTaskElsewhere] = Field(description="most alike first")
    left_out: list[AtlasGap] = Field(description="tasks that could not be compared, and why")


class AtlasExperiment(WireModel):
    id: str
    name: str
    dataset: str
    suite: str
    owner: str | None = Field(None, description="name of the API key; null: no key")


class AtlasPoint(WireModel):
    """A learned task, or a placement, as a point."""

    kind: AtlasKind = Field("task", description="what the context was learned for")
    experiment: int = Field(description="place in `experiments`; of a placement, where it was made")
    task: int | None = Field(description="index; null for a placement")
    placement: str | None = Field(None, description="id; null for a task")
    label: str = Field(description="of the task, or the name of the placement")
    x: float
    y: float


class AtlasMap(WireModel):
    """All learned tasks on a random base that the caller sees, in a plane."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "base_id": _BASE_ID,
                    "method": "mds",
                    "vectors": "exact",
                    "landmarks": 1,
                    "stress": 0.0,
                    "explained": [0.0, 0.0],
                    "experiments": [_PLACED],
                    "points": [
                        {
                            "kind": "task",
                            "experiment": 0,
                            "task": 0,
                            "placement": None,
                            "label": "0°",
                            "x": 0.0,
                            "y": 0.0,
                        }
                    ],
                    "left_out": [],
                }
            ]
        }
    )

    base_id: str
    method: AtlasMethod
    vectors: Literal["exact", "sketches"] = Field(
        description="what was placed: the context vectors, or, of many, sketches of them"
    )
    landmarks: int = Field(description="tasks that decide the axes of mds, and that stress is of")
    stress: float = Field(
        description="Kruskal's stress-1 of the landmarks: 0 where distances are shown exactly"
    )
    explained: list[float] = Field(description="share of each axis; empty for umap, which has none")
    experiments: list[AtlasExperiment]
    points: list[AtlasPoint]
    left_out: list[AtlasGap] = Field(description="tasks that are not shown, and why")
