"""What the mean image of a class looks like in each task."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tgsh.suites.task import Task


def class_means(tasks: Sequence[Task], images: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """Mean of images uint8 [N, D] of each class as each task shows them; float32 [T, K, D], pixels in [0, 1].

    A pixel map moves the pixels of a mean as it moves those of an image. A class without images is zero.
    """
    means = np.zeros((classes, images.shape[1]))
    for label in np.unique(labels):
        means[label] = images[labels == label].mean(axis=0) / 255
    with_outside = np.hstack([means, np.zeros((classes, 1))])  # a map's index D is outside: zero
    return np.stack([with_outside[:, task.transform.source] for task in tasks]).astype(np.float32)
