"""/catalog: datasets, suites, networks and presets, with JSON Schemas and costs."""

from __future__ import annotations

from inspect import cleandoc

from fastapi import APIRouter

from tgsh.datasets.base import DATASETS, info_of
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
from tgsh.suites import build

MOVED = "one task-epoch a task and epoch"
COMPUTED = "up to two task-epochs a task and epoch, as images are computed anew in each"

router = APIRouter(tags=["catalog"])


@router.get("/catalog", summary="What can be asked for")
def catalog() -> Catalog:
    """Datasets, suites, networks and presets; `spec_schema` is the body of POST /experiments.

    Datasets that were uploaded are in GET /datasets. `details.answers` of a network are the results that
    an experiment with it has.
    """
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
            _network(FlyNetSpec(), "H = expansion · pixels units, fan_in additions each, an image and epoch"),
            _network(NeuroModNetSpec(), "four multiplications a random weight, an image and epoch"),
            _network(TgshSpec(), "hidden · (pixels + 2·rank) multiplications an image and epoch"),
            _network(
                GshSpec(),
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
        description=cleandoc(model.__doc__ or ""),
        json_schema=model.model_json_schema(),
        cost=cost,
        details=details,
    )


def _network(network: NetworkSpec, cost: str) -> CatalogEntry:
    """Its layers are those of the defaults on MNIST, each with its share of a context vector's numbers."""
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
