"""Torch and fused backend, and which one serves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

import torch

from tgsh.datasets.base import ImageSource, Normalisation
from tgsh.errors import MachineProblem
from tgsh.networks.registry import Context, FlyNetBase, RandomBase
from tgsh.networks.torch_registry import Learner, learner
from tgsh.settings import Compute
from tgsh.suites import Task
from tgsh.suites.pixel_maps import PixelMap
from tgsh.training.inputs import wiring_of
from tgsh.training.optimisation import FusedStep, TorchStep
from tgsh.training.state import TaskState, compute, fused_compute

if TYPE_CHECKING:
    from tgsh.networks.flynet_numba import FusedFlyNets

Made = TypeVar("Made")


class TorchBackend:
    """Layer by layer, for any network on any device. part: see Group. source: of the tasks' images."""

    def __init__(
        self, base: RandomBase, context: Context, source: ImageSource, part: int, device: torch.device
    ) -> None:
        self._base, self._context, self._source = base, context, source
        self._part, self._device = part, device
        self._latest = _Latest[Learner]()

    @property
    def compute(self) -> str:
        """What trains, for the record."""
        return compute(self._device)

    def networks(self, tasks: Sequence[Task]) -> Learner:
        """The networks of these tasks, kept as long as the same tasks go on."""
        maps, normalisations = _seen(tasks, self._source)
        indices = [task.index for task in tasks]
        return self._latest.of(
            tasks, lambda: learner(self._base, maps, indices, self._device, normalisations)
        )

    def group(self, tasks: Sequence[Task], states: Sequence[TaskState], rate: float) -> TorchStep:
        """These tasks, ready to learn an epoch from these states."""
        return TorchStep(self.networks(tasks), self._context, states, rate, self._part, self._device)


class FusedBackend:
    """A whole step in one call compiled by numba, for FlyNet on a processor.

    make: networks that see images through these maps, normalised so.
    """

    def __init__(
        self,
        make: Callable[[list[PixelMap], list[Normalisation]], FusedFlyNets],
        context: Context,
        source: ImageSource,
    ) -> None:
        self._make, self._context, self._source = make, context, source
        self._latest = _Latest["FusedFlyNets"]()

    @property
    def compute(self) -> str:
        """What trains, for the record."""
        return fused_compute()

    def networks(self, tasks: Sequence[Task]) -> FusedFlyNets:
        """As of TorchPath."""
        return self._latest.of(tasks, lambda: self._make(*_seen(tasks, self._source)))

    def group(self, tasks: Sequence[Task], states: Sequence[TaskState], rate: float) -> FusedStep:
        """As of TorchPath."""
        return FusedStep(self.networks(tasks), self._context, states, rate)


def select_backend(
    wanted: Compute, base: RandomBase, context: Context, source: ImageSource, part: int, device: torch.device
) -> TorchBackend | FusedBackend:
    """The path on which networks of this base are trained; only FlyNet on a processor has two.

    Raises MachineProblem where the fused one is wanted and numba cannot be had.
    """
    if wanted != "torch" and isinstance(base, FlyNetBase) and device.type == "cpu":
        try:
            from tgsh.networks.flynet_numba import FusedFlyNets
        except ImportError as error:
            if wanted == "fused":
                raise MachineProblem(
                    f"the fused path needs numba ({error}): pip install 'tgsh[worker]', "
                    "or set TGSH_COMPUTE=auto"
                ) from error
        else:
            return FusedBackend(partial(FusedFlyNets, base), context, source)
    return TorchBackend(base, context, source, part, device)


def _seen(tasks: Sequence[Task], source: ImageSource) -> tuple[list[PixelMap], list[Normalisation]]:
    """How networks see the images of these tasks: what moves their pixels, and how they are normalised."""
    maps = [wiring_of(task, source.info.pixels) for task in tasks]
    return maps, [source.info_of(task.index).normalisation for task in tasks]


class _Latest(Generic[Made]):
    """What was made for the latest tasks."""

    def __init__(self) -> None:
        self._kept: tuple[tuple[Task, ...], Made] | None = None

    def of(self, tasks: Sequence[Task], make: Callable[[], Made]) -> Made:
        """That of these tasks, made anew if others came between."""
        if self._kept is None or self._kept[0] != tuple(tasks):
            self._kept = None  # before the next is made: a GPU may not hold both
            self._kept = (tuple(tasks), make())
        return self._kept[1]
