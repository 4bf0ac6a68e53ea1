"""States of tasks as NumPy arrays, their checkpoints, and the software versions recorded with them."""

from __future__ import annotations

import json
import math
import platform
import runpy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version as _read_version
from importlib.util import find_spec
from itertools import accumulate
from pathlib import Path
from typing import Literal

import numpy as np

from tgsh.datasets.descriptions import UploadInfo, info_of, no_upload_info
from tgsh.errors import ArtifactCorrupt
from tgsh.networks.registry import Context, context_of, vector_size
from tgsh.rng import rng_for
from tgsh.specs import ExperimentSpec


@dataclass(frozen=True, eq=False)
class TaskState:
    """A task after some epochs.

    Random streams follow from seed, task and epoch, so no generator's state belongs to it.

    Attributes
    ----------
    index : int
        The task's place in its suite.
    epoch : int
        Epochs that are over.
    parameters : dict[str, np.ndarray]
        float32 arrays by name, in the shapes of the network's context.
    square_avg : dict[str, np.ndarray] | None
        RMSprop's averages of squared gradients, same names and
        shapes; None where they were not kept after the last epoch.
    vectors : np.ndarray
        float32 [epoch + 1, V]; row e is the context vector after e epochs.
    losses : tuple[float, ...]
        Mean cross-entropy of every epoch, in nats.
    """

    index: int
    epoch: int
    parameters: dict[str, np.ndarray]
    square_avg: dict[str, np.ndarray] | None
    vectors: np.ndarray
    losses: tuple[float, ...]


def fresh_state(spec: ExperimentSpec, context: Context, index: int) -> TaskState:
    """A task before training, by its network's start.

    independent: drawn from a random stream of its own. common: drawn from one stream for all tasks. ones:
    c = 1 and g = 1.

    Parameters
    ----------
    spec : ExperimentSpec
        The experiment, whose seed decides.
    context : Context
        The parameters of a task.
    index : int
        The task's place in its suite.

    Returns
    -------
    TaskState
        At epoch 0.
    """
    match getattr(spec.network, "start", "independent"):
        case "ones":
            parameters = {name: np.ones(shape, np.float32) for name, shape in context.shapes.items()}
        case "common":
            parameters = context.draw(rng_for(spec.seed, "context", "common"))
        case _:
            parameters = context.draw(rng_for(spec.seed, "context", index))
    square_avg = {name: np.zeros_like(array) for name, array in parameters.items()}
    return TaskState(index, 0, parameters, square_avg, context.vector(parameters)[None], ())


def batch_order(seed: int, index: int, epoch: int, images: int) -> np.ndarray:
    """The order in which a task sees its training images in an epoch.

    Parameters
    ----------
    seed : int
        The experiment's.
    index : int
        The task's place in its suite.
    epoch : int
        0, 1, …
    images : int
        N, training images.

    Returns
    -------
    np.ndarray
        int64 [N]; A permutation of 0 … N − 1.
    """
    return rng_for(seed, "order", index, epoch).permutation(images)


def transform_rng(seed: int, index: int, epoch: int | Literal["test"]) -> np.random.Generator:
    """The generator of random parameters of a task's transform.

    Parameters
    ----------
    seed : int
        The experiment's.
    index : int
        The task's place in its suite.
    epoch : int | Literal["test"]
        0, 1, … for training images, or "test" for test images.

    Returns
    -------
    np.random.Generator
        At its start.
    """
    return rng_for(seed, "transform", index, epoch)


def stacked_parameters(
    arrays_by_name: Sequence[Mapping[str, np.ndarray] | None], context: Context
) -> np.ndarray:
    """Parameters or RMSprop's averages of several tasks as rows.

    Parameters
    ----------
    arrays_by_name : Sequence[Mapping[str, np.ndarray] | None]
        T mappings; float32 arrays of a task in the context's shapes, as a TaskState holds them.
    context : Context
        The parameters of a task, in order.

    Returns
    -------
    np.ndarray
        float32 [T, P]; A copy.

    Raises
    ------
    ValueError
        Where averages were not kept: a task that has ended cannot go on learning.
    """
    rows = []
    for arrays in arrays_by_name:
        if arrays is None:
            raise ValueError("a task whose RMSprop averages were not kept cannot go on learning")
        rows.append(np.concatenate([arrays[name].ravel() for name in context.shapes]))
    return np.stack(rows)


