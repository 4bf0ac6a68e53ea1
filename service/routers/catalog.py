"""/catalog: datasets, suites, networks and presets, with JSON Schemas and costs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from inspect import cleandoc

from fastapi import APIRouter

from service.dependencies import ServicesDep
from service.fleet import images_reasons
from tgsh.datasets.base import DATASETS
from tgsh.datasets.descriptions import info_of
from tgsh.datasets.named_sets import NAMED_SETS
from tgsh.execution.requirements import (
    image_fields,
    lack_torch,
    network_needs_torch,
    torch_fields,
    torch_message,
)
from tgsh.networks.registry import available_results, context_of
from tgsh.schemas import Catalog, CatalogEntry
from tgsh.specs import (
    AugmentSuite,
    CorruptionSuite,
    CustomSuite,
    DatasetsSuite,
    DomainsSuite,
    ExperimentSpec,
    FlyNetSpec,
    Frozen,
    GshSpec,
    ManifoldSuite,
    NetworkSpec,
    NeuroModNetSpec,
    PermutationSuite,
    RotationSuite,
    ShiftSuite,
    SplitSuite,
    TgshSpec,
)
from tgsh.specs.presets import PRESETS, Submission
from tgsh.store.leases import live_workers
from tgsh.suites import build

AUGMENT = AugmentSuite()

NETWORKS: Mapping[str, NetworkSpec] = {
    network.kind: network for network in (FlyNetSpec(), NeuroModNetSpec(), TgshSpec(), GshSpec())
}

MOVED = "one task-epoch a task and epoch"
MOST_NAMES = 100
"""Classes of a dataset that the catalog names."""

COMPUTED = "up to two task-epochs a task and epoch, as images are computed anew in each"

router = APIRouter(tags=["catalog"])


@router.get("/catalog", summary="What can be asked for")
def catalog(services: ServicesDep) -> Catalog:
    """Datasets, suites, networks and presets; `spec_schema` is the body of POST /experiments.

    Datasets that were uploaded are in GET /datasets. `details.answers` of a network are the results that
    an experiment with it has. `unavailable` says what no worker that lives can run, and why.
    """
    entries, workers = _catalog(), live_workers(services.database)
    has_torch = not lack_torch(workers)
    reasons = images_reasons((entry.name for entry in entries.datasets), workers)
    for kind in (AUGMENT.kind, *(name for name, network in NETWORKS.items() if network_needs_torch(network))):
        reasons[kind] = None if has_torch else torch_message(kind)
    for name, spec in PRESETS.items():
        torch = bool(torch_fields(spec)) and not has_torch
        lacking = filter(None, (reasons[dataset] for _, dataset in image_fields(spec)))
        reasons[name] = torch_message(name) if torch else "\n".join(lacking) or None
    return entries.model_copy(
        update={
            kind: [each.model_copy(update={"unavailable": reasons.get(each.name)}) for each in listed]
            for kind in ("datasets", "suites", "networks", "presets")
            for listed in [getattr(entries, kind)]
        }
    )


@cache
def _catalog() -> Catalog:
    """The catalog where every kind of worker is there."""
    return Catalog(
        datasets=_datasets(),
        suites=[
            _kind(RotationSuite, MOVED),
            _kind(ShiftSuite, MOVED),
            _kind(PermutationSuite, MOVED),
            _kind(AugmentSuite, COMPUTED),
            _kind(SplitSuite, f"{MOVED}, of its classes' images"),
            _kind(DomainsSuite, f"{MOVED}, of its domain's images"),
            _kind(
                CorruptionSuite,
                f"{MOVED}; 60,000 images are corrupted in 0.1 to 18 s once a task and process",
            ),
            _kind(ManifoldSuite, MOVED),
            _kind(DatasetsSuite, MOVED),
            _kind(CustomSuite, f"{MOVED} where pixels are only moved, else {COMPUTED}"),
        ],
        networks=[
            _network("flynet", "H = expansion · pixels units, fan_in additions each, an image and epoch"),
            _network("neuromodnet", "four multiplications a random weight, an image and epoch"),
            _network("tgsh", "hidden · (pixels + 2·rank) multiplications an image and epoch"),
            _network(
                "gsh",
                "hidden · (pixels + 2·rank) multiplications an image and epoch; no random weights are "
                "shared, so that similarities of its vectors mean nothing",
            ),
        ],
        presets=_presets(),
        spec_schema=Submission.model_json_schema(),
    )


def _datasets() -> list[CatalogEntry]:
    synthetic = CatalogEntry(name="synthetic", description="images that the manifold suite makes")
    return [
        CatalogEntry(
            name=info.name,
            description=info.title,
            cost=f"{info.train_images:,} images a task-epoch",
            details={
                "height": info.height,
                "width": info.width,
                "classes": info.classes,
                "channels": info.channels,
                "class_names": list(info.names[:MOST_NAMES]),
                "domains": list(info.domains),
                "train_images": info.train_images,
                "test_images": info.test_images,
                "normalisation": {"mean": info.normalisation.mean, "deviation": info.normalisation.deviation},
                "citation": NAMED_SETS[info.name].citation,
                "licence": NAMED_SETS[info.name].licence,
                "source": NAMED_SETS[info.name].source,
                "files": list(NAMED_SETS[info.name].files),
            },
        )
        for info in DATASETS.values()
    ] + [synthetic]


def _kind(model: type[Frozen], cost: str, **details: object) -> CatalogEntry:
    return CatalogEntry(
        name=model.model_fields["kind"].default,
        description=cleandoc(model.__doc__ or ""),
        json_schema=model.model_json_schema(),
        cost=cost,
        details=details,
    )


def _network(kind: str, cost: str) -> CatalogEntry:
    """Its layers are those of the defaults on MNIST, each with its share of a context vector's numbers."""
    network = NETWORKS[kind]
    info = DATASETS["mnist"]
    layers = context_of(network, info.pixels, info.classes).parts
    widths = {name: part.stop - part.start for name, part in layers.items()}
    return _kind(type(network), cost, answers=list(available_results(network)), layers=widths)


def _presets() -> list[CatalogEntry]:
    return [
        CatalogEntry(
            name=name,
            description=spec.title,
            cost=f"{_tasks(spec) * spec.training.epochs} task-epochs on {_datasets_of(spec)}",
            details={"spec": spec.model_dump(mode="json")},
        )
        for name, spec in PRESETS.items()
    ]


def _datasets_of(spec: ExperimentSpec) -> str:
    names = spec.suite.datasets if isinstance(spec.suite, DatasetsSuite) else (spec.dataset_key,)
    return ", ".join(names)


def _tasks(spec: ExperimentSpec) -> int:
    return len(build(spec.suite, info_of(spec)))
