"""Before an experiment is submitted: what its tasks look like, and what it would cost."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from tgsh.schemas import examples
from tgsh.schemas.wire import Wire

PreviewStatus = Literal["queued", "drawing", "ready", "failed"]


class Preview(Wire):
    """What the tasks of a spec look like, once a worker has drawn it: the test images of an experiment."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.PREVIEW]})

    key: str = Field(description="digest of what decides the picture: dataset, suite and seed")
    status: PreviewStatus
    reason: str | None = Field(None, description="why it failed, or why nobody draws it yet")
    tasks: list[str] = Field(description="labels of the tasks that are drawn, a row each")
    indices: list[int] = Field(description="places of these tasks in the suite")
    tasks_total: int = Field(description="tasks of the suite; of many, some are drawn, evenly spread")
    links: dict[str, str] = Field(default_factory=dict)


class Estimate(Wire):
    """What an experiment would cost on today's workers."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.ESTIMATE]})

    digest: str = Field(description="digest of the spec; equal digests make results equal")
    tasks: int
    task_epochs: int
    seconds: float | None = Field(None, description="with all workers to itself; null where there is none")
    queue_seconds: float | None = Field(
        None, description="longer, as workers are shared with what waits or runs; null where there is none"
    )
    experiments_ahead: int = Field(description="experiments that wait or run")
    tasks_ahead: int = Field(
        description="tasks of those that come in between: workers are shared evenly, so of each experiment "
        "no more than this one has itself"
    )
    workers: int = Field(description="jobs that today's workers do at a time")
    basis: Literal["measured", "typical"] = Field(
        description="measured: on experiments of this suite, dataset and network here; typical: elsewhere"
    )
    stored: str | None = Field(
        None, description="id of a completed experiment with these results, which the caller may see"
    )
