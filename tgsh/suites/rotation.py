"""Rotation: task k sees every image rotated by k·step degrees (RotationMNIST of the paper has 36 × 10°)."""

from __future__ import annotations

from functools import partial

import numpy as np
from PIL import Image

from tgsh.datasets.info import DatasetInfo
from tgsh.spec import RotationSuite
from tgsh.suites.pixelmap import PixelMap
from tgsh.suites.task import Task


def rotation_tasks(suite: RotationSuite, info: DatasetInfo) -> tuple[Task, ...]:
    """The tasks of a rotation suite."""
    return tuple(_task(index, index * suite.step_degrees + 0.0, info) for index in range(suite.tasks))


def _task(index: int, degrees: float, info: DatasetInfo) -> Task:
    render = partial(rotation_map, degrees, info.height, info.width)
    return Task(index, f"{degrees:.10g}°", {"angle": degrees}, render)


def rotation_map(degrees: float, height: int, width: int) -> PixelMap:
    """Counter-clockwise about the centre, nearest neighbour, zero outside: PIL's own `Image.rotate`.

    That is what torchvision.transforms.functional.rotate calls for a PIL image. PIL rotates an image that
    holds pixel numbers from 1, so that 0 marks what comes from outside.
    """
    pixels = height * width
    numbers = Image.fromarray(np.arange(1, pixels + 1, dtype=np.int32).reshape(height, width))
    rotated = np.asarray(numbers.rotate(degrees, Image.Resampling.NEAREST, fillcolor=0)).ravel()
    return PixelMap(np.where(rotated == 0, pixels, rotated - 1))
