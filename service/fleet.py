"""Abilities of the workers that live: reasons why none of them could carry out a request."""

from __future__ import annotations

import socket
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tgsh.datasets.downloads import TORCHVISION_CLASSES, absence, missing_files, unreachable_reason
from tgsh.datasets.named_sets import NAMED_SETS
from tgsh.errors import DatasetUnavailable, InvalidSpec
from tgsh.execution.requirements import (
    image_fields,
    lack_images,
    lack_torch,
    suite_torch_fields,
    torch_fields,
    torch_message,
)
from tgsh.specs import ExperimentSpec
from tgsh.store.models import WorkerRecord

PROBE_SECONDS = 60.0
"""The age from which on a mirror is tried anew."""

Fields = list[tuple[str, str]]
"""Fields of a spec, each with what is asked for there, or with what is wrong with it."""


def refusal(spec: ExperimentSpec, workers: Sequence[WorkerRecord]) -> InvalidSpec | None:
    """The error for an experiment that no worker that lives could train, naming every field."""
    return _refusal(torch_fields(spec), image_fields(spec), workers)


def preview_refusal(spec: ExperimentSpec, workers: Sequence[WorkerRecord]) -> InvalidSpec | None:
    """The same for a preview, which needs the suite's images only."""
    return _refusal(suite_torch_fields(spec.suite), image_fields(spec), workers)


def placement_refusal(
    spec: ExperimentSpec, dataset: str | None, workers: Sequence[WorkerRecord]
) -> InvalidSpec | None:
    """The same for a placement in a trained experiment. dataset: the named one that is placed, if one is."""
    placed = [] if dataset is None else [("dataset", dataset)]
    of_experiment = [("experiment_id", name) for _, name in image_fields(spec)]
    return _refusal(
        [("experiment_id", name) for _, name in torch_fields(spec)], placed + of_experiment, workers
    )


def _refusal(torch: Fields, images: Fields, workers: Sequence[WorkerRecord]) -> InvalidSpec | None:
    problems: Fields = []
    if lack_torch(workers):
        problems += [(field, f"{torch_message(name)}; no worker that lives has it") for field, name in torch]
    reasons = images_reasons((name for _, name in images), workers)
    problems += [(field, reason) for field, name in images if (reason := reasons[name])]
    if not problems:
        return None
    (field, message), *others = problems
    return InvalidSpec(field, message, others)


def images_reasons(names: Iterable[str], workers: Sequence[WorkerRecord]) -> dict[str, str | None]:
    """`images_reason` of each dataset; mirrors that do not answer are waited for side by side."""
    names = list(dict.fromkeys(names))
    with ThreadPoolExecutor(max(1, len(names))) as pool:
        return dict(zip(names, pool.map(lambda name: images_reason(name, workers), names), strict=True))


def images_reason(name: str, workers: Sequence[WorkerRecord]) -> str | None:
    """The reason why no worker that lives has a dataset or could download it, and the remedy.

    A download is judged where all workers are on this machine: nothing is known of others' network.
    """
    here = socket.gethostname()
    if name not in NAMED_SETS or not NAMED_SETS[name].files or not lack_images(name, workers):
        return None
    if name not in TORCHVISION_CLASSES:
        folders = sorted({str(worker.data_dir) for worker in workers})
        files = ", ".join(NAMED_SETS[name].files)
        return f"{absence(name)}\nPut {files} into {' and '.join(folders)}"
    if any(worker.host != here for worker in workers):
        return None
    cause = _mirrors.unreachable_reason(name)
    if cause is None:
        return None
    lacking = {str(worker.data_dir): missing_files(name, Path(str(worker.data_dir))) for worker in workers}
    if not all(lacking.values()):  # somebody has just put them there: the workers will say so
        return None
    error = DatasetUnavailable(f"{name} is not here and cannot be downloaded: {cause}", lacking)
    return f"{error}, or use mnist5k, which needs none"


class _Mirrors:
    """Reachability of the mirrors of each dataset, tried once a minute at most."""

    def __init__(self) -> None:
        self._tried: dict[str, tuple[float, str | None]] = {}
        self._trying: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def unreachable_reason(self, name: str) -> str | None:
        with self._trying[name]:
            at, cause = self._tried.get(name, (float("-inf"), None))
            if time.monotonic() - at > PROBE_SECONDS:
                cause = unreachable_reason(name)
                self._tried[name] = time.monotonic(), cause
            return cause


_mirrors = _Mirrors()
