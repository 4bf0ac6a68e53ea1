"""Transforms that are the same for every image: blur, affine, inversion, moved pixels."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from tgsh.spec.transforms import Affine, GaussianBlur
from tgsh.suites.affine import inverse_matrix
from tgsh.suites.pixelmap import PixelMap
from tgsh.transforms.sampling import centres, sample


class Blurred:
    """torchvision.transforms.functional.gaussian_blur: a product with a matrix on either side."""

    def __init__(self, step: GaussianBlur, size: tuple[int, int], device: torch.device) -> None:
        self._down, self._across = (
            torch.tensor(_blur_matrix(step, side), dtype=torch.float32, device=device) for side in size
        )

    def __call__(self, images: Tensor, _: Tensor) -> Tensor:
        """Images [B, H, W], blurred."""
        return self._down @ (images @ self._across.T)


def _blur_matrix(step: GaussianBlur, side: int) -> np.ndarray:
    """What a row of pixels becomes, with reflection at its ends: float64 [side, side]."""
    reach = step.kernel_size // 2
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / step.sigma) ** 2)
    sources = np.pad(np.arange(side), reach, mode="reflect")
    matrix = np.zeros((side, side))
    for tap, weight in enumerate(kernel / kernel.sum()):
        np.add.at(matrix, (np.arange(side), sources[tap : tap + side]), weight)
    return matrix


class AffineMoved:
    """torchvision.transforms.functional.affine on a tensor, bilinear, zero outside."""

    def __init__(self, step: Affine, size: tuple[int, int], device: torch.device) -> None:
        height, width = size
        a, b, x0, c, d, y0 = inverse_matrix(step, (0.0, 0.0))
        v, u = torch.meshgrid(
            centres(height, device) - height / 2, centres(width, device) - width / 2, indexing="ij"
        )
        x, y = a * u + b * v + x0, c * u + d * v + y0
        self._grid = torch.stack([x * (2 / width), y * (2 / height)], dim=2)

    def __call__(self, images: Tensor, _: Tensor) -> Tensor:
        """Images [B, H, W], moved."""
        return sample(images.unsqueeze(1), self._grid.expand(len(images), -1, -1, -1)).squeeze(1)


class Inverted:
    """torchvision.transforms.functional.invert."""

    def __call__(self, images: Tensor, _: Tensor) -> Tensor:
        """1 − images."""
        return 1 - images


class Moved:
    """A pixel map on float images: what `PixelMap.apply` does."""

    def __init__(self, pixel_map: PixelMap, device: torch.device) -> None:
        outside = pixel_map.source == pixel_map.source.size
        self._source = torch.tensor(np.where(outside, 0, pixel_map.source), dtype=torch.int64, device=device)
        self._inside = torch.tensor(~outside, dtype=torch.float32, device=device)

    def __call__(self, images: Tensor, _: Tensor) -> Tensor:
        """Images [B, H, W], moved."""
        return (images.flatten(1)[:, self._source] * self._inside).view_as(images)
