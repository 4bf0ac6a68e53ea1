"""The random base of a NeuroModNet: the weights of its layers."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from tgsh.errors import InvalidSpec
from tgsh.networks.identity import base_id
from tgsh.networks.normal_weights import normal_blocks, normal_weights
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


def neuromodnet_base(network: NeuroModNetSpec, pixels: int, classes: int, base_seed: int) -> NeuroModNetBase:
    """The base for images of D = pixels and K = classes. Raises InvalidSpec for more than MAX_WEIGHTS."""
    weights = tuple(
        normal_weights(_stream(base_seed, layer), shape)
        for layer, shape in enumerate(_shapes(network, pixels, classes), 1)
    )
    return NeuroModNetBase(weights, base_id(_header(network, pixels, classes), weights))


def neuromodnet_id(network: NeuroModNetSpec, pixels: int, classes: int, base_seed: int) -> str:
    """The id of that base, without the base. Raises InvalidSpec likewise."""
    blocks = (
        block
        for layer, shape in enumerate(_shapes(network, pixels, classes), 1)
        for block in normal_blocks(_stream(base_seed, layer), shape)
    )
    return base_id(_header(network, pixels, classes), blocks)


def _shapes(network: NeuroModNetSpec, pixels: int, classes: int) -> list[tuple[int, int]]:
    shapes = [(after, before) for before, after in pairwise((pixels, *network.layers, classes))]
    if (count := sum(after * before for after, before in shapes)) > MAX_WEIGHTS:
        raise InvalidSpec("network.layers", f"{count:,} random weights are more than {MAX_WEIGHTS:,}")
    return shapes


def _stream(base_seed: int, layer: int) -> np.random.Generator:
    return stream(base_seed, "neuromodnet", "R", layer)


def _header(network: NeuroModNetSpec, pixels: int, classes: int) -> dict[str, object]:
    return {**network.model_dump(mode="json"), "pixels": pixels, "classes": classes}
