"""Which results an experiment can answer, by its network: one table for the API, its catalog and its links.

Names are the paths of the results under /experiments/{id}.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from tgsh.spec import FlyNetSpec, NetworkSpec

EVERY: tuple[str, ...] = (
    "similarity",
    "similarity/block",
    "similarity/nearest",
    "similarity/epochs",
    "dendrogram",
    "embedding",
    "context-vectors",
    "accuracy",
    "accuracy/matrix",
    "geometry",
    "samples",
    "representations",
    "predictions",
)
"""What every network can answer."""

SOME: Mapping[str, tuple[type[NetworkSpec], str]] = MappingProxyType(
    {"reconstructions": (FlyNetSpec, "they invert FlyNet's matrix A")}
)
"""What one kind of network alone can answer, and why."""


def answers(network: NetworkSpec) -> tuple[str, ...]:
    """The names of all results that an experiment with this network can answer."""
    return (*EVERY, *(name for name, (kind, _) in SOME.items() if isinstance(network, kind)))


def obstacle(network: NetworkSpec, name: str) -> str | None:
    """Why an experiment with this network cannot answer that; None where it can."""
    if name in answers(network):
        return None
    return f"a {network.kind} has no {name}: {SOME[name][1]}"
