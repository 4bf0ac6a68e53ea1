"""Spec -> frozen weights, context parameters, available results."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import lru_cache
from typing import Protocol, overload

import numpy as np
from cachetools import LRUCache

from tgsh.networks.flynet import FlyNetBase, FlyNetContext, flynet_base
from tgsh.networks.gsh import GshBase, GshContext, TgshBase, TgshContext, gsh_base, tgsh_base, tgsh_id
from tgsh.networks.neuromodnet import NeuroModNetBase, NeuroModNetContext, neuromodnet_base, neuromodnet_id
from tgsh.specs import FlyNetSpec, GshSpec, NetworkSpec, NeuroModNetSpec, TgshSpec
from tgsh.specs.results import RESULT_SPECS

__all__ = ["FlyNetBase", "GshBase", "NeuroModNetBase", "RandomBase", "TgshBase", "base_id_of", "random_base"]

RandomBase = FlyNetBase | NeuroModNetBase | TgshBase | GshBase

KEPT_BYTES = 128 << 20
"""Of the bases used last; larger ones are drawn anew each time, in a second or two."""


def _bytes(base: RandomBase) -> int:
    arrays = (
        part for value in vars(base).values() for part in (value if isinstance(value, tuple) else (value,))
    )
    return sum(array.nbytes for array in arrays if isinstance(array, np.ndarray))


_kept: LRUCache[tuple[NetworkSpec, int, int, int], RandomBase] = LRUCache(KEPT_BYTES, getsizeof=_bytes)
_drawing = threading.Lock()


@overload
def random_base(network: FlyNetSpec, pixels: int, classes: int, base_seed: int) -> FlyNetBase: ...
@overload
def random_base(network: NeuroModNetSpec, pixels: int, classes: int, base_seed: int) -> NeuroModNetBase: ...
@overload
def random_base(network: TgshSpec, pixels: int, classes: int, base_seed: int) -> TgshBase: ...
@overload
def random_base(network: GshSpec, pixels: int, classes: int, base_seed: int) -> GshBase: ...
@overload
def random_base(network: NetworkSpec, pixels: int, classes: int, base_seed: int) -> RandomBase: ...
def random_base(network: NetworkSpec, pixels: int, classes: int, base_seed: int) -> RandomBase:
    """The base for images of D = pixels and K = classes. Raises InvalidSpec where there can be none.

    One is drawn at a time, as it can take hundreds of megabytes.
    """
    key = (network, pixels, classes, base_seed)
    with _drawing:
        base = _kept.get(key)
        if base is None:
            base = _draw(network, pixels, classes, base_seed)
            if _bytes(base) <= KEPT_BYTES:
                _kept[key] = base
    return base


@lru_cache(maxsize=1024)
def base_id_of(network: NetworkSpec, pixels: int, classes: int, base_seed: int) -> str:
    """The id of that base, where possible without it in memory. Raises InvalidSpec likewise."""
    match network:
        case NeuroModNetSpec():
            return neuromodnet_id(network, pixels, classes, base_seed)
        case TgshSpec():
            return tgsh_id(network, pixels, classes, base_seed)
    return random_base(network, pixels, classes, base_seed).base_id


def _draw(network: NetworkSpec, pixels: int, classes: int, base_seed: int) -> RandomBase:
    match network:
        case FlyNetSpec():
            return flynet_base(network, pixels, classes, base_seed)
        case NeuroModNetSpec():
            return neuromodnet_base(network, pixels, classes, base_seed)
        case TgshSpec():
            return tgsh_base(network, pixels, classes, base_seed)
        case GshSpec():
            return gsh_base(network, pixels, classes, base_seed)


Arrays = Mapping[str, np.ndarray]


class Context(Protocol):
    """The learned part of one kind of network, for one task."""

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Parameters by name, in the order in which they lie in memory."""

    @property
    def parts(self) -> Mapping[str, slice]:
        """Where each layer lies in the context vector; together they are all of it, in order."""

    def draw(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Parameters before training, float32."""

    def vector(self, parameters: Arrays) -> np.ndarray:
        """The context vector that parameters make, float32 [V]."""

    def parameters(self, vector: np.ndarray) -> dict[str, np.ndarray]:
        """Parameters that make this vector; the network's output follows from the vector alone."""


def context_of(network: NetworkSpec, pixels: int, classes: int) -> Context:
    """What a task learns over this network, for images of D = pixels and K = classes."""
    match network:
        case FlyNetSpec():
            return FlyNetContext(network.expansion * pixels)
        case NeuroModNetSpec():
            return NeuroModNetContext((pixels, *network.layers))
        case TgshSpec():
            return TgshContext(network.rank, network.hidden)
        case GshSpec():
            return GshContext(network.rank, network.hidden, classes)


def vector_size(context: Context) -> int:
    """V: numbers in a context vector."""
    return max(int(part.stop) for part in context.parts.values())


def available_results(network: NetworkSpec) -> tuple[str, ...]:
    """The names of all results that an experiment with this network can answer."""
    return tuple(name for name, result in RESULT_SPECS.items() if result.is_available(network))


def unavailable_reason(network: NetworkSpec, name: str) -> str | None:
    """Why an experiment with this network cannot answer that; None where it can."""
    result = RESULT_SPECS[name]
    return None if result.is_available(network) else f"a {network.kind} has no {name}: {result.reason}"
