"""What travels through the queue: names and JSON payloads. A message is a hint; the database is the truth."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

QUEUE = "tgsh"


class Job(BaseModel):
    """One unit of work: a task to train, or (index null) the finish of an experiment."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    experiment_id: str = Field(pattern=r"^[0-9a-f]{16}$")
    index: int | None = Field(None, ge=0)

    @property
    def kind(self) -> Literal["train", "finish"]:
        return "finish" if self.index is None else "train"


JOB_NAME = "tgsh.job"
"""The one Celery task: its keyword arguments are the fields of a Job."""
