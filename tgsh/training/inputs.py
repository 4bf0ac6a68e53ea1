"""Images of tasks as NumPy arrays, batches as transforms show them, and the wiring of networks to pixels.

Knows torch only where a transform computes new values of pixels (`torch_inputs`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar
from weakref import WeakKeyDictionary

import numpy as np

from tgsh.datasets.base import DatasetInfo, ImageDataset, ImageSource, Normalisation
from tgsh.suites import SuiteTask
from tgsh.suites.pixel_maps import PixelMap
from tgsh.training.state import transform_rng

N = TypeVar("N")

TRANSFORMED_AT_ONCE = 2048
"""Images of a batch that a transform computes at a time: what it needs on the way is a multiple of them."""


@dataclass(frozen=True, eq=False)
class Split:
    """Training or test images of T tasks.

    Attributes
    ----------
    images : list[np.ndarray]
        T arrays, uint8 [N, D], pixels from 0 to 255; the same array where tasks share their images.
    labels : list[np.ndarray]
        T arrays, int64 [N], classes, from 0 on.
    """

    images: list[np.ndarray]
    labels: list[np.ndarray]

    def __len__(self) -> int:
        """Images of a task.

        Returns
        -------
        int
            N.
        """
        return len(self.images[0])


class TaskImages:
    """Training and test images of a source, by task.

    Parameters
    ----------
    source : ImageSource
        The tasks' datasets.
    limit : int | None
        Training images of a task, from the first one on; None for all of them.
    """

    def __init__(self, source: ImageSource, limit: int | None) -> None:
        self._source, self._limit = source, limit

    def training(self, tasks: Sequence[SuiteTask]) -> Split:
        """Images that tasks are trained on.

        Parameters
        ----------
        tasks : Sequence[SuiteTask]
            T tasks with equally many images.

        Returns
        -------
        Split
            At most `limit` images a task.
        """
        arrays = [self._of(task) for task in tasks]
        limited = {id(each.train_images): each.train_images[: self._limit] for each in arrays}
        return Split(
            [limited[id(each.train_images)] for each in arrays],
            [each.train_labels[: self._limit] for each in arrays],
        )

    def testing(self, tasks: Sequence[SuiteTask]) -> Split:
        """Images that tasks are tested on.

        Parameters
        ----------
        tasks : Sequence[SuiteTask]
            T tasks with equally many images.

        Returns
        -------
        Split
            All test images.
        """
        arrays = [self._of(task) for task in tasks]
        return Split([each.test_images for each in arrays], [each.test_labels for each in arrays])

    def _of(self, task: SuiteTask) -> _Arrays:
        dataset = self._source.of(task.index)
        if dataset not in _ARRAYS:
            _ARRAYS[dataset] = _Arrays(
                _writeable(dataset.train_images),
                dataset.train_labels.astype(np.int64),
                _writeable(dataset.test_images),
                dataset.test_labels.astype(np.int64),
            )
        return _ARRAYS[dataset]


class _Arrays(NamedTuple):
    """Images uint8 [N, D] and labels int64 [N] of a dataset, in the types that compiled code is made for."""

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray


_ARRAYS: WeakKeyDictionary[ImageDataset, _Arrays] = WeakKeyDictionary()
"""As long as a dataset is in use; trainers of several experiments share it."""


def _writeable(images: np.ndarray) -> np.ndarray:
    """A writeable view of the images, or a copy: numba compiles other code for read-only arrays.

    Those in a file that is mapped privately stay there: MNIST's, and those of an uploaded dataset (mode "c").
    """
    view = images.view()
    try:
        view.flags.writeable = True
    except ValueError:  # the memory itself belongs to a read-only array
        return images.copy()
    return view


class Inputs:
    """N images a task as T tasks see them, but for moved pixels: those are a network's wiring (`wiring_of`).

    Parameters
    ----------
    images : Sequence[np.ndarray]
        T arrays, uint8 [N, D], pixels from 0 to 255; the same array where tasks share them.
    info : DatasetInfo
        Height, width and channels of the images.
    tasks : Sequence[SuiteTask]
        T tasks.
    rngs : Sequence[np.random.Generator]
        One a task; everything random is drawn at once, here.
    """

    def __init__(
        self,
        images: Sequence[np.ndarray],
        info: DatasetInfo,
        tasks: Sequence[SuiteTask],
        rngs: Sequence[np.random.Generator],
    ) -> None:
        self._images = list(images)
        self._transformed: Callable[[np.ndarray], np.ndarray] | None = None
        maps = [task.transform for task in tasks if isinstance(task.transform, PixelMap)]
        if len(maps) == len(tasks):
            if any(pixel_map.fills for pixel_map in maps):
                self._transformed = _moved_batches(images, maps)
        else:
            from tgsh.training.torch_inputs import transformed_batches  # such transforms compute in torch

            self._transformed = transformed_batches(images, info, tasks, rngs)

    @property
    def changes_values(self) -> bool:
        """True if a task changes or fills pixels; else all networks read the images as they are stored."""
        return self._transformed is not None

    def batches(self, places: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """A batch of images of every task.

        Parameters
        ----------
        places : np.ndarray
            int64 [T, B], which of a task's N images.

        Returns
        -------
        images : list[np.ndarray]
            T arrays, uint8 [N, D] or float32 [B, D]; all images of a task, without a copy, where no
            task changes values; else the batch, pixels from 0 to 1.
        rows : list[np.ndarray]
            T arrays, int64 [B], where in these images the batch is.
        """
        if self._transformed is None:
            return self._images, list(places)
        starts = range(0, places.shape[1], TRANSFORMED_AT_ONCE)
        parts = [self._transformed(places[:, start : start + TRANSFORMED_AT_ONCE]) for start in starts]
        batch = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
        return list(batch), [np.arange(places.shape[1])] * len(places)


def _moved_batches(
    images: Sequence[np.ndarray], maps: Sequence[PixelMap]
) -> Callable[[np.ndarray], np.ndarray]:
    """Places int64 [T, B] to moved images uint8 [T, B, D]."""

    def batch(places: np.ndarray) -> np.ndarray:
        # What moves pixels leaves them in columns; compiled code takes rows.
        rows = zip(images, maps, places, strict=True)
        return np.stack([np.ascontiguousarray(each.apply(own[chosen])) for own, each, chosen in rows])

    return batch


def wiring_of(task: SuiteTask, pixels: int) -> PixelMap:
    """The pixel map that is left to the network: the whole transform where it only moves pixels, over black.

    Parameters
    ----------
    task : SuiteTask
        The task.
    pixels : int
        D, numbers of an image.

    Returns
    -------
    PixelMap
        The task's transform, or the identity where that changes values or fills with greys.
    """
    own = task.transform
    return own if isinstance(own, PixelMap) and not own.fills else PixelMap.identity(pixels)


class WiredNetworks(Generic[N]):
    """Networks wired to the images of tasks; those of the latest tasks are kept.

    Parameters
    ----------
    source : ImageSource
        The tasks' datasets.
    build : Callable[[list[int], list[PixelMap], list[Normalisation]], N]
        Makes networks of task indices, pixel maps and normalisations, T of each.
    """

    def __init__(
        self,
        source: ImageSource,
        build: Callable[[list[int], list[PixelMap], list[Normalisation]], N],
    ) -> None:
        self._source, self._build = source, build
        self._latest: tuple[tuple[SuiteTask, ...], N] | None = None

    def of(self, tasks: Sequence[SuiteTask]) -> N:
        """The networks of these tasks, made anew if others came between.

        Parameters
        ----------
        tasks : Sequence[SuiteTask]
            T tasks.

        Returns
        -------
        N
            What `build` makes of them.
        """
        if self._latest is None or self._latest[0] != tuple(tasks):
            self._latest = None  # before the next are made: a GPU may not hold both
            networks = self._build(
                [task.index for task in tasks],
                [wiring_of(task, self._source.info.pixels) for task in tasks],
                [self._source.info_of(task.index).normalisation for task in tasks],
            )
            self._latest = (tuple(tasks), networks)
        return self._latest[1]


@dataclass(frozen=True, eq=False)
class TaskTransforms:
    """The tasks' transforms on any of a source's images, random parameters drawn as for testing.

    Attributes
    ----------
    source : ImageSource
        The tasks' datasets.
    seed : int
        The experiment's, from which random parameters follow.
    device : str
        Where new values of pixels are computed, such as "cpu" or "cuda:0".
    """

    source: ImageSource
    seed: int
    device: str

    def apply(self, task: SuiteTask, images: np.ndarray) -> np.ndarray:
        """Images as a task sees them.

        Parameters
        ----------
        task : SuiteTask
            The task.
        images : np.ndarray
            uint8 [n, D], pixels from 0 to 255.

        Returns
        -------
        np.ndarray
            float32 [n, D], pixels from 0 to 1.
        """
        if isinstance(task.transform, PixelMap):
            return task.transform.apply(images.astype(np.float32) / 255)
        from tgsh.training.torch_inputs import transformed_batches  # such transforms compute in torch

        rng = transform_rng(self.seed, task.index, "test")
        batches = transformed_batches([images], self.source.info, [task], [rng], self.device)
        [batch] = batches(np.arange(len(images))[None])
        # The identity leaves what it returns in the memory order of moved pixels; sums round by that order.
        return wiring_of(task, self.source.info.pixels).apply(batch)
