"""All of RotationMNIST on a GPU: seconds, accuracy, and whether it learns what it should.

python -m tests.benchmarks cuda: the paper's FlyNet, kernel by kernel and by CUDA graphs, against the fused
path of a processor. The exit status is 1 where bytes differ that must be equal, or results that must agree.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from tgsh.analysis.similarity import similarity
from tgsh.datasets.base import ImageDataset
from tgsh.datasets.mnist import load_dataset
from tgsh.execution.context import GPU_TASKS
from tgsh.specs import ExperimentSpec, TrainingSpec
from tgsh.suites import build
from tgsh.training.backends import free_bytes
from tgsh.training.device_memory import task_bytes, tasks_that_fit
from tgsh.training.measurements import measure
from tgsh.training.state import TaskState, versions
from tgsh.training.trainer import Trainer, warm_up

AIM = 3.0
"""Seconds of training and evaluation."""

AGREE = 0.01
"""Largest difference of cosines and of accuracies from the processor's, which rounds otherwise."""

COMPARED = 3
"""Tasks that the processor learns too."""


@dataclass(frozen=True)
class Run:
    """An experiment. seconds: of training, evaluation and the finish. peak: bytes on the device."""

    name: str
    states: list[TaskState]
    accuracies: list[float]
    seconds: tuple[float, float, float]
    peak: int

    @property
    def row(self) -> str:
        """A line of the table."""
        training, evaluation, finish = self.seconds
        numbers = [
            f"{training:.2f}",
            f"{evaluation:.2f}",
            f"{training + evaluation:.2f}",
            f"{finish:.2f}",
            f"{np.mean(self.accuracies):.4f}",
            f"{self.peak / 2**20:,.0f}",
        ]
        return f"| {self.name} | {' | '.join(numbers)} |"

    def is_same_as(self, other: Run) -> bool:
        """True for equal bytes of all context vectors."""
        pairs = zip(self.states, other.states, strict=True)
        return all(np.array_equal(one.vectors, two.vectors) for one, two in pairs)


def main(arguments: Sequence[str]) -> int:
    """Print the table. Arguments as on the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks cuda", description=__doc__)
    parser.add_argument("--device", default="cuda:0", help="cpu tries the benchmark itself")
    parser.add_argument("--dataset", default="mnist", help="mnist5k needs no TGSH_DATA_DIR")
    parser.add_argument("--tasks", type=int, default=36, help="of the 36, the first ones")
    parser.add_argument("--epochs", type=int, default=3)
    options = parser.parse_args(arguments)
    on_gpu = options.device.startswith("cuda")
    if on_gpu and not torch.cuda.is_available():
        print("no CUDA device")
        return 0
    data = load_dataset(options.dataset, Path(os.environ.get("TGSH_DATA_DIR") or "nowhere"))
    spec = ExperimentSpec(dataset=options.dataset, training=TrainingSpec(epochs=options.epochs))
    at_once = GPU_TASKS
    if on_gpu:
        free = free_bytes(options.device)
        at_once = tasks_that_fit(spec, data.info, free, GPU_TASKS, cuda_graphs=True)
        planned = task_bytes(spec, data.info) / 2**20
        print(f"{torch.cuda.get_device_name(options.device)}, {free / 2**30:.1f} GiB free")
        print(f"{at_once} tasks in one batch, planned with {planned:.1f} MiB for each")
    began = time.perf_counter()
    warm_up(options.device, "torch")
    print(f"start of the device: {time.perf_counter() - began:.1f} s\n")
    print("| | training, s | evaluation, s | both, s | finish, s | accuracy | peak, MiB |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    kernels, again, graphs = (
        _run(name, spec, data, options, at_once, cuda_graphs=name == "CUDA graphs")
        for name in ("kernel by kernel", "the same again", "CUDA graphs")
    )
    reference = _run(
        f"processor, {COMPARED} tasks", spec, data, argparse.Namespace(device="cpu", tasks=COMPARED), 1
    )
    print(f"\n{versions()}\n")
    best = min(sum(run.seconds[:2]) for run in (kernels, again, graphs))
    print(f"training and evaluation: {best:.2f} s; the aim for the whole is {AIM:g} s on one GPU")
    return _told(
        {
            "the same bytes again": kernels.is_same_as(again),
            "the same bytes by CUDA graphs": kernels.is_same_as(graphs),
            f"cosines of the processor within {AGREE:g}": _agree(kernels, reference),
        }
    )


def _run(
    name: str,
    spec: ExperimentSpec,
    data: ImageDataset,
    options: argparse.Namespace,
    at_once: int,
    *,
    cuda_graphs: bool = False,
) -> Run:
    """Train, evaluate and measure, as a worker does; the row is printed when it is there."""
    on_gpu = options.device.startswith("cuda")
    trainer = Trainer(spec, data, options.device, "auto" if name.startswith("processor") else "torch",
                      cuda_graphs=cuda_graphs)  # fmt: skip
    tasks = build(spec.suite, data.info)[: options.tasks]
    states: list[TaskState] = []
    accuracies: list[float] = []
    training = evaluation = 0.0
    if on_gpu:
        torch.cuda.reset_peak_memory_stats(options.device)
    for start in range(0, len(tasks), at_once):
        batch = tasks[start : start + at_once]
        of_batch = [trainer.fresh(task.index) for task in batch]
        began = time.perf_counter()
        for _ in range(spec.training.epochs):
            of_batch = trainer.epoch(batch, of_batch, lambda: False)  # its states are on the host
        trained = time.perf_counter()
        accuracies += trainer.accuracy(batch, of_batch)
        training, evaluation = training + trained - began, evaluation + time.perf_counter() - trained
        states += of_batch
    began = time.perf_counter()
    vectors = np.stack([state.vectors for state in states], axis=1)
    measure(trainer, tasks, vectors, lambda index: states[index], lambda: False)
    finish = time.perf_counter() - began
    peak = torch.cuda.max_memory_allocated(options.device) if on_gpu else 0
    run = Run(name, states, accuracies, (training, evaluation, finish), peak)
    print(run.row, flush=True)
    return run


def _agree(run: Run, reference: Run) -> bool:
    """True where the first tasks are as alike as the reference's, and as well recognised."""
    names, places = list(map(str, range(COMPARED))), list(range(COMPARED))
    values = [
        similarity(np.stack([state.vectors[-1] for state in each.states[:COMPARED]]), names, places).values
        for each in (run, reference)
    ]
    shares = np.subtract(run.accuracies[:COMPARED], reference.accuracies[:COMPARED])
    return bool(max(np.abs(values[0] - values[1]).max(), np.abs(shares).max()) <= AGREE)


def _told(claims: dict[str, bool]) -> int:
    """Print which of the claims hold; the exit status."""
    for claim, holds in claims.items():
        print(f"{'yes' if holds else 'NO'}: {claim}")
    return 0 if all(claims.values()) else 1
