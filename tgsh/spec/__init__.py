"""What an experiment is: frozen values with the paper's defaults. Needs neither torch nor images."""

from __future__ import annotations

from tgsh.spec.datasets import DatasetName, UploadedDataset
from tgsh.spec.experiment import ExperimentSpec, TrainingSpec
from tgsh.spec.networks import MAX_UNITS, FlyNetSpec, GshSpec, NetworkSpec, NeuroModNetSpec, TgshSpec
from tgsh.spec.suites import (
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
from tgsh.spec.values import Frozen, Seed

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
    "PermutationSuite",
    "RotationSuite",
    "Seed",
    "ShiftSuite",
    "SuiteSpec",
    "TgshSpec",
    "TrainingSpec",
    "UploadedDataset",
]
