"""tgsh on the same work, as a worker's child does it: one process, one thread."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from tgsh.datasets.mnist import load_dataset
from tgsh.networks.torch_base import FrozenWeights
from tgsh.rng import rng_for
from tgsh.specs.presets import Submission
from tgsh.suites import build
from tgsh.system import keep_freed_memory
from tgsh.training.trainer import Trainer

TASKS: dict[str, dict[str, Any]] = {
    "rotation": {"kind": "rotate", "degrees": 30},
    "shift": {"kind": "shift", "right": 3},
    "blur": {"kind": "gaussian-blur"},
    "perspective": {"kind": "random-perspective"},
    "crop": {"kind": "random-resized-crop"},
}
"""The tasks of plain.TRANSFORMS, as those of a custom suite."""


def measure(data_dir: Path, network: str, task: str, rounds: int, path: Any = "auto") -> dict[str, float]:
    """Medians over rounds: seconds of a task-epoch and an evaluation; the accuracy after one epoch."""
    torch.set_num_threads(1)
    keep_freed_memory()
    rate = 0.001 if network in ("tgsh", "gsh") else 0.01
    body = {
        "dataset": "mnist",
        "network": {"kind": network},
        "suite": {"kind": "custom", "tasks": [{"label": task, "transforms": [TASKS[task]]}]},
        "training": {"learning_rate": rate},
    }
    spec, dataset = Submission.model_validate(body).spec(), load_dataset("mnist", data_dir)
    trainer, tasks = Trainer(spec, dataset, "cpu", path), build(spec.suite, dataset.info)
    start = [trainer.fresh(0)]
    state = trainer.epoch(tasks, start, lambda: False)  # also compiles and warms up
    return {
        "epoch_seconds": _median(rounds, lambda: trainer.epoch(tasks, start, lambda: False)),
        "evaluation_seconds": _median(rounds, lambda: trainer.accuracy(tasks, state)),
        "accuracy": trainer.accuracy(tasks, state)[0],
    }


def flops_a_second() -> float:
    """What this core does in a large product of matrices, float32: the rate behind the floors."""
    torch.set_num_threads(1)
    weights = FrozenWeights(rng_for(0, "w").standard_normal((1024, 1024), "float32"), torch.device("cpu"))
    rows = torch.randn(512, 1024)
    with torch.inference_mode():
        times = []
        for _ in range(50):
            began = time.perf_counter()
            weights.project(rows)
            times.append(time.perf_counter() - began)
    return 2 * 512 * 1024 * 1024 / min(times)


def _median(rounds: int, work: Callable[[], object]) -> float:
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times)
