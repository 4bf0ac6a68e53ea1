"""Settings of a worker: those of the store, and its devices."""

from __future__ import annotations

from pydantic import Field

from tgsh.settings import StoreSettings


class WorkerSettings(StoreSettings):
    """TGSH_DEVICES: "auto" (every GPU, else every core), "cpu", "cpu:4" (four children), "cuda:0,cuda:1"."""

    devices: str = Field("auto", description="what to train on")
    sweep_seconds: float = Field(5.0, gt=0, description="how often lost work is looked for")
