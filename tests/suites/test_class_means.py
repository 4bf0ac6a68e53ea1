"""Mean images of classes against the mean of transformed images."""

from __future__ import annotations

import numpy as np

from tgsh.datasets.info import DATASETS
from tgsh.spec import RotationSuite
from tgsh.suites import build
from tgsh.suites.class_means import class_means


def test_the_mean_of_transformed_images_is_the_transformed_mean() -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (40, 784), np.uint8)
    labels = rng.integers(0, 3, 40).astype(np.uint8)
    tasks = build(RotationSuite(tasks=3, step_degrees=35), DATASETS["mnist"])
    means = class_means(tasks, images, labels, 4)
    assert (means.shape, means.dtype) == ((3, 4, 784), np.float32)
    for place, task in enumerate(tasks):
        for label in range(3):
            expected = task.transform.apply(images[labels == label]).mean(axis=0) / 255
            np.testing.assert_allclose(means[place, label], expected, atol=1e-6)
    assert not means[:, 3].any()  # a class without images
