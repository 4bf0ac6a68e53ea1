"""The random base of a FlyNet: its binary input matrix A and its readout W."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tgsh.errors import InvalidSpec
from tgsh.networks.identity import base_id
from tgsh.spec import MAX_UNITS, FlyNetSpec
from tgsh.streams import stream

MAX_READOUT = 20_000_000


@dataclass(frozen=True, eq=False)
class FlyNetBase:
    """A and W of FlyNet, read-only.

    indices: int32 [H, fan_in], where the ones of each row of the binary matrix A are, ascending.
    readout: float32 [K, H], W ~ U(−1/√H, 1/√H). base_id: SHA-256 (hex) of both and of what they are.
    """

    indices: np.ndarray
    readout: np.ndarray
    base_id: str

    @property
    def units(self) -> int:
        """H: hidden units."""
        return int(self.indices.shape[0])


def flynet_base(network: FlyNetSpec, pixels: int, classes: int, base_seed: int) -> FlyNetBase:
    """The base for images of D = pixels and K = classes.

    Raises InvalidSpec for network.fan_in > D, more than MAX_UNITS hidden units or MAX_READOUT weights.
    """
    units = network.expansion * pixels
    if network.fan_in > pixels:
        raise InvalidSpec("network.fan_in", f"an image has {pixels} pixels; {network.fan_in} cannot be drawn")
    if units > MAX_UNITS:
        raise InvalidSpec("network.expansion", f"{units:,} hidden units are more than {MAX_UNITS:,}")
    if (weights := classes * units) > MAX_READOUT:
        raise InvalidSpec("network.expansion", f"{weights:,} readout weights are more than {MAX_READOUT:,}")
    indices = _subsets(stream(base_seed, "flynet", "A"), units, pixels, network.fan_in)
    bound = 1 / np.sqrt(units)
    rng, readout = stream(base_seed, "flynet", "W"), np.empty((classes, units), np.float32)
    for row in readout:  # drawn in float64: a row at a time takes little memory
        row[:] = rng.uniform(-bound, bound, units)
    for array in (indices, readout):
        array.flags.writeable = False
    header = {**network.model_dump(mode="json"), "pixels": pixels, "classes": classes}
    return FlyNetBase(indices, readout, base_id(header, (indices, readout)))


def _subsets(rng: np.random.Generator, rows: int, population: int, size: int) -> np.ndarray:
    """A uniformly random subset of range(population) a row, ascending; int32 [rows, size].

    Floyd's algorithm (Bentley & Floyd 1987), all rows at once: exact, in memory of rows × size.
    """
    chosen = np.empty((rows, size), np.int32)
    for column, top in enumerate(range(population - size, population)):
        drawn = rng.integers(0, top, rows, endpoint=True)
        taken = (chosen[:, :column] == drawn[:, None]).any(axis=1)
        chosen[:, column] = np.where(taken, top, drawn)
    return np.sort(chosen, axis=1)
