"""Base model of all schemas, problem documents, and literals that several schemas share."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from tgsh.schemas import examples

Measure = Literal["cosine", "correlation", "update"]

Order = Literal["task", "cluster"]

EmbeddingMethod = Literal["mds", "pca"]

ExperimentStatus = Literal["queued", "running", "completed", "failed", "cancelled"]
TaskStatus = ExperimentStatus
TERMINAL: frozenset[ExperimentStatus] = frozenset({"completed", "failed", "cancelled"})


WARNINGS = "what a reader must know before trusting the numbers; left out where there is nothing to say"


class WireModel(BaseModel):
    """A frozen document. Clients ignore what they do not know, so that a newer service can be read."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class FieldError(WireModel):
    field: str = Field(description="dotted path into the request")
    message: str


class Problem(WireModel):
    """RFC 9457 problem document, `application/problem+json`."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.PROBLEM]})

    type: str = Field(description="stable identifier of the kind of problem")
    title: str
    status: int
    detail: str
    instance: str | None = None
    errors: list[FieldError] = Field(default_factory=list)
