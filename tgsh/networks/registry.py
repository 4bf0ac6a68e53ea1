"""The random base, the context parameters and the available results of a network spec."""

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

CACHE_BYTES = 128 << 20
"""Of the bases used last; larger ones are sampled anew each time, in a second or two."""


def _bytes(base: RandomBase) -> int:
    arrays = (
        part for value in vars(base).values() for part in (value if isinstance(value, tuple) else (value,))
    )
    return sum(array.nbytes for array in arrays if isinstance(array, np.ndarray))


_cache: LRUCache[tuple[NetworkSpec, int, int, int], RandomBase] = LRUCache(CACHE_BYTES, getsizeof=_bytes)
_sampling = threading.Lock()


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
    """The random base of a network, from a cache of the latest ones.

    One is sampled at a time, as it can take hundreds of megabytes.

    Parameters
    ----------
    network : NetworkSpec
        The spec.
    pixels : int
        D, numbers of an image.
    classes : int
        K.
    base_seed : int
        Decides the random numbers.

    Returns
    -------
    RandomBase
        The frozen weights.

    Raises
    ------
    InvalidSpec
        Naming the field, where there can be no such base.
    """
    key = (network, pixels, classes, base_seed)
    with _sampling:
        base = _cache.get(key)
        if base is None:
            base = _sample(network, pixels, classes, base_seed)
            if _bytes(base) <= CACHE_BYTES:
                _cache[key] = base
    return base


@lru_cache(maxsize=1024)
def base_id_of(network: NetworkSpec, pixels: int, classes: int, base_seed: int) -> str:
    """The id of a random base, where possible without it in memory.

    Parameters
    ----------
    network : NetworkSpec
        The spec.
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
        As random_base does.
    """
    match network:
        case NeuroModNetSpec():
            return neuromodnet_id(network, pixels, classes, base_seed)
        case TgshSpec():
            return tgsh_id(network, pixels, classes, base_seed)
    return random_base(network, pixels, classes, base_seed).base_id


def _sample(network: NetworkSpec, pixels: int, classes: int, base_seed: int) -> RandomBase:
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
        """Slice of each layer in the context vector; together they are all of it, in order."""

    def draw(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Sample parameters before training.

        Parameters
        ----------
        rng : np.random.Generator
            The task's generator.

        Returns
        -------
        dict[str, np.ndarray]
            float32 arrays by name, in `shapes`.
        """

    def vector(self, parameters: Arrays) -> np.ndarray:
        """The context vector that parameters make.

        Parameters
        ----------
        parameters : Arrays
            float32 arrays by name, in `shapes`.

        Returns
        -------
        np.ndarray
            float32 [V].
        """

    def parameters(self, vector: np.ndarray) -> dict[str, np.ndarray]:
        """Parameters that make a vector; the network's output follows from the vector alone.

        Parameters
        ----------
        vector : np.ndarray
            float32 [V].

        Returns
        -------
        dict[str, np.ndarray]
            float32 arrays by name, in `shapes`.
        """


def context_of(network: NetworkSpec, pixels: int, classes: int) -> Context:
    """The learned part of a network, for one task.

    Parameters
    ----------
    network : NetworkSpec
        The spec.
    pixels : int
        D, numbers of an image.
    classes : int
        K.

    Returns
    -------
    Context
        Names and shapes of the parameters.
    """
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
    """V, numbers in a context vector.

    Parameters
    ----------
    context : Context
        The parameters of a task.

    Returns
    -------
    int
        V.
    """
    return max(int(part.stop) for part in context.parts.values())


def units_of(base: RandomBase) -> int:
    """Numbers that one image of one task takes in memory while a network learns from it.

    Parameters
    ----------
    base : RandomBase
        The frozen weights.

    Returns
    -------
    int
        For FlyNet its hidden units, H.
    """
    match base:
        case FlyNetBase():
            return base.units
        case NeuroModNetBase():
            return sum(sum(weights.shape) for weights in base.weights)
        case TgshBase():
            return sum(base.input_weights.shape)
        case GshBase():
            return base.hidden + base.pixels


def shares_base(network: NetworkSpec) -> bool:
    """Test if all tasks of an experiment lie over one random base, so that vectors are comparable.

    Parameters
    ----------
    network : NetworkSpec
        The spec.

    Returns
    -------
    bool
        False for the baseline `gsh`, of which every task has its own.
    """
    return not isinstance(network, GshSpec)


def available_results(network: NetworkSpec) -> tuple[str, ...]:
    """Names of the results that an experiment with this network has.

    Parameters
    ----------
    network : NetworkSpec
        The spec.

    Returns
    -------
    tuple[str, ...]
        Paths below ``/experiments/{id}``.
    """
    return tuple(name for name, result in RESULT_SPECS.items() if result.is_available(network))


def unavailable_reason(network: NetworkSpec, name: str) -> str | None:
    """The reason for which an experiment with this network lacks a result.

    Parameters
    ----------
    network : NetworkSpec
        The spec.
    name : str
        The result's.

    Returns
    -------
    str | None
        None where the result is available.
    """
    result = RESULT_SPECS[name]
    return None if result.is_available(network) else f"a {network.kind} has no {name}: {result.reason}"
