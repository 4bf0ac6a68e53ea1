"""TaskState; TaskState <-> safetensors; software versions recorded with it."""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version as _read_version
from importlib.util import find_spec
from typing import Literal

import numpy as np
import torch

from tgsh.datasets.base import UploadInfo, info_of, no_upload_info
from tgsh.errors import ArtifactCorrupt
from tgsh.networks.registry import Context, context_of, vector_size
from tgsh.rng import rng_for
from tgsh.specs import ExperimentSpec


@dataclass(frozen=True, eq=False)
class TaskState:
    """A task after `epoch` epochs.

    parameters: float32, by name, as the network's context has them. squares: RMSprop's averages, same
    names and shapes; None once the last epoch is over and they were not kept. vectors: float32
    [epoch + 1, V], row e is the context vector after e epochs. losses: mean cross-entropy (nats) of every
    epoch. Random streams follow from seed, task and epoch, so no generator's state belongs to it.
    """

    index: int
    epoch: int
    parameters: dict[str, np.ndarray]
    square_avg: dict[str, np.ndarray] | None
    vectors: np.ndarray
    losses: tuple[float, ...]


def fresh_state(spec: ExperimentSpec, context: Context, index: int) -> TaskState:
    """Task `index` before training, drawn from its own stream."""
    parameters = context.draw(rng_for(spec.seed, "context", index))
    square_avg = {name: np.zeros_like(array) for name, array in parameters.items()}
    return TaskState(index, 0, parameters, square_avg, context.vector(parameters)[None], ())


def batch_order(seed: int, index: int, epoch: int, images: int) -> np.ndarray:
    """The order in which task `index` sees its images in epoch 0, 1, …: int64 [N]."""
    return rng_for(seed, "order", index, epoch).permutation(images)


def transform_rng(seed: int, index: int, epoch: int | Literal["test"]) -> np.random.Generator:
    """From where task `index` draws what is random in its transform, in epoch 0, 1, … or for test images."""
    return rng_for(seed, "transform", index, epoch)


def versions() -> dict[str, str]:
    """Versions by name; numba only where it is installed."""
    numba = {"numba": _version("numba")} if find_spec("numba") else {}
    return {
        "tgsh": _version("tgsh"),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": torch.__version__,
        **numba,
    }


@cache
def _version(name: str) -> str:
    return _read_version(name)  # reads a file, and takes as long as a batch


def compute(device: torch.device) -> str:
    """What trained, for the record: the same words mean the same bytes from the same spec."""
    torch_version = torch.__version__.split("+")[0]
    if device.type == "cuda":
        return f"cuda {torch.cuda.get_device_name(device)} torch {torch_version}"
    threads = torch.get_num_threads()
    capability = torch.backends.cpu.get_cpu_capability()
    return f"cpu {capability} torch {torch_version} {threads} thread{'' if threads == 1 else 's'}"


def fused_compute() -> str:
    """The same of the fused path: one thread of this processor, whatever torch may use."""
    return f"cpu {torch.backends.cpu.get_cpu_capability()} numba {_version('numba')} fused"


FORMAT = "tgsh.task/1"


def to_tensors(
    state: TaskState, spec: ExperimentSpec, *, keep_optimiser: bool
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Tensors (parameters, vectors, and with keep_optimiser squares.…) and metadata of a checkpoint."""
    tensors = {**state.parameters, "vectors": state.vectors}
    if keep_optimiser and state.square_avg is not None:
        tensors |= {f"squares.{name}": array for name, array in state.square_avg.items()}
    metadata = {
        "format": FORMAT,
        "spec": spec.digest(),
        "task": str(state.index),
        "epoch": str(state.epoch),
        "losses": json.dumps(state.losses),  # repr of a float is exact
        "versions": json.dumps(versions()),
    }
    return tensors, metadata


def from_tensors(
    tensors: Mapping[str, np.ndarray],
    metadata: Mapping[str, str],
    spec: ExperimentSpec,
    index: int,
    uploads: UploadInfo = no_upload_info,
) -> TaskState:
    """The state of task `index` of that spec.

    Raises ArtifactCorrupt, naming the tensor or the key, where anything is missing, left over or of another
    shape, type, task or spec, or is not a finite number.
    """
    for key, expected in (("format", FORMAT), ("spec", spec.digest()), ("task", str(index))):
        if metadata.get(key) != expected:
            raise ArtifactCorrupt(f"checkpoint: {key} is {metadata.get(key)!r}, not {expected!r}")
    epoch = _epoch(metadata, spec)
    some = any(name.startswith("squares.") for name in tensors)
    info = info_of(spec, uploads)
    context = context_of(spec.network, info.pixels, info.classes)
    shapes = _shapes(context, epoch, with_squares=some or epoch < spec.training.epochs)
    if left_over := sorted(set(tensors) - set(shapes)):
        raise ArtifactCorrupt(f"checkpoint: nobody knows tensor {left_over[0]!r}")
    checked = {name: _tensor(tensors, name, shape) for name, shape in shapes.items()}
    square_avg = {name: checked[f"squares.{name}"] for name in context.shapes if f"squares.{name}" in checked}
    return TaskState(
        index,
        epoch,
        {name: checked[name] for name in context.shapes},
        square_avg or None,
        checked["vectors"],
        _losses(metadata, epoch),
    )


def _shapes(context: Context, epoch: int, *, with_squares: bool) -> dict[str, tuple[int, ...]]:
    shapes = {**context.shapes, "vectors": (epoch + 1, vector_size(context))}
    if with_squares:
        shapes |= {f"squares.{name}": shape for name, shape in context.shapes.items()}
    return shapes


def _tensor(tensors: Mapping[str, np.ndarray], name: str, shape: tuple[int, ...]) -> np.ndarray:
    if name not in tensors:
        raise ArtifactCorrupt(f"checkpoint: tensor {name!r} is missing")
    array = tensors[name]
    if array.shape != shape or array.dtype != np.float32:
        raise ArtifactCorrupt(
            f"checkpoint: tensor {name!r} is {array.dtype} {array.shape}, not float32 {shape}"
        )
    if not np.isfinite(array).all():
        raise ArtifactCorrupt(f"checkpoint: tensor {name!r} holds a number that is not finite")
    return array


def _epoch(metadata: Mapping[str, str], spec: ExperimentSpec) -> int:
    text = metadata.get("epoch", "")
    if not (text.isascii() and text.isdigit()) or int(text) > spec.training.epochs:
        raise ArtifactCorrupt(f"checkpoint: epoch {text!r} is not one of 0 to {spec.training.epochs}")
    return int(text)


def _losses(metadata: Mapping[str, str], epoch: int) -> tuple[float, ...]:
    try:
        losses = json.loads(metadata.get("losses", ""))
    except ValueError:
        losses = None
    numbers = isinstance(losses, list) and all(type(loss) is float and math.isfinite(loss) for loss in losses)
    if not numbers or len(losses) != epoch:
        raise ArtifactCorrupt(f"checkpoint: losses are not {epoch} finite numbers")
    return tuple(losses)
