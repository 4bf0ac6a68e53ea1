"""Images read at places between pixels."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import grid_sample


def sample(images: Tensor, grid: Tensor) -> Tensor:
    """Bilinear, zero outside. images [B, C, H, W]; grid [B, H, W, 2], x and y from −1 to 1 over the image."""
    return grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def centres(length: int, device: torch.device) -> Tensor:
    """Where the centres of pixels lie, in pixels from the image's edge: 0.5, 1.5, …; float32 [length]."""
    return torch.arange(length, dtype=torch.float32, device=device) + 0.5
