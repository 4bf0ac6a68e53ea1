"""What a task learns over a network's random base: named parameters, and the context vector they make.

Needs no torch: records, checkpoints and the API ask here for names, shapes and where a layer lies.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from tgsh.networks.flynet_context import FlyNetContext
from tgsh.networks.hash_context import GshContext, TgshContext
from tgsh.networks.neuromodnet_context import NeuroModNetContext
from tgsh.spec import FlyNetSpec, GshSpec, NetworkSpec, NeuroModNetSpec, TgshSpec

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
