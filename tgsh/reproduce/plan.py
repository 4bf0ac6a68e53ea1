"""Experiments and figures of the paper, as specs and parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from tgsh.specs import (
    AugmentSuite,
    CustomSuite,
    ExperimentSpec,
    FlyNetSpec,
    GshSpec,
    NeuroModNetSpec,
    NormalisationChoice,
    RotationSuite,
    ShiftSuite,
    TrainingSpec,
)
from tgsh.specs.networks import NetworkSpec
from tgsh.specs.suites import SuiteSpec

DatasetChoice = Literal["mnist5k", "mnist"]

TAG = "reproduce"
"""Tag by which a later run finds the experiments and studies of an earlier one."""


@dataclass(frozen=True)
class ReplicateCounts:
    """Numbers of seeds of training and of random bases; every seed is trained on every base."""

    seeds: int = 2
    base_seeds: int = (
        3  # bases differ more than seeds do, and the rarer source decides how wide intervals are
    )

    @property
    def total(self) -> int:
        """Number of replicates of each experiment."""
        return self.seeds * self.base_seeds


SINGLE_RUN = ReplicateCounts(1, 1)

NETWORKS: Mapping[str, NetworkSpec] = MappingProxyType(
    {
        "flynet": FlyNetSpec(),
        "neuromodnet": NeuroModNetSpec(),
        "neuromodnet-common": NeuroModNetSpec(start="common"),
        "neuromodnet-ones": NeuroModNetSpec(start="ones"),
        "gsh": GshSpec(),
    }
)
START_SUFFIXES = ("", "-common", "-ones")
"""Of NeuroModNet's names: contexts that start independently (the paper's), from one draw, and at ones."""

SUITES: Mapping[str, SuiteSpec] = MappingProxyType(
    {
        "rotation": RotationSuite(tasks=36, step_degrees=10),
        "shift-1px": ShiftSuite(step_pixels=1),
        "shift-2px": ShiftSuite(step_pixels=2),
        "augment": AugmentSuite(),
        "flip-invert": CustomSuite.model_validate(
            {
                "tasks": [
                    {"label": "identity", "transforms": []},
                    {"label": "flip", "transforms": [{"kind": "horizontal-flip"}]},
                    {"label": "invert", "transforms": [{"kind": "invert"}]},
                    {
                        "label": "flip and invert",
                        "transforms": [{"kind": "horizontal-flip"}, {"kind": "invert"}],
                    },
                ]
            }
        ),
    }
)
TRAJECTORY_PAIRS = "0-5,0-3,0-4,0-7,0-6,1-6"
"""Pairs of AugmentMNIST whose similarity over epochs is drawn: T1 with five others, and T2 with T7."""


@dataclass(frozen=True)
class FigureRequest:
    """A figure to be fetched: of the result `resource`, or if None, the figure with the stable name `name`.

    baseline: name of a planned experiment to be drawn beside it.
    """

    name: str
    resource: str | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    baseline: str | None = None


@dataclass(frozen=True)
class PlannedExperiment:
    """An experiment to be run, under a name that also begins the names of its files.

    spec: of a single run; its replicates differ in their seeds. stage: "after", or the epoch at which its
    claims are read where it trains on for its trajectories. block: experiments of different blocks have no
    seed in common, as what they show alike is to be due to their tasks alone.
    """

    name: str
    spec: ExperimentSpec
    figures: tuple[FigureRequest, ...] = ()
    stage: str | int = "after"
    block: int = 0

    def seeds(self, count: int) -> tuple[int, ...]:
        """Seeds, of training or of the random base, of so many replicates."""
        return tuple(range(self.block * count, (self.block + 1) * count))

    @property
    def epochs(self) -> int:
        """Number of epochs after which its claims are read."""
        return self.stage if isinstance(self.stage, int) else self.spec.training.epochs

    @property
    def subject(self) -> str:
        """Network, suite, epochs and what is not the default, such as "flynet, rotation, 3 epochs"."""
        suite = self.spec.suite
        pixels = f" {suite.step_pixels} px" if isinstance(suite, ShiftSuite) else ""
        plural = "" if self.epochs == 1 else "s"
        about = f"{self.spec.network.kind}, {suite.kind}{pixels}, {self.epochs} epoch{plural}"
        return ", ".join(filter(None, (about, self.spec.departures)))


def planned_experiments(dataset: DatasetChoice) -> tuple[PlannedExperiment, ...]:
    """Experiments of one reproduction, the fastest networks first.

    On 4,000 images an epoch has 32 batches instead of 469, so FlyNet trains 10 epochs there, as the demo
    does; the slower networks keep the paper's three.
    """
    flynet_epochs = 3 if dataset == "mnist" else 10
    trajectory_epochs = 12 if dataset == "mnist" else 40
    return (
        _rotation(dataset, "flynet", flynet_epochs),
        *_shifts(dataset, "flynet", flynet_epochs),
        _augment(dataset, "flynet", trajectory_epochs, stage=flynet_epochs),
        _augment(dataset, "flynet", trajectory_epochs, stage=flynet_epochs, normalisation="none"),
        _flips(dataset, flynet_epochs),
        _rotation(dataset, "gsh", 3),
        *(_rotation(dataset, f"neuromodnet{suffix}", 3) for suffix in START_SUFFIXES),
        *_shifts(dataset, "neuromodnet", 3),
        _augment(dataset, "neuromodnet", 3, stage="after"),
    )


def _rotation(dataset: DatasetChoice, network: str, epochs: int) -> PlannedExperiment:
    if network == "gsh":
        return PlannedExperiment("rotation-gsh", _spec(dataset, "rotation", network, epochs))
    flynet_figures = (
        (
            FigureRequest("accuracy-matrix"),
            FigureRequest("reconstructions", "reconstructions", {"tasks": "0,9,18,27"}),
        )
        if network == "flynet"
        else ()
    )
    updates = FigureRequest("similarity-updates", "similarity", {"measure": "update"})
    return PlannedExperiment(
        f"rotation-{network}",
        _spec(dataset, "rotation", network, epochs, accuracy_matrix=network == "flynet"),
        (
            *_matrix_figures(),
            FigureRequest("geometry", "geometry", baseline="rotation-gsh"),
            *(flynet_figures if network == "flynet" else (updates,)),
        ),
    )


def _shifts(dataset: DatasetChoice, network: str, epochs: int) -> tuple[PlannedExperiment, ...]:
    # Other seeds and other bases for 2 pixels: what the two have in common is due to the tasks alone.
    return tuple(
        PlannedExperiment(
            f"{suite}-{network}",
            _spec(dataset, suite, network, epochs, seed=block, base_seed=block),
            _matrix_figures(),
            block=block,
        )
        for suite, block in (("shift-1px", 0), ("shift-2px", 1))
    )


def _flips(dataset: DatasetChoice, epochs: int) -> PlannedExperiment:
    spec = _spec(dataset, "flip-invert", "flynet", epochs)
    return PlannedExperiment("flip-invert-flynet", spec, _matrix_figures())


def _augment(
    dataset: DatasetChoice,
    network: str,
    epochs: int,
    stage: str | int,
    normalisation: NormalisationChoice = "auto",
) -> PlannedExperiment:
    params = {"stage": str(stage)}
    figures = (
        FigureRequest("samples"),
        FigureRequest("similarity-before-after"),
        FigureRequest("dendrogram", "dendrogram", params),
        FigureRequest("similarity", "similarity", params),
        FigureRequest("similarity-epochs", "similarity/epochs", {"pairs": TRAJECTORY_PAIRS}),
    )
    spec = _spec(dataset, "augment", network, epochs, normalisation=normalisation)
    suffix = "" if normalisation == "auto" else f"-{normalisation}"
    return PlannedExperiment(f"augment-{network}{suffix}", spec, figures, stage)


def _matrix_figures() -> tuple[FigureRequest, ...]:
    return FigureRequest("samples"), FigureRequest("similarity-before-after"), FigureRequest("dendrogram")


def _spec(
    dataset: DatasetChoice,
    suite: str,
    network: str,
    epochs: int,
    *,
    seed: int = 0,
    base_seed: int = 0,
    normalisation: NormalisationChoice = "auto",
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
        normalisation=normalisation,
        seed=seed,
        base_seed=base_seed,
        accuracy_matrix=accuracy_matrix,
        tags=(TAG,),
    )
