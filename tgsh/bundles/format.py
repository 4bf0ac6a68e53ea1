"""What a bundle is: a zip of stored files, and a manifest of their hashes."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

FORMAT = "tgsh.bundle/1"

MANIFEST, SPEC, VECTORS = "manifest.json", "spec.json", "vectors.npy"
EXPERIMENT, DATASETS = "experiment.json", "datasets.json"
NEEDED = {SPEC, EXPERIMENT, DATASETS, VECTORS}
"""What a replay reads."""


class File(BaseModel):
    """A file of a bundle."""

    model_config = ConfigDict(extra="forbid", strict=True)

    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    bytes: int = Field(ge=0)


class Manifest(BaseModel):
    """Every other file of a bundle by its name, and why some that a bundle may have are not there."""

    model_config = ConfigDict(extra="forbid", strict=True)

    format: str
    files: dict[str, File]
    left_out: dict[str, str] = Field(default_factory=dict)
