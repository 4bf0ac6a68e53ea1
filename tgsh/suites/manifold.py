"""The manifold suite: the generative process of Hong & Pavlic (2023), section 2.1, and its images."""

from __future__ import annotations

from functools import lru_cache, partial

import numpy as np

from tgsh.datasets.base import DatasetInfo, ImageDataset
from tgsh.datasets.descriptions import manifold_info
from tgsh.rng import rng_for
from tgsh.specs import ManifoldSuite
from tgsh.suites.pixel_maps import PixelMap
from tgsh.suites.task import SuiteTask

HIDDEN = 64
"""Units of F between latents and pixels."""

GAIN, CONTRAST = 1.5, 3.0
"""Scale of M₁ and of M₂: how non-linear F is, and how far pixels reach from grey to black and white."""

CACHE_BYTES = 64_000_000
"""Of generated images in memory: at the default size those of 50 tasks."""

IMAGES_PER_BLOCK = 4_096
"""Images generated at once: F takes eight bytes a pixel on the way."""


def manifold_tasks(suite: ManifoldSuite, info: DatasetInfo) -> tuple[SuiteTask, ...]:
    """Build the tasks of a manifold suite; a longer suite begins with the tasks of a shorter one.

    Parameters
    ----------
    suite : ManifoldSuite
        Number of tasks, dimensions and seed.
    info : DatasetInfo
        Size of the images.

    Returns
    -------
    tuple[SuiteTask, ...]
        Tasks with γ_t as their parameter; their images are generated, their transform is the identity.
    """
    return tuple(
        SuiteTask(
            index,
            f"γ{index}",
            {"gamma": tuple(task_identifier(suite, index).tolist())},
            partial(PixelMap.identity, info.pixels),
        )
        for index in range(suite.tasks)
    )


def task_identifier(suite: ManifoldSuite, index: int) -> np.ndarray:
    """Sample γ_t.

    Parameters
    ----------
    suite : ManifoldSuite
        Dimensions and seed.
    index : int
        t.

    Returns
    -------
    np.ndarray
        float64 [task_dimensions], of length 1.
    """
    rng = rng_for(suite.manifold_seed, "manifold", "task", index)
    return _on_sphere(rng, 1, suite.task_dimensions).ravel()


def class_identifiers(suite: ManifoldSuite) -> np.ndarray:
    """Sample ω_1 … ω_K.

    Parameters
    ----------
    suite : ManifoldSuite
        Dimensions and seed.

    Returns
    -------
    np.ndarray
        float64 [K, class_dimensions], rows of length 1.
    """
    rng = rng_for(suite.manifold_seed, "manifold", "classes")
    return _on_sphere(rng, suite.classes, suite.class_dimensions)


def perturbations(suite: ManifoldSuite, part: str, count: int) -> np.ndarray:
    """Sample θ of the examples of a part.

    Parameters
    ----------
    suite : ManifoldSuite
        Dimensions and seed.
    part : str
        ``"train"`` or ``"test"``.
    count : int
        Examples.

    Returns
    -------
    np.ndarray
        float64 [count, perturbation_dimensions], rows of length 1.
    """
    rng = rng_for(suite.manifold_seed, "manifold", part)
    return _on_sphere(rng, count, suite.perturbation_dimensions)


class AnalyticMap:
    """The random analytic map F of section 2.1: 255·σ(M₂ tanh(M₁ z)), M₁ and M₂ normal and never learned.

    z are γ_t, ω_k and perturbation·θ, one after the other. tanh and the logistic σ are analytic, and so is F.

    Parameters
    ----------
    suite : ManifoldSuite
        Dimensions, side and seed.
    """

    def __init__(self, suite: ManifoldSuite) -> None:
        seed, pixels = suite.manifold_seed, suite.side**2
        sizes = (suite.task_dimensions, suite.class_dimensions, suite.perturbation_dimensions)
        self._first = GAIN * rng_for(seed, "manifold", "M1").standard_normal((HIDDEN, sum(sizes)))
        second = rng_for(seed, "manifold", "M2").standard_normal((pixels, HIDDEN))
        self._second = CONTRAST / np.sqrt(HIDDEN) * second

    def __call__(self, latents: np.ndarray) -> np.ndarray:
        """Map latents to pixels.

        Parameters
        ----------
        latents : np.ndarray
            z, float [n, d], d the sum of the three dimensions.

        Returns
        -------
        np.ndarray
            uint8 [n, D].
        """
        bent = np.tanh(latents @ self._first.T) @ self._second.T
        return np.asarray(np.rint(255 / (1 + np.exp(-bent))), np.uint8)


def _on_sphere(rng: np.random.Generator, count: int, dimensions: int) -> np.ndarray:
    """Sample points uniformly from the unit sphere, float64 [count, dimensions]."""
    points = rng.standard_normal((count, dimensions))
    return np.asarray(points / np.linalg.norm(points, axis=1, keepdims=True))


class ManifoldImages:
    """Image source of a manifold suite; images of a task are generated when they are first needed.

    Parameters
    ----------
    suite : ManifoldSuite
        Suite of an experiment.
    """

    def __init__(self, suite: ManifoldSuite) -> None:
        self.info = manifold_info(suite)
        self._suite, self._map = suite, AnalyticMap(suite)
        self._classes = class_identifiers(suite)
        self._perturbations = {
            part: suite.perturbation * perturbations(suite, part, count)
            for part, count in (("train", self.info.train_images), ("test", self.info.test_images))
        }
        size = (self.info.train_images + self.info.test_images) * self.info.pixels
        self.of = lru_cache(max(1, CACHE_BYTES // size))(self._generate)

    def info_of(self, task: int) -> DatasetInfo:  # noqa: ARG002
        """Describe the images of a task: the same for all tasks.

        Parameters
        ----------
        task : int
            Index of the task.

        Returns
        -------
        DatasetInfo
            Sizes and counts.
        """
        return self.info

    def _generate(self, task: int) -> ImageDataset:
        gamma = task_identifier(self._suite, task)
        return ImageDataset(self.info, *self._split(gamma, "train"), *self._split(gamma, "test"))

    def _split(self, gamma: np.ndarray, part: str) -> tuple[np.ndarray, np.ndarray]:
        """Images uint8 [N, D] and labels uint16 [N]: 0, …, K − 1, 0, …, so that prefixes are balanced."""
        theta = self._perturbations[part]
        labels = np.arange(len(theta)) % self.info.classes
        latents = np.hstack([np.broadcast_to(gamma, (len(theta), gamma.size)), self._classes[labels], theta])
        blocks = [
            self._map(latents[start : start + IMAGES_PER_BLOCK])
            for start in range(0, len(latents), IMAGES_PER_BLOCK)
        ]
        images = np.concatenate(blocks)
        numbers = labels.astype(np.uint16)
        for array in (images, numbers):
            array.flags.writeable = False
        return images, numbers
