"""Where images of unknown origin fall among the 36 rotations of RotationMNIST, asked over HTTP.

python -m tests.benchmarks placements [--dataset mnist] [--epochs 3] trains the experiment on a stack of its
own, and places test images that are rotated by angles between the tasks, shifted, noisy and of wrong classes,
and textures. It prints how far off the nearest task and the interpolated angle are, by the number of labelled
images, which of the others are told to be novel, and the seconds from POST to the answer.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np

from tgsh.client import Client, Placement
from tgsh.datasets.base import DATASETS
from tgsh.datasets.mnist import load_dataset
from tgsh.specs import ExperimentSpec
from tgsh.stack.stack import Stack
from tgsh.suites import build
from tgsh.suites.pixel_maps import PixelMap

ANGLES = (4, 47, 94, 137, 186, 223, 278, 315)
"""Of the images, degrees; none is a task's."""

COUNTS = (50, 200, 1_000, 4_000)
"""Images that a replicate learns from; a quarter more are sent, so that replicates differ."""


def main(arguments: Sequence[str]) -> int:
    """Print the tables. Arguments as on the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks placements", description=__doc__)
    parser.add_argument("--dataset", default="mnist")
    parser.add_argument("--epochs", type=int, default=3)
    options = parser.parse_args(arguments)
    data = load_dataset(options.dataset, Path(os.environ.get("TGSH_DATA_DIR") or "nowhere"))
    images, labels = data.test_images, data.test_labels.astype(np.int64)
    with TemporaryDirectory() as folder, Stack(Path(folder)) as stack, Client(stack.url) as client:
        spec = {"preset": "rotation-mnist", "dataset": options.dataset}
        experiment = client.wait(client.submit({**spec, "training": {"epochs": options.epochs}}).id)
        assert experiment.status == "completed", experiment.reason
        print(
            "| images | nearest task within 10° | nearest off, median | angle off, median | cosine | novel |"
        )
        print("|--:|--:|--:|--:|--:|--:|")
        for count in COUNTS:
            if (sent := -(-5 * count // 4)) > len(images):
                continue
            print(_row(client, experiment.id, images, labels, count, sent), flush=True)
        print("\n| images | n | nearest | cosine | corrected | p | novel |")
        print("|---|--:|---|--:|--:|--:|---|")
        for name, (others, classes) in _others(images, labels).items():
            placed = client.place(experiment.id, others.reshape(-1, 28, 28), classes)
            print(f"| {name} | {len(others)} | {_told(placed)} |", flush=True)
        seconds = []
        for angle in ANGLES:
            sent_images = _rotated(images[:50], angle).reshape(-1, 28, 28)
            began = time.monotonic()
            client.place(experiment.id, sent_images, labels[:50])
            seconds.append(time.monotonic() - began)
        load = os.getloadavg()[0]
        print(f"\n50 images, POST to answer: {median(seconds):.2f} s, load {load:.1f}")
    return 0


def _row(
    client: Client, experiment: str, images: np.ndarray, labels: np.ndarray, count: int, sent: int
) -> str:
    off, angle_off, cosines, novel = [], [], [], 0
    for number, angle in enumerate(ANGLES):
        chosen = np.random.default_rng(number).permutation(len(images))[:sent]
        turned = _rotated(images[chosen], angle).reshape(-1, 28, 28)
        placed = client.place(experiment, turned, labels[chosen], train_limit=count)
        assert placed.status == "completed", placed.reason
        assert placed.nearest is not None
        assert placed.estimate is not None
        off.append(_apart(10 * placed.nearest, angle))
        angle_off.append(_apart(placed.estimate.value, angle))
        cosines.append(placed.similarity or 0)
        novel += bool(placed.novel)
    within = sum(each <= 10 for each in off)
    return (
        f"| {count:,} | {within} of {len(ANGLES)} | {median(off):.1f}° | {median(angle_off):.1f}° | "
        f"{np.mean(cosines):.2f} | {novel} of {len(ANGLES)} |"
    )


def _told(placed: Placement) -> str:
    p = "" if placed.p is None else f"{placed.p:.2f}"
    corrected = "" if placed.corrected is None else f"{placed.corrected:.2f}"
    novel = "yes" if placed.novel else "no"
    return f"{placed.nearest_label} | {placed.similarity:.2f} | {corrected} | {p} | {novel}"


def _apart(one: float, other: float) -> float:
    return abs((one - other + 180) % 360 - 180)


def _rotated(images: np.ndarray, angle: float) -> np.ndarray:
    task = {"label": "turned", "transforms": [{"kind": "rotate", "degrees": angle}]}
    spec = ExperimentSpec.model_validate({"dataset": "mnist", "suite": {"kind": "custom", "tasks": [task]}})
    transform = build(spec.suite, DATASETS["mnist"])[0].transform
    assert isinstance(transform, PixelMap)
    return transform.apply(images)


def _others(images: np.ndarray, labels: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Images that are no rotation, or no digits, and their classes."""
    rng = np.random.default_rng(7)
    digits, classes = images[:250], labels[:250]
    square = digits.reshape(-1, 28, 28)
    noisy = {
        deviation: np.clip(digits + rng.normal(0, deviation, digits.shape), 0, 255).astype(np.uint8)
        for deviation in (50, 100)
    }
    numbers = np.arange(250) % 10
    patterns = rng.normal(0, 1, (10, 7, 7)).repeat(4, axis=1).repeat(4, axis=2).reshape(10, 784)
    textures = patterns[numbers] + rng.normal(0, 1, (250, 784))
    low, high = textures.min(), textures.max()
    return {
        "digits with noise of sd 50 of 255": (noisy[50], classes),
        "digits with noise of sd 100": (noisy[100], classes),
        "digits shifted by 1 pixel": (np.roll(square, 1, axis=2).reshape(-1, 784), classes),
        "digits shifted by 3 pixels": (np.roll(square, 3, axis=2).reshape(-1, 784), classes),
        "digits, inverted": (255 - digits, classes),
        "digits of five classes": (digits[classes < 5], classes[classes < 5]),
        "digits under wrong names": (digits, rng.permutation(10)[classes]),
        "white noise": (rng.integers(0, 256, (250, 784)).astype(np.uint8), numbers),
        "ten textures with noise": (
            np.round(255 * (textures - low) / (high - low)).astype(np.uint8),
            numbers,
        ),
    }
