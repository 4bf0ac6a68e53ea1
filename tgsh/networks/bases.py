"""Random bases: weights that never learn, from (network, D, K, base seed) alone, by kind of network.

Context vectors can be compared exactly when they were learned over the same base, so a base has an id:
a digest of its bytes. Every machine draws the same ones, with or without torch.
"""

from __future__ import annotations

from typing import overload

from tgsh.networks.flynet_base import FlyNetBase, flynet_base
from tgsh.networks.neuromodnet_base import NeuroModNetBase, neuromodnet_base
from tgsh.spec import FlyNetSpec, NetworkSpec, NeuroModNetSpec

__all__ = ["FlyNetBase", "NeuroModNetBase", "RandomBase", "random_base"]

RandomBase = FlyNetBase | NeuroModNetBase


@overload
def random_base(network: FlyNetSpec, pixels: int, classes: int, base_seed: int) -> FlyNetBase: ...
@overload
def random_base(network: NeuroModNetSpec, pixels: int, classes: int, base_seed: int) -> NeuroModNetBase: ...
def random_base(network: NetworkSpec, pixels: int, classes: int, base_seed: int) -> RandomBase:
    """The base for images of D = pixels and K = classes. Raises InvalidSpec where there can be none."""
    match network:
        case FlyNetSpec():
            return flynet_base(network, pixels, classes, base_seed)
        case NeuroModNetSpec():
            return neuromodnet_base(network, pixels, classes, base_seed)
