"""From a spec to its plan: its tasks and the random base they share. Needs no torch and no images."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from tgsh.datasets.info import Uploads, check_train_limit, info_of, no_uploads
from tgsh.errors import InvalidSpec
from tgsh.networks.bases import base_id_of
from tgsh.networks.contexts import context_of
from tgsh.spec import ExperimentSpec
from tgsh.store.experiments import Plan, PlannedTask
from tgsh.store.previews import Wanted
from tgsh.suites import build, spread

MOST_CROSSED = 100
"""Tasks of which an accuracy matrix is measured: 10,000 evaluations take minutes."""

MOST_PREVIEWED = 64
"""Tasks that a preview shows: the first, the last, and others evenly between them."""


def layers(spec: ExperimentSpec, uploads: Uploads = no_uploads) -> Mapping[str, slice]:
    """Where each layer of the network lies in its context vectors, by name: layer-1, layer-2, …"""
    info = info_of(spec, uploads)
    return context_of(spec.network, info.pixels, info.classes).parts


def plan(spec: ExperimentSpec, uploads: Uploads = no_uploads) -> Plan:
    """The plan of a spec. Raises InvalidSpec, naming the field, where its parts do not fit together."""
    info = info_of(spec, uploads)
    check_train_limit(spec.training.train_limit, info)
    tasks = [PlannedTask(task.label, dict(task.params)) for task in build(spec.suite, info)]
    if spec.accuracy_matrix and len(tasks) > MOST_CROSSED:
        raise InvalidSpec(
            "accuracy_matrix",
            f"is for {MOST_CROSSED} tasks at most: {len(tasks):,} take {len(tasks) ** 2:,} evaluations",
        )
    used = [each.name for each in info.members or (info,) if each.is_uploaded]
    return Plan(tasks, base_id_of(spec.network, info.pixels, info.classes, spec.base_seed), used)


def preview(spec: ExperimentSpec, uploads: Uploads = no_uploads) -> Wanted:
    """What a preview of a spec shows. Raises InvalidSpec as `plan` does.

    Its key follows from what decides the picture: not from the network, nor from how it is trained.
    """
    plan(spec, uploads)
    relevant = spec.model_dump(mode="json", include={"dataset", "suite", "seed"})
    canonical = json.dumps([relevant, MOST_PREVIEWED], sort_keys=True, separators=(",", ":"))
    tasks = build(spec.suite, info_of(spec, uploads))
    shown = [(task.index, task.label) for task in spread(tasks, MOST_PREVIEWED)]
    return Wanted(hashlib.sha256(canonical.encode()).hexdigest(), relevant, shown, len(tasks))
