"""What needs images once training is over: measured then, so that reads need none."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from tgsh.suites import Task, spread
from tgsh.training import measures
from tgsh.training.state import TaskState
from tgsh.training.trainer import Trainer

MOST_TASKS = 36
MOST_CLASS_MEANS = 1_000
MOST_MEAN_NUMBERS = 2**25
"""Tasks whose class means are kept (31 MB at the paper's size), and pixels of them all (128 MB); with more,
reconstructions have no score."""


def measured(
    trainer: Trainer,
    tasks: Sequence[Task],
    vectors: np.ndarray,
    learned: Callable[[int], TaskState],
    should_stop: Callable[[], bool],
) -> dict[str, measures.Measurement]:
    """Everything that is measured once training is over, by name.

    vectors: float32 [E + 1, T, V]. learned: a task's state after its last epoch, by its index.
    Raises Interrupted soon after should_stop() turns true.

    geometry, samples: of MOST_TASKS at most, evenly spread. class-means: of all, where they are not too many.
    accuracy-matrix: where the spec asks for it.
    """
    some = spread(tasks, MOST_TASKS)
    found = {
        "geometry": measures.geometry_of(trainer, some, vectors),
        "samples": measures.samples(trainer.views, some, should_stop),
    }
    numbers = len(tasks) * trainer.info.classes * trainer.info.pixels
    if len(tasks) <= MOST_CLASS_MEANS and numbers <= MOST_MEAN_NUMBERS:
        found["class-means"] = measures.class_means(trainer, tasks)
    if trainer.spec.accuracy_matrix:
        trained = [learned(task.index) for task in tasks]
        found["accuracy-matrix"] = measures.accuracy_matrix(trainer, tasks, trained, should_stop)
    return found
