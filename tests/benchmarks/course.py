"""The sign of T7 (invert) in AugmentMNIST over the epochs, under each normalisation.

python -m tests.benchmarks course [--dataset mnist5k] [--seed N] [--epochs 12] prints T1 with T7 after each
epoch, and after the last and after three of them how many of the seven others T7 is negative to. On full
MNIST about 20 minutes on one core; --rate 0.0031 shows another learning rate, --normalisation one alone.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from tgsh.analysis.similarity import similarity
from tgsh.datasets.mnist import load_dataset
from tgsh.specs import AugmentSuite, ExperimentSpec, NormalisationChoice, TrainingSpec
from tgsh.suites import build
from tgsh.system import cores
from tgsh.training.trainer import Trainer

T1, T7 = 0, 6

CHOICES: tuple[NormalisationChoice, ...] = ("auto", "dataset", "none")


def main(arguments: Sequence[str]) -> int:
    """Print the course. Arguments as on the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks course", description=__doc__)
    parser.add_argument("--dataset", default="mnist")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--rate", type=float, default=0.01)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--normalisation", choices=CHOICES)
    options = parser.parse_args(arguments)
    print(
        "| normalisation | "
        + " | ".join(map(str, range(1, options.epochs + 1)))
        + " | negative after 3, last |"
    )
    print("|---|" + "--:|" * (options.epochs + 1))
    for choice in (each for each in CHOICES if options.normalisation in (None, each)):
        spec = ExperimentSpec(
            dataset=options.dataset,
            suite=AugmentSuite(),
            training=TrainingSpec(epochs=options.epochs, learning_rate=options.rate),
            seed=options.seed,
            normalisation=choice,
        )
        matrices = course(spec)
        curve = " | ".join(f"{matrix[T1, T7]:.2f}" for matrix in matrices)
        negative = [int((np.delete(matrix[T7], T7) < 0).sum()) for matrix in matrices]
        after = f"{negative[min(2, len(negative) - 1)]}, {negative[-1]} of 7"
        print(f"| {choice} | {curve} | {after} |", flush=True)
    return 0


def course(spec: ExperimentSpec) -> list[np.ndarray]:
    """Similarity matrices after each epoch, float64 [T, T] each; tasks are learned on all cores."""
    with ProcessPoolExecutor(cores(), mp_context=get_context("spawn")) as pool:
        vectors = np.stack(list(pool.map(partial(_learned, spec), range(8))), axis=1)
    labels = [f"T{number}" for number in range(1, 9)]
    return [similarity(each, labels, range(8)).values for each in vectors[1:]]


def _learned(spec: ExperimentSpec, index: int) -> np.ndarray:
    """The vectors of a task, float32 [E + 1, H]."""
    import torch

    torch.set_num_threads(1)
    data = load_dataset(spec.dataset_key, Path(os.environ.get("TGSH_DATA_DIR") or "nowhere"))
    trainer = Trainer(spec, data, "cpu")
    task, state = build(spec.suite, data.info)[index], trainer.fresh(index)
    for _ in range(spec.training.epochs):
        [state] = trainer.epoch([task], [state], lambda: False)
    return state.vectors
