"""What needs images once training is over: measured on a few test images, so that reads need none."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np

from tgsh.analysis.geometry import geometry
from tgsh.analysis.recoverability import recoverability
from tgsh.suites import Task
from tgsh.suites.parameter import parameters
from tgsh.training.trainer import Trainer

IMAGES_A_CLASS = 6  # an even number: recoverability is fitted on one half and scored on the other
IMAGES_A_MEAN = 500
MOST_TASKS = 36
MOST_CLASSES = 20
MOST_CLASS_MEANS = 1_000
"""Tasks whose class means are kept (31 MB at the paper's size); with more, reconstructions have no score."""

Measurement = tuple[dict[str, np.ndarray], dict[str, str]]
"""Named arrays, and text that describes them."""


def measured_tasks(tasks: Sequence[Task]) -> list[Task]:
    """All tasks, or as many as are measured, evenly spread."""
    places = np.linspace(0, len(tasks) - 1, min(len(tasks), MOST_TASKS)).round().astype(int)
    return [tasks[place] for place in dict.fromkeys(places.tolist())]


def measured(trainer: Trainer, tasks: Sequence[Task], vectors: np.ndarray) -> dict[str, Measurement]:
    """Everything that is measured once training is over, by name; vectors float32 [E + 1, T, H].

    class-means: `means` [T, K, D]. geometry: histograms of intra and inter cosines before and after
    training, and a summary of each, with what a linear map reads of the task.
    """
    found = {"geometry": _geometry(trainer, measured_tasks(tasks), vectors)}
    if len(tasks) <= MOST_CLASS_MEANS:
        found["class-means"] = {"means": _class_means(trainer, tasks)}, {}
    return found


def _geometry(trainer: Trainer, tasks: list[Task], vectors: np.ndarray) -> Measurement:
    dataset, most = trainer.dataset, min(trainer.dataset.info.classes, MOST_CLASSES)
    images, classes = _first_of_each_class(dataset.test_images, dataset.test_labels, most, IMAGES_A_CLASS)
    gamma = parameters(trainer.spec.suite, tasks, dataset.info)
    tensors: dict[str, np.ndarray] = {}
    summaries: dict[str, object] = {}
    for stage, epoch in (("before", 0), ("after", -1)):
        seen = np.stack([trainer.representations(t, vectors[epoch, t.index], images) for t in tasks])
        found = geometry(seen.reshape(len(tasks), classes, len(images) // classes, -1))
        read = recoverability(seen, gamma)
        tensors |= {"edges": found.edges, f"{stage}.intra": found.intra, f"{stage}.inter": found.inter}
        summaries[stage] = {
            "intra_mean": found.intra_mean,
            "inter_mean": found.inter_mean,
            "overlap": found.overlap,
            "p_intra_greater": found.p_intra_greater,
            "task_accuracy": read.task_accuracy,
            "parameter_r2": read.parameter_r2,
        }
    sample = {"tasks": [task.index for task in tasks], "classes": classes, "images": len(images) // classes}
    return tensors, {"summaries": json.dumps(summaries), "sample": json.dumps(sample)}


def _class_means(trainer: Trainer, tasks: Sequence[Task]) -> np.ndarray:
    """Mean training image of each class as each task shows it; float32 [T, K, D], pixels in [0, 1]."""
    dataset = trainer.dataset
    images, classes = _first_of_each_class(
        dataset.train_images, dataset.train_labels, dataset.info.classes, IMAGES_A_MEAN
    )
    shape = (classes, len(images) // classes, dataset.info.pixels)
    return np.stack([trainer.views(task, images).reshape(shape).mean(axis=1) for task in tasks])


def _first_of_each_class(
    images: np.ndarray, labels: np.ndarray, classes: int, most: int
) -> tuple[np.ndarray, int]:
    """The first images of every class, equally many, class after class; and how many classes."""
    chosen = [np.flatnonzero(labels == label)[:most] for label in range(classes)]
    fewest = min(len(found) for found in chosen)
    return images[np.concatenate([found[:fewest] for found in chosen])], classes
