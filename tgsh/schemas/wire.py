"""What every document on the wire is."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

Measure = Literal["cosine", "correlation"]


class Wire(BaseModel):
    """A frozen document. Clients ignore what they do not know, so that a newer service can be read."""

    model_config = ConfigDict(frozen=True, extra="ignore")
