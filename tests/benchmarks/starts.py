"""The order of NeuroModNet's tasks by the start of its contexts, and by the draw of its weights R.

python -m tests.benchmarks starts [--dataset mnist5k] [--weights uniform] [--all] prints the mean cosine of
rotations that are 10°, 20°, 90° and 180° apart, of vectors and of updates v − v₀, for each start. Of three
rotations and what lies so far from them; with --all of all 36, and for how many the nearest is a neighbour.
On mnist5k one start of 13 tasks takes half a minute of a core, on MNIST 15 times as long.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from tgsh.analysis.similarity import nearest, similarity
from tgsh.datasets.mnist import load_dataset
from tgsh.networks import neuromodnet
from tgsh.specs import ExperimentSpec, NeuroModNetSpec, Start
from tgsh.suites import build
from tgsh.system import cores
from tgsh.training.trainer import Trainer

TASKS, LAGS, BASES = 36, (1, 2, 9, 18), (0, 12, 24)

STARTS: tuple[Start, ...] = ("independent", "common", "ones")


def main(arguments: Sequence[str]) -> int:
    """Print the table. Arguments as on the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks starts", description=__doc__)
    parser.add_argument("--dataset", default="mnist5k")
    parser.add_argument("--weights", choices=("normal", "uniform"), default="normal")
    parser.add_argument("--all", action="store_true")
    options = parser.parse_args(arguments)
    bases = range(TASKS) if options.all else BASES
    places = sorted({(base + lag) % TASKS for base in bases for lag in (0, *LAGS)})
    print("| start | of | 10° | 20° | 90° | 180° | nearest is a neighbour | accuracy |")
    print("|---|---|--:|--:|--:|--:|--:|--:|")
    with get_context("spawn").Pool(cores()) as pool:
        for start in STARTS:
            spec = ExperimentSpec(dataset=options.dataset, network=NeuroModNetSpec(start=start))
            learned = pool.map(partial(_learned, spec, options.weights), places, chunksize=1)
            before, after = (np.stack([vectors[epoch] for vectors, _ in learned]) for epoch in (0, -1))
            accuracy = np.mean([share for _, share in learned])
            for name, vectors in (("v", after), ("v − v₀", after - before)):
                print(f"| {start} | {name} | {_row(vectors, places, bases)} | {accuracy:.3f} |", flush=True)
    return 0


def _row(vectors: np.ndarray, places: Sequence[int], bases: Sequence[int]) -> str:
    """Mean cosines by lag, and for how many tasks the nearest lies 10° away, where all are there."""
    matrix = similarity(vectors, [f"{10 * place}°" for place in places], places)
    row = {place: number for number, place in enumerate(places)}
    means = [np.mean([matrix.values[row[base], row[(base + lag) % TASKS]] for base in bases]) for lag in LAGS]
    steps = [abs(number - other) for number, other in enumerate(nearest(matrix))]
    found = f"{sum(step in (1, TASKS - 1) for step in steps)} of {TASKS}" if len(places) == TASKS else ""
    return " | ".join([*(f"{mean:.2f}" for mean in means), found])


def _learned(spec: ExperimentSpec, weights: str, index: int) -> tuple[np.ndarray, float]:
    """Vectors of a task, float32 [E + 1, V], and its test accuracy."""
    import torch

    torch.set_num_threads(1)
    if weights == "uniform":
        neuromodnet.normal_weights = _uniform_weights  # type: ignore[attr-defined]
    data = load_dataset(spec.dataset_key, Path(os.environ.get("TGSH_DATA_DIR") or "nowhere"))
    trainer = Trainer(spec, data, "cpu")
    task, state = build(spec.suite, data.info)[index], trainer.fresh(index)
    for _ in range(spec.training.epochs):
        [state] = trainer.epoch([task], [state], lambda: False)
    [accuracy] = trainer.accuracy([task], [state])
    return state.vectors, accuracy


def _uniform_weights(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """U(−1/√n, 1/√n) of n columns, torch's default of a layer, as in the authors' notebook."""
    bound = 1 / np.sqrt(shape[1])
    return rng.uniform(-bound, bound, shape).astype(np.float32)
