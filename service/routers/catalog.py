"""/catalog: datasets, suites, networks and presets, with JSON Schemas and costs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from fastapi import APIRouter

from service.dependencies import ServicesDep
from tgsh.datasets.base import DATASETS, info_of
from tgsh.execution.requirements import lack_torch, network_needs_torch, torch_fields, torch_message
from tgsh.networks.registry import available_results, context_of
from tgsh.schemas import Catalog, CatalogEntry
from tgsh.specs import (
    AugmentSuite,
    CustomSuite,
    DatasetsSuite,
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
COMPUTED = "up to two task-epochs a task and epoch, as images are computed anew in each"

router = APIRouter(tags=["catalog"])


@router.get("/catalog", summary="What can be asked for")
def catalog(services: ServicesDep) -> Catalog:
    """Datasets, suites, networks and presets; `spec_schema` is the body of POST /experiments.

    Datasets that were uploaded are in GET /datasets. `details.answers` of a network are the results that
    an experiment with it has. `unavailable` says what no worker that lives can run, and why.
    """
    entries = _catalog()
    if not lack_torch(live_workers(services.database)):
        return entries
    return entries.model_copy(
        update={
            "suites": [_unavailable(each, each.name == AUGMENT.kind) for each in entries.suites],
            "networks": [
                _unavailable(each, network_needs_torch(NETWORKS[each.name])) for each in entries.networks
            ],
            "presets": [
                _unavailable(each, bool(torch_fields(spec)))
                for each, spec in zip(entries.presets, PRESETS.values(), strict=True)
            ],
        }
    )


def _unavailable(entry: CatalogEntry, without_torch: bool) -> CatalogEntry:
    return entry.model_copy(update={"unavailable": torch_message(entry.name)}) if without_torch else entry


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
                "train_images": info.train_images,
                "test_images": info.test_images,
            },
        )
        for info in DATASETS.values()
    ] + [synthetic]


def _kind(model: type[Frozen], cost: str, **details: object) -> CatalogEntry:
    return CatalogEntry(
        name=model.model_fields["kind"].default,
        description=(model.__doc__ or "").strip(),
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
            cost=f"{_tasks(spec) * spec.training.epochs} task-epochs on {spec.dataset}",
            details={"spec": spec.model_dump(mode="json")},
        )
        for name, spec in PRESETS.items()
    ]


def _tasks(spec: ExperimentSpec) -> int:
    return len(build(spec.suite, info_of(spec)))
