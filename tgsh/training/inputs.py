"""What tasks see of their images, a batch at a time, on the device."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from tgsh.datasets.info import DatasetInfo
from tgsh.suites import Task
from tgsh.suites.chain import ImageTransform
from tgsh.suites.pixelmap import PixelMap
from tgsh.transforms.carrying_out import Operation, drawn


class Inputs:
    """N images a task as T tasks see them, but for moved pixels: those are a network's wiring (`wiring_of`).

    images: uint8 [N, D] a task, on a device; the same tensor where tasks share them. rngs: a generator a
    task; everything random is drawn here and now.
    """

    def __init__(
        self,
        images: Sequence[Tensor],
        info: DatasetInfo,
        tasks: Sequence[Task],
        rngs: Sequence[np.random.Generator],
    ) -> None:
        self._images, self._size = list(images), (info.height, info.width)
        self._channels = info.channels
        self._shared = all(own is images[0] for own in images)
        self._operations: list[Operation | None] = [
            drawn(task.transform, len(own), self._size, rng, own.device)
            if isinstance(task.transform, ImageTransform)
            else None
            for task, own, rng in zip(tasks, images, rngs, strict=True)
        ]
        self._as_they_are = not any(self._operations)

    @property
    def unchanged(self) -> list[Tensor] | None:
        """All images of each task, uint8 [N, D], where no task changes values."""
        return self._images if self._as_they_are else None

    def batch(self, chosen: Tensor) -> Tensor:
        """Images chosen int64 [T, B]: uint8 [T, B, D] where no task changes values, else float32, 0 to 1."""
        seen = self._chosen(chosen)
        if self._as_they_are:
            return seen
        seen = seen.to(torch.float32).div_(255)
        for row, operation in enumerate(self._operations):
            if operation is not None:
                seen[row] = self._carried_out(operation, seen[row], chosen[row])
        return seen

    def _carried_out(self, operation: Operation, images: Tensor, chosen: Tensor) -> Tensor:
        """Channels are taken for so many images, to which the same happens."""
        planes = images.view(-1, *self._size, self._channels).permute(3, 0, 1, 2)
        seen = operation(planes.reshape(-1, *self._size), chosen.repeat(self._channels))
        return seen.view(planes.shape).permute(1, 2, 3, 0).flatten(1)

    def _chosen(self, chosen: Tensor) -> Tensor:
        if self._shared:
            return self._images[0].index_select(0, chosen.reshape(-1)).view(*chosen.shape, -1)
        return torch.stack([own.index_select(0, row) for own, row in zip(self._images, chosen, strict=True)])


def wiring_of(task: Task, pixels: int) -> PixelMap:
    """The map that is left to the network: the whole transform where it only moves pixels, else none."""
    return task.transform if isinstance(task.transform, PixelMap) else PixelMap.identity(pixels)
