"""What a task learns in the two hashes: the matrix B (tgsh), or B and A (gsh)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class TgshContext:
    """B [rank, H]; v = vec(B), row by row."""

    rank: int
    hidden: int

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """B alone."""
        return {"B": (self.rank, self.hidden)}

    @property
    def parts(self) -> Mapping[str, slice]:
        """One layer."""
        return {"layer-1": slice(0, self.rank * self.hidden)}

    def draw(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """B ~ N(0, 2/(H + 1))."""
        return {"B": _normal(rng, self.rank, self.hidden)}

    def vector(self, parameters: Mapping[str, np.ndarray]) -> np.ndarray:
        """vec(B), float32 [rank·H]."""
        return parameters["B"].ravel()

    def parameters(self, vector: np.ndarray) -> dict[str, np.ndarray]:
        """B."""
        return {"B": vector.reshape(self.rank, self.hidden)}


@dataclass(frozen=True)
class GshContext:
    """B [rank, H], then A [K, rank]; v = vec(B), vec(A)."""

    rank: int
    hidden: int
    classes: int

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """B, then A."""
        return {"B": (self.rank, self.hidden), "A": (self.classes, self.rank)}

    @property
    def parts(self) -> Mapping[str, slice]:
        """B is layer 1, A layer 2."""
        middle = self.rank * self.hidden
        return {"layer-1": slice(0, middle), "layer-2": slice(middle, middle + self.classes * self.rank)}

    def draw(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """B ~ N(0, 2/(H + 1)), A ~ N(0, 2/(rank + 1))."""
        return {
            "B": _normal(rng, self.rank, self.hidden),
            "A": _normal(rng, self.classes, self.rank),
        }

    def vector(self, parameters: Mapping[str, np.ndarray]) -> np.ndarray:
        """vec(B), then vec(A), float32."""
        return np.concatenate([parameters["B"].ravel(), parameters["A"].ravel()])

    def parameters(self, vector: np.ndarray) -> dict[str, np.ndarray]:
        """B and A."""
        b, a = (vector[part] for part in self.parts.values())
        return {"B": b.reshape(self.rank, self.hidden), "A": a.reshape(self.classes, self.rank)}


def _normal(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    drawn: np.ndarray = rng.standard_normal((rows, columns)) * np.sqrt(2 / (columns + 1))
    return drawn.astype(np.float32)
