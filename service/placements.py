"""Submission of placements: checks, images that come with the request, rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from service.dependencies import Services
from service.fleet import placement_refusal
from service.middleware.auth import Caller
from service.results.classes import info_to_run
from tgsh.datasets.base import DatasetInfo
from tgsh.datasets.descriptions import named_info
from tgsh.datasets.placed_classes import outputs_mapped, outputs_named
from tgsh.datasets.uploads.ingest import IMAGES, LABELS, IngestedDataset
from tgsh.errors import Conflict, InvalidSpec
from tgsh.execution.requirements import torch_fields
from tgsh.execution.uploads import seen_by
from tgsh.networks.registry import shares_base
from tgsh.specs import ExperimentSpec
from tgsh.specs.base import UploadedDataset
from tgsh.specs.placements import PlacementOptions, PlacementSubmission
from tgsh.store import analyses, queries, removals
from tgsh.store.analyses import AnalysisRequest
from tgsh.store.idempotency import IdempotentRequest
from tgsh.store.leases import live_workers
from tgsh.store.models import AnalysisRecord
from tgsh.store.ownership import require_storage_quota

MOST_IMAGES = 100_000
"""Images that come with a request; a replicate draws 5,000 of them at most."""

FEWEST_IMAGES = 5


@dataclass(frozen=True)
class Target:
    """A completed experiment among whose tasks images are placed."""

    id: str
    spec: ExperimentSpec
    info: DatasetInfo


def target_of(services: Services, experiment_id: str, dataset: str | None = None) -> Target:
    """The experiment. Raises Conflict, and InvalidSpec where no worker that lives could do it."""
    record = queries.experiment(services.database, experiment_id).record
    analyses.require_completed(record)
    spec = ExperimentSpec.model_validate(record.spec)
    if not shares_base(spec.network):
        raise Conflict(
            f"a {spec.network.kind} learns a base of its own for every task, so that no vector can be "
            "compared with another: place images among the tasks of a flynet, neuromodnet or tgsh"
        )
    refused = placement_refusal(spec, dataset, live_workers(services.database))
    if refused is not None:
        raise refused
    return Target(experiment_id, spec, info_to_run(services, experiment_id, spec))


def submit_dataset(
    services: Services,
    caller: Caller,
    experiment_id: str,
    submission: PlacementSubmission,
    sent: IdempotentRequest | None = None,
) -> AnalysisRecord:
    """Queue the placement of a dataset, or find that of an earlier request with the same idempotency key.

    Raises what is wrong, all at once where it can be told apart.
    """
    if sent is not None and (first := analyses.replayed(services.database, caller.name, sent)) is not None:
        return first
    dataset = submission.dataset
    if dataset is None or dataset == "synthetic":
        raise InvalidSpec("dataset", "name a dataset, or send images as the body of the request")
    is_uploaded = isinstance(dataset, UploadedDataset)
    key = dataset.id if isinstance(dataset, UploadedDataset) else str(dataset)
    target = target_of(services, experiment_id, None if is_uploaded else key)
    field = "dataset.id" if is_uploaded else "dataset"
    info = named_info(key, field, seen_by(services.database, caller.visible_to))
    wrong = _shape_problems(field, info.shape, target.info)
    if info.train_images < FEWEST_IMAGES:
        wrong.append((field, f"has {info.train_images} training images; {FEWEST_IMAGES} are the least"))
    wrong += _class_problems(submission, info.names, target.info)
    _refuse(wrong)
    params = _params(submission) | {"dataset": key, "title": info.title if is_uploaded else key}
    return _queue(services, caller, target, analyses.new_id(), params, sent=sent)


def submit_images(
    services: Services,
    caller: Caller,
    experiment_id: str,
    options: PlacementOptions,
    ingested: IngestedDataset,
    folder: Path,
    sent: IdempotentRequest | None = None,
) -> AnalysisRecord:
    """Store the images that came with a request, and queue their placement.

    Where another request with the same idempotency key was quicker, its placement is the answer. Raises what
    is wrong.
    """
    target = target_of(services, experiment_id)
    images, labels = (np.load(folder / name, mmap_mode="r") for name in (IMAGES, LABELS))
    shape = (ingested.height, ingested.width, *([ingested.channels] if ingested.channels > 1 else []))
    wrong = _shape_problems("body", shape, target.info, is_sent=True)
    if len(images) > MOST_IMAGES:
        wrong.append(
            ("body", f"has {len(images):,} images, and {MOST_IMAGES:,} are the most: send a sample of them")
        )
    if len(images) < FEWEST_IMAGES:
        wrong.append(("body", f"has {len(images)} images; {FEWEST_IMAGES} are the least"))
    wrong += _class_problems(options, ingested.class_names, target.info)
    _refuse(wrong)
    size = images.nbytes + 8 * len(labels)
    if caller.name is not None:
        most = services.settings.max_stored_bytes
        require_storage_quota(services.database, services.artifacts, caller.name, most, size)
    analysis_id = analyses.new_id()
    key = analyses.images_key(experiment_id, analysis_id)
    tensors = {"images": np.asarray(images), "labels": np.asarray(labels).astype(np.int64)}
    kept = False
    try:
        sha256 = services.artifacts.save(key, tensors, {})
        params = _params(options) | {"dataset": None, "class_names": list(ingested.class_names)}
        record = _queue(services, caller, target, analysis_id, params, (key, sha256, size), sent)
        kept = record.id == analysis_id
    finally:
        if not kept:
            removals.discard(services.database, services.artifacts, [key])
    return record


def _params(options: PlacementOptions) -> dict[str, Any]:
    return options.model_dump(mode="json", include=set(PlacementOptions.model_fields))


def _queue(
    services: Services,
    caller: Caller,
    target: Target,
    analysis_id: str,
    params: dict[str, Any],
    images: tuple[str, str, int] | None = None,
    sent: IdempotentRequest | None = None,
) -> AnalysisRecord:
    key, sha256, size = images or (None, None, 0)
    needs_torch = bool(torch_fields(target.spec))
    request = AnalysisRequest(
        analysis_id, target.id, "placement", caller.name, params, needs_torch, key, sha256, size
    )
    return analyses.create(services.database, request, sent)


def _shape_problems(
    field: str, shape: tuple[int, ...], info: DatasetInfo, *, is_sent: bool = False
) -> list[tuple[str, str]]:
    if shape == info.shape:
        return []
    wanted, given = (" × ".join(map(str, each)) for each in (info.shape, shape))
    remedy = "upload it anew with"
    if is_sent:
        remedy = "send it again with"
    return [
        (
            field,
            f"has images of {given}, and the experiment's are {wanted}: {remedy} "
            f"?size={info.height}x{info.width}&channels={info.channels}, which converts them",
        )
    ]


def _class_problems(
    options: PlacementOptions, names: tuple[str, ...], info: DatasetInfo
) -> list[tuple[str, str]]:
    try:
        if options.classes == "names":
            outputs_named(names, info)
        elif isinstance(options.classes, dict):
            outputs_mapped(names, options.classes, info)
    except InvalidSpec as error:
        return list(error.fields)
    return []


def _refuse(wrong: list[tuple[str, str]]) -> None:
    if wrong:
        raise InvalidSpec(*wrong[0], wrong[1:])
