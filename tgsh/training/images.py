"""The images of tasks on a device, moved there once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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
    """Training and test images of a source. limit: training images of a task, from the first one on."""

    def __init__(self, source: Source, limit: int, device: torch.device) -> None:
        self._source, self._limit, self._device = source, limit, device
        self._moved: dict[Dataset, tuple[Tensor, Tensor, Tensor, Tensor]] = {}

    def training(self, tasks: Sequence[Task]) -> Split:
        """What these tasks are trained on."""
        found = self._of(tasks)
        return Split([images for images, *_ in found], _rows([labels for _, labels, *_ in found]))

    def testing(self, tasks: Sequence[Task]) -> Split:
        """What these tasks are tested on."""
        found = self._of(tasks)
        return Split([images for _, _, images, _ in found], _rows([labels for *_, labels in found]))

    def _of(self, tasks: Sequence[Task]) -> list[tuple[Tensor, Tensor, Tensor, Tensor]]:
        """Training images and labels, test images and labels; only these tasks' stay on the device."""
        wanted = [self._source.of(task.index) for task in tasks]
        for dataset in set(self._moved).difference(wanted):
            del self._moved[dataset]
        for dataset in wanted:
            if dataset not in self._moved:
                self._moved[dataset] = (
                    torch.tensor(dataset.train_images[: self._limit], device=self._device),
                    torch.tensor(dataset.train_labels[: self._limit], dtype=torch.int64, device=self._device),
                    torch.tensor(dataset.test_images, device=self._device),
                    torch.tensor(dataset.test_labels, dtype=torch.int64, device=self._device),
                )
        return [self._moved[dataset] for dataset in wanted]


def _rows(labels: Sequence[Tensor]) -> Tensor:
    """[T, N] of T times [N]; no copy where all are the same."""
    if all(own is labels[0] for own in labels):
        return labels[0].expand(len(labels), -1)
    return torch.stack(list(labels))
