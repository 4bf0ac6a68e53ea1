"""Similarity of T = 36, 1,000 and 10,000 tasks, on one thread."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from itertools import combinations, islice
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from scipy.spatial.distance import cosine

from tests.benchmarks.table import Row
from tgsh.analysis.blockwise import Similarities
from tgsh.analysis.similarity import similarity
from tgsh.rng import rng_for

UNITS = 7840
SCIPY_PAIRS = 2_000
"""Pairs that SciPy's double loop is timed on; the rest of T(T − 1)/2 is extrapolated."""


def rows() -> list[Row]:
    """The matrix against SciPy pair by pair, and against a bare product in float64; parts of it beside it."""
    results: list[Row] = []
    with TemporaryDirectory() as folder:
        for tasks in (36, 1_000, 10_000):
            vectors = _vectors(Path(folder) / f"{tasks}.npy", tasks)
            results += _rows_of(vectors, 7 if tasks <= 1_000 else 1)
    return results


def _rows_of(vectors: np.ndarray, rounds: int) -> list[Row]:
    tasks = len(vectors)
    labels, indices = [str(task) for task in range(tasks)], range(tasks)
    bare = _median(rounds, lambda: _bare(vectors))
    whole = _median(rounds, lambda: similarity(vectors, labels, indices))
    parts = Similarities(vectors)
    name = f"similarity, T = {tasks:,}"
    return [
        Row(name, "s", whole, _scipy(vectors), "scipy.spatial.distance.cosine, pair by pair", floor=bare / 2),
        Row(name, "s", whole, bare, "a bare product V Vᵀ in float64"),
        Row(
            f"one row of it, T = {tasks:,}",
            "s",
            _median(rounds, lambda: parts.block([0], indices)),
            whole,
            "all",
        ),
        Row(
            f"20 nearest of each, T = {tasks:,}",
            "s",
            _median(rounds, lambda: parts.nearest(20)),
            whole,
            "all",
        ),
    ]


def _bare(vectors: np.ndarray) -> np.ndarray:
    rows = vectors.astype(np.float64)
    return np.asarray(rows @ rows.T)


def _scipy(vectors: np.ndarray) -> float:
    pairs = list(islice(combinations(range(len(vectors)), 2), SCIPY_PAIRS))
    began = time.perf_counter()
    for i, j in pairs:
        cosine(vectors[i], vectors[j])
    return (time.perf_counter() - began) * len(vectors) * (len(vectors) - 1) / 2 / len(pairs)


def _median(rounds: int, work: Callable[[], object]) -> float:
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def _vectors(path: Path, tasks: int) -> np.ndarray:
    """Random vectors, memory-mapped as those of a finished experiment are."""
    array = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(tasks, UNITS))
    for start in range(0, tasks, 1_000):
        part = array[start : start + 1_000]
        part[:] = rng_for(0, "benchmark", start).standard_normal(part.shape, np.float32)
    array.flush()
    return np.load(path, mmap_mode="r")  # type: ignore[no-any-return]
