"""Trainer: one epoch, one evaluation; warm-up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch

from tgsh.datasets.base import DATASETS, Dataset, ImageSource, check_train_limit
from tgsh.errors import Interrupted, TrainingDiverged
from tgsh.networks.registry import context_of, random_base
from tgsh.networks.torch_registry import units_of
from tgsh.settings import Compute
from tgsh.specs import ExperimentSpec, FlyNetSpec
from tgsh.suites import Task, build
from tgsh.training.backends import FusedBackend, TorchBackend, select_backend
from tgsh.training.inputs import Images, Inputs, Views
from tgsh.training.optimisation import stacked
from tgsh.training.state import TaskState, batch_order, fresh_state, transform_rng

FEATURES_AT_ONCE = 2**24
"""Features of one task in memory at a time (64 MB); larger batches are taken in parts of this size."""

EVALUATION_BATCH = 128


class Trainer:
    """Trains tasks of one experiment. Images, random base and buffers stay on the device between calls.

    source: where the tasks have their images from; a Dataset where they share them. compute: on which path,
    see backends.py. Raises InvalidSpec where there are fewer images than training.train_limit, or the
    base does not fit them, and MachineProblem where the path is not there.
    """

    def __init__(
        self, spec: ExperimentSpec, source: ImageSource, device: torch.device, compute: Compute = "auto"
    ) -> None:
        self.spec, self.source, self.info, self.device = spec, source, source.info, device
        info, limit = source.info, spec.training.train_limit
        check_train_limit(limit, info)
        self.base = random_base(spec.network, info.pixels, info.classes, spec.base_seed)
        self.context = context_of(spec.network, info.pixels, info.classes)
        self.views = Views(source, spec.seed, device)
        self._images = Images(source, limit, device)
        self._part = max(1, FEATURES_AT_ONCE // units_of(self.base))
        self._path: TorchBackend | FusedBackend = select_backend(
            compute, self.base, self.context, source, self._part, device
        )

    @property
    def compute(self) -> str:
        """What trains: device, instruction set, path and threads."""
        return self._path.compute

    def batchable(self, task: Task) -> tuple[int, int]:
        """Tasks for which this is the same can be trained in one batch: their images are equally many."""
        data = self.source.info_of(task.index)
        limit = self.spec.training.train_limit
        return data.train_images if limit is None else limit, data.test_images

    def fresh(self, index: int) -> TaskState:
        """Task `index` before training."""
        return fresh_state(self.spec, self.context, index)

    def epoch(
        self, tasks: Sequence[Task], states: Sequence[TaskState], should_stop: Callable[[], bool]
    ) -> list[TaskState]:
        """Train one epoch; the new states. All states stand at the same epoch and have RMSprop's averages.

        Raises Interrupted soon after should_stop() turns true (it is asked before every batch), and
        TrainingDiverged, naming task and epoch, where a loss or a parameter is no longer finite.
        """
        data = self._images.training(tasks)
        batch = self.spec.training.batch_size
        group = self._path.group(tasks, states, self.spec.training.learning_rate)
        rngs = [transform_rng(self.spec.seed, s.index, s.epoch) for s in states]
        inputs = Inputs(data.images, self.info, tasks, rngs)
        orders = [batch_order(self.spec.seed, s.index, s.epoch, len(data)) for s in states]
        order = torch.from_numpy(np.stack(orders)).to(self.device)
        with torch.inference_mode():
            for start in range(0, len(data), batch):
                if should_stop():
                    raise Interrupted("stopped between two batches")
                group.learn(inputs, data.labels, order[:, start : start + batch])
            trained = group.states(states, len(data))
        for task, state in zip(tasks, trained, strict=True):
            _check_finite(task, state)
        return trained

    def accuracy(self, tasks: Sequence[Task], states: Sequence[TaskState]) -> list[float]:
        """The share of test images, seen as each task shows them, whose class is recognised.

        What is random in a task's transform is drawn once for all test images, always the same.
        """
        data = self._images.testing(tasks)
        rngs = [transform_rng(self.spec.seed, task.index, "test") for task in tasks]
        inputs = Inputs(data.images, self.info, tasks, rngs)
        places = torch.arange(len(data), device=self.device)
        nets = self._path.networks(tasks)
        size = min(EVALUATION_BATCH, self._part)
        correct = torch.zeros(len(tasks), dtype=torch.int64, device=self.device)
        with torch.inference_mode():
            nets.load_parameters(stacked([state.parameters for state in states], self.context, self.device))
            for start in range(0, len(data), size):
                seen = inputs.batch(places[start : start + size].expand(len(tasks), -1))
                believed = nets.logits(seen).argmax(dim=1)
                correct += (believed == data.labels[:, start : start + size]).sum(dim=1)
        return [right / len(data) for right in correct.tolist()]

    def representations(self, task: Task, vector: np.ndarray, images: np.ndarray) -> np.ndarray:
        """r_t(x) of images uint8 [n, D] as the task shows them, under this context vector; float32 [n, R]."""
        parameters = stacked([self.context.parameters(vector)], self.context, self.device)
        with torch.inference_mode():
            nets = self._path.networks([task])
            nets.load_parameters(parameters)
            seen: np.ndarray = nets.representations(self.views.shown(task, images))[0].cpu().numpy()
            return seen.copy()


def _check_finite(task: Task, state: TaskState) -> None:
    if not np.isfinite(state.losses[-1]) or not np.isfinite(state.vectors[-1]).all():
        raise TrainingDiverged(
            f"task {task.label}: the loss is no longer finite in epoch {state.epoch}; "
            "a smaller training.learning_rate may help"
        )


def warm_up(device: torch.device, compute: Compute) -> None:
    """Train and test a small FlyNet on images of nothing: a second, and some more on a new installation.

    Brings into memory the machine code of the paper's network, compiles it where that was not yet done, and
    starts the device. Raises MachineProblem as Trainer does.
    """
    info = replace(DATASETS["mnist"], train_images=10, test_images=10)
    images, labels = np.zeros((10, info.pixels), np.uint8), np.arange(10, dtype=np.uint8)
    spec = ExperimentSpec(network=FlyNetSpec(expansion=1))
    trainer = Trainer(spec, Dataset(info, images, labels, images, labels), device, compute)
    tasks = build(spec.suite, info)[:1]
    states = trainer.epoch(tasks, [trainer.fresh(0)], should_stop=lambda: False)
    trainer.accuracy(tasks, states)
