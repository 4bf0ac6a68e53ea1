"""Images on the device, batches as tasks see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

from tgsh.datasets.base import Dataset, DatasetInfo, ImageSource
from tgsh.suites import Task
from tgsh.suites.pipeline import ImageTransform
from tgsh.suites.pixel_maps import PixelMap
from tgsh.training.state import transform_rng
from tgsh.training.transforms import Operation, drawn


@dataclass(frozen=True, eq=False)
class Split:
    """Images uint8 [N, D] of each of T tasks, the same tensor where they share them; labels int64 [T, N]."""

    images: list[Tensor]
    labels: Tensor

    def __len__(self) -> int:
        return len(self.images[0])


class Images:
    """Training and test images of a source. limit: training images of a task, from the first one on;
    None: all of them."""

    def __init__(self, source: ImageSource, limit: int | None, device: torch.device) -> None:
        self._source, self._limit, self._device = source, limit, device

    def training(self, tasks: Sequence[Task]) -> Split:
        """What these tasks are trained on."""
        found = _split([(images, labels) for images, labels, *_ in self._of(tasks)])
        cut = {id(images): images[: self._limit] for images in found.images}
        return Split([cut[id(images)] for images in found.images], found.labels[:, : self._limit])

    def testing(self, tasks: Sequence[Task]) -> Split:
        """What these tasks are tested on."""
        return _split([(images, labels) for *_, images, labels in self._of(tasks)])

    def _of(self, tasks: Sequence[Task]) -> list[_Moved]:
        return [_on_device(self._source.of(task.index), self._device) for task in tasks]


_Moved = tuple[Tensor, Tensor, Tensor, Tensor]
"""Training images and labels, test images and labels."""

_MOVED: WeakKeyDictionary[Dataset, dict[torch.device, _Moved]] = WeakKeyDictionary()
"""As long as a dataset is in use; trainers of several experiments share it."""


def _on_device(dataset: Dataset, device: torch.device) -> _Moved:
    kept = _MOVED.setdefault(dataset, {})
    if device not in kept:
        kept[device] = (
            _moved(dataset.train_images, device),
            torch.tensor(dataset.train_labels, dtype=torch.int64, device=device),
            _moved(dataset.test_images, device),
            torch.tensor(dataset.test_labels, dtype=torch.int64, device=device),
        )
    return kept[device]


def _moved(images: np.ndarray, device: torch.device) -> Tensor:
    """The images on the device; those of a mapped file stay where they are for a processor."""
    if device.type == "cpu" and images.flags.writeable:  # a private mapping (mode "c"), see uploaded.py
        return torch.from_numpy(images)
    return torch.tensor(images, device=device)


def _split(pairs: Sequence[tuple[Tensor, Tensor]]) -> Split:
    images, labels = [own for own, _ in pairs], [own for _, own in pairs]
    shared = all(own is images[0] for own in images)
    return Split(images, labels[0].expand(len(labels), -1) if shared else torch.stack(labels))


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


@dataclass(frozen=True, eq=False)
class Views:
    """Images of a source as its tasks show them; what is random is drawn as when they are tested.

    seed: an experiment's, which decides what is drawn.
    """

    source: ImageSource
    seed: int
    device: torch.device

    def __call__(self, task: Task, images: np.ndarray) -> np.ndarray:
        """Images uint8 [n, D] as the task shows them; float32 [n, D], 0 to 1."""
        with torch.inference_mode():
            shown = self.shown(task, images)[0].cpu().numpy()
        pixels = shown.astype(np.float32) / (255 if shown.dtype == np.uint8 else 1)
        return wiring_of(task, self.source.info.pixels).apply(pixels)

    def shown(self, task: Task, images: np.ndarray) -> torch.Tensor:
        """Images uint8 [n, D] as [1, n, D] on the device, on which the task's pixel map is still due."""
        rng = transform_rng(self.seed, task.index, "test")
        inputs = Inputs([torch.tensor(images, device=self.device)], self.source.info, [task], [rng])
        return inputs.batch(torch.arange(len(images), device=self.device)[None])
