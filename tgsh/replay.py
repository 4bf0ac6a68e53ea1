"""A bundle trained again, and whether the same bytes come out: `tgsh replay BUNDLE`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from tgsh import local
from tgsh.bundles.reading import Bundle
from tgsh.errors import InvalidSpec
from tgsh.schemas import Experiment, Progress
from tgsh.settings import Compute
from tgsh.store import provenance, reads
from tgsh.store.artifacts import Artifacts
from tgsh.store.database import Database
from tgsh.store.vectors import find_stage


class TaskDifference(BaseModel):
    """A task whose vectors are others."""

    index: int
    label: str
    epoch: int = Field(description="the first that differs; 0 is before training")
    largest: float = Field(description="largest difference of two numbers, as a part of the largest number")


class Difference(BaseModel):
    """What is not the same here, on which bytes depend; None: it was not recorded, or is not there."""

    bundle: Any
    here: Any


class Replayed(BaseModel):
    """What a replay found. differs: of versions, compute, machines and images, what is not the same."""

    model_config = ConfigDict(frozen=True)

    same: bool
    bundle: str
    replay: str
    tasks: int
    epochs: int
    others: list[TaskDifference]
    differs: dict[str, Difference]


def replay(
    bundle: Bundle, folder: Path, workers: int | None, on_progress: Callable[[Progress], None]
) -> tuple[Experiment, Replayed | None]:
    """Train a bundle's spec in a folder that is empty, and compare; None where training did not complete.

    On the compute path that the bundle was trained on, where TGSH_COMPUTE does not say another. Raises
    InvalidSpec for a folder that holds something.
    """
    if folder.exists() and any(folder.iterdir()):
        raise InvalidSpec(str(folder), "is not empty; a replay trains anew")
    ended = local.run(bundle.spec, folder, workers, on_progress, _path_of(bundle.recorded.compute))
    if ended.status != "completed":
        return ended, None
    with local.opened(folder) as (database, artifacts):
        return ended, _compared(bundle, database, artifacts, ended)


def _path_of(compute: Sequence[str]) -> Compute | None:
    """The path that a record names, where it is not the one that is taken anyway."""
    torch = [each for each in compute if each.startswith("cpu ") and not each.endswith(" fused")]
    return "torch" if torch and len(torch) == len(compute) and not os.environ.get("TGSH_COMPUTE") else None


def _compared(bundle: Bundle, database: Database, artifacts: Artifacts, ended: Experiment) -> Replayed:
    ref = find_stage(database, ended.id, "after")
    [(key, sha256)] = ref.sources
    same = sha256 == bundle.vectors_sha256
    others = [] if same else _others(bundle, artifacts.load_array(key, sha256), ref.labels)
    tasks = reads.tasks(database, ended.id)
    origins = provenance.origins(database, artifacts, ended.id) or []
    return Replayed(
        same=same,
        bundle=bundle.recorded.id,
        replay=ended.id,
        tasks=len(tasks),
        epochs=bundle.spec.training.epochs,
        others=others,
        differs=_differences(bundle, ended, sorted({str(task.compute) for task in tasks}), origins),
    )


def _others(bundle: Bundle, ours: np.ndarray, labels: Sequence[str]) -> list[TaskDifference]:
    theirs = bundle.vectors(ours.shape)
    found = []
    for index, label in enumerate(labels):
        one, other = theirs[:, index], ours[:, index]
        epochs = [epoch for epoch in range(len(one)) if one[epoch].tobytes() != other[epoch].tobytes()]
        if epochs:
            scale = float(np.abs(other).max()) or 1.0
            largest = float(np.abs(one.astype(np.float64) - other).max()) / scale
            found.append(TaskDifference(index=index, label=label, epoch=epochs[0], largest=largest))
    return found


def _differences(
    bundle: Bundle, ended: Experiment, compute: Sequence[str], origins: Sequence[provenance.Origin]
) -> dict[str, Difference]:
    """What bytes depend on beside the spec, where it is not the same."""
    machines = sorted({str(origin["machine"]) for origin in origins})
    pairs: dict[str, tuple[Any, Any]] = {
        f"version of {name}": (bundle.recorded.versions.get(name), ended.versions.get(name))
        for name in sorted({*bundle.recorded.versions, *ended.versions})
    }
    pairs["compute"] = (sorted(bundle.recorded.compute), list(compute))
    pairs["machines"] = (sorted(bundle.recorded.machines), machines)
    pairs["images"] = (_images(bundle), [origin["images"] for origin in origins])
    return {
        name: Difference(bundle=theirs, here=ours) for name, (theirs, ours) in pairs.items() if theirs != ours
    }


def _images(bundle: Bundle) -> list[Mapping[str, str]]:
    """The digests of each task's images."""
    of_task = {
        task: {"train": each.train, "test": each.test} for each in bundle.images for task in each.tasks
    }
    return [of_task[task] for task in sorted(of_task)]
