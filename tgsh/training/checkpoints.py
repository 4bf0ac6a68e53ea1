"""A task's state as named tensors and text that describes them; reading them back is strict."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

import numpy as np

from tgsh.datasets.info import Uploads, info_of, no_uploads
from tgsh.errors import ArtifactCorrupt
from tgsh.networks.contexts import Context, context_of, vector_size
from tgsh.spec import ExperimentSpec
from tgsh.training.state import TaskState
from tgsh.training.versions import versions

FORMAT = "tgsh.task/1"


def to_tensors(
    state: TaskState, spec: ExperimentSpec, *, keep_optimiser: bool
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Tensors (parameters, vectors, and with keep_optimiser squares.…) and metadata of a checkpoint."""
    tensors = {**state.parameters, "vectors": state.vectors}
    if keep_optimiser and state.squares is not None:
        tensors |= {f"squares.{name}": array for name, array in state.squares.items()}
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
    uploads: Uploads = no_uploads,
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
    squares = {name: checked[f"squares.{name}"] for name in context.shapes if f"squares.{name}" in checked}
    return TaskState(
        index,
        epoch,
        {name: checked[name] for name in context.shapes},
        squares or None,
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
