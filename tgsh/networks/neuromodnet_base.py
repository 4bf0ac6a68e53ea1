"""The random base of a NeuroModNet: the weights of its layers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np

from tgsh.errors import InvalidSpec
from tgsh.networks.identity import base_id
from tgsh.spec import NeuroModNetSpec
from tgsh.streams import stream

MAX_WEIGHTS = 100_000_000


@dataclass(frozen=True, eq=False)
class NeuroModNetBase:
    """R_1 … R_L, read-only: float32 [n_l, n_(l−1)], Kaiming normal, N(0, 2/n_(l−1)).

    base_id: SHA-256 (hex) of all of them and of what they are.
    """

    weights: tuple[np.ndarray, ...]
    base_id: str


@lru_cache(maxsize=2)
def neuromodnet_base(network: NeuroModNetSpec, pixels: int, classes: int, base_seed: int) -> NeuroModNetBase:
    """The base for images of D = pixels and K = classes. Raises InvalidSpec for more than MAX_WEIGHTS."""
    shapes = [(after, before) for before, after in pairwise((pixels, *network.layers, classes))]
    if (count := sum(after * before for after, before in shapes)) > MAX_WEIGHTS:
        raise InvalidSpec("network.layers", f"{count:,} random weights are more than {MAX_WEIGHTS:,}")
    weights = tuple(
        _kaiming(stream(base_seed, "neuromodnet", "R", layer), shape) for layer, shape in enumerate(shapes, 1)
    )
    header = {**network.model_dump(mode="json"), "pixels": pixels, "classes": classes}
    return NeuroModNetBase(weights, base_id(header, *weights))


def _kaiming(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    weights = rng.standard_normal(shape, np.float32) * np.float32(np.sqrt(2 / shape[1]))
    weights.flags.writeable = False
    return weights
