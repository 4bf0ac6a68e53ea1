"""While experiments run: who works on what, and what waits."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import ConfigDict, Field

from tgsh.schemas import examples
from tgsh.schemas.wire import Wire


class WorkingOn(Wire):
    """A job that a worker does. What it is of is told to those who may see it."""

    kind: Literal["task", "finish", "preview"]
    experiment_id: str | None = Field(None, description="null for a preview, and where others own it")
    name: str | None = None
    task_index: int | None = Field(None, description="null but for a task")
    label: str | None = None
    since: datetime
    device: str


class Worker(Wire):
    """A worker that lives."""

    name: str
    host: str
    pid: int
    devices: list[str] = Field(description="one a job at a time")
    memory_bytes: int = Field(description="what its processes hold, pages that they share counted for each")
    device_memory_bytes: int | None = Field(
        None, description="what is in use on its GPUs, by whomever; null without one"
    )
    seen_at: datetime
    working_on: list[WorkingOn]


class QueuedExperiment(Wire):
    """An experiment with jobs that wait or run."""

    id: str
    name: str
    queued: int
    running: int


class Queue(Wire):
    """What waits and what runs, of everybody's; the experiments are those that the caller may see."""

    queued_jobs: int
    oldest_seconds: float | None = Field(
        None, description="since the first of what waits was queued; null where nothing waits"
    )
    running_jobs: int
    experiments: list[QueuedExperiment] = Field(description="a hundred at most, what runs first")


class Workers(Wire):
    """Who works on what, and what waits."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.WORKERS]})

    workers: list[Worker]
    queue: Queue
