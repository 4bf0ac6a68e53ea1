"""Specs of experiments: frozen pydantic models with the paper's defaults.

They need neither torch nor images.
"""

from __future__ import annotations

from tgsh.specs.base import DatasetName, Frozen, Seed, UploadedDataset
from tgsh.specs.experiment import ExperimentSpec, NormalisationChoice, TrainingSpec
from tgsh.specs.networks import (
    MAX_UNITS,
    FlyNetSpec,
    GshSpec,
    NetworkSpec,
    NeuroModNetSpec,
    Start,
    TgshSpec,
)
from tgsh.specs.suites import (
    MAX_TASKS,
    AugmentSuite,
    CorruptionSuite,
    CustomSuite,
    CustomTask,
    DatasetsSuite,
    DomainsSuite,
    ManifoldSuite,
    PermutationSuite,
    RotationSuite,
    ShiftSuite,
    SplitSuite,
    SuiteSpec,
    follows_images,
    shares_images,
)

__all__ = [
    "MAX_TASKS",
    "MAX_UNITS",
    "AugmentSuite",
    "CorruptionSuite",
    "CustomSuite",
    "CustomTask",
    "DatasetName",
    "DatasetsSuite",
    "DomainsSuite",
    "ExperimentSpec",
    "FlyNetSpec",
    "Frozen",
    "GshSpec",
    "ManifoldSuite",
    "NetworkSpec",
    "NeuroModNetSpec",
    "NormalisationChoice",
    "PermutationSuite",
    "RotationSuite",
    "Seed",
    "ShiftSuite",
    "SplitSuite",
    "Start",
    "SuiteSpec",
    "TgshSpec",
    "TrainingSpec",
    "UploadedDataset",
    "follows_images",
    "shares_images",
]
