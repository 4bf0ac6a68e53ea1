"""The protocol of backends, NumPy arrays in and out, and the choice between the fused one and torch."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Protocol

import numpy as np

from tgsh.datasets.base import ImageSource
from tgsh.errors import MachineProblem
from tgsh.networks.registry import Context, FlyNetBase, RandomBase
from tgsh.settings import Compute
from tgsh.suites import SuiteTask
from tgsh.training.state import TaskState


class Epoch(Protocol):
    """T tasks in the middle of an epoch."""

    def learn(self, start: int, stop: int) -> None:
        """One step of every task on the batch of places `start` to `stop` of its order.

        Parameters
        ----------
        start : int
            First place.
        stop : int
            Place after the last one; beyond the end means up to it.
        """

    def states(self) -> list[TaskState]:
        """The tasks' states after the epoch.

        Returns
        -------
        list[TaskState]
            One a task.
        """


class Backend(Protocol):
    """Arithmetic of one experiment on one device."""

    @property
    def compute(self) -> str:
        """Name of the computation, for the record: equal names mean equal bytes from equal specs."""

    def epoch(
        self,
        tasks: Sequence[SuiteTask],
        states: Sequence[TaskState],
        orders: np.ndarray,
        rngs: Sequence[np.random.Generator],
        learning_rate: float,
    ) -> Epoch:
        """An epoch of T tasks that stand at the same one and have equally many images.

        Parameters
        ----------
        tasks : Sequence[SuiteTask]
            T tasks.
        states : Sequence[TaskState]
            Their states before.
        orders : np.ndarray
            int64 [T, N]; the order in which each sees its images.
        rngs : Sequence[np.random.Generator]
            One a task, for what is random in its transform.
        learning_rate : float
            RMSprop's η.

        Returns
        -------
        Epoch
            Before its first step.
        """

    def confusion(
        self,
        tasks: Sequence[SuiteTask],
        states: Sequence[TaskState],
        rngs: Sequence[np.random.Generator],
    ) -> np.ndarray:
        """Count test images by their class and the class that is recognised.

        Parameters
        ----------
        tasks : Sequence[SuiteTask]
            T tasks with equally many images.
        states : Sequence[TaskState]
            Their states.
        rngs : Sequence[np.random.Generator]
            One a task, for what is random in its transform.

        Returns
        -------
        np.ndarray
            int64 [T, K, K], confusion counts: a row a class, a column a recognised class.
        """

    def representations(
        self, task: SuiteTask, vector: np.ndarray, images: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        """r_t(x), what the readout makes logits of.

        Parameters
        ----------
        task : SuiteTask
            The task.
        vector : np.ndarray
            float32 [V]; the context vector.
        images : np.ndarray
            uint8 [n, D]; images on which the task's transform is still due.
        rng : np.random.Generator
            For what is random in the transform.

        Returns
        -------
        np.ndarray
            float32 [n, R]; A representation an image.
        """


def select_backend(
    compute: Compute,
    base: RandomBase,
    context: Context,
    source: ImageSource,
    train_limit: int | None,
    chunk: int,
    evaluated_at_once: int,
    device: str,
    *,
    cuda_graphs: bool = False,
) -> Backend:
    """The backend for networks of this base; FlyNet on a processor has two, of which "auto" is the fused one.

    Parameters
    ----------
    compute : Compute
        "auto", "torch", or for FlyNet on a processor "fused", whose steps multiply by K − 1 contrasts of
        classes, and "fused-classes", whose steps multiply by the K classes.
    base : RandomBase
        The frozen weights.
    context : Context
        The parameters of a task.
    source : ImageSource
        The tasks' datasets.
    train_limit : int | None
        Training images of a task; None for all of them.
    chunk : int
        Images of a batch that torch takes at once.
    evaluated_at_once : int
        Test images of a batch.
    device : str
        Such as "cpu" or "cuda:0".
    cuda_graphs : bool, default=False
        Whether a GPU launches the kernels of a step as one graph.

    Returns
    -------
    Backend
        Ready to train.

    Raises
    ------
    MachineProblem
        Where the backend needs numba or torch, and that is not installed.
    """
    if compute != "torch" and isinstance(base, FlyNetBase) and device.partition(":")[0] == "cpu":
        try:
            from tgsh.networks.flynet_numba import FusedFlyNet
            from tgsh.training.fused_backend import FusedBackend
        except ImportError as error:
            if compute != "auto":
                raise MachineProblem(
                    f"the {compute} path needs numba ({error}): pip install 'tgsh[cpu]', "
                    "or set TGSH_COMPUTE=auto"
                ) from error
        else:
            name = "fused" if compute == "auto" else compute
            build = partial(FusedFlyNet, base, products="classes" if name == "fused-classes" else "contrasts")
            return FusedBackend(build, context, source, train_limit, evaluated_at_once, name)
    try:
        from tgsh.training.torch_backend import TorchBackend
    except ImportError as error:
        raise MachineProblem(f"this experiment needs torch ({error}): pip install 'tgsh[worker]'") from error
    graphs = cuda_graphs and device.startswith("cuda")
    return TorchBackend(
        base, context, source, train_limit, chunk, evaluated_at_once, device, cuda_graphs=graphs
    )


def free_bytes(device: str) -> int:
    """Memory of a GPU that the next batch can take: what is free, and what earlier ones hold.

    Parameters
    ----------
    device : str
        Such as "cuda:0".

    Returns
    -------
    int
        Bytes.
    """
    from tgsh.training.torch_backend import device_memory

    return sum(device_memory(device))  # networks go before the next are made
