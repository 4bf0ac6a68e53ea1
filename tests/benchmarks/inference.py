"""python -m tests.benchmarks inference: the numbers of the guide's page on inference, through the API.

Trains RotationMNIST with its accuracy matrix in a folder (two to five minutes on two cores), opens the
service over it in this process, and sends test images that are drawn at random. Prints Markdown tables.
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import numpy as np
from pydantic import SecretStr

from service.app import create_app
from service.settings import ServiceSettings
from tests.support.serving import in_process
from tgsh.datasets.mnist import load_dataset
from tgsh.execution.local import run
from tgsh.rng import rng_for
from tgsh.specs.presets import Submission
from tgsh.suites import build

TASKS = 36
SPEC = {"preset": "rotation-mnist", "accuracy_matrix": True}
BATCHES = {1: 10, 10: 5, 100: 2}
"""Batches of each task, by images a batch."""

RULES = ("margin", "entropy", "infomax", "blind-hash")
NPY = {"Content-Type": "application/x-npy"}


def main(arguments: Sequence[str]) -> int:
    """Print the tables; 0 where they could be measured."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks inference")
    parser.add_argument(
        "--folder", type=Path, help="where the experiment is trained, or was; default: removed"
    )
    folder = parser.parse_args(arguments).folder
    data_dir = Path(os.environ.get("TGSH_DATA_DIR") or "nowhere")
    if not (data_dir / "MNIST" / "raw").is_dir():
        print("set TGSH_DATA_DIR to a folder that has MNIST/raw with full MNIST in it", file=sys.stderr)
        return 2
    with TemporaryDirectory(prefix="tgsh-inference-") as temporary:
        home = folder or Path(temporary)
        spec = Submission.model_validate(SPEC).spec()
        experiment = run(spec, home, None, lambda progress: print(progress.fraction, file=sys.stderr))
        settings = ServiceSettings(home=home, data_dir=data_dir, redis_url=SecretStr("redis://127.0.0.1:1/0"))
        with in_process(create_app(settings)) as client:
            for line in Measurement(client, f"/experiments/{experiment.id}", data_dir).lines():
                print(line, flush=True)
    return 0


