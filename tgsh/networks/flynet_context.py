"""What a task learns over a FlyNet: c of H units, and g."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class FlyNetContext:
    """c [H] and g [1]; v = g·c."""

    units: int

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """c, then g."""
        return {"c": (self.units,), "g": (1,)}

    @property
    def parts(self) -> Mapping[str, slice]:
        """One layer."""
        return {"layer-1": slice(0, self.units)}

    def draw(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """c ~ N(0, 2/(H + 1)), g ~ N(0, 1)."""
        c = (rng.standard_normal(self.units) * np.sqrt(2 / (self.units + 1))).astype(np.float32)
        return {"c": c, "g": rng.standard_normal(1).astype(np.float32)}

    def vector(self, parameters: Mapping[str, np.ndarray]) -> np.ndarray:
        """v = g·c, float32 [H]."""
        return parameters["g"] * parameters["c"]  # type: ignore[no-any-return]

    def parameters(self, vector: np.ndarray) -> dict[str, np.ndarray]:
        """c = v and g = 1."""
        return {"c": vector, "g": np.ones(1, np.float32)}
