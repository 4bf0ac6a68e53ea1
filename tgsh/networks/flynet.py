"""FlyNet's random base A, W and context c, g, as NumPy arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tgsh.errors import InvalidSpec
from tgsh.networks.weights import base_id
from tgsh.rng import rng_for
from tgsh.specs import MAX_UNITS, FlyNetSpec

MAX_READOUT = 20_000_000


@dataclass(frozen=True, eq=False)
class FlyNetBase:
    """A and W of FlyNet, read-only; logits are W (v ⊙ ReLU(Ax − mean(Ax))).

    Attributes
    ----------
    indices : np.ndarray
        int32 [H, fan_in], columns of the ones of each row of the binary matrix A, ascending.
    readout : np.ndarray
        float32 [K, H], W ~ U(−1/√H, 1/√H).
    base_id : str
        SHA-256 (hex) of both and of what they are.
    """

    indices: np.ndarray
    readout: np.ndarray
    base_id: str

    @property
    def units(self) -> int:
        """H: hidden units."""
        return int(self.indices.shape[0])


def flynet_base(network: FlyNetSpec, pixels: int, classes: int, base_seed: int) -> FlyNetBase:
    """Sample A and W.

    Parameters
    ----------
    network : FlyNetSpec
        Size of the network.
    pixels : int
        D, numbers of an image.
    classes : int
        K.
    base_seed : int
        Decides the random numbers.

    Returns
    -------
    FlyNetBase
        The base for images of D pixels and K classes.

    Raises
    ------
    InvalidSpec
        For network.fan_in > D, more than MAX_UNITS hidden units or MAX_READOUT weights.
    """
    units = network.expansion * pixels
    if network.fan_in > pixels:
        raise InvalidSpec("network.fan_in", f"an image has {pixels} pixels; {network.fan_in} cannot be drawn")
    if units > MAX_UNITS:
        raise InvalidSpec("network.expansion", f"{units:,} hidden units are more than {MAX_UNITS:,}")
    if (weights := classes * units) > MAX_READOUT:
        raise InvalidSpec("network.expansion", f"{weights:,} readout weights are more than {MAX_READOUT:,}")
    indices = _subsets(rng_for(base_seed, "flynet", "A"), units, pixels, network.fan_in)
    bound = 1 / np.sqrt(units)
    rng, readout = rng_for(base_seed, "flynet", "W"), np.empty((classes, units), np.float32)
    for row in readout:  # drawn in float64: a row at a time takes little memory
        row[:] = rng.uniform(-bound, bound, units)
    for array in (indices, readout):
        array.flags.writeable = False
    header = {**network.model_dump(mode="json", exclude={"start"}), "pixels": pixels, "classes": classes}
    return FlyNetBase(indices, readout, base_id(header, (indices, readout)))


def _subsets(rng: np.random.Generator, rows: int, population: int, size: int) -> np.ndarray:
    """A uniformly random subset of range(population) a row, ascending; int32 [rows, size].

    Floyd's algorithm (Bentley & Floyd 1987), all rows at once: exact, in memory of rows × size.
    """
    chosen = np.empty((rows, size), np.int32)
    for column, top in enumerate(range(population - size, population)):
        candidates = rng.integers(0, top, rows, endpoint=True)
        taken = (chosen[:, :column] == candidates[:, None]).any(axis=1)
        chosen[:, column] = np.where(taken, top, candidates)
    return np.sort(chosen, axis=1)


@dataclass(frozen=True)
class FlyNetContext:
    """c [H] and g [1]; v = g·c.

    Attributes
    ----------
    units : int
        H, hidden units.
    """

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
        """Sample c ~ N(0, 2/(H + 1)) and g ~ N(0, 1).

        Parameters
        ----------
        rng : np.random.Generator
            The task's generator.

        Returns
        -------
        dict[str, np.ndarray]
            c, float32 [H], and g, float32 [1].
        """
        c = (rng.standard_normal(self.units) * np.sqrt(2 / (self.units + 1))).astype(np.float32)
        return {"c": c, "g": rng.standard_normal(1).astype(np.float32)}

    def vector(self, parameters: Mapping[str, np.ndarray]) -> np.ndarray:
        """v = g·c.

        Parameters
        ----------
        parameters : Mapping[str, np.ndarray]
            c and g.

        Returns
        -------
        np.ndarray
            float32 [H].
        """
        return parameters["g"] * parameters["c"]  # type: ignore[no-any-return]

    def parameters(self, vector: np.ndarray) -> dict[str, np.ndarray]:
        """c = v and g = 1.

        Parameters
        ----------
        vector : np.ndarray
            v, float32 [H].

        Returns
        -------
        dict[str, np.ndarray]
            c and g, float32.
        """
        return {"c": vector, "g": np.ones(1, np.float32)}
