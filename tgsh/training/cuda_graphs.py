"""Steps of training as CUDA graphs: kernels are recorded once and launched together from then on.

A step is some 50 launches of a few microseconds each, which is what small networks wait for. The kernels
and their order are those of the step, so that the numbers are too.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Capture = Callable[[Callable[[], None]], Callable[[], None]]
"""Records the device's work of a call, without doing it; what it returns does it, each time it is called."""

FIRST_STEPS = 3
"""Steps that are launched one kernel after the other: libraries set themselves up in the first ones."""


def captured(work: Callable[[], None]) -> Callable[[], None]:
    """Record the device's work of a call as a CUDA graph.

    Parameters
    ----------
    work : Callable[[], None]
        Launches kernels, always on the same memory, and waits for none.

    Returns
    -------
    Callable[[], None]
        Launches the graph.
    """
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()
    return graph.replay


class GraphedStep:
    """A step on batches of one size; others, such as the last of an epoch, are done as without graphs.

    Parameters
    ----------
    step : Callable[[Tensor], None]
        A step on a batch, int64 [T, B] places of images. All else that it reads stays where it is in memory.
    capture : Capture, default=captured
        How a step is recorded.
    """

    def __init__(self, step: Callable[[Tensor], None], capture: Capture = captured) -> None:
        self._step, self._capture, self._done = step, capture, 0
        self._places: Tensor | None = None
        self._replay: Callable[[], None] | None = None

    def __call__(self, places: Tensor) -> None:
        """One step.

        Parameters
        ----------
        places : Tensor
            int64 [T, B], on the device.
        """
        if self._places is None:
            self._places = torch.empty(places.shape, dtype=places.dtype, device=places.device)
        if self._done < FIRST_STEPS or places.shape != self._places.shape:
            self._done += 1
            self._step(places)
            return
        self._places.copy_(places)
        if self._replay is None:
            batch = self._places
            self._replay = self._capture(lambda: self._step(batch))
        self._replay()
