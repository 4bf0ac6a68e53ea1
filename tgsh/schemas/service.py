"""Schemas of workers, queue, catalog and readiness."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import ConfigDict, Field

from tgsh.schemas import examples
from tgsh.schemas.base import WireModel


class WorkingOn(WireModel):
    """A job that a worker does. What it is of is told to those who may see it."""

    kind: Literal["task", "finish", "preview", "placement", "accuracy-matrix"]
    experiment_id: str | None = Field(None, description="null for a preview, and where others own it")
    name: str | None = None
    task_index: int | None = Field(None, description="null but for a task")
    label: str | None = None
    since: datetime
    device: str


class WorkerChild(WireModel):
    """A process of a worker, which does one job at a time."""

    slot: str = Field(description="its device")
    pid: int
    state: Literal["starting", "idle", "busy", "stuck", "broken"] = Field(
        description="stuck: its job got nowhere, so that it was killed, and nobody is in its place yet; "
        "broken: it cannot work, and takes no jobs"
    )
    since: datetime
    reason: str = Field("", description="why it is stuck or broken")


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
    version: str | None = Field(None, description="of tgsh; null from a version before 0.5")
    children: list[WorkerChild] | None = Field(
        None, description="its processes; null from a version before 0.5"
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
