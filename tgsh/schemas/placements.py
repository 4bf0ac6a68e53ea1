"""Schemas of placements and of the job that computes an accuracy matrix later."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import ConfigDict, Field

from tgsh.schemas.base import WARNINGS, WireModel
from tgsh.schemas.placement_examples import (
    MATRIX_JOB,
    PLACED_SAMPLES,
    PLACEMENT,
    PLACEMENT_MAP,
    PLACEMENT_PAGE,
)

AnalysisStatus = Literal["queued", "running", "completed", "failed"]


class PlacedTask(WireModel):
    """How alike new images are to a task."""

    task: int
    label: str
    similarity: float = Field(description="mean cosine over the replicates")
    low: float | None = Field(
        None, description="lower end of the interval; null where interval_reason says why"
    )
    high: float | None = None


class PlacedClass(WireModel):
    """A class of new images, and the one that it was taken for."""

    name: str
    taken_for: str | None = Field(None, description="class of the experiment; null: its images were left out")
    images: int


class PlacementEstimate(WireModel):
    """The tasks' parameter that new images would have, between those of the tasks."""

    value: float
    unit: str


class PlacementNormalisation(WireModel):
    """What pixels from 0 to 1 were normalised by."""

    mean: float
    deviation: float


class PlacementSummary(WireModel):
    """A placement in a list."""

    id: str
    experiment_id: str
    name: str
    dataset: str | None = Field(None, description="name or id; null where images came with the request")
    status: AnalysisStatus
    reason: str | None = Field(None, description="why it failed, or why it waits")
    created_at: datetime
    finished_at: datetime | None = None
    owner: str | None = None
    nearest: int | None = Field(None, description="index of the task that the images are most like")
    nearest_label: str | None = None
    similarity: float | None = Field(None, description="mean cosine with that task")
    percentile: float | None = Field(
        None,
        description="percentage of the similarities of two tasks of the experiment that are below the "
        "`corrected` one (the highest, where that is null)",
    )
    novel: bool | None = Field(None, description="whether the images are unlike all tasks; null: not known")
    sentence: str | None = Field(None, description="the answer in words")
    links: dict[str, str] = Field(default_factory=dict)


class Placement(PlacementSummary):
    """Where new images fall among the tasks of an experiment."""

    model_config = ConfigDict(json_schema_extra={"examples": [PLACEMENT]})

    base_id: str
    train_limit: int
    replicates: int
    seed: int
    matching: Literal["names", "nearest", "map"] = Field(description="how classes were matched")
    tasks: list[PlacedTask] = Field(default_factory=list, description="most alike first")
    level: float = Field(0.95, description="of the intervals")
    interval_reason: str | None = Field(None, description="why there are no intervals, where there are none")
    classes: list[PlacedClass] = Field(default_factory=list, description="which class was taken for which")
    matched_with: str | None = Field(None, description="of nearest: the task whose classes fitted best")
    images: int | None = Field(None, description="images that had a class of the experiment")
    images_drawn: int | None = Field(None, description="of these, what each replicate learned from")
    images_left_out: int | None = Field(None, description="images without one")
    normalisation: PlacementNormalisation | None = None
    expected: float | None = Field(
        None,
        description="median cosine of samples of known tasks, as small as a replicate, with their own tasks",
    )
    corrected: float | None = Field(
        None, description="highest similarity divided by `expected`: what many images would have, about"
    )
    threshold: float | None = Field(
        None, description="half of what 95 % of the tasks have with the one most like them; below it: novel"
    )
    p: float | None = Field(
        None,
        description="share of the ways to deal out the classes, the true one among them, that do as well; "
        "above 0.05: novel. null where it cannot be told, as with classes that were matched by images",
    )
    estimate: PlacementEstimate | None = Field(
        None, description="of rotations and shifts: the parameter between those of the tasks"
    )
    warnings: list[str] = Field(default_factory=list, description=WARNINGS)


class PlacementPage(WireModel):
    """A page of placements, newest first; `next` is the cursor of the page after, null on the last."""

    model_config = ConfigDict(json_schema_extra={"examples": [PLACEMENT_PAGE]})

    items: list[PlacementSummary]
    next: str | None = None


class PlacementMap(WireModel):
    """The map of an experiment's tasks with the place of new images in it."""

    model_config = ConfigDict(json_schema_extra={"examples": [PLACEMENT_MAP]})

    experiment_id: str
    placement_id: str
    tasks: list[int]
    labels: list[str]
    values: list[list[float]] = Field(description="points of the tasks, as in the experiment's embedding")
    placed: list[float] = Field(description="point of the new images, by the corrected similarities")
    explained: list[float]
    stress: float = Field(description="of the tasks' points")


class PlacedSamples(WireModel):
    """Images of a placement above those of the task that they are most like, class by class."""

    model_config = ConfigDict(json_schema_extra={"examples": [PLACED_SAMPLES]})

    experiment_id: str
    placement_id: str
    rows: list[str] = Field(description="what the two rows show")
    task: int
    classes: list[str]
    shape: list[int] = Field(description="of an image")
    values: list[list[list[float | None]]] = Field(
        description="rows × classes × pixels, 0 to 1; null: no image"
    )


class MatrixJob(WireModel):
    """The job that computes the accuracy matrix of an experiment that was submitted without."""

    model_config = ConfigDict(json_schema_extra={"examples": [MATRIX_JOB]})

    experiment_id: str
    status: Literal["absent", "queued", "running", "completed", "failed"] = Field(
        description="absent: nobody asked for the matrix"
    )
    reason: str | None = None
    created_at: datetime | None = None
    finished_at: datetime | None = None
    links: dict[str, str] = Field(default_factory=dict)
