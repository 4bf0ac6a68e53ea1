"""The images of tasks on a device, moved there once a process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

from tgsh.datasets.dataset import Dataset, Source
from tgsh.suites import Task


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

    def __init__(self, source: Source, limit: int | None, device: torch.device) -> None:
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
