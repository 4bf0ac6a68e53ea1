"""Documents of random bases from rows of the store; reaches no torch."""

from __future__ import annotations

from tgsh.datasets.descriptions import UploadInfo, info_of
from tgsh.errors import InvalidSpec, NotFound
from tgsh.networks.registry import context_of
from tgsh.schemas import RandomBaseSummary
from tgsh.specs import ExperimentSpec
from tgsh.store.atlas import BaseCounts
from tgsh.store.models import as_datetime

OF_CONTEXTS = ("start",)
"""Fields of a network's spec that shape what is learned, not the random base."""


def base_view(counts: BaseCounts, spec: ExperimentSpec, uploads: UploadInfo) -> RandomBaseSummary:
    """A random base as a document. spec: of any experiment on it."""
    pixels: int | None = None
    classes: int | None = None
    width: int | None = None
    try:
        info = info_of(spec, uploads)
        parts = context_of(spec.network, info.pixels, info.classes).parts
        pixels, classes, width = info.pixels, info.classes, max(part.stop for part in parts.values())
    except (InvalidSpec, NotFound):
        pass  # its dataset is one that this version cannot describe
    root = f"/bases/{counts.base_id}"
    return RandomBaseSummary.model_validate(
        {
            "base_id": counts.base_id,
            "network": spec.network.model_dump(mode="json", exclude=set(OF_CONTEXTS)),
            "base_seed": spec.base_seed,
            "pixels": pixels,
            "classes": classes,
            "width": width,
            "experiments": counts.experiments,
            "tasks": counts.tasks,
            "datasets": list(counts.datasets),
            "suites": list(counts.suites),
            "used_at": as_datetime(counts.created_at),
            "links": {"self": root, "nearest": f"{root}/nearest", "map": f"{root}/map"},
        }
    )
