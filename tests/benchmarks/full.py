"""All of RotationMNIST over HTTP, from POST to `completed`, against the plain implementation; its memory."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory

import numpy as np
import psutil

from tests.benchmarks import plain
from tests.benchmarks.table import Row
from tgsh.client import Client
from tgsh.client.results import Experiment
from tgsh.stack.stack import Stack

TASK_EPOCHS = 108
MEGABYTE = 1 << 20


def rows(data_dir: Path) -> list[Row]:
    """The plain implementation's time is that of one task-epoch with its evaluation, times 108.

    It is measured before and after, and the mean counts. The first of two experiments waits for workers that
    are still starting.
    """
    before = _plain(data_dir)
    os.environ["TGSH_DATA_DIR"] = str(data_dir)
    with (
        TemporaryDirectory() as folder,
        Stack(Path(folder)) as stack,
        Client(stack.url) as client,
        _PeakMemory(os.getpid()) as memory,
    ):
        first, second = (client.wait(client.submit("rotation-mnist", anew=True).id) for _ in range(2))
        values = np.array(client.similarity(second.id).values)
    baselines = before, _plain(data_dir)
    whole = TASK_EPOCHS * mean(
        baseline["epoch_seconds"] + baseline["evaluation_seconds"] for baseline in baselines
    )
    lags = [float(np.mean([values[i, (i + lag) % 36] for i in range(36)])) for lag in (1, 2, 9, 18)]
    against = "plain PyTorch: 108 × (task-epoch + evaluation)"
    return [
        Row("RotationMNIST, POST to completed", "s", _seconds(second), whole, against),
        Row("the same, as soon as /readyz says 200", "s", _seconds(first), whole, against),
        Row("its mean accuracy", "", second.mean_accuracy or 0, before["accuracy"], "plain, one epoch"),
        *(
            Row(f"mean cosine at lag {lag}", "", value)
            for lag, value in zip((1, 2, 9, 18), lags, strict=True)
        ),
        *(Row(f"peak memory: {name}", "MB", peak / MEGABYTE) for name, peak in sorted(memory.peaks.items())),
    ]


def _seconds(experiment: Experiment) -> float:
    assert experiment.status == "completed", experiment.reason
    assert experiment.timings.finished_at is not None
    return (experiment.timings.finished_at - experiment.timings.created_at).total_seconds()


def _plain(data_dir: Path) -> dict[str, float]:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(plain.measure, data_dir, "flynet", "rotation", None).result()


class _PeakMemory:
    """Peak resident memory of the descendants of a process, by their roles, sampled five times a second."""

    def __init__(self, pid: int) -> None:
        self.peaks: dict[str, float] = {}
        self._root, self._ended = psutil.Process(pid), threading.Event()
        self._thread = threading.Thread(target=self._sample)

    def __enter__(self) -> _PeakMemory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._ended.wait(0.2):
            for process in self._root.children(recursive=True):
                try:
                    name, size = _role(process), process.memory_info().rss
                except psutil.Error:
                    continue
                if name:
                    self.peaks[name] = max(self.peaks.get(name, 0), size)


def _role(process: psutil.Process) -> str | None:
    """Role of a process; None for a guard. A worker's children are forks of their parent."""
    line, parent = " ".join(process.cmdline()), process.parent()
    for word, name in (("guard.py", None), ("redis-server", "Redis"), ("uvicorn", "API")):
        if word in line:
            return name
    if "celery" not in line or parent is None:
        return None
    above = " ".join(parent.cmdline())
    return "a worker's child" if "celery" in above and "guard.py" not in above else "a worker's parent"
