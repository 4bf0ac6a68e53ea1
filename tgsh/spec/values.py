"""What all parts of a spec are made of."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

WITHOUT_NUL = r"^[^\x00]*$"
"""A pattern: PostgreSQL's text cannot hold the character NUL."""

Seed = Annotated[int, Field(ge=0, lt=2**63)]


class Frozen(BaseModel):
    """A strict, immutable value: no unknown keys, no silent conversions, no NaN."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
