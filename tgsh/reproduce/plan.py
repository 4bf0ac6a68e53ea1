"""Which experiments and figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from tgsh.specs import (
    AugmentSuite,
    ExperimentSpec,
    FlyNetSpec,
    GshSpec,
    NeuroModNetSpec,
    RotationSuite,
    ShiftSuite,
    TrainingSpec,
)
from tgsh.specs.networks import NetworkSpec
from tgsh.specs.suites import SuiteSpec

DatasetChoice = Literal["mnist5k", "mnist"]

TAG = "reproduce"
"""By it a later run finds what an earlier one has left."""

NETWORKS: Mapping[str, NetworkSpec] = MappingProxyType(
    {"flynet": FlyNetSpec(), "neuromodnet": NeuroModNetSpec(), "gsh": GshSpec()}
)
SUITES: Mapping[str, SuiteSpec] = MappingProxyType(
    {
        "rotation": RotationSuite(tasks=36, step_degrees=10),
        "shift-1px": ShiftSuite(step_pixels=1),
        "shift-2px": ShiftSuite(step_pixels=2),
        "augment": AugmentSuite(),
    }
)
COURSE = "0-5,0-3,0-4,0-7,0-6,1-6"
"""Pairs of AugmentMNIST whose course is drawn: T1 with five others, and T2 with T7."""


@dataclass(frozen=True)
class Drawing:
    """A figure to be fetched: of `resource`, or where that is None, the figure with the stable name `name`.

    baseline: the name of a planned experiment to be drawn beside it.
    """

    name: str
    resource: str | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    baseline: str | None = None


@dataclass(frozen=True)
class Planned:
    """An experiment to be run, under a name that also begins the names of its files.

    stage: where its claims are read, "after" or an epoch; an experiment may train on for the course's sake.
    """

    name: str
    spec: ExperimentSpec
    drawings: tuple[Drawing, ...] = ()
    stage: str | int = "after"

    @property
    def epochs(self) -> int:
        """After how many epochs its claims are read."""
        return self.stage if isinstance(self.stage, int) else self.spec.training.epochs

    @property
    def subject(self) -> str:
        """What it is, for a person: "flynet, rotation, 3 epochs"."""
        suite = self.spec.suite
        pixels = f" {suite.step_pixels} px" if isinstance(suite, ShiftSuite) else ""
        plural = "" if self.epochs == 1 else "s"
        return f"{self.spec.network.kind}, {suite.kind}{pixels}, {self.epochs} epoch{plural}"


def planned(dataset: DatasetChoice) -> tuple[Planned, ...]:
    """The experiments of one reproduction, the quickest networks first.

    On 4,000 images an epoch has 32 batches instead of 469, so FlyNet trains 10 epochs there, as the demo
    does; the slower networks keep the paper's three.
    """
    flynet = 3 if dataset == "mnist" else 10
    course = 12 if dataset == "mnist" else 40
    return (
        _rotation(dataset, "flynet", flynet),
        *_shifts(dataset, "flynet", flynet),
        _augment(dataset, "flynet", course, stage=flynet),
        _rotation(dataset, "gsh", 3),
        _rotation(dataset, "neuromodnet", 3),
        *_shifts(dataset, "neuromodnet", 3),
        _augment(dataset, "neuromodnet", 3, stage="after"),
    )


def _rotation(dataset: DatasetChoice, network: str, epochs: int) -> Planned:
    if network == "gsh":
        return Planned("rotation-gsh", _spec(dataset, "rotation", network, epochs))
    own = (
        (Drawing("accuracy-matrix"), Drawing("reconstructions", "reconstructions", {"tasks": "0,9,18,27"}))
        if network == "flynet"
        else ()
    )
    return Planned(
        f"rotation-{network}",
        _spec(dataset, "rotation", network, epochs, accuracy_matrix=network == "flynet"),
        (*_matrices(), Drawing("geometry", "geometry", baseline="rotation-gsh"), *own),
    )


def _shifts(dataset: DatasetChoice, network: str, epochs: int) -> tuple[Planned, ...]:
    """Another seed for 2 pixels: what the two have in common is due to the tasks, not to chance."""
    return tuple(
        Planned(f"{suite}-{network}", _spec(dataset, suite, network, epochs, seed=seed), _matrices())
        for suite, seed in (("shift-1px", 0), ("shift-2px", 1))
    )


def _augment(dataset: DatasetChoice, network: str, epochs: int, stage: str | int) -> Planned:
    at = {"stage": str(stage)}
    drawings = (
        Drawing("samples"),
        Drawing("similarity-before-after"),
        Drawing("dendrogram", "dendrogram", at),
        Drawing("similarity", "similarity", at),
        Drawing("similarity-epochs", "similarity/epochs", {"pairs": COURSE}),
    )
    return Planned(f"augment-{network}", _spec(dataset, "augment", network, epochs), drawings, stage)


def _matrices() -> tuple[Drawing, ...]:
    return Drawing("samples"), Drawing("similarity-before-after"), Drawing("dendrogram")


def _spec(
    dataset: DatasetChoice,
    suite: str,
    network: str,
    epochs: int,
    *,
    seed: int = 0,
    accuracy_matrix: bool = False,
) -> ExperimentSpec:
    # Dense matrices take smaller steps: at 0.01, the paper's rate for vectors, accuracy goes up and down.
    rate = 0.001 if network == "gsh" else 0.01
    return ExperimentSpec(
        name=f"{suite}, {network}, {dataset}",
        dataset=dataset,
        suite=SUITES[suite],
        network=NETWORKS[network],
        training=TrainingSpec(epochs=epochs, learning_rate=rate),
        seed=seed,
        base_seed=0,
        accuracy_matrix=accuracy_matrix,
        tags=(TAG,),
    )
