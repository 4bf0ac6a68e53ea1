"""RandomErasing and RandomResizedCrop for a batch: every image with its own rectangle."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from tgsh.transforms.sampling import centres, sample


class Erasing:
    """torchvision.transforms.functional.erase with rectangles int64 [N, 4]: top, left, height, width."""

    def __init__(
        self, rectangles: np.ndarray, value: float, size: tuple[int, int], device: torch.device
    ) -> None:
        self._rows = _within(rectangles[:, 0], rectangles[:, 2], size[0], device)
        self._columns = _within(rectangles[:, 1], rectangles[:, 3], size[1], device)
        self._value = value

    def __call__(self, images: Tensor, chosen: Tensor) -> Tensor:
        """Images [B, H, W] with rectangle chosen[b] of each filled."""
        inside = self._rows[chosen].unsqueeze(2) & self._columns[chosen].unsqueeze(1)
        return images.masked_fill(inside, self._value)


class ResizedCrop:
    """torchvision.transforms.functional.resized_crop to the image's own size, bilinear; rectangles as above.

    A crop is never larger than the image, so it is only ever enlarged and needs no antialiasing; beyond
    its edge the outermost pixel goes on, which is the same as dropping a tap and normalising the rest.
    """

    def __init__(self, rectangles: np.ndarray, size: tuple[int, int], device: torch.device) -> None:
        height, width = size
        self._y = _enlarged(rectangles[:, 0], rectangles[:, 2], height, device)
        self._x = _enlarged(rectangles[:, 1], rectangles[:, 3], width, device)

    def __call__(self, images: Tensor, chosen: Tensor) -> Tensor:
        """Images [B, H, W], of each rectangle chosen[b] as large as the whole."""
        batch, height, width = images.shape
        grid = torch.empty(batch, height, width, 2, device=images.device)
        grid[..., 0] = self._x[chosen].unsqueeze(1)
        grid[..., 1] = self._y[chosen].unsqueeze(2)
        return sample(images.unsqueeze(1), grid).squeeze(1)


def _within(starts: np.ndarray, lengths: np.ndarray, size: int, device: torch.device) -> Tensor:
    """Which of `size` places lie in each interval: bool [N, size]."""
    places = np.arange(size)
    inside = (places >= starts[:, None]) & (places < (starts + lengths)[:, None])
    return torch.from_numpy(inside).to(device)


def _enlarged(starts: np.ndarray, lengths: np.ndarray, size: int, device: torch.device) -> Tensor:
    """Where each of `size` pixels of the result is read, from −1 to 1 over the image: float32 [N, size]."""
    first, length = (
        torch.tensor(values, dtype=torch.float32, device=device).unsqueeze(1) for values in (starts, lengths)
    )
    offset = (centres(size, device) * (length / size) - 0.5).clamp_(min=0)
    place = first + torch.minimum(offset, length - 1)
    return (place + 0.5) * (2 / size) - 1
