"""Images as a network's first layer takes them: moved as the task says, and normalised."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from tgsh.networks.normalisation import DEVIATION, MEAN
from tgsh.suites.pixelmap import PixelMap


class Pixels:
    """What T tasks see through their pixel maps."""

    def __init__(self, maps: Sequence[PixelMap], device: torch.device) -> None:
        sources = np.stack([pixel_map.source for pixel_map in maps])
        pixels = sources.shape[1]
        outside = sources == pixels
        self._identity = bool((sources == np.arange(pixels)).all())
        self._sources = torch.tensor(np.where(outside, 0, sources), dtype=torch.int64, device=device)
        self._outside = torch.tensor(outside, device=device) if outside.any() else None

    def normalised(self, images: Tensor) -> Tensor:
        """(p − 0.1307)/0.3081 of images [T, B, D] (uint8, or float32 from 0 to 1) once moved; float32."""
        if not self._identity:
            images = images.gather(2, self._sources.unsqueeze(1).expand(images.shape))
            if self._outside is not None:
                images.masked_fill_(self._outside.unsqueeze(1), 0)
        scale = 255 if images.dtype == torch.uint8 else 1
        return images.to(torch.float32).mul(1 / (scale * DEVIATION)).sub_(MEAN / DEVIATION)