def advanced_states(
    before: Sequence[TaskState],
    context: Context,
    parameters: np.ndarray,
    square_avg: np.ndarray,
    losses: Sequence[float],
) -> list[TaskState]:
    """States one epoch later.

    Parameters
    ----------
    before : Sequence[TaskState]
        T states, the states before the epoch.
    context : Context
        The parameters of a task, in order.
    parameters : np.ndarray
        float32 [T, P]; after the epoch, a task a row.
    square_avg : np.ndarray
        float32 [T, P]; RMSprop's averages likewise.
    losses : Sequence[float]
        T float; mean cross-entropy over the epoch, in nats.

    Returns
    -------
    list[TaskState]
        T states, with copies of what the rows hold.
    """
    after = []
    for row, state in enumerate(before):
        named = _named(parameters[row], context)
        vectors = np.concatenate([state.vectors, context.vector(named)[None]])
        averages = _named(square_avg[row], context)
        after.append(
            TaskState(state.index, state.epoch + 1, named, averages, vectors, (*state.losses, losses[row]))
        )
    return after


def _named(row: np.ndarray, context: Context) -> dict[str, np.ndarray]:
    """Copies of a row's parameters, by name and in shape."""
    sizes = [int(np.prod(shape)) for shape in context.shapes.values()]
    return {
        name: row[stop - size : stop].copy().reshape(shape)
        for (name, shape), size, stop in zip(context.shapes.items(), sizes, accumulate(sizes), strict=True)
    }


_conditions: dict[str, str] = {}


def record_conditions(conditions: Mapping[str, str]) -> None:
    """Add settings of this process that decide bytes to what `versions` tells.

    Parameters
    ----------
    conditions : Mapping[str, str]
        By name, such as "tf32".
    """
    _conditions.update(conditions)


def versions() -> dict[str, str]:
    """Versions of the software that decides bytes, and on a GPU the settings that do.

    Returns
    -------
    dict[str, str]
        By name; torch and numba only where they are installed.
    """
    torch = {"torch": _torch_version()} if find_spec("torch") else {}
    numba = {"numba": _version("numba")} if find_spec("numba") else {}
    return {
        "tgsh": _version("tgsh"),
        "python": platform.python_version(),
        "numpy": np.__version__,
        **torch,
        **numba,
        **_conditions,
    }


@cache
def _version(name: str) -> str:
    return _read_version(name)  # reads a file, and takes as long as a batch


@cache
def _torch_version() -> str:
    """`torch.__version__`, with its build such as +cu130, without the seconds that importing torch takes."""
    spec = find_spec("torch")
    assert spec is not None
    assert spec.origin is not None
    return str(runpy.run_path(str(Path(spec.origin).with_name("version.py")))["__version__"])


FORMAT = "tgsh.task/1"


def to_tensors(
    state: TaskState, spec: ExperimentSpec, *, keep_optimiser: bool
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """A state as a checkpoint.

    Parameters
    ----------
    state : TaskState
        The state.
    spec : ExperimentSpec
        Its experiment.
    keep_optimiser : bool
        Whether RMSprop's averages are kept, without which a task cannot go on learning.

    Returns
    -------
    tensors : dict[str, np.ndarray]
        float32 arrays: the parameters by name, "vectors", and averages as "squares.NAME".
    metadata : dict[str, str]
        Format, spec digest, task, epoch, losses and versions.
    """
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
    """A checkpoint as the state of a task.

    Parameters
    ----------
    tensors : Mapping[str, np.ndarray]
        As `to_tensors` makes them.
    metadata : Mapping[str, str]
        As `to_tensors` makes it; other keys are ignored.
    spec : ExperimentSpec
        The experiment that the checkpoint must belong to.
    index : int
        The task that it must belong to.
    uploads : UploadInfo, default=no_upload_info
        Looks up uploaded datasets, by id.

    Returns
    -------
    TaskState
        The state, with the checkpoint's arrays.

    Raises
    ------
    ArtifactCorrupt
        Naming the tensor or the key, where anything is missing, left over or of another shape, type, task
        or spec, or is not a finite number.
    """
    for key, expected in (("format", FORMAT), ("spec", spec.digest()), ("task", str(index))):
        if metadata.get(key) != expected:
            raise ArtifactCorrupt(f"checkpoint: {key} is {metadata.get(key)!r}, not {expected!r}")
    epoch = _epoch(metadata, spec)
    has_averages = any(name.startswith("squares.") for name in tensors)
    info = info_of(spec, uploads)
    context = context_of(spec.network, info.pixels, info.classes)
    shapes = _shapes(context, epoch, with_squares=has_averages or epoch < spec.training.epochs)
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
