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
        description="what a child may hold, such as 4GiB, or its job fails; unset: the memory of the machine",
    )
    sweep_seconds: float = Field(5.0, gt=0, description="how often lost work is looked for")
