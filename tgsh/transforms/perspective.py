"""RandomPerspective for a batch: every image seen from its own side."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from tgsh.transforms.sampling import centres, sample

BEYOND = 2.0
"""A place outside the image, in grid_sample's coordinates."""


def coefficients(corners: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The maps from result to image that take each quadrilateral to the image's rectangle: float64 [N, 3, 3].

    corners: [N, 4, 2] as `drawing.corners` has them. Entry (2, 2) is 1, as in torchvision, which solves
    least squares for each; here it is the adjugate of the map from the unit square (Heckbert 1989, 2.2.3).
    """
    x, y = corners[..., 0].astype(float), corners[..., 1].astype(float)
    dx1, dx2 = x[:, 1] - x[:, 2], x[:, 3] - x[:, 2]
    dy1, dy2 = y[:, 1] - y[:, 2], y[:, 3] - y[:, 2]
    sx, sy = (c[:, 0] - c[:, 1] + c[:, 2] - c[:, 3] for c in (x, y))
    area = dx1 * dy2 - dx2 * dy1
    g, h = (sx * dy2 - dx2 * sy) / area, (dx1 * sy - sx * dy1) / area
    a, b, c = x[:, 1] - x[:, 0] + g * x[:, 1], x[:, 3] - x[:, 0] + h * x[:, 3], x[:, 0]
    d, e, f = y[:, 1] - y[:, 0] + g * y[:, 1], y[:, 3] - y[:, 0] + h * y[:, 3], y[:, 0]
    inverse = np.stack(
        [
            np.stack([e - f * h, c * h - b, b * f - c * e], axis=1) * (size[1] - 1),
            np.stack([f * g - d, a - c * g, c * d - a * f], axis=1) * (size[0] - 1),
            np.stack([d * h - e * g, b * g - a * h, a * e - b * d], axis=1),
        ],
        axis=1,
    )
    return inverse / inverse[:, 2:, 2:]  # type: ignore[no-any-return]


class Perspective:
    """torchvision.transforms.functional.perspective, bilinear, fill 0; corners for every image."""

    def __init__(self, corners: np.ndarray, size: tuple[int, int], device: torch.device) -> None:
        height, width = size
        maps = coefficients(corners, size)
        # Pixels to grid_sample's [−1, 1]; the −1 that is missing is taken off after the division.
        maps[:, :2] *= np.array([2 / width, 2 / height])[:, None]
        self._maps = torch.tensor(maps, dtype=torch.float32, device=device)
        y, x = torch.meshgrid(centres(height, device), centres(width, device), indexing="ij")
        self._places = torch.stack([x, y, torch.ones_like(x)]).view(3, -1)

    def __call__(self, images: Tensor, chosen: Tensor) -> Tensor:
        """Images [B, H, W], each seen as the corners of number chosen[b] say."""
        batch, height, width = images.shape
        mapped = (self._maps[chosen].view(-1, 3) @ self._places).view(batch, 3, -1)
        grid = (mapped[:, :2] / mapped[:, 2:]).sub_(1).view(batch, 2, height, width).permute(0, 2, 3, 1)
        # A pixel whose centre lies on the horizon, where the divisor is 0, shows nothing of the image.
        grid = grid.nan_to_num_(nan=BEYOND, posinf=BEYOND, neginf=-BEYOND)
        # torchvision samples a mask too, and fades the image with it where it ends.
        faded = sample(torch.stack([images, torch.ones_like(images)], dim=1), grid)
        return faded[:, 0] * faded[:, 1]
