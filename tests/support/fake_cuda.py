"""CUDA tensors without a GPU: torch's fake tensors, and a record of what a GPU would be told to do.

A fake tensor has shape, type and device, and no numbers. What needs numbers on the host in the midst of work,
such as `.item()` or `nonzero`, raises; two devices in one operation do too. It says nothing of speed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch
from weakref import WeakValueDictionary

import numpy as np
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from tgsh.networks import torch_base

DEVICE = "cuda:0"
NUMBERS = np.random.default_rng(0)


class DeviceLog(TorchDispatchMode):
    """Kernels, copies between devices and the most memory, of all that is done inside.

    kernels: names of operations on the GPU, views of memory left out. crossings: of those, copies from one
    device to another, for which the host waits. peak_bytes: on the GPU, of the operations' results alone.
    """

    def __init__(self) -> None:
        super().__init__()
        self.kernels: list[str] = []
        self.crossings: list[str] = []
        self.peak_bytes = 0
        self._live: dict[int, tuple[StorageWeakRef, int]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func.namespace == "prim":  # questions, such as for the device
            return func(*args, **kwargs)
        with self:  # an operation that is made of others counts as those
            result = func.decompose(*args, **kwargs)
        if result is not NotImplemented:
            return result
        result = func(*args, **kwargs)
        given, made = _tensors((args, kwargs)), _tensors(result)
        devices = {each.device.type for each in (*given, *made)}
        if "cuda" in devices and not func.is_view and func is not torch.ops.aten._unsafe_view.default:
            self.kernels.append(func.name())
            if "cpu" in devices:
                self.crossings.append(func.name())
        self._note_memory([each for each in made if each.device.type == "cuda"])
        return result

    def _note_memory(self, made: list[Tensor]) -> None:
        for tensor in made:
            storage = tensor.untyped_storage()
            reference = StorageWeakRef(storage)
            self._live[reference.cdata] = reference, storage.nbytes()
        self._live = {key: each for key, each in self._live.items() if not each[0].expired()}
        self.peak_bytes = max(self.peak_bytes, sum(size for _, size in self._live.values()))


def _tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


@contextmanager
def fake_cuda() -> Iterator[DeviceLog]:
    """CUDA tensors can be made on this machine, and what comes to the host of them is made up.

    torch's settings are those from before at the end.
    """
    to_numpy = Tensor.numpy
    settings = torch.backends.cuda.matmul, torch.backends.cudnn
    before = [each.allow_tf32 for each in settings]
    deterministic = torch.are_deterministic_algorithms_enabled()

    def made_up(tensor: Tensor, *args: Any, **kwargs: Any) -> np.ndarray:
        if not isinstance(tensor, FakeTensor):
            return to_numpy(tensor, *args, **kwargs)
        assert tensor.device.type == "cpu", "a tensor on a GPU has no numbers on the host"
        shape, kind = tuple(tensor.shape), np.dtype(str(tensor.dtype).removeprefix("torch."))
        if kind.kind == "f":
            return NUMBERS.standard_normal(shape).astype(kind)
        return np.zeros(shape, kind)

    try:
        with (
            patch.object(torch.cuda, "get_device_name", lambda *_: "a GPU that is not here"),
            patch.object(Tensor, "numpy", made_up),
            patch.object(torch_base, "_frozen", WeakValueDictionary()),  # no others' weights, nor for others
            FakeTensorMode(allow_non_fake_inputs=True),
            DeviceLog() as log,
        ):
            yield log
    finally:
        torch.use_deterministic_algorithms(deterministic)
        for each, allowed in zip(settings, before, strict=True):
            each.allow_tf32 = allowed


class _Recording(TorchDispatchMode):
    """Operations of a processor with their results, and what lay before in the memory that they use."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, Any, Any, Any]] = []
        self.before: dict[int, tuple[torch.UntypedStorage, torch.UntypedStorage]] = {}
        self._made: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        for storage in (each.untyped_storage() for each in _tensors((args, kwargs))):
            if storage.data_ptr() not in self._made:
                self.before.setdefault(storage.data_ptr(), (storage, storage.clone()))
        result = func(*args, **(kwargs or {}))
        self._made |= {each.untyped_storage().data_ptr() for each in _tensors(result)} - self.before.keys()
        self.calls.append((func, args, kwargs or {}, result))
        return result


def recorded(work: Callable[[], None]) -> Callable[[], None]:
    """What `tgsh.training.cuda_graphs.captured` is of a GPU, of a processor.

    Memory is as before; what returns does the work, on the memory in which tensors lay when it was recorded.
    """
    with _Recording() as recording:
        work()
    for storage, content in recording.before.values():
        storage.copy_(content)

    def replay() -> None:
        for func, args, kwargs, result in recording.calls:
            for old, new in zip(_tensors(result), _tensors(func(*args, **kwargs)), strict=True):
                if old.data_ptr() != new.data_ptr():
                    old.copy_(new)

    return replay
