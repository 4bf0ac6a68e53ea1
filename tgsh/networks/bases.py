"""Random bases: weights that never learn, from (network, D, K, base seed) alone, by kind of network.

Context vectors can be compared exactly when they were learned over the same base, so a base has an id:
a digest of its bytes. Every machine draws the same ones, with or without torch.
"""

from __future__ import annotations

import threading
from functools import lru_cache
from typing import overload

import numpy as np
from cachetools import LRUCache

from tgsh.networks.flynet_base import FlyNetBase, flynet_base
from tgsh.networks.hash_base import GshBase, TgshBase, gsh_base, tgsh_base, tgsh_id
from tgsh.networks.neuromodnet_base import NeuroModNetBase, neuromodnet_base, neuromodnet_id
from tgsh.spec import FlyNetSpec, GshSpec, NetworkSpec, NeuroModNetSpec, TgshSpec

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
