"""T-GSH and GSH without torch: C, R; A, B_t."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain

import numpy as np

from tgsh.errors import InvalidSpec
from tgsh.networks.weights import base_id, normal_blocks, normal_weights
from tgsh.rng import rng_for
from tgsh.specs import GshSpec, TgshSpec

MAX_LEARNED = 4_000_000
MAX_FIRST = 100_000_000


@dataclass(frozen=True, eq=False)
class TgshBase:
    """C and R of Eq. 1, read-only: float32 [H, D] ~ N(0, 2/D) and [K, rank] ~ N(0, 2/rank).

    weight_decay: how strongly B_t is drawn to zero; no part of the base, but every learner needs it.
    base_id: SHA-256 (hex) of both and of what they are.
    """

    input_weights: np.ndarray
    readout: np.ndarray
    weight_decay: float
    base_id: str


@dataclass(frozen=True)
class GshBase:
    """Nothing is shared: every task has its own C, which follows from the base seed and the task's index.

    base_id: SHA-256 (hex) of what it is and of the seed. Within an experiment vectors lie over different C,
    so that similarities compare what has no reason to be alike: that is the baseline's point.
    """

    pixels: int
    hidden: int
    rank: int
    classes: int
    base_seed: int
    weight_decay: float
    base_id: str

    def input_weights(self, index: int) -> np.ndarray:
        """C of task `index`, float32 [H, D] ~ N(0, 2/D)."""
        return normal_weights(rng_for(self.base_seed, "gsh", "C", index), (self.hidden, self.pixels))


def tgsh_base(network: TgshSpec, pixels: int, classes: int, base_seed: int) -> TgshBase:
    """The base for images of D = pixels and K = classes. Raises InvalidSpec, naming the field."""
    _check_size(network, pixels)
    first = normal_weights(rng_for(base_seed, "tgsh", "C"), (network.hidden, pixels))
    readout = normal_weights(rng_for(base_seed, "tgsh", "R"), (classes, network.rank))
    header = _header(network, pixels, classes)
    return TgshBase(first, readout, network.weight_decay, base_id(header, (first, readout)))


def tgsh_id(network: TgshSpec, pixels: int, classes: int, base_seed: int) -> str:
    """The id of that base, without the base. Raises InvalidSpec likewise."""
    _check_size(network, pixels)
    blocks = chain(
        normal_blocks(rng_for(base_seed, "tgsh", "C"), (network.hidden, pixels)),
        normal_blocks(rng_for(base_seed, "tgsh", "R"), (classes, network.rank)),
    )
    return base_id(_header(network, pixels, classes), blocks)


def gsh_base(network: GshSpec, pixels: int, classes: int, base_seed: int) -> GshBase:
    """What takes the place of a base for images of D = pixels. Raises InvalidSpec, naming the field."""
    _check_size(network, pixels)
    header = _header(network, pixels, classes) | {"base_seed": base_seed}
    return GshBase(
        pixels, network.hidden, network.rank, classes, base_seed, network.weight_decay, base_id(header, ())
    )


def _header(network: TgshSpec | GshSpec, pixels: int, classes: int) -> dict[str, object]:
    """What a base is; how strongly is regularised what is learned over it makes no difference."""
    return {
        **network.model_dump(mode="json", exclude={"weight_decay"}),
        "pixels": pixels,
        "classes": classes,
    }


def _check_size(network: TgshSpec | GshSpec, pixels: int) -> None:
    if (learned := network.hidden * network.rank) > MAX_LEARNED:
        raise InvalidSpec(
            "network.rank", f"{learned:,} numbers learned for a task are more than {MAX_LEARNED:,}"
        )
    if (weights := network.hidden * pixels) > MAX_FIRST:
        raise InvalidSpec("network.hidden", f"{weights:,} random weights are more than {MAX_FIRST:,}")


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
