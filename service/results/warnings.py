"""Warnings of results: what a reader must know before trusting the numbers of an experiment."""

from __future__ import annotations

from collections.abc import Sequence

from service.dependencies import Services
from service.results import base
from service.results.classes import class_warnings_of
from tgsh.networks.registry import shares_base
from tgsh.specs import ExperimentSpec

NO_SHARED_BASE = (
    "every task of a {kind} has a random base of its own: numbers of different tasks are not comparable, and "
    "similarities, nearest tasks, tree, map and inter cosines say nothing about how alike tasks are"
)


def warnings_of(services: Services, experiment_id: str) -> list[str]:
    """Warnings about everything that compares the tasks of an experiment. Raises NotFound.

    They follow from its spec and its datasets, and are in the entity tags of what carries them.
    """
    spec = base.spec_of(services, experiment_id)
    return [*_base_warnings(spec), *class_warnings_of(services, experiment_id, spec)]


def comparison_warnings(services: Services, ids: Sequence[str]) -> list[str]:
    """Warnings of several experiments, each once, with the ids of those that it is about. Raises NotFound."""
    about: dict[str, list[str]] = {}
    for experiment_id in ids:
        for warning in warnings_of(services, experiment_id):
            about.setdefault(warning, []).append(experiment_id)
    return [f"{', '.join(those)}: {warning}" for warning, those in about.items()]


def _base_warnings(spec: ExperimentSpec) -> list[str]:
    network = spec.network
    return [] if shares_base(network) else [NO_SHARED_BASE.format(kind=network.kind)]
