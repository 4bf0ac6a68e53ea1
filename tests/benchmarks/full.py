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
        _Memory(os.getpid()) as memory,
    ):
        first, ended = (client.wait(client.submit("rotation-mnist", anew=True).id) for _ in range(2))
        values = np.array(client.similarity(ended.id).values)
    yardsticks = before, _plain(data_dir)
    whole = TASK_EPOCHS * mean(found["epoch_seconds"] + found["evaluation_seconds"] for found in yardsticks)
    lags = [float(np.mean([values[i, (i + lag) % 36] for i in range(36)])) for lag in (1, 2, 9, 18)]
    against = "plain PyTorch: 108 × (task-epoch + evaluation)"
    return [
        Row("RotationMNIST, POST to completed", "s", _seconds(ended), whole, against),
        Row("the same, as soon as /readyz says 200", "s", _seconds(first), whole, against),
        Row("its mean accuracy", "", ended.mean_accuracy or 0, before["accuracy"], "plain, one epoch"),
        *(
            Row(f"mean cosine at lag {lag}", "", value)
            for lag, value in zip((1, 2, 9, 18), lags, strict=True)
        ),
        *(Row(f"peak memory: {name}", "MB", peak / MEGABYTE) for name, peak in sorted(memory.peaks.items())),
    ]


def _seconds(ended: Experiment) -> float:
    assert ended.status == "completed", ended.reason
    assert ended.timings.finished_at is not None
    return (ended.timings.finished_at - ended.timings.created_at).total_seconds()


def _plain(data_dir: Path) -> dict[str, float]:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(plain.measure, data_dir, "flynet", "rotation", None).result()


class _Memory:
    """The peak resident memory of every process below one, by what it runs; looked at five times a second."""

    def __init__(self, pid: int) -> None:
        self.peaks: dict[str, float] = {}
        self._root, self._ended = psutil.Process(pid), threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> _Memory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ended.wait(0.2):
            for process in self._root.children(recursive=True):
                try:
                    name, size = _name(process), process.memory_info().rss
                except psutil.Error:
                    continue
                if name:
                    self.peaks[name] = max(self.peaks.get(name, 0), size)


def _name(process: psutil.Process) -> str | None:
    """What a process is; a worker's children are forks of their parent, a guard is nobody's memory."""
    line, parent = " ".join(process.cmdline()), process.parent()
    for word, name in (("guard.py", None), ("redis-server", "Redis"), ("uvicorn", "API")):
        if word in line:
            return name
    if "celery" not in line or parent is None:
        return None
    above = " ".join(parent.cmdline())
    return "a worker's child" if "celery" in above and "guard.py" not in above else "a worker's parent"
