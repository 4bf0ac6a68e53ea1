"""TGSH_DATA_DIR=… python -m tests.benchmarks.gain [--tasks N]

g as a regulariser: FlyNet with g learned against g fixed at 1, on full MNIST, with much data and little
training, and with little data and much training. A regulariser would cost training loss and gain accuracy
where data are few. Full MNIST must lie under TGSH_DATA_DIR; about a minute on one core.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

import numpy as np

from tgsh.specs import ExperimentSpec, RotationSuite, TrainingSpec
from tgsh.suites import SuiteTask, build
from tgsh.suites.sources import source_of
from tgsh.training.fused_backend import FusedBackend, FusedEpoch
from tgsh.training.state import TaskState
from tgsh.training.trainer import Trainer

RECIPES = (TrainingSpec(epochs=3), TrainingSpec(epochs=40, train_limit=1_000))
STEP_DEGREES = 30


class FixedGainEpoch:
    """An epoch in which g is 1 again before every step: c learns as if g were no parameter."""

    def __init__(self, epoch: FusedEpoch) -> None:
        self._epoch = epoch

    def learn(self, start: int, stop: int) -> None:
        """A step of every task; see FusedEpoch.learn."""
        self._epoch._parameters[:, -1] = 1  # c, then g
        self._epoch.learn(start, stop)

    def states(self) -> list[TaskState]:
        """The tasks' states after the epoch."""
        self._epoch._parameters[:, -1] = 1
        return self._epoch.states()


class FixedGainBackend:
    """The fused backend, with g fixed at 1 in training."""

    def __init__(self, backend: FusedBackend) -> None:
        self.compute = backend.compute
        self.confusion, self.representations = backend.confusion, backend.representations
        self._backend = backend

    def epoch(
        self,
        tasks: Sequence[SuiteTask],
        states: Sequence[TaskState],
        orders: np.ndarray,
        rngs: Sequence[np.random.Generator],
        learning_rate: float,
    ) -> FixedGainEpoch:
        """An epoch of T tasks; see FusedBackend.epoch."""
        return FixedGainEpoch(self._backend.epoch(tasks, states, orders, rngs, learning_rate))


def trained(spec: ExperimentSpec, data_dir: Path, *, is_fixed: bool) -> tuple[float, float]:
    """Mean test accuracy and mean training loss of the last epoch, over all tasks."""
    source = source_of(spec, data_dir)
    trainer = Trainer(spec, source, "cpu", "fused")
    if is_fixed:
        assert isinstance(trainer._backend, FusedBackend)
        trainer._backend = FixedGainBackend(trainer._backend)
    accuracies, losses = [], []
    for task in build(spec.suite, source.info):
        state = trainer.fresh(task.index)
        for _ in range(spec.training.epochs):
            [state] = trainer.epoch([task], [state], lambda: False)
        accuracies += trainer.accuracy([task], [state])
        losses.append(state.losses[-1])
    return fmean(accuracies), fmean(losses)


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.gain")
    parser.add_argument("--tasks", type=int, default=4, metavar="N", help=f"rotations, {STEP_DEGREES}° apart")
    suite = RotationSuite(tasks=parser.parse_args().tasks, step_degrees=STEP_DEGREES)
    data_dir = Path(os.environ["TGSH_DATA_DIR"])
    print("| images a task | epochs | accuracy, g learned | g = 1 | training loss, g learned | g = 1 |")
    print("|--:|--:|--:|--:|--:|--:|")
    for recipe in RECIPES:
        spec = ExperimentSpec(dataset="mnist", suite=suite, training=recipe)
        pairs = [trained(spec, data_dir, is_fixed=is_fixed) for is_fixed in (False, True)]
        (accuracy, loss), (fixed_accuracy, fixed_loss) = pairs
        images = recipe.train_limit or source_of(spec, data_dir).info.train_images
        print(
            f"| {images:,} | {recipe.epochs} | {accuracy:.4f} | {fixed_accuracy:.4f} "
            f"| {loss:.3f} | {fixed_loss:.3f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
