"""tgsh on the same work, as workers do it: a process a core, a thread each, each its own task."""

from __future__ import annotations

import resource
import statistics
import sys
import time
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

PATIENCE = 300.0  # seconds that processes wait for each other


def measure(data_dir: Path, processes: int, rounds: int, path: str) -> dict[str, float]:
    """Medians over rounds in which all processes start together: seconds of a task-epoch and an evaluation.

    path: torch or fused. A round's time is that of its slowest process, over the number of processes: what
    a task-epoch costs when all cores are at work. `alone` is what one process sees.
    """
    context = get_context("spawn")
    barrier, results = context.Barrier(processes), context.SimpleQueue()
    workers = [
        context.Process(target=_work, args=(data_dir, index, rounds, path, barrier, results), daemon=True)
        for index in range(processes)
    ]
    for worker in workers:
        worker.start()
    reports = [results.get() for _ in workers]
    for worker in workers:
        worker.join()
    if failures := [report for report in reports if isinstance(report, str)]:
        raise RuntimeError(failures[0])
    epochs = [max(times) for times in zip(*(r["epochs"] for r in reports), strict=True)]
    evaluations = [max(times) for times in zip(*(r["evaluations"] for r in reports), strict=True)]
    return {
        "epoch_seconds": statistics.median(epochs) / processes,
        "evaluation_seconds": statistics.median(evaluations) / processes,
        "alone_epoch_seconds": statistics.median(epochs),
        "alone_fastest_epoch_seconds": min(min(r["epochs"]) for r in reports),
        "alone_fastest_evaluation_seconds": min(min(r["evaluations"]) for r in reports),
        "accuracy": statistics.mean(r["accuracy"] for r in reports),
        "peak_rss_mb": max(r["peak_rss_mb"] for r in reports),
    }


def _work(data_dir: Path, index: int, rounds: int, path: Any, barrier: Barrier, results: Any) -> None:
    try:
        results.put(_report(data_dir, index, rounds, path, barrier))
    except Exception as error:
        barrier.abort()
        results.put(f"{type(error).__name__}: {error}")


def _report(data_dir: Path, index: int, rounds: int, path: Any, barrier: Barrier) -> dict[str, Any]:
    import torch

    torch.set_num_threads(1)
    from tgsh.datasets.loading import load
    from tgsh.machine import keep_freed_memory
    from tgsh.spec import ExperimentSpec
    from tgsh.suites import build
    from tgsh.training.trainer import Trainer

    keep_freed_memory()  # as workers do
    dataset = load("mnist", data_dir)
    spec = ExperimentSpec()
    trainer = Trainer(spec, dataset, torch.device("cpu"), path)
    task = build(spec.suite, dataset.info)[3 + index]
    start = trainer.fresh(task.index)
    [state] = trainer.epoch([task], [start], lambda: False)  # also warms up
    epochs = _timed(rounds, barrier, lambda: trainer.epoch([task], [start], lambda: False))
    evaluations = _timed(rounds, barrier, lambda: trainer.accuracy([task], [state]))
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 if sys.platform == "linux" else 1024)
    return {
        "epochs": epochs,
        "evaluations": evaluations,
        "accuracy": trainer.accuracy([task], [state])[0],
        "peak_rss_mb": kilobytes / 1024,
    }


def _timed(rounds: int, barrier: Barrier, work: Callable[[], object]) -> list[float]:
    times = []
    for _ in range(rounds):
        barrier.wait(PATIENCE)
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return times
