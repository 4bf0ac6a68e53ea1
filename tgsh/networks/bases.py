"""Random bases: weights that never learn, from (network, D, K, base seed) alone, by kind of network.

Context vectors can be compared exactly when they were learned over the same base, so a base has an id:
a digest of its bytes. Every machine draws the same ones, with or without torch.
"""

from __future__ import annotations

from typing import overload

from tgsh.networks.flynet_base import FlyNetBase, flynet_base
from tgsh.networks.hash_base import GshBase, TgshBase, gsh_base, tgsh_base
from tgsh.networks.neuromodnet_base import NeuroModNetBase, neuromodnet_base
from tgsh.spec import FlyNetSpec, GshSpec, NetworkSpec, NeuroModNetSpec, TgshSpec

__all__ = ["FlyNetBase", "GshBase", "NeuroModNetBase", "RandomBase", "TgshBase", "random_base"]

RandomBase = FlyNetBase | NeuroModNetBase | TgshBase | GshBase


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
    """The base for images of D = pixels and K = classes. Raises InvalidSpec where there can be none."""
    match network:
        case FlyNetSpec():
            return flynet_base(network, pixels, classes, base_seed)
        case NeuroModNetSpec():
            return neuromodnet_base(network, pixels, classes, base_seed)
        case TgshSpec():
            return tgsh_base(network, pixels, classes, base_seed)
        case GshSpec():
            return gsh_base(network, pixels, classes, base_seed)
