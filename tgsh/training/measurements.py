"""Geometry, samples, class means, accuracy matrix."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np

from tgsh.analysis.geometry import geometry, recoverability
from tgsh.datasets.base import Dataset, ImageSource
from tgsh.errors import Interrupted
from tgsh.networks.torch_registry import units_of
from tgsh.suites import Task, evenly_spaced
from tgsh.suites.pixel_maps import PixelMap
from tgsh.suites.task_identity import task_parameters
from tgsh.training.inputs import Views
from tgsh.training.state import TaskState
from tgsh.training.trainer import Trainer

IMAGES_A_CLASS = 6  # an even number: recoverability is fitted on one half and scored on the other
IMAGES_A_MEAN = 500
MEAN_NUMBERS = 2**25  # pixels that a mean is made of, as floats: 128 MB
REPRESENTED_NUMBERS = 2**26  # of all representations that are compared: 256 MB
MOST_CLASSES = 20
MOST_SAMPLES = 10

Measurement = tuple[dict[str, np.ndarray], dict[str, str]]


def geometry_of(trainer: Trainer, tasks: Sequence[Task], vectors: np.ndarray) -> Measurement:
    """Histograms of intra and inter cosines before and after training, and a summary of each.

    The summaries hold what a linear map reads of the task, too. vectors: float32 [E + 1, T, V].
    """
    classes = _compared_classes(trainer, tasks)
    shown = [_test_images(trainer.source, task, classes, IMAGES_A_CLASS) for task in tasks]
    images = min(map(len, shown)) // classes
    gamma = task_parameters(trainer.spec.suite, tasks, trainer.info)
    tensors: dict[str, np.ndarray] = {}
    summaries: dict[str, object] = {}
    for stage, epoch in (("before", 0), ("after", -1)):
        seen = np.stack(
            [
                trainer.representations(task, vectors[epoch, task.index], own)
                for task, own in zip(tasks, shown, strict=True)
            ]
        )
        found = geometry(seen.reshape(len(tasks), classes, images, -1))
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
    sample = {"tasks": [task.index for task in tasks], "classes": classes, "images": images}
    return tensors, {"summaries": json.dumps(summaries), "sample": json.dumps(sample)}


def samples(views: Views, tasks: Sequence[Task], should_stop: Callable[[], bool]) -> Measurement:
    """`images` float32 [T, n, D], pixels in [0, 1]: the first test image of each class as each task shows it.

    `classes` int64 [n] says which class; a task of random transforms shows them as it does when it is tested.
    Raises Interrupted between two tasks.
    """
    classes = min(views.source.info.common_classes, MOST_SAMPLES)

    def seen(task: Task) -> np.ndarray:
        if should_stop():
            raise Interrupted("stopped between the samples of two tasks")
        return views(task, _test_images(views.source, task, classes, 1))

    about = {"tasks": json.dumps([task.index for task in tasks])}
    return {"images": np.stack([seen(task) for task in tasks]), "classes": np.arange(classes)}, about


def class_means(trainer: Trainer, tasks: Sequence[Task]) -> Measurement:
    """`means` float32 [T, K, D]: mean training image of each class as each task shows it, pixels 0 to 1.

    NaN for the classes that a task does not have, where tasks have their own datasets.
    """
    info = trainer.info
    most = max(1, min(IMAGES_A_MEAN, MEAN_NUMBERS // (info.classes * info.pixels)))

    @lru_cache(maxsize=1)
    def chosen(data: Dataset) -> np.ndarray:
        return first_of_each_class(data.train_images, data.train_labels, data.info.classes, most)

    @lru_cache(maxsize=1)
    def unmoved(data: Dataset) -> np.ndarray:
        return np.asarray((chosen(data).astype(np.float32) / 255).reshape(_shape(data)).mean(axis=1))

    def means(task: Task) -> np.ndarray:
        data = trainer.source.of(task.index)
        if isinstance(task.transform, PixelMap):  # the mean of moved images is the moved mean
            found = task.transform.apply(unmoved(data))
        else:
            found = trainer.views(task, chosen(data)).reshape(_shape(data)).mean(axis=1)
        lacking = ((0, info.classes - len(found)), (0, 0))
        return np.pad(found, lacking, constant_values=np.nan)

    return {"means": np.stack([means(task) for task in tasks])}, {}


def accuracy_matrix(
    trainer: Trainer,
    tasks: Sequence[Task],
    trained: Sequence[TaskState],
    should_stop: Callable[[], bool],
) -> Measurement:
    """`matrix` float64 [T, T]: accuracy of the context of task i on the test images of task j.

    Measured when all tasks have been learned, so what an earlier task lost to later ones would show in the
    diagonal. `untrained` float64 [T]: that of each task's context before training, on its own images.
    Raises Interrupted between two evaluations.
    """

    def accuracy(task: Task, state: TaskState) -> float:
        if should_stop():
            raise Interrupted("stopped between two evaluations")
        return trainer.accuracy([task], [state])[0]

    # Task by task, so that the networks' wiring to its images is made once.
    columns = [[accuracy(task, state) for state in (*trained, trainer.fresh(task.index))] for task in tasks]
    *matrix, untrained = np.array(columns).T
    return {"matrix": np.array(matrix), "untrained": untrained}, {}


def _shape(data: Dataset) -> tuple[int, int, int]:
    """Classes, images of each, pixels."""
    return (data.info.classes, -1, data.info.pixels)


def _compared_classes(trainer: Trainer, tasks: Sequence[Task]) -> int:
    """So many that their representations fit in memory, and at least two."""
    a_class = len(tasks) * IMAGES_A_CLASS * units_of(trainer.base)
    return min(trainer.info.common_classes, MOST_CLASSES, max(2, REPRESENTED_NUMBERS // a_class))


def first_of_each_class(images: np.ndarray, labels: np.ndarray, classes: int, most: int) -> np.ndarray:
    """The first images of every class, equally many, class after class."""
    chosen = [np.flatnonzero(labels == label)[:most] for label in range(classes)]
    fewest = min(len(found) for found in chosen)
    return np.asarray(images[np.concatenate([found[:fewest] for found in chosen])])


def _test_images(source: ImageSource, task: Task, classes: int, most: int) -> np.ndarray:
    own = source.of(task.index)
    return first_of_each_class(own.test_images, own.test_labels, classes, most)


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
) -> dict[str, Measurement]:
    """Everything that is measured once training is over, by name.

    vectors: float32 [E + 1, T, V]. learned: a task's state after its last epoch, by its index.
    Raises Interrupted soon after should_stop() turns true.

    geometry, samples: of MOST_TASKS at most, evenly spread. class-means: of all, where they are not too many.
    accuracy-matrix: where the spec asks for it.
    """
    some = evenly_spaced(tasks, MOST_TASKS)
    found = {
        "geometry": geometry_of(trainer, some, vectors),
        "samples": samples(trainer.views, some, should_stop),
    }
    numbers = len(tasks) * trainer.info.classes * trainer.info.pixels
    if len(tasks) <= MOST_CLASS_MEANS and numbers <= MOST_MEAN_NUMBERS:
        found["class-means"] = class_means(trainer, tasks)
    if trainer.spec.accuracy_matrix:
        trained = [learned(task.index) for task in tasks]
        found["accuracy-matrix"] = accuracy_matrix(trainer, tasks, trained, should_stop)
    return found
