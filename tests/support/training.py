"""Training of a few tasks, as the runner does it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from tgsh.datasets.base import ImageDataset
from tgsh.networks.registry import Context, context_of, random_base
from tgsh.specs import ExperimentSpec, FlyNetSpec, TrainingSpec
from tgsh.suites import SuiteTask, build
from tgsh.training.state import TaskState
from tgsh.training.trainer import Trainer

CPU = "cpu"


def small(**changes: object) -> ExperimentSpec:
    """A spec that trains in no time: 1,568 units, 300 digits in batches of 64 (the last one ragged)."""
    training = TrainingSpec.model_validate({"epochs": 2, "batch_size": 64, "train_limit": 300, **changes})
    return ExperimentSpec(dataset="mnist5k", network=FlyNetSpec(expansion=2), training=training, seed=5)


def never() -> bool:
    return False


def chosen(spec: ExperimentSpec, digits: ImageDataset, indices: Sequence[int]) -> list[SuiteTask]:
    tasks = build(spec.suite, digits.info)
    return [tasks[index] for index in indices]


def train(
    spec: ExperimentSpec, digits: ImageDataset, indices: Sequence[int], trainer: Trainer | None = None
) -> list[TaskState]:
    """The states of these tasks, learned in one group, after all epochs."""
    trainer = trainer or Trainer(spec, digits, CPU)
    tasks = chosen(spec, digits, indices)
    states = [trainer.fresh(index) for index in indices]
    for _ in range(spec.training.epochs):
        states = trainer.epoch(tasks, states, never)
    return states


def digest(state: TaskState) -> str:
    """SHA-256 of everything that training decides."""
    arrays = [state.vectors, *state.parameters.values(), *(state.square_avg or {}).values()]
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest() + repr(state.losses)


def base_of(spec: ExperimentSpec, digits: ImageDataset):  # type: ignore[no-untyped-def]
    return random_base(spec.network, digits.info.pixels, digits.info.classes, spec.base_seed)


def context(spec: ExperimentSpec, digits: ImageDataset) -> Context:
    return context_of(spec.network, digits.info.pixels, digits.info.classes)
