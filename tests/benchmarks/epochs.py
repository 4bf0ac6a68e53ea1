"""One task-epoch of full MNIST on one core, against plain PyTorch on two threads."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

from tests.benchmarks import ours, plain
from tests.benchmarks.table import Row

IMAGES, BACK = 60_000, 2  # the backward pass multiplies as much as the forward one

MULTIPLICATIONS = {
    "flynet": 7840 * 10,
    "neuromodnet": 784 * 1024 + 1024 * 1024 + 1024 * 10,
    "tgsh": (784 * 1024 + BACK * (1024 * 64 + 64 * 10)) / BACK,  # C has no gradient
    "gsh": (784 * 1024 + BACK * (1024 * 64 + 64 * 10)) / BACK,
}
"""Of one image, forward; those of FlyNet's A are additions."""

TURNS = 3

AGAINST = "plain PyTorch, two threads"


def rows(data_dir: Path, rounds: int, batches: int | None) -> list[Row]:
    """Medians of three turns: a shared machine is not equally quick all the time, and both meet that.

    batches: the plain implementation is extrapolated from so many of 469, but for FlyNet on rotation.
    """
    speed = _alone(ours.flops_a_second)
    floors = {name: 2 * BACK * count * IMAGES / speed for name, count in MULTIPLICATIONS.items()}
    results: list[Row] = []
    for network, task in (
        ("flynet", "rotation"),
        ("neuromodnet", "rotation"),
        ("tgsh", "rotation"),
        ("gsh", "rotation"),
        ("flynet", "shift"),
        ("flynet", "blur"),
        ("flynet", "perspective"),
        ("flynet", "crop"),
    ):
        first = not results
        baseline, ours_measured = _in_turns(
            partial(plain.measure, data_dir, network, task, None if first else batches),
            partial(ours.measure, data_dir, network, task, rounds),
        )
        name = f"task-epoch, {network}, {task}"
        seconds = (ours_measured["epoch_seconds"], baseline["epoch_seconds"])
        results.append(Row(name, "s", *seconds, AGAINST, floors[network]))
        if first:
            torch_backend = _alone(ours.measure, data_dir, network, task, rounds, "torch")
            contrasts, classes = _in_turns(
                partial(ours.measure, data_dir, network, task, rounds, "fused"),
                partial(ours.measure, data_dir, network, task, rounds, "fused-classes"),
            )
            evaluations = (ours_measured["evaluation_seconds"], baseline["evaluation_seconds"])
            accuracies = (ours_measured["accuracy"], baseline["accuracy"])
            results += [
                Row("the same on the torch path", "s", torch_backend["epoch_seconds"], seconds[1], AGAINST),
                *_products(contrasts, classes),
                Row("evaluation of 10,000 images, flynet", "s", *evaluations, AGAINST, floors[network] / 12),
                Row("accuracy after one epoch, flynet", "", *accuracies, AGAINST),
            ]
    return results


def _products(contrasts: dict[str, float], classes: dict[str, float]) -> list[Row]:
    """A step that multiplies by nine contrasts of classes, against one that multiplies by the ten classes."""
    return [
        Row(
            f"{label}, K − 1 products", unit, contrasts[name], classes[name], "path fused-classes, K products"
        )
        for label, unit, name in (
            ("task-epoch, flynet, rotation", "s", "epoch_seconds"),
            ("accuracy after one epoch", "", "accuracy"),
        )
    ]


def _in_turns(*works: Callable[[], dict[str, float]]) -> list[dict[str, float]]:
    """Results of each, as medians over turns in which they follow each other."""
    turns = [[_alone(work) for work in works] for _ in range(TURNS)]
    return [
        {name: median(turn[name] for turn in results) for name in results[0]}
        for results in zip(*turns, strict=True)
    ]


def _alone(work: Callable[..., Any], *arguments: Any) -> Any:
    """Call in a process of its own, so that threads, memory and caches are its own too."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()
