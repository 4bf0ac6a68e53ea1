"""Random bases and contexts of T-GSH (C, R; B_t) and GSH (C_t; A_t, B_t), as NumPy arrays."""

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
    """C and R of the paper's Eq. 1, read-only; logits are R B_t ReLU(Cx).

    Attributes
    ----------
    input_weights : np.ndarray
        C, float32 [H, D] ~ N(0, 2/D).
    readout : np.ndarray
        R, float32 [K, rank] ~ N(0, 2/rank).
    weight_decay : float
        λ of the loss's λ/2·‖B_t‖²; no part of the base, but every learner needs it.
    base_id : str
        SHA-256 (hex) of C, R and of what they are.
    """

    input_weights: np.ndarray
    readout: np.ndarray
    weight_decay: float
    base_id: str


@dataclass(frozen=True)
class GshBase:
    """The baseline without a shared base: every task has its own C, from the base seed and its index.

    Within an experiment vectors lie over different C, so that similarities compare what has no reason to be
    alike: that is the baseline's point.

    Attributes
    ----------
    pixels : int
        D.
    hidden : int
        H.
    rank : int
        Rows of B.
    classes : int
        K.
    base_seed : int
        Decides every C.
    weight_decay : float
        λ of the loss's λ/2·(‖A‖² + ‖B‖²).
    base_id : str
        SHA-256 (hex) of the sizes and the seed.
    """

    pixels: int
    hidden: int
    rank: int
    classes: int
    base_seed: int
    weight_decay: float
    base_id: str

    def input_weights(self, index: int) -> np.ndarray:
        """C of a task, N(0, 2/D).

        Parameters
        ----------
        index : int
            The task's place in its suite.

        Returns
        -------
        np.ndarray
            float32 [H, D].
        """
        return normal_weights(rng_for(self.base_seed, "gsh", "C", index), (self.hidden, self.pixels))


def tgsh_base(network: TgshSpec, pixels: int, classes: int, base_seed: int) -> TgshBase:
    """Sample C and R.

    Parameters
    ----------
    network : TgshSpec
        Size of the network.
    pixels : int
        D, numbers of an image.
    classes : int
        K.
    base_seed : int
        Decides the random numbers.

    Returns
    -------
    TgshBase
        The base for images of D pixels and K classes.

    Raises
    ------
    InvalidSpec
        Naming the field, for more than MAX_LEARNED learned numbers or MAX_FIRST random ones.
    """
    _check_size(network, pixels)
    first = normal_weights(rng_for(base_seed, "tgsh", "C"), (network.hidden, pixels))
    readout = normal_weights(rng_for(base_seed, "tgsh", "R"), (classes, network.rank))
    header = _header(network, pixels, classes)
    return TgshBase(first, readout, network.weight_decay, base_id(header, (first, readout)))


def tgsh_id(network: TgshSpec, pixels: int, classes: int, base_seed: int) -> str:
    """The id of that base, without the base in memory.

    Parameters
    ----------
    network : TgshSpec
        Size of the network.
    pixels : int
        D, numbers of an image.
    classes : int
        K.
    base_seed : int
        Decides the random numbers.

    Returns
    -------
    str
        SHA-256 (hex).

    Raises
    ------
    InvalidSpec
        Naming the field, for more than MAX_LEARNED learned numbers or MAX_FIRST random ones.
    """
    _check_size(network, pixels)
    blocks = chain(
        normal_blocks(rng_for(base_seed, "tgsh", "C"), (network.hidden, pixels)),
        normal_blocks(rng_for(base_seed, "tgsh", "R"), (classes, network.rank)),
    )
    return base_id(_header(network, pixels, classes), blocks)


def gsh_base(network: GshSpec, pixels: int, classes: int, base_seed: int) -> GshBase:
    """Sizes and seed in place of a base.

    Parameters
    ----------
    network : GshSpec
        Size of the network.
    pixels : int
        D, numbers of an image.
    classes : int
        K.
    base_seed : int
        Decides the random numbers.

    Returns
    -------
    GshBase
        For images of D pixels and K classes.

    Raises
    ------
    InvalidSpec
        Naming the field, for more than MAX_LEARNED learned numbers or MAX_FIRST random ones.
    """
    _check_size(network, pixels)
    header = _header(network, pixels, classes) | {"base_seed": base_seed}
    return GshBase(
        pixels, network.hidden, network.rank, classes, base_seed, network.weight_decay, base_id(header, ())
    )


def _header(network: TgshSpec | GshSpec, pixels: int, classes: int) -> dict[str, object]:
    """Kind and sizes of a base, without the weight decay of what is learned over it."""
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
    """B [rank, H]; v = vec(B), row by row.

    Attributes
    ----------
    rank : int
        Rows of B.
    hidden : int
        H.
    """

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
        """Sample B ~ N(0, 2/(H + 1)).

        Parameters
        ----------
        rng : np.random.Generator
            The task's generator.

        Returns
        -------
        dict[str, np.ndarray]
            B, float32 [rank, H].
        """
        return {"B": _normal(rng, self.rank, self.hidden)}

    def vector(self, parameters: Mapping[str, np.ndarray]) -> np.ndarray:
        """vec(B).

        Parameters
        ----------
        parameters : Mapping[str, np.ndarray]
            B.

        Returns
        -------
        np.ndarray
            float32 [rank·H].
        """
        return parameters["B"].ravel()

    def parameters(self, vector: np.ndarray) -> dict[str, np.ndarray]:
        """B of a vector.

        Parameters
        ----------
        vector : np.ndarray
            vec(B), float32 [rank·H].

        Returns
        -------
        dict[str, np.ndarray]
            B, float32 [rank, H].
        """
        return {"B": vector.reshape(self.rank, self.hidden)}


@dataclass(frozen=True)
class GshContext:
    """B [rank, H], then A [K, rank]; v = vec(B), vec(A).

    Attributes
    ----------
    rank : int
        Rows of B.
    hidden : int
        H.
    classes : int
        K.
    """

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
        """Sample B ~ N(0, 2/(H + 1)) and A ~ N(0, 2/(rank + 1)).

        Parameters
        ----------
        rng : np.random.Generator
            The task's generator.

        Returns
        -------
        dict[str, np.ndarray]
            B, float32 [rank, H], and A, float32 [K, rank].
        """
        return {
            "B": _normal(rng, self.rank, self.hidden),
            "A": _normal(rng, self.classes, self.rank),
        }

    def vector(self, parameters: Mapping[str, np.ndarray]) -> np.ndarray:
        """vec(B), then vec(A).

        Parameters
        ----------
        parameters : Mapping[str, np.ndarray]
            B and A.

        Returns
        -------
        np.ndarray
            float32 [rank·H + K·rank].
        """
        return np.concatenate([parameters["B"].ravel(), parameters["A"].ravel()])

    def parameters(self, vector: np.ndarray) -> dict[str, np.ndarray]:
        """B and A of a vector.

        Parameters
        ----------
        vector : np.ndarray
            vec(B), vec(A), float32.

        Returns
        -------
        dict[str, np.ndarray]
            B, float32 [rank, H], and A, float32 [K, rank].
        """
        b, a = (vector[part] for part in self.parts.values())
        return {"B": b.reshape(self.rank, self.hidden), "A": a.reshape(self.classes, self.rank)}


def _normal(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    numbers: np.ndarray = rng.standard_normal((rows, columns)) * np.sqrt(2 / (columns + 1))
    return numbers.astype(np.float32)
