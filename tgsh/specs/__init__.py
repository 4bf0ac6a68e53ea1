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
    CustomSuite,
    CustomTask,
    DatasetsSuite,
    ManifoldSuite,
    PermutationSuite,
    RotationSuite,
    ShiftSuite,
    SuiteSpec,
)

__all__ = [
    "MAX_TASKS",
    "MAX_UNITS",
    "AugmentSuite",
    "CustomSuite",
    "CustomTask",
    "DatasetName",
    "DatasetsSuite",
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
    "Start",
    "SuiteSpec",
    "TgshSpec",
    "TrainingSpec",
    "UploadedDataset",
]
