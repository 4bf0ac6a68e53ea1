"""Training and evaluation with torch: layer by layer, for any network on any device."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from tgsh import progress
from tgsh.analysis.confusion import confusion_counts
from tgsh.datasets.base import ImageSource, Normalisation
from tgsh.networks.registry import Context, RandomBase
from tgsh.networks.torch_base import FrozenWeights
from tgsh.networks.torch_registry import Learner, frozen_weights_of, learner
from tgsh.suites import SuiteTask
from tgsh.suites.pixel_maps import PixelMap
from tgsh.training.cuda_graphs import Capture, GraphedStep, captured
from tgsh.training.determinism import require_determinism
from tgsh.training.inputs import WiredNetworks
from tgsh.training.state import TaskState, advanced_states, record_conditions, stacked_parameters
from tgsh.training.torch_inputs import DeviceImages, DeviceInputs, DeviceSplit

DECAY = 0.99
EPSILON = 1e-8


def device_memory(device: str) -> tuple[int, int]:
    """Memory of a GPU.

    Parameters
    ----------
    device : str
        Such as "cuda:0".

    Returns
    -------
    free : int
        Bytes that no process has.
    reserved : int
        Bytes that this process has, whether tensors lie there or not.
    """
    free, _ = torch.cuda.mem_get_info(device)
    return int(free), int(torch.cuda.memory_reserved(device))


class RMSprop:
    """s ← αs + (1 − α)∇²;  θ ← θ − η∇/(√s + ε), with α = 0.99 and ε = 1e-8 (Tieleman & Hinton 2012).

    Parameters
    ----------
    parameters : Tensor
        float32 tensor; θ, changed in place.
    square_avg : Tensor
        float32 tensor of the same shape; s, changed in place.
    learning_rate : float
        η.
    """

    def __init__(self, parameters: Tensor, square_avg: Tensor, learning_rate: float) -> None:
        self.parameters, self.square_avg = parameters, square_avg
        self._rate = learning_rate
        self._root = torch.empty_like(square_avg)

    def step(self, gradient: Tensor) -> None:
        """One step, in place.

        Parameters
        ----------
        gradient : Tensor
            float32 tensor of the parameters' shape; ∇.
        """
        self.square_avg.mul_(DECAY).addcmul_(gradient, gradient, value=1 - DECAY)
        torch.sqrt(self.square_avg, out=self._root).add_(EPSILON)
        self.parameters.addcdiv_(gradient, self._root, value=-self._rate)


class TorchBackend:
    """Networks of any kind on any device.

    On a processor every task of a batch is computed apart, by the same calls on memory of its own, so that
    its bytes do not depend on its company: libraries add in another order where there are more rows, or where
    these begin elsewhere in memory. One thread wins nothing by more rows. A GPU computes a batch at once.

    Parameters
    ----------
    base : RandomBase
        The frozen weights.
    context : Context
        The parameters of a task.
    source : ImageSource
        The tasks' datasets.
    train_limit : int | None
        Training images of a task; None for all of them.
    chunk : int
        Images of a batch that are taken at once; decides memory, and bytes only by rounding.
    evaluated_at_once : int
        Test images of a batch.
    device : str
        Such as "cpu" or "cuda:0".
    cuda_graphs : bool, default=False
        Whether the kernels of a step are recorded and launched as one graph, on a GPU.
    """

    def __init__(
        self,
        base: RandomBase,
        context: Context,
        source: ImageSource,
        train_limit: int | None,
        chunk: int,
        evaluated_at_once: int,
        device: str,
        *,
        cuda_graphs: bool = False,
    ) -> None:
        if torch.device(device).type == "cuda":
            require_determinism()
            record_conditions({"cuda_graphs": "on" if cuda_graphs else "off"})
        self._context, self._info = context, source.info
        self._capture = captured if cuda_graphs else None
        self._chunk, self._evaluated_at_once = chunk, evaluated_at_once
        self._device = target = torch.device(device)
        self._images = DeviceImages(source, train_limit, target)
        self._size = 1 if target.type == "cpu" else None
        self._frozen: list[FrozenWeights] = []  # those of the latest networks go before the next are made

        def wired(indices: list[int], maps: list[PixelMap], by: list[Normalisation]) -> list[Learner]:
            self._frozen = self._frozen or frozen_weights_of(base, target)
            return [
                learner(base, maps[part], indices[part], target, by[part]) for part in self._parts(len(maps))
            ]

        self._networks = WiredNetworks(source, wired)

    @property
    def compute(self) -> str:
        """Device, instruction set, torch's version and threads."""
        torch_version = torch.__version__.split("+")[0]
        if self._device.type == "cuda":
            return f"cuda {torch.cuda.get_device_name(self._device)} torch {torch_version}"
        threads = torch.get_num_threads()
        capability = torch.backends.cpu.get_cpu_capability()
        return f"cpu {capability} torch {torch_version} {threads} thread{'' if threads == 1 else 's'}"

    def epoch(
        self,
        tasks: Sequence[SuiteTask],
        states: Sequence[TaskState],
        orders: np.ndarray,
        rngs: Sequence[np.random.Generator],
        learning_rate: float,
    ) -> EpochInParts:
        """An epoch of T tasks that stand at the same one; see `tgsh.training.backends.Backend`.

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
        EpochInParts
            Before its first step.
        """
        if self._size is None:  # a GPU's bytes depend on the batch
            record_conditions({"tasks_at_once": str(len(tasks))})
        return EpochInParts(
            [
                self._epoch(networks, tasks[part], states[part], orders[part], rngs[part], learning_rate)
                for networks, part in zip(self._networks.of(tasks), self._parts(len(tasks)), strict=True)
            ]
        )

    def _epoch(
        self,
        networks: Learner,
        tasks: Sequence[SuiteTask],
        states: Sequence[TaskState],
        orders: np.ndarray,
        rngs: Sequence[np.random.Generator],
        learning_rate: float,
    ) -> TorchEpoch:
        """Of the tasks that are computed at once."""
        split = self._images.training(tasks)
        return TorchEpoch(
            networks,
            self._context,
            states,
            split,
            DeviceInputs(split.images, self._info, tasks, rngs),
            torch.from_numpy(orders).to(self._device),
            learning_rate,
            self._chunk,
            self._capture,
        )

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
            T tasks.
        states : Sequence[TaskState]
            Their states.
        rngs : Sequence[np.random.Generator]
            One a task, for what is random in its transform.

        Returns
        -------
        np.ndarray
            int64 [T, K, K], confusion counts: a row a class, a column a recognised class.
        """
        return np.concatenate(
            [
                self._confusion(networks, tasks[part], states[part], rngs[part])
                for networks, part in zip(self._networks.of(tasks), self._parts(len(tasks)), strict=True)
            ]
        )

    def _confusion(
        self,
        networks: Learner,
        tasks: Sequence[SuiteTask],
        states: Sequence[TaskState],
        rngs: Sequence[np.random.Generator],
    ) -> np.ndarray:
        """Of the tasks that are computed at once."""
        split = self._images.testing(tasks)
        inputs = DeviceInputs(split.images, self._info, tasks, rngs)
        size = self._evaluated_at_once
        if self._size is None:  # a GPU waits for launches where batches are small
            size = max(size, self._chunk // len(tasks))
        places = torch.arange(len(split), device=self._device)
        predicted = torch.empty((len(tasks), len(split)), dtype=torch.int64, device=self._device)
        with torch.inference_mode():
            networks.load_parameters(self._stacked([state.parameters for state in states]))
            for start in range(0, len(split), size):
                progress.step()
                batch = inputs.batch(places[start : start + size].expand(len(tasks), -1))
                predicted[:, start : start + size] = networks.logits(batch).argmax(dim=1)
        counted = zip(split.labels.cpu().numpy(), predicted.cpu().numpy(), strict=True)
        return np.stack([confusion_counts(labels, each, self._info.classes) for labels, each in counted])

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
        inputs = DeviceInputs([torch.tensor(images, device=self._device)], self._info, [task], [rng])
        [networks] = self._networks.of([task])
        with torch.inference_mode():
            networks.load_parameters(self._stacked([self._context.parameters(vector)]))
            batch = inputs.batch(torch.arange(len(images), device=self._device)[None])
            representations: np.ndarray = networks.representations(batch)[0].cpu().numpy()
            return representations.copy()

    def _parts(self, count: int) -> list[slice]:
        """Places of the tasks that are computed at once: each alone, or all."""
        size = self._size or count
        return [slice(start, start + size) for start in range(0, count, size)]

    def _stacked(self, parameters: Sequence[Mapping[str, np.ndarray]]) -> Tensor:
        return _on(self._device, stacked_parameters(parameters, self._context))


def _on(device: torch.device, numbers: np.ndarray) -> Tensor:
    """A copy in torch's memory, which is aligned: products may round by where numbers begin."""
    return torch.tensor(numbers, device=device)


