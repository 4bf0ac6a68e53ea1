"""Presets: the paper's experiments and those of the field by name, and submissions that start from one."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from tgsh.specs import (
    AugmentSuite,
    DatasetsSuite,
    DomainsSuite,
    ExperimentSpec,
    GshSpec,
    ManifoldSuite,
    NeuroModNetSpec,
    PermutationSuite,
    RotationSuite,
    ShiftSuite,
    SplitSuite,
    TgshSpec,
    TrainingSpec,
)
from tgsh.specs.base import Notes, Project
from tgsh.specs.experiment import with_default_dataset

PresetName = Literal[
    "5-datasets",
    "augment-mnist",
    "demo",
    "digit-five",
    "manifold",
    "pacs",
    "permuted-mnist",
    "rotation-mnist",
    "rotation-mnist-gsh",
    "rotation-mnist-neuromodnet",
    "rotation-mnist-tgsh",
    "shift-mnist-1px",
    "shift-mnist-2px",
    "split-cifar10",
    "split-cifar100",
    "split-mnist",
]

PRESETS: Mapping[PresetName, ExperimentSpec] = MappingProxyType(
    {
        # Each dataset has ten classes of its own: the first is learned by output 0 in all of them.
        "5-datasets": ExperimentSpec(
            name="5-Datasets",
            dataset=None,
            suite=DatasetsSuite(
                datasets=("mnist", "fashion-mnist", "svhn", "cifar10", "notmnist"),
                classes="order",
                size=(32, 32),
                channels=3,
            ),
            tags=("benchmark",),
        ),
        "augment-mnist": ExperimentSpec(name="AugmentMNIST", suite=AugmentSuite(), tags=("paper",)),
        "demo": ExperimentSpec(
            name="demo: rotated digits",
            dataset="mnist5k",
            training=TrainingSpec(epochs=10),
            tags=("demo",),
        ),
        "digit-five": ExperimentSpec(
            name="Digit-Five",
            dataset=None,
            suite=DatasetsSuite(
                datasets=("mnist", "usps", "svhn", "mnist-m", "syn-digits"),
                classes="names",
                size=(32, 32),
                channels=3,
            ),
            tags=("benchmark",),
        ),
        "manifold": ExperimentSpec(
            name="manifolds with known geometry",
            dataset="synthetic",
            suite=ManifoldSuite(),
            training=TrainingSpec(epochs=5),
            tags=("paper",),
        ),
        "pacs": ExperimentSpec(name="PACS", dataset="pacs", suite=DomainsSuite(), tags=("benchmark",)),
        "permuted-mnist": ExperimentSpec(name="PermutedMNIST", suite=PermutationSuite(), tags=("benchmark",)),
        "rotation-mnist": ExperimentSpec(name="RotationMNIST", suite=RotationSuite(), tags=("paper",)),
        "rotation-mnist-neuromodnet": ExperimentSpec(
            name="RotationMNIST, NeuroModNet", network=NeuroModNetSpec(), tags=("paper",)
        ),
        # Dense matrices take smaller steps: at 0.01, the paper's rate for vectors, accuracy goes up and down.
        "rotation-mnist-gsh": ExperimentSpec(
            name="RotationMNIST, GSH without a shared base",
            network=GshSpec(),
            training=TrainingSpec(learning_rate=0.001),
            tags=("paper",),
        ),
        "rotation-mnist-tgsh": ExperimentSpec(
            name="RotationMNIST, dense T-GSH",
            network=TgshSpec(),
            training=TrainingSpec(learning_rate=0.001),
            tags=("paper",),
        ),
        "shift-mnist-1px": ExperimentSpec(
            name="ShiftMNIST, 1 pixel", suite=ShiftSuite(step_pixels=1), tags=("paper",)
        ),
        # Another seed over the same base: what the two have in common is due to the tasks, not to chance.
        "shift-mnist-2px": ExperimentSpec(
            name="ShiftMNIST, 2 pixels", suite=ShiftSuite(step_pixels=2), seed=1, tags=("paper",)
        ),
        "split-cifar10": ExperimentSpec(
            name="Split-CIFAR-10", dataset="cifar10", suite=SplitSuite(), tags=("benchmark",)
        ),
        "split-cifar100": ExperimentSpec(
            name="Split-CIFAR-100",
            dataset="cifar100",
            suite=SplitSuite(classes_per_task=10),
            tags=("benchmark",),
        ),
        "split-mnist": ExperimentSpec(name="Split-MNIST", suite=SplitSuite(), tags=("benchmark",)),
    }
)


Priority = Annotated[int, Field(ge=-10, le=10, strict=True)]
"""Rank of an experiment among those of its owner; it takes nothing from other owners."""


Webhook = Annotated[str, Field(max_length=2_000, strict=True)]
"""URL of a host that the administrator allows; where it may go is checked by the service."""


BESIDES_SPEC = ("shared", "priority", "notes", "project", "webhook")
"""Fields of a submission that are no fields of a spec."""

NAMES = ("name", "tags")
"""Fields of a spec that say what it is: another spec does not take them over."""


class Submission(ExperimentSpec):
    """The body of POST /experiments: a spec, or a preset and what differs from it.

    A preset's name and tags are those of the preset as it is: what differs from it has its own, or none.
    """

    preset: PresetName | None = Field(None, description="start from this spec; the other keys override it")
    shared: bool = Field(False, description="whether everybody with a key sees it, not its owner alone")
    priority: Priority = Field(0, description="among its owner's experiments the greater goes first")
    notes: Notes | None = Field(None, description="Markdown; what is to be remembered of it")
    project: Project | None = Field(None, description="what it belongs to, for lists")
    webhook: Webhook | None = Field(None, description="URL that is told when it ends")

    @model_validator(mode="before")
    @classmethod
    def _expand_preset(cls, body: Any) -> Any:
        body = _with_class_rule(body)
        if isinstance(body, dict) and isinstance(name := body.get("preset"), str) and name in PRESETS:
            preset = PRESETS[name].model_dump(mode="json")  # type: ignore[index]
            merged = override(preset, with_default_dataset(body))
            if any(merged[key] != value for key, value in preset.items() if key not in NAMES):
                merged = {key: value for key, value in merged.items() if key not in NAMES or key in body}
            return merged
        return body

    def spec(self) -> ExperimentSpec:
        """Resolve the preset.

        Returns
        -------
        ExperimentSpec
            The whole spec.
        """
        return ExperimentSpec.model_validate(self.model_dump(exclude={"preset", *BESIDES_SPEC}))


def _with_class_rule(body: Any) -> Any:
    """The body with the rule for classes that a new suite of datasets has, where it names none.

    It is written into the spec that is stored: one without the key is from before there was a choice.
    """
    suite = body.get("suite") if isinstance(body, dict) else None
    if isinstance(suite, dict) and suite.get("kind") == "datasets" and "classes" not in suite:
        return {**body, "suite": {**suite, "classes": "names"}}
    return body


def override(base: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Merge `changes` into `base`; objects are merged too, unless their `kind` differs."""
    merged = dict(base)
    for key, value in changes.items():
        current = base.get(key)
        same_kind = (
            isinstance(current, dict)
            and isinstance(value, dict)
            and value.get("kind", current.get("kind")) == current.get("kind")
        )
        merged[key] = override(current, value) if same_kind else value  # type: ignore[arg-type]
    return merged
