"""Steps of a task's transform, with everything random in them drawn for a number of images."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from tgsh.spec.transforms import (
    Affine,
    GaussianBlur,
    Invert,
    RandomErasing,
    RandomPerspective,
    RandomResizedCrop,
)
from tgsh.suites.chain import ImageTransform, Step
from tgsh.suites.pixelmap import PixelMap
from tgsh.transforms import drawing
from tgsh.transforms.fixed import AffineMoved, Blurred, Inverted, Moved
from tgsh.transforms.perspective import Perspective
from tgsh.transforms.rectangles import Erasing, ResizedCrop

Operation = Callable[[Tensor, Tensor], Tensor]
"""(images float32 [B, H, W] in [0, 1], int64 [B] which images they are) → what is seen of them, [B, H, W]."""


def drawn(
    transform: ImageTransform,
    count: int,
    size: tuple[int, int],
    rng: np.random.Generator,
    device: torch.device,
) -> Operation:
    """The transform for `count` images of size (height, width).

    Parameters are drawn once for all images, so that what happens to an image depends neither on batches
    nor on the order in which images are taken.
    """
    operations = [_operation(step, count, size, rng, device) for step in transform.steps]

    def carry_out(images: Tensor, chosen: Tensor) -> Tensor:
        for operation in operations:
            images = operation(images, chosen)
        return images

    return carry_out


def _operation(
    step: Step, count: int, size: tuple[int, int], rng: np.random.Generator, device: torch.device
) -> Operation:
    match step:
        case PixelMap():
            return Moved(step, device)
        case Invert():
            return Inverted()
        case GaussianBlur():
            return Blurred(step, size, device)
        case Affine():
            return AffineMoved(step, size, device)
        case RandomPerspective(distortion_scale=distortion):
            return Perspective(drawing.corners(rng, count, size, distortion), size, device)
        case RandomErasing(scale=scale, ratio=ratio, value=value):
            return Erasing(drawing.erasures(rng, count, size, scale, ratio), value, size, device)
        case RandomResizedCrop(scale=scale, ratio=ratio):
            return ResizedCrop(drawing.crops(rng, count, size, scale, ratio), size, device)
