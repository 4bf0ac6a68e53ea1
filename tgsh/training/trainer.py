"""Training of one experiment's tasks: an epoch, an evaluation, representations; warm-up of a process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from tgsh.analysis.confusion import accuracy
from tgsh.datasets.base import DATASETS, ImageDataset, ImageSource, check_train_limit
from tgsh.datasets.normalisation import NormalisedSource
from tgsh.errors import Interrupted, TrainingDiverged
from tgsh.networks.registry import context_of, random_base, units_of
from tgsh.settings import Compute
from tgsh.specs import ExperimentSpec, FlyNetSpec
from tgsh.suites import SuiteTask, build
from tgsh.training.backends import select_backend
from tgsh.training.device_memory import EVALUATION_BATCH, FEATURES_AT_ONCE
from tgsh.training.inputs import TaskTransforms
from tgsh.training.state import TaskState, batch_order, fresh_state, transform_rng


class Trainer:
    """Trains tasks of one experiment. Images, random base and buffers stay on the device between calls.

    Parameters
    ----------
    spec : ExperimentSpec
        The experiment.
    source : ImageSource
        The tasks' datasets; a Dataset where they share one.
    device : str
        Such as "cpu" or "cuda:0".
    compute : Compute, default="auto"
        "auto", "torch", "fused", "fused-classes": the backend; see `tgsh.training.backends`.
    cuda_graphs : bool, default=False
        Whether a GPU launches the kernels of a step as one graph; see `tgsh.training.cuda_graphs`.

    Raises
    ------
    InvalidSpec
        Where there are fewer images than training.train_limit, or the random base does not fit them.
    MachineProblem
        Where the backend is not installed.
    """

    def __init__(
        self,
        spec: ExperimentSpec,
        source: ImageSource,
        device: str,
        compute: Compute = "auto",
        *,
        cuda_graphs: bool = False,
    ) -> None:
        if spec.normalisation != "auto":
            source = NormalisedSource(source, spec.normalisation)
        self.spec, self.source, self.info = spec, source, source.info
        self._device, self._compute, self._cuda_graphs = device, compute, cuda_graphs
        info, limit = source.info, spec.training.train_limit
        check_train_limit(limit, info)
        self.base = random_base(spec.network, info.pixels, info.classes, spec.base_seed)
        self.context = context_of(spec.network, info.pixels, info.classes)
        self.transforms = TaskTransforms(source, spec.seed, device)
        chunk = max(1, FEATURES_AT_ONCE // units_of(self.base))
        evaluated_at_once = min(EVALUATION_BATCH, chunk)
        self._backend = select_backend(
            compute,
            self.base,
            self.context,
            source,
            limit,
            chunk,
            evaluated_at_once,
            device,
            cuda_graphs=cuda_graphs,
        )

    @property
    def compute(self) -> str:
        """Device, instruction set, backend and threads, as text."""
        return self._backend.compute

    def batchable(self, task: SuiteTask) -> tuple[int, int]:
        """Key that must be equal for tasks that are trained in one batch.

        Parameters
        ----------
        task : SuiteTask
            The task.

        Returns
        -------
        train_images : int
            Its training images, at most the spec's limit.
        test_images : int
            Its test images.
        """
        data = self.source.info_of(task.index)
        limit = self.spec.training.train_limit
        return min(data.train_images, limit or data.train_images), data.test_images

    def with_source(self, source: ImageSource, spec: ExperimentSpec | None = None) -> Trainer:
        """A trainer of the same experiment on other images or labels.

        Parameters
        ----------
        source : ImageSource
            Images of the same sizes.
        spec : ExperimentSpec | None, default=None
            The experiment with another seed or recipe; None: as it is.

        Returns
        -------
        Trainer
            With the same random base, on the same device and backend.
        """
        return Trainer(spec or self.spec, source, self._device, self._compute, cuda_graphs=self._cuda_graphs)

    def fresh(self, index: int) -> TaskState:
        """A task before training.

        Parameters
        ----------
        index : int
            The task's place in its suite.

        Returns
        -------
        TaskState
            At epoch 0.
        """
        return fresh_state(self.spec, self.context, index)

    def epoch(
        self, tasks: Sequence[SuiteTask], states: Sequence[TaskState], should_stop: Callable[[], bool]
    ) -> list[TaskState]:
        """Train one epoch.

        Parameters
        ----------
        tasks : Sequence[SuiteTask]
            T batchable tasks.
        states : Sequence[TaskState]
            T states, all at the same epoch and with RMSprop's averages.
        should_stop : Callable[[], bool]
            Called before every batch; True ends the epoch.

        Returns
        -------
        list[TaskState]
            T states, one epoch later.

        Raises
        ------
        Interrupted
            Soon after `should_stop` returned True.
        TrainingDiverged
            Naming task and epoch, where a loss or a parameter is no longer finite.
        """
        recipe, seed = self.spec.training, self.spec.seed
        images = len(self.source.of(tasks[0].index).train_images[: recipe.train_limit])
        epoch = self._backend.epoch(
            tasks,
            states,
            np.stack([batch_order(seed, state.index, state.epoch, images) for state in states]),
            [transform_rng(seed, state.index, state.epoch) for state in states],
            recipe.learning_rate,
        )
        for start in range(0, images, recipe.batch_size):
            if should_stop():
                raise Interrupted("stopped between two batches")
            epoch.learn(start, start + recipe.batch_size)
        trained = epoch.states()
        for task, state in zip(tasks, trained, strict=True):
            _check_finite(task, state)
        return trained

    def accuracy(self, tasks: Sequence[SuiteTask], states: Sequence[TaskState]) -> list[float]:
        """Share of test images, as each task sees them, whose class is recognised.

        Parameters
        ----------
        tasks : Sequence[SuiteTask]
            T batchable tasks.
        states : Sequence[TaskState]
            T states, at any epoch.

        Returns
        -------
        list[float]
            T numbers, from 0 to 1.
        """
        return [accuracy(counts) for counts in self.confusion(tasks, states)]

    def confusion(self, tasks: Sequence[SuiteTask], states: Sequence[TaskState]) -> np.ndarray:
        """Count test images, as each task sees them, by their class and the class that is recognised.

        Random parameters of a task's transform are drawn once for all test images, always the same.

        Parameters
        ----------
        tasks : Sequence[SuiteTask]
            T batchable tasks.
        states : Sequence[TaskState]
            T states, at any epoch.

        Returns
        -------
        np.ndarray
            int64 [T, K, K], confusion counts: a row a class, a column a recognised class.
        """
        rngs = [transform_rng(self.spec.seed, task.index, "test") for task in tasks]
        return self._backend.confusion(tasks, states, rngs)

    def representations(self, task: SuiteTask, vector: np.ndarray, images: np.ndarray) -> np.ndarray:
        """r_t(x), what the readout makes logits of, under a context vector.

        Parameters
        ----------
        task : SuiteTask
            The task, whose transform the images go through.
        vector : np.ndarray
            float32 [V]; the context vector.
        images : np.ndarray
            uint8 [n, D], pixels from 0 to 255.

        Returns
        -------
        np.ndarray
            float32 [n, R]; A representation an image.
        """
        rng = transform_rng(self.spec.seed, task.index, "test")
        return self._backend.representations(task, vector, images, rng)


def _check_finite(task: SuiteTask, state: TaskState) -> None:
    if not np.isfinite(state.losses[-1]) or not np.isfinite(state.vectors[-1]).all():
        raise TrainingDiverged(
            f"task {task.label}: the loss is no longer finite in epoch {state.epoch}; "
            "a smaller training.learning_rate may help"
        )


def warm_up(device: str, compute: Compute) -> None:
    """Train and test a small FlyNet on black images: a second, and some more on a new installation.

    Loads the machine code of the paper's network, compiles it where that was not yet done, and starts the
    device.

    Parameters
    ----------
    device : str
        Such as "cpu" or "cuda:0".
    compute : Compute
        "auto", "torch", "fused", "fused-classes": the backend.

    Raises
    ------
    MachineProblem
        As Trainer does.
    """
    info = replace(DATASETS["mnist"], train_images=10, test_images=10)
    images, labels = np.zeros((10, info.pixels), np.uint8), np.arange(10, dtype=np.uint8)
    spec = ExperimentSpec(network=FlyNetSpec(expansion=1))
    trainer = Trainer(spec, ImageDataset(info, images, labels, images, labels), device, compute)
    tasks = build(spec.suite, info)[:1]
    states = trainer.epoch(tasks, [trainer.fresh(0)], should_stop=lambda: False)
    trainer.accuracy(tasks, states)
