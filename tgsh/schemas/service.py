"""Schemas of workers, queue, uploaded datasets, catalog and readiness."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import ConfigDict, Field

from tgsh.schemas import examples
from tgsh.schemas.base import WireModel


class WorkingOn(WireModel):
    """A job that a worker does. What it is of is told to those who may see it."""

    kind: Literal["task", "finish", "preview"]
    experiment_id: str | None = Field(None, description="null for a preview, and where others own it")
    name: str | None = None
    task_index: int | None = Field(None, description="null but for a task")
    label: str | None = None
    since: datetime
    device: str


class Worker(WireModel):
    """A worker that lives."""

    name: str
    host: str
    pid: int
    devices: list[str] = Field(description="one a job at a time")
    memory_bytes: int = Field(description="what its processes hold, pages that they share counted for each")
    device_memory_bytes: int | None = Field(
        None, description="what is in use on its GPUs, by whomever; null without one"
    )
    torch: bool = Field(True, description="whether it runs jobs that need torch; others go past it")
    datasets: list[str] | None = Field(
        None,
        description="named datasets whose files it has; null from an earlier version, which does not tell",
    )
    seen_at: datetime
    working_on: list[WorkingOn]


class QueuedExperiment(WireModel):
    """An experiment with jobs that wait or run."""

    id: str
    name: str
    queued: int
    running: int


class Queue(WireModel):
    """What waits and what runs, of everybody's; the experiments are those that the caller may see."""

    queued_jobs: int
    oldest_seconds: float | None = Field(
        None, description="since the first of what waits was queued; null where nothing waits"
    )
    running_jobs: int
    experiments: list[QueuedExperiment] = Field(description="a hundred at most, what runs first")


class Workers(WireModel):
    """Who works on what, and what waits."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.WORKERS]})

    workers: list[Worker]
    queue: Queue


Pictures = list[list[list[list[float]]]] | list[list[list[list[list[float]]]]]
"""[row][image][row of pixels][column], and three numbers a pixel in colour."""


class DatasetReport(WireModel):
    """What was found in an upload."""

    copies: int = Field(description="images whose pixels are those of an image before them")
    overlap: int = Field(description="test images whose pixels are those of a training image")
    contradictory: int = Field(description="images of which an identical one has another class")
    sentences: list[str] = Field(default_factory=list, description="the same in words")


class Dataset(WireModel):
    """A dataset that somebody uploaded; its id follows from its content."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.DATASET]})

    id: str
    name: str = Field(description="what its owner calls it")
    images: int
    train: int = Field(description="training images")
    test: int = Field(description="test images")
    classes: int
    class_names: list[str]
    height: int
    width: int
    channels: int = Field(description="1: grey, 3: colour")
    mean: float = Field(description="of the training images' pixels, from 0 to 1; a network's input is "
                                    "(pixel − mean)/deviation")  # fmt: skip
    deviation: float
    bytes: int = Field(description="what it takes on the disk, and of its owner's share")
    created_at: datetime
    used_by: int = Field(description="experiments that use it, and keep it from being deleted")
    owner: str | None = Field(None, description="the key that uploaded it; null: nobody's, everybody sees it")
    shared: bool = Field(False, description="whether others see it, too")
    report: DatasetReport | None = Field(None, description="null: uploaded before copies were counted")
    links: dict[str, str] = Field(default_factory=dict)


class DatasetPage(WireModel):
    """A page of datasets, newest first; `next` is the cursor of the page after, null on the last."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.DATASET_PAGE]})

    items: list[Dataset]
    next: str | None = None


class DatasetSamples(WireModel):
    """The first training images of some classes: images[class][example][row][column], 0 to 255."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.DATASET_SAMPLES]})

    id: str
    classes: list[int]
    class_names: list[str]
    images: Pictures


class CatalogEntry(WireModel):
    name: str
    description: str
    json_schema: dict[str, Any] | None = None
    cost: str | None = Field(None, description="what it costs to run, for a person")
    unavailable: str | None = Field(
        None, description="the reason why no worker that lives can run it, and the remedy; null where one can"
    )
    details: dict[str, Any] = Field(default_factory=dict)


class Catalog(WireModel):
    """What can be asked for."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.CATALOG]})

    datasets: list[CatalogEntry]
    suites: list[CatalogEntry]
    networks: list[CatalogEntry]
    presets: list[CatalogEntry]
    spec_schema: dict[str, Any] = Field(description="JSON Schema of the body of POST /experiments")


class Check(WireModel):
    ok: bool
    detail: str


class Readiness(WireModel):
    """Whether the service can do its work: store, queue, disk, workers."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.READINESS]})

    ready: bool
    checks: dict[str, Check]
