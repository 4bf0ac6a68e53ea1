"""Settings of a worker, from the environment."""

from __future__ import annotations

from pydantic import ByteSize, Field

from tgsh.settings import StoreSettings


class WorkerSettings(StoreSettings):
    """TGSH_DEVICES: "auto" (every GPU, else every core), "cpu", "cpu:4" (four children), "cuda:0,cuda:1"."""

    devices: str = Field("auto", description="what to train on")
    memory_limit: ByteSize | None = Field(
        None,
        gt=0,
        description="what a child may hold, such as 4GiB, or its job fails; unset: its share of the memory",
    )
    job_seconds: float | None = Field(
        None, gt=0, description="what a job may take, or it fails; unset: as long as it makes progress"
    )
    jobs_per_child: int | None = Field(
        None, ge=1, description="after so many jobs a child is replaced; unset: never"
    )
    child_memory: ByteSize | None = Field(
        None,
        gt=0,
        description="a child that holds more after a job is replaced, such as 2GiB; unset: none is",
    )
    sweep_seconds: float = Field(5.0, gt=0, description="how often lost work is looked for")
    idle_seconds: float | None = Field(
        None, gt=0, description="a worker that has no job for so long ends; unset: it waits for ever"
    )
    life_seconds: float | None = Field(
        None, gt=0, description="a worker gives its jobs back after so long, and ends; unset: never"
    )
