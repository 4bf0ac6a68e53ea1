"""Training and evaluation of FlyNets on a processor by code that numba compiles: NumPy arrays, no torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np

from tgsh import progress
from tgsh.analysis.confusion import confusion_counts
from tgsh.datasets.base import ImageSource, Normalisation
from tgsh.networks.flynet_simd import instruction_set
from tgsh.networks.registry import Context
from tgsh.suites import SuiteTask
from tgsh.suites.pixel_maps import PixelMap
from tgsh.training.inputs import Inputs, Split, TaskImages, WiredNetworks
from tgsh.training.state import TaskState, advanced_states, stacked_parameters

if TYPE_CHECKING:
    from tgsh.networks.flynet_numba import FusedFlyNet


class FusedBackend:
    """A whole step in one compiled call, for FlyNet on a processor.

    Parameters
    ----------
    build : Callable[[PixelMap, Normalisation], FusedFlyNet]
        Makes the network that sees images through a pixel map, normalised so.
    context : Context
        The parameters of a task.
    source : ImageSource
        The tasks' datasets.
    train_limit : int | None
        Training images of a task; None for all of them.
    evaluated_at_once : int
        Test images of a batch; their number decides no byte but through transforms that change values.
    name : str, default="fused"
        The compute path in records.
    """

    def __init__(
        self,
        build: Callable[[PixelMap, Normalisation], FusedFlyNet],
        context: Context,
        source: ImageSource,
        train_limit: int | None,
        evaluated_at_once: int,
        name: str = "fused",
    ) -> None:
        self._name = name
        self._context, self._info = context, source.info
        self._images = TaskImages(source, train_limit)
        self._evaluated_at_once = evaluated_at_once
        self._networks = WiredNetworks(source, lambda _, maps, by: list(map(build, maps, by)))

    @property
    def compute(self) -> str:
        """Instruction set and numba's version: one thread of this processor, whatever torch may use."""
        return f"cpu {instruction_set()} numba {version('numba')} {self._name}"

    def epoch(
        self,
        tasks: Sequence[SuiteTask],
        states: Sequence[TaskState],
        orders: np.ndarray,
        rngs: Sequence[np.random.Generator],
        learning_rate: float,
    ) -> FusedEpoch:
        """An epoch of T tasks that stand at the same one; see `tgsh.training.backends.Backend`.

        Parameters
        ----------
        tasks : Sequence[SuiteTask]
            T tasks.
        states : Sequence[TaskState]
            Their states before.
        orders : np.ndarray
            int64 [T, N]; the order in which each sees its images.
        rngs : Sequence[np.random.Generator]
            One a task, for what is random in its transform.
        learning_rate : float
            RMSprop's η.

        Returns
        -------
        FusedEpoch
            Before its first step.
        """
        split = self._images.training(tasks)
        inputs = self._inputs(split, tasks, rngs)
        networks = self._networks.of(tasks)
        return FusedEpoch(networks, self._context, states, split, inputs, orders, learning_rate)

    def confusion(
        self,
        tasks: Sequence[SuiteTask],
        states: Sequence[TaskState],
        rngs: Sequence[np.random.Generator],
    ) -> np.ndarray:
        """Count test images by their class and the class that is recognised.

        Parameters
        ----------
        tasks : Sequence[SuiteTask]
            T tasks.
        states : Sequence[TaskState]
            Their states.
        rngs : Sequence[np.random.Generator]
            One a task, for what is random in its transform.

        Returns
        -------
        np.ndarray
            int64 [T, K, K], confusion counts: a row a class, a column a recognised class.
        """
        split = self._images.testing(tasks)
        inputs = self._inputs(split, tasks, rngs)
        parameters = stacked_parameters([state.parameters for state in states], self._context)
        networks = self._networks.of(tasks)
        predicted = np.empty((len(tasks), len(split)), np.int64)
        for start in range(0, len(split), self._evaluated_at_once):
            progress.step()
            places = np.arange(start, min(start + self._evaluated_at_once, len(split)))
            for task, network in enumerate(networks):
                [batch], [rows] = inputs[task].batches(places[None])
                predicted[task, places] = network.logits(batch, rows, parameters[task]).argmax(axis=0)
        counted = zip(split.labels, predicted, strict=True)
        return np.stack([confusion_counts(labels, each, self._info.classes) for labels, each in counted])

    def _inputs(
        self, split: Split, tasks: Sequence[SuiteTask], rngs: Sequence[np.random.Generator]
    ) -> list[Inputs]:
        """Of each task alone: whether another one changes values of pixels is not its business."""
        return [
            Inputs([images], self._info, [task], [rng])
            for images, task, rng in zip(split.images, tasks, rngs, strict=True)
        ]

    def representations(
        self, task: SuiteTask, vector: np.ndarray, images: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        """v ⊙ φ(x), what the readout makes logits of.

        Parameters
        ----------
        task : SuiteTask
            The task.
        vector : np.ndarray
            float32 [V]; the context vector.
        images : np.ndarray
            uint8 [n, D]; images on which the task's transform is still due.
        rng : np.random.Generator
            For what is random in the transform.

        Returns
        -------
        np.ndarray
            float32 [n, R]; A representation an image.
        """
        [network] = self._networks.of([task])
        [parameters] = stacked_parameters([self._context.parameters(vector)], self._context)
        inputs = Inputs([np.array(images)], self._info, [task], [rng])
        [batch], [rows] = inputs.batches(np.arange(len(images))[None])
        return network.representations(batch, rows, parameters)


class FusedEpoch:
    """T FlyNets in the middle of an epoch, and their losses since its start.

    Company changes no byte of a task.

    Parameters
    ----------
    networks : Sequence[FusedFlyNet]
        T networks, each wired to its task's pixels.
    context : Context
        The parameters of a task.
    states : Sequence[TaskState]
        The tasks' states before the epoch.
    split : Split
        Training images.
    inputs : Sequence[Inputs]
        The same as each task sees them.
    orders : np.ndarray
        int64 [T, N]; the order in which each task sees its images.
    learning_rate : float
        RMSprop's η.
    """

    def __init__(
        self,
        networks: Sequence[FusedFlyNet],
        context: Context,
        states: Sequence[TaskState],
        split: Split,
        inputs: Sequence[Inputs],
        orders: np.ndarray,
        learning_rate: float,
    ) -> None:
        self._networks, self._context, self._before = networks, context, states
        self._labels, self._inputs, self._orders = split.labels, inputs, orders
        self._learning_rate = learning_rate
        self._parameters = stacked_parameters([state.parameters for state in states], context)
        self._square_avg = stacked_parameters([state.square_avg for state in states], context)
        self._losses = [0.0] * len(states)

    def learn(self, start: int, stop: int) -> None:
        """One step of every task on the batch of places `start` to `stop` of its order.

        Parameters
        ----------
        start : int
            First place.
        stop : int
            Place after the last one; beyond the end means up to it.
        """
        places = self._orders[:, start:stop]
        for task, network in enumerate(self._networks):
            [batch], [rows] = self._inputs[task].batches(places[task : task + 1])
            labels = self._labels[task]
            if self._inputs[task].changes_values:
                labels = labels[places[task]]
            self._losses[task] += network.learn(
                batch,
                labels,
                rows,
                self._parameters[task],
                self._square_avg[task],
                self._learning_rate,
            )

    def states(self) -> list[TaskState]:
        """The tasks' states after the epoch.

        Returns
        -------
        list[TaskState]
            One a task.
        """
        losses = [loss / self._orders.shape[1] for loss in self._losses]
        return advanced_states(self._before, self._context, self._parameters, self._square_avg, losses)
