"""Training on classes that are shuffled at random: what tasks of unrelated labels are like."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from tgsh.datasets.base import DatasetInfo, ImageDataset, ImageSource
from tgsh.rng import rng_for
from tgsh.suites import SuiteTask
from tgsh.training.trainer import Trainer

NULL = "null-shuffles"
"""Name of the measurement."""


@dataclass(eq=False)
class ShuffledSource:
    """An image source whose tasks' classes are shuffled, each task's by a permutation of its own.

    Attributes
    ----------
    source : ImageSource
        The images, and their classes as they are.
    seed : int
        Of the experiment, from which permutations follow.
    number : int, default=0
        Which shuffle.
    """

    source: ImageSource
    seed: int
    number: int = 0
    _latest: tuple[tuple[int, int], ImageDataset] | None = field(default=None, repr=False)

    @property
    def info(self) -> DatasetInfo:
        """Description that holds for all tasks."""
        return self.source.info

    def info_of(self, task: int) -> DatasetInfo:
        """Describe the images of a task.

        Parameters
        ----------
        task : int
            Index of the task.

        Returns
        -------
        DatasetInfo
            As the source describes them.
        """
        return self.source.info_of(task)

    def of(self, task: int) -> ImageDataset:
        """Return the images of a task with shuffled classes.

        Parameters
        ----------
        task : int
            Index of the task.

        Returns
        -------
        ImageDataset
            The same images; the same object until another task or shuffle is asked for.
        """
        if self._latest is None or self._latest[0] != (self.number, task):
            data = self.source.of(task)
            shuffled = shuffled_outputs(data.info, self.seed, self.number, task)
            self._latest = (
                (self.number, task),
                ImageDataset(
                    data.info,
                    data.train_images,
                    shuffled[data.train_labels],
                    data.test_images,
                    shuffled[data.test_labels],
                ),
            )
        return self._latest[1]


def shuffled_outputs(info: DatasetInfo, seed: int, number: int, task: int) -> np.ndarray:
    """Shuffle the outputs of a task's classes among themselves.

    Parameters
    ----------
    info : DatasetInfo
        Of the task's images.
    seed : int
        Of the experiment.
    number : int
        Which shuffle.
    task : int
        Index of the task.

    Returns
    -------
    np.ndarray
        int64, from an output to the one that takes its place.
    """
    own = np.array(info.class_outputs, np.int64)
    shuffled = np.arange(int(own.max()) + 1)
    shuffled[own] = own[rng_for(seed, "relabelling", number, task).permutation(len(own))]
    return shuffled


def shuffled_vectors(
    trainer: Trainer, tasks: Sequence[SuiteTask], shuffles: int, should_stop: Callable[[], bool]
) -> np.ndarray:
    """Train every task on shuffled classes, with its own start and its own order of images.

    Parameters
    ----------
    trainer : Trainer
        The experiment's.
    tasks : Sequence[SuiteTask]
        T tasks.
    shuffles : int
        N; the classes of all tasks are shuffled anew for each, independently.
    should_stop : Callable[[], bool]
        Called between batches; True ends the training.

    Returns
    -------
    np.ndarray
        float32 [N, T, V], context vectors after training.

    Raises
    ------
    Interrupted
        Soon after `should_stop` returned True.
    TrainingDiverged
        Where a task of shuffled classes does.
    """
    source = ShuffledSource(trainer.source, trainer.spec.seed)
    shuffled = trainer.with_source(source)
    result = []
    for number in range(shuffles):
        source.number = number
        vectors = []
        for task in tasks:
            states = [shuffled.fresh(task.index)]
            for _ in range(trainer.spec.training.epochs):
                states = shuffled.epoch([task], states, should_stop)
            vectors.append(states[0].vectors[-1])
        result.append(vectors)
    return np.array(result, np.float32)