class EpochInParts:
    """T tasks in the middle of an epoch, of which each part is computed apart.

    Parameters
    ----------
    parts : Sequence[TorchEpoch]
        Of the first tasks, of the next ones, …
    """

    def __init__(self, parts: Sequence[TorchEpoch]) -> None:
        self._parts = parts

    def learn(self, start: int, stop: int) -> None:
        """One step of every task on the batch of places `start` to `stop` of its order.

        Parameters
        ----------
        start : int
            First place.
        stop : int
            Place after the last one; beyond the end means up to it.
        """
        for part in self._parts:
            part.learn(start, stop)

    def states(self) -> list[TaskState]:
        """The tasks' states after the epoch.

        Returns
        -------
        list[TaskState]
            One a task.
        """
        return [state for part in self._parts for state in part.states()]


class TorchEpoch:
    """T tasks in the middle of an epoch, and their losses since its start.

    All parameters of a task lie in one row of a tensor [T, P], so that one optimiser step serves all.

    Parameters
    ----------
    networks : Learner
        T networks, each wired to its task's pixels.
    context : Context
        The parameters of a task.
    states : Sequence[TaskState]
        The tasks' states before the epoch.
    split : DeviceSplit
        Training images.
    inputs : DeviceInputs
        The same as the tasks see them.
    orders : Tensor
        int64 tensor [T, N]; the order in which each task sees its images, on the device.
    learning_rate : float
        RMSprop's η.
    chunk : int
        Images of a batch that are taken at once; gradients of chunks add up.
    capture : Capture | None, default=None
        How steps are recorded as graphs; None: they are launched kernel by kernel.
    """

    def __init__(
        self,
        networks: Learner,
        context: Context,
        states: Sequence[TaskState],
        split: DeviceSplit,
        inputs: DeviceInputs,
        orders: Tensor,
        learning_rate: float,
        chunk: int,
        capture: Capture | None = None,
    ) -> None:
        self._networks, self._context, self._before = networks, context, states
        self._labels, self._inputs, self._orders, self._chunk = split.labels, inputs, orders, chunk
        device = orders.device
        parameters, square_avg = (
            _on(device, stacked_parameters(arrays, context))
            for arrays in ([state.parameters for state in states], [state.square_avg for state in states])
        )
        self._optimiser = RMSprop(parameters, square_avg, learning_rate)
        self._gradient = torch.empty_like(parameters)
        self._loss = torch.zeros(len(states), dtype=torch.float64, device=device)
        self._step: Callable[[Tensor], None] = self._learn_from
        if capture is not None:
            self._step = GraphedStep(self._learn_from, capture)

    def learn(self, start: int, stop: int) -> None:
        """One step of every task on the batch of places `start` to `stop` of its order.

        Parameters
        ----------
        start : int
            First place.
        stop : int
            Place after the last one; beyond the end means up to it.
        """
        progress.step()
        with torch.inference_mode():
            self._step(self._orders[:, start:stop])

    def _learn_from(self, batch: Tensor) -> None:
        """One step on the images at places int64 [T, B]; on a GPU only launches, without waiting for any."""
        self._networks.load_parameters(self._optimiser.parameters)
        for first in range(0, batch.shape[1], self._chunk):
            progress.step()
            places = batch[:, first : first + self._chunk]
            logits = self._networks.logits(self._inputs.batch(places))
            errors = self._errors(logits, self._labels.gather(1, places), batch.shape[1])
            self._networks.learn_from(errors, more=first > 0)
        self._networks.gradient(out=self._gradient)
        self._optimiser.step(self._gradient)

    def states(self) -> list[TaskState]:
        """The tasks' states after the epoch.

        Returns
        -------
        list[TaskState]
            One a task.
        """
        losses = (self._loss / self._orders.shape[1]).cpu().numpy().tolist()
        parameters, square_avg = self._optimiser.parameters, self._optimiser.square_avg
        return advanced_states(
            self._before, self._context, parameters.cpu().numpy(), square_avg.cpu().numpy(), losses
        )

    def _errors(self, logits: Tensor, labels: Tensor, batch: int) -> Tensor:
        """dL/dlogits of mean cross-entropy: (softmax − one-hot)/B, [T, K, b]. Adds up the loss on the way."""
        labels = labels.unsqueeze(1)
        log_probabilities = torch.log_softmax(logits, dim=1)
        self._loss -= log_probabilities.gather(1, labels).sum(dim=(1, 2), dtype=torch.float64)
        classes = torch.arange(logits.shape[1], device=logits.device)[:, None]
        return log_probabilities.exp_().sub_((classes == labels).float()).div_(batch)