class Measurement:
    """Questions to one experiment, with images as its tasks see them."""

    def __init__(self, client: httpx.Client, root: str, data_dir: Path) -> None:
        self._client, self._root = client, root
        spec = Submission.model_validate(SPEC).spec()
        self._digits = load_dataset("mnist", data_dir)
        self._transforms = [task.transform for task in build(spec.suite, self._digits.info)]

    def lines(self) -> Iterator[str]:
        """Markdown."""
        yield from self._inference()
        yield from self._mixtures()
        yield from self._results()

    def _images(self, task: int, size: int, *name: str | int) -> tuple[np.ndarray, np.ndarray]:
        """Images as a task sees them, and their classes."""
        places = rng_for(0, *name, task).choice(len(self._digits.test_labels), size, replace=False)
        transform: Any = self._transforms[task]
        moved = np.ascontiguousarray(transform.apply(self._digits.test_images[places]))
        return moved, self._digits.test_labels[places]

    def _ask(self, route: str, images: np.ndarray, **params: Any) -> dict[str, Any]:
        file = io.BytesIO()
        np.save(file, images)
        answer = self._client.post(
            f"{self._root}/{route}", params=params, content=file.getvalue(), headers=NPY
        )
        answer.raise_for_status()
        document: dict[str, Any] = answer.json()
        return document

    def _inference(self) -> Iterator[str]:
        yield "| rule | images | task right | within ±10° | class right | by the task's number | batches |"
        yield "|---|--:|--:|--:|--:|--:|--:|"
        seconds = []
        for rule in RULES:
            for size, count in BATCHES.items():
                if rule == "infomax" and size == 1:
                    continue
                rights = []
                for task in range(TASKS):
                    images, classes = self._images(task, size * count, "inference", size)
                    known = self._known(task, images, classes)
                    for start in range(0, size * count, size):
                        began = time.perf_counter()
                        found = self._ask("inference", images[start : start + size], rule=rule)
                        if (size, rule) == (100, "margin"):
                            seconds.append(time.perf_counter() - began)
                        distance = abs(found["tasks"][0]["task"] - task)
                        named = np.array(found["classes"]) == classes[start : start + size].astype(str)
                        near = min(distance, TASKS - distance) <= 1
                        rights.append([distance == 0, near, named.mean(), known])
                numbers = " | ".join(f"{value:.3f}" for value in np.mean(rights, axis=0))
                yield f"| {rule} | {size} | {numbers} | {len(rights)} |"
        yield ""
        yield f"100 images among {TASKS} tasks by margin: {statistics.median(seconds):.3f} s (median)"
        yield ""

    def _known(self, task: int, images: np.ndarray, classes: np.ndarray) -> float:
        """Accuracy with the task's number."""
        found = self._ask(f"tasks/{task}/predictions", images[:1000])
        return float((np.array(found["classes"]) == classes[:1000]).mean())

    def _mixtures(self) -> Iterator[str]:
        yield "| mean of contexts | accuracy on the task between |"
        yield "|---|--:|"
        mixes: dict[str, Callable[[int], dict[int, int]]] = {
            "own": lambda task: {task: 1},
            "±10°": lambda task: {task - 1: 1, task + 1: 1},
            "one neighbour": lambda task: {task + 1: 1},
            "±20°": lambda task: {task - 2: 1, task + 2: 1},
            "one at 20°": lambda task: {task + 2: 1},
            "all 36": lambda _: dict.fromkeys(range(TASKS), 1),
        }
        for name, mix in mixes.items():
            shares = []
            for task in range(TASKS):
                images, classes = self._images(task, 500, "mixtures")
                weights = ",".join(f"{each % TASKS}:{weight}" for each, weight in mix(task).items())
                found = self._ask("predictions", images, weights=weights)
                shares.append((np.array(found["classes"]) == classes).mean())
            yield f"| {name} | {np.mean(shares):.3f} |"
        best = []
        for task in range(TASKS):
            images, classes = self._images(task, 100, "best mix")
            others = ",".join(str(other) for other in range(TASKS) if other != task)
            labels = ",".join(map(str, classes.tolist()))
            found = self._ask("mixtures", images, labels=labels, tasks=others, contexts=2)
            best.append((found["accuracy"], found["single"]["accuracy"]))
        mixed, single = np.mean(best, axis=0)
        yield f"| best two of the other 35, fitted to 50 images | {mixed:.3f} |"
        yield f"| best single one of the other 35, chosen by the same 50 | {single:.3f} |"
        yield ""

    def _results(self) -> Iterator[str]:
        transfer = self._client.get(f"{self._root}/transfer").json()
        yield (
            f"transfer: Pearson {transfer['pearson']:.3f}, Spearman {transfer['spearman']:.3f}, "
            f"Mantel {transfer['mantel']['statistic']:.3f}; chosen {transfer['mean_chosen']:.3f}, best "
            f"{transfer['mean_best']:.3f}, random {transfer['mean_random']:.3f}; coverage "
            f"{transfer['fit']['coverage']:.3f}; {transfer['sources'][0]['sentence']}"
        )
        yield ""
        yield "| images | task known | domain | class | task found |"
        yield "|--:|--:|--:|--:|--:|"
        for row in self._client.get(f"{self._root}/scenarios").json()["rows"]:
            cells = [_cell(row[name]) for name in ("task_known", "domain", "class", "task")]
            yield f"| {row['images']} | {' | '.join(cells)} |"
        for kind in ("simhash", "top-share"):
            found = self._client.get(f"{self._root}/hashing", params={"kind": kind}).json()
            yield ""
            yield f"| {kind}, 256 bits | same task | same class | same class within the task |"
            yield "|---|--:|--:|--:|"
            for row in [*found["retrieval"], found["chance"]]:
                cells = [f"{row[name]:.3f}" for name in ("same_task", "same_class", "same_class_within")]
                yield f"| {row['name']} | {' | '.join(cells)} |"
            for curve in found["curves"]:
                yield (
                    f"{curve['pairs_of']} {curve['stage']}: cosine {curve['mean_cosine']:.3f}, agreement "
                    f"{curve['mean_agreement']:.3f}, deviation {curve['deviation']}"
                )


def _cell(estimate: dict[str, float]) -> str:
    return f"{estimate['value']:.3f} ({estimate['low']:.3f}–{estimate['high']:.3f})"
