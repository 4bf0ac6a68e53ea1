"""The corruption suite: the clean images, then all of them under corruptions of several severities."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property, lru_cache, partial

import numpy as np

from tgsh import progress
from tgsh.datasets.base import DatasetInfo, ImageDataset
from tgsh.errors import InvalidSpec
from tgsh.rng import rng_for
from tgsh.specs import CorruptionSuite
from tgsh.specs.suites import COLOUR_ALONE, WITHOUT_SEVERITY, CorruptionName
from tgsh.suites.pixel_maps import PixelMap
from tgsh.suites.task import SuiteTask

CACHE_BYTES = 256_000_000
"""Of corrupted images in memory."""

BLOCK_NUMBERS = 2**20
"""Pixels that are corrupted at a time: a part of the rule, for random numbers are drawn by the block."""


def corruption_tasks(suite: CorruptionSuite, info: DatasetInfo) -> tuple[SuiteTask, ...]:
    """Build the tasks of a corruption suite.

    Parameters
    ----------
    suite : CorruptionSuite
        Names and severities.
    info : DatasetInfo
        Size and channels of the images.

    Returns
    -------
    tuple[SuiteTask, ...]
        The clean images, then a task for each name and severity (one for a corruption of one strength), with
        the parameters ``corruption`` and ``severity``. Images are corrupted before, their transform is the
        identity.

    Raises
    ------
    InvalidSpec
        If a corruption of colours is asked for of grey images.
    """
    if info.channels == 1 and (wrong := [name for name in suite.names if name in COLOUR_ALONE]):
        raise InvalidSpec("suite.names", f"{', '.join(wrong)} changes colours, and {info.name} is grey")
    render = partial(PixelMap.identity, info.pixels)
    clean = SuiteTask(0, "clean", {"corruption": "none", "severity": 0}, render)
    return (
        clean,
        *(
            SuiteTask(
                index,
                name if severity is None else f"{name} {severity}",
                {"corruption": name, "severity": severity or 1},
                render,
            )
            for index, (name, severity) in enumerate(_kinds(suite), 1)
        ),
    )


def _kinds(suite: CorruptionSuite) -> Iterator[tuple[CorruptionName, int | None]]:
    for name in suite.names:
        if name in WITHOUT_SEVERITY:
            yield name, None
        else:
            yield from ((name, severity) for severity in suite.severities)


class CorruptedImages:
    """Image source of a corruption suite; a task's images are corrupted when they are first needed.

    Parameters
    ----------
    suite : CorruptionSuite
        Suite of an experiment.
    dataset : ImageDataset
        The clean images.
    """

    def __init__(self, suite: CorruptionSuite, dataset: ImageDataset) -> None:
        self.info = dataset.info
        self._suite, self._dataset, self._kinds = suite, dataset, list(_kinds(suite))
        size = dataset.train_images.size + dataset.test_images.size
        self._corrupted = lru_cache(max(1, CACHE_BYTES // size))(self._made)

    def of(self, task: int) -> ImageDataset:
        """Return the images of a task.

        Parameters
        ----------
        task : int
            Index of the task.

        Returns
        -------
        ImageDataset
            The clean ones for task 0.
        """
        return self._dataset if task == 0 else self._corrupted(task)

    def info_of(self, task: int) -> DatasetInfo:  # noqa: ARG002
        """Describe the images of a task: the same for all tasks.

        Parameters
        ----------
        task : int
            Index of the task.

        Returns
        -------
        DatasetInfo
            The dataset's.
        """
        return self.info

    def _made(self, task: int) -> ImageDataset:
        name, severity = self._kinds[task - 1]
        return CorruptedDataset(self._dataset, name, severity or 1, self._suite.corruption_seed)


class CorruptedDataset(ImageDataset):
    """A dataset whose training and test images are each corrupted when they are first read.

    Parameters
    ----------
    clean : ImageDataset
        The dataset.
    name : CorruptionName
        The corruption.
    severity : int
        1 to 5.
    seed : int
        Of what is random.
    """

    def __init__(self, clean: ImageDataset, name: CorruptionName, severity: int, seed: int) -> None:
        for field in ("info", "train_labels", "test_labels", "train_domains", "test_domains"):
            object.__setattr__(self, field, getattr(clean, field))
        object.__setattr__(self, "_key", (clean, name, severity, seed))

    @cached_property
    def train_images(self) -> np.ndarray:
        """Corrupt the training images, once.

        Returns
        -------
        np.ndarray
            uint8 [N, D], read-only.
        """
        return self._made("train")

    @cached_property
    def test_images(self) -> np.ndarray:
        """Corrupt the test images, once.

        Returns
        -------
        np.ndarray
            uint8 [N, D], read-only.
        """
        return self._made("test")

    def _made(self, part: str) -> np.ndarray:
        from tgsh.datasets.corruptions import (
            corrupted,  # SciPy's filters, which describing tasks does without
        )

        clean, name, severity, seed = self._key  # type: ignore[attr-defined]
        images = clean.train_images if part == "train" else clean.test_images
        info: DatasetInfo = clean.info
        shape = (info.height, info.width, info.channels)
        rows = max(1, BLOCK_NUMBERS // info.pixels)
        result = np.empty(images.shape, np.uint8)
        for start in range(0, len(images), rows):
            progress.step()
            rng = rng_for(seed, "corruption", name, severity, part, start // rows)
            result[start : start + rows] = corrupted(images[start : start + rows], shape, name, severity, rng)
        result.flags.writeable = False
        return result
