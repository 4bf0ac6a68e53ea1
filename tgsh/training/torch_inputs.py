"""Images of tasks as torch tensors on a device, and batches whose pixels a transform computes anew."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

from tgsh.datasets.base import DatasetInfo, ImageDataset, ImageSource
from tgsh.suites import SuiteTask
from tgsh.suites.pipeline import ImageTransform
from tgsh.training.transforms import Moved, Operation, drawn


@dataclass(frozen=True, eq=False)
class DeviceSplit:
    """Training or test images of T tasks on a device.

    Attributes
    ----------
    images : list[Tensor]
        T tensors, uint8 [N, D], pixels from 0 to 255; the same tensor where tasks share their
        images.
    labels : Tensor
        int64 [T, N], classes, from 0 on.
    """

    images: list[Tensor]
    labels: Tensor

    def __len__(self) -> int:
        """Images of a task.

        Returns
        -------
        int
            N.
        """
        return len(self.images[0])


class DeviceImages:
    """Training and test images of a source on a device, by task.

    Parameters
    ----------
    source : ImageSource
        The tasks' datasets.
    limit : int | None
        Training images of a task, from the first one on; None for all of them.
    device : torch.device
        Where the images stay.
    """

    def __init__(self, source: ImageSource, limit: int | None, device: torch.device) -> None:
        self._source, self._limit, self._device = source, limit, device

    def training(self, tasks: Sequence[SuiteTask]) -> DeviceSplit:
        """Images that tasks are trained on.

        Parameters
        ----------
        tasks : Sequence[SuiteTask]
            T tasks with equally many images.

        Returns
        -------
        DeviceSplit
            At most `limit` images a task.
        """
        split = _split([(images, labels) for images, labels, *_ in self._of(tasks)])
        limited = {id(images): images[: self._limit] for images in split.images}
        return DeviceSplit([limited[id(images)] for images in split.images], split.labels[:, : self._limit])

    def testing(self, tasks: Sequence[SuiteTask]) -> DeviceSplit:
        """Images that tasks are tested on.

        Parameters
        ----------
        tasks : Sequence[SuiteTask]
            T tasks with equally many images.

        Returns
        -------
        DeviceSplit
            All test images.
        """
        return _split([(images, labels) for *_, images, labels in self._of(tasks)])

    def _of(self, tasks: Sequence[SuiteTask]) -> list[_Tensors]:
        return [_on_device(self._source.of(task.index), self._device) for task in tasks]


_Tensors = tuple[Tensor, Tensor, Tensor, Tensor]
"""Training images and labels, test images and labels."""

_ON_DEVICES: WeakKeyDictionary[ImageDataset, dict[torch.device, _Tensors]] = WeakKeyDictionary()
"""As long as a dataset is in use; trainers of several experiments share it."""


def _on_device(dataset: ImageDataset, device: torch.device) -> _Tensors:
    tensors = _ON_DEVICES.setdefault(dataset, {})
    if device not in tensors:
        tensors[device] = (
            _images_on(device, dataset.train_images),
            torch.tensor(dataset.train_labels, dtype=torch.int64, device=device),
            _images_on(device, dataset.test_images),
            torch.tensor(dataset.test_labels, dtype=torch.int64, device=device),
        )
    return tensors[device]


def _images_on(device: torch.device, images: np.ndarray) -> Tensor:
    """The images on the device; those of a mapped file stay where they are for a processor."""
    if device.type == "cpu" and images.flags.writeable:  # a private mapping (mode "c") of an upload
        return torch.from_numpy(images)
    return torch.tensor(images, device=device)


def _split(pairs: Sequence[tuple[Tensor, Tensor]]) -> DeviceSplit:
    images, labels = [each for each, _ in pairs], [each for _, each in pairs]
    shared = all(each is images[0] for each in images)
    return DeviceSplit(images, labels[0].expand(len(labels), -1) if shared else torch.stack(labels))


class DeviceInputs:
    """N images a task as T tasks see them, but for moved pixels: those are a network's wiring (`wiring_of`).

    Parameters
    ----------
    images : Sequence[Tensor]
        T tensors, uint8 [N, D]; on one device; the same tensor where tasks share them.
    info : DatasetInfo
        Height, width and channels of the images.
    tasks : Sequence[SuiteTask]
        T tasks.
    rngs : Sequence[np.random.Generator]
        One a task; everything random is drawn at once, here.
    """

    def __init__(
        self,
        images: Sequence[Tensor],
        info: DatasetInfo,
        tasks: Sequence[SuiteTask],
        rngs: Sequence[np.random.Generator],
    ) -> None:
        self._images, self._size = list(images), (info.height, info.width)
        self._channels = info.channels
        self._shared = all(each is images[0] for each in images)
        self._operations: list[Operation | None] = [
            self._operation(task, len(each), rng, each.device)
            for task, each, rng in zip(tasks, images, rngs, strict=True)
        ]
        self._unchanged = not any(self._operations)

    def batch(self, places: Tensor) -> Tensor:
        """A batch of images of every task.

        Parameters
        ----------
        places : Tensor
            int64 [T, B], which of a task's N images.

        Returns
        -------
        Tensor
            uint8 or float32 [T, B, D]; uint8 where no task changes or fills pixels, else float32 from 0 to
            1.
        """
        batch = self._gathered(places)
        if self._unchanged:
            return batch
        batch = batch.to(torch.float32).div_(255)
        for row, operation in enumerate(self._operations):
            if isinstance(operation, Moved):  # of all channels
                batch[row] = operation(batch[row], places[row])
            elif operation is not None:
                batch[row] = self._transformed(operation, batch[row], places[row])
        return batch

    def _operation(
        self, task: SuiteTask, count: int, rng: np.random.Generator, device: torch.device
    ) -> Operation | None:
        """The operation before the network; None for pixels that its wiring moves."""
        if isinstance(task.transform, ImageTransform):
            return drawn(task.transform, count, self._size, rng, device, self._channels)
        return Moved(task.transform, device) if task.transform.fills else None

    def _transformed(self, operation: Operation, images: Tensor, places: Tensor) -> Tensor:
        """Channels are taken for so many images, to which the same happens."""
        planes = images.view(-1, *self._size, self._channels).permute(3, 0, 1, 2)
        transformed = operation(planes.reshape(-1, *self._size), places.repeat(self._channels))
        return transformed.view(planes.shape).permute(1, 2, 3, 0).flatten(1)

    def _gathered(self, places: Tensor) -> Tensor:
        if self._shared:
            return self._images[0].index_select(0, places.reshape(-1)).view(*places.shape, -1)
        return torch.stack(
            [each.index_select(0, row) for each, row in zip(self._images, places, strict=True)]
        )


def transformed_batches(
    images: Sequence[np.ndarray],
    info: DatasetInfo,
    tasks: Sequence[SuiteTask],
    rngs: Sequence[np.random.Generator],
    device: str = "cpu",
) -> Callable[[np.ndarray], np.ndarray]:
    """`DeviceInputs` between NumPy arrays, for tasks of which one at least changes values of pixels.

    Parameters
    ----------
    images : Sequence[np.ndarray]
        T arrays, uint8 [N, D], pixels from 0 to 255; the same array where tasks share them.
    info : DatasetInfo
        Height, width and channels of the images.
    tasks : Sequence[SuiteTask]
        T tasks.
    rngs : Sequence[np.random.Generator]
        One a task; everything random is drawn at once, here.
    device : str, default="cpu"
        Where values are computed.

    Returns
    -------
    Callable[[np.ndarray], np.ndarray]
        Places int64 [T, B] to images float32 [T, B, D], pixels from 0 to 1.
    """
    target = torch.device(device)
    tensors = {id(each): _images_on(target, each) for each in images}
    inputs = DeviceInputs([tensors[id(each)] for each in images], info, tasks, rngs)

    def batch(places: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            pixels: np.ndarray = inputs.batch(torch.from_numpy(places).to(target)).cpu().numpy()
            return pixels

    return batch
