"""Images of the manifold suite: every task has its own, of the same classes and perturbations."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from tgsh.datasets.dataset import Dataset
from tgsh.datasets.info import DatasetInfo, manifold_info
from tgsh.spec import ManifoldSuite
from tgsh.suites.manifold import AnalyticMap, class_identifiers, perturbations, task_identifier

KEPT_BYTES = 64_000_000
"""Of images that are kept: at the default size those of 50 tasks."""

ROWS = 4_096
"""Images that are made at once: F takes eight bytes a pixel on the way."""


class ManifoldImages:
    """The source of a manifold suite's images; made when they are asked for."""

    def __init__(self, suite: ManifoldSuite) -> None:
        self.info = manifold_info(suite)
        self._suite, self._map = suite, AnalyticMap(suite)
        self._classes = class_identifiers(suite)
        self._perturbations = {
            part: suite.perturbation * perturbations(suite, part, count)
            for part, count in (("train", self.info.train_images), ("test", self.info.test_images))
        }
        size = (self.info.train_images + self.info.test_images) * self.info.pixels
        self.of = lru_cache(max(1, KEPT_BYTES // size))(self._make)

    def info_of(self, task: int) -> DatasetInfo:  # noqa: ARG002
        """Alike for all tasks."""
        return self.info

    def _make(self, task: int) -> Dataset:
        gamma = task_identifier(self._suite, task)
        return Dataset(self.info, *self._split(gamma, "train"), *self._split(gamma, "test"))

    def _split(self, gamma: np.ndarray, part: str) -> tuple[np.ndarray, np.ndarray]:
        """Images uint8 [N, D] and labels uint16 [N]: 0, …, K − 1, 0, …, so that prefixes are balanced."""
        theta = self._perturbations[part]
        labels = np.arange(len(theta)) % self.info.classes
        latents = np.hstack([np.broadcast_to(gamma, (len(theta), gamma.size)), self._classes[labels], theta])
        blocks = [self._map(latents[start : start + ROWS]) for start in range(0, len(latents), ROWS)]
        images = np.concatenate(blocks)
        numbers = labels.astype(np.uint16)
        for array in (images, numbers):
            array.flags.writeable = False
        return images, numbers
