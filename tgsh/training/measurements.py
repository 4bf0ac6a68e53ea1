"""Measurements of a trained experiment: geometry, samples, class means, accuracy matrix."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np

from tgsh.analysis.geometry import LeftOut, PairCosines, pair_cosines, recoverability, summarise
from tgsh.analysis.geometry_bootstrap import GEOMETRY_SCORES, cosine_intervals
from tgsh.analysis.image_bootstrap import LEVEL, RESAMPLES, seed_from
from tgsh.datasets.base import ImageDataset, ImageSource
from tgsh.datasets.several import members_to_text
from tgsh.errors import Interrupted
from tgsh.networks.registry import units_of
from tgsh.specs import ExperimentSpec, follows_images, shares_images
from tgsh.suites import SuiteTask, evenly_spaced
from tgsh.suites.pixel_maps import PixelMap
from tgsh.suites.task_identity import parameter_unit, task_parameters
from tgsh.training.inputs import TaskTransforms
from tgsh.training.probe import probe
from tgsh.training.shuffles import NULL, shuffled_vectors
from tgsh.training.state import TaskState
from tgsh.training.trainer import Trainer

IMAGES_A_CLASS = 6  # an even number: recoverability is fitted on one half and scored on the other
IMAGES_A_MEAN = 500
MEAN_NUMBERS = 2**25  # pixels that a mean is made of, as floats: 128 MB
REPRESENTED_NUMBERS = 2**26  # of all representations that are compared: 256 MB
MOST_CLASSES = 20
MOST_SAMPLES = 10

Measurement = tuple[dict[str, np.ndarray], dict[str, str]]


def geometry_of(trainer: Trainer, tasks: Sequence[SuiteTask], vectors: np.ndarray) -> Measurement:
    """Cosines of representations within and between classes, before and after training (Def. 1, Fig. 2a).

    Parameters
    ----------
    trainer : Trainer
        The experiment's.
    tasks : Sequence[SuiteTask]
        T tasks, those that are compared.
    vectors : np.ndarray
        float32 [E + 1, all tasks, V]; context vectors after every epoch.

    Returns
    -------
    Measurement
        Tensors "edges" of the bins and counts "before.intra", "before.inter", "after.intra",
        "after.inter". Metadata, as JSON: "summaries" of either stage, with what a linear map reads of the
        task and intervals over the test images, and the "sample".
    """
    compared = _compared_classes(trainer, tasks)
    classes = len(compared)
    batches = [_test_images(trainer.source, task, compared, IMAGES_A_CLASS) for task in tasks]
    images = min(map(len, batches)) // classes
    batches = [_fewer(batch, classes, images) for batch in batches]
    gamma = task_parameters(trainer.spec.suite, tasks, trainer.info)
    unit, period = parameter_unit(trainer.spec.suite, trainer.info)
    tensors: dict[str, np.ndarray] = {}
    summaries: dict[str, object] = {}
    for stage, epoch in (("before", 0), ("after", -1)):
        representations = np.stack(
            [
                trainer.representations(task, vectors[epoch, task.index], batch)
                for task, batch in zip(tasks, batches, strict=True)
            ]
        )
        of_pairs = pair_cosines(representations.reshape(len(tasks), classes, images, -1))
        cosines = summarise(of_pairs)
        recovered = recoverability(representations, gamma, period)
        tensors |= {"edges": cosines.edges, f"{stage}.intra": cosines.intra, f"{stage}.inter": cosines.inter}
        summaries[stage] = {
            "intra_mean": cosines.intra_mean,
            "inter_mean": cosines.inter_mean,
            "overlap": cosines.overlap,
            "p_intra_greater": cosines.p_intra_greater,
            "task_accuracy": recovered.task_accuracy,
            "parameter_r2": recovered.parameter_r2,
            "neighbour_mean": cosines.neighbour_mean,
            "left_out": _left_out(recovered.left_out, gamma, unit),
            "intervals": _geometry_intervals(trainer.spec, of_pairs),
        }
    sample = {"tasks": [task.index for task in tasks], "classes": classes, "images": images}
    return tensors, {"summaries": json.dumps(summaries), "sample": json.dumps(sample)}


def _left_out(scores: LeftOut | None, gamma: np.ndarray | None, unit: str) -> dict[str, object]:
    """The readout of γ in tasks left out as JSON, or the reason why there is none."""
    if scores is not None:
        return {"r2": scores.r2, "median_error": scores.median_error, "unit": unit, "reason": None}
    reason = (
        "tasks of this suite have no numeric parameter"
        if gamma is None
        else "the parameter has fewer than three values among these tasks"
    )
    return {"r2": None, "median_error": None, "unit": None, "reason": reason}


def _geometry_intervals(spec: ExperimentSpec, cosines: PairCosines) -> dict[str, object]:
    """Intervals of the measures over test images as JSON, or the reason why there are none."""
    reason = None
    if not shares_images(spec.suite):
        reason = "tasks of this suite have different images, so that no image can be drawn in all of them"
    elif cosines.shape[2] < 2:
        reason = "of one image a class nothing is known about others"
    intervals: dict[str, object] = dict.fromkeys(GEOMETRY_SCORES)
    if reason is None:
        for name, ends in cosine_intervals(cosines, LEVEL, RESAMPLES, seed_from(spec.digest())).items():
            intervals[name] = None if ends is None else {"low": ends.low, "high": ends.high}
    return {**intervals, "level": LEVEL, "resamples": RESAMPLES, "reason": reason}


def samples(
    transforms: TaskTransforms, tasks: Sequence[SuiteTask], should_stop: Callable[[], bool]
) -> Measurement:
    """The first test image of each class as each task sees it when it is tested.

    Parameters
    ----------
    transforms : TaskTransforms
        The tasks' transforms and images.
    tasks : Sequence[SuiteTask]
        T tasks.
    should_stop : Callable[[], bool]
        Called between two tasks; True ends the measurement.

    Returns
    -------
    Measurement
        Tensors "images", float32 [T, n, D], pixels from 0 to 1, and "classes", int64 [n]; int64 [T, n] where
        no class is in all tasks, so that each shows its own. Metadata, as JSON: indices of the "tasks".

    Raises
    ------
    Interrupted
        Soon after `should_stop` returned True.
    """
    common = transforms.source.info.common_outputs[:MOST_SAMPLES]
    shown = [common or transforms.source.info_of(task.index).class_outputs for task in tasks]
    fewest = min([MOST_SAMPLES, *map(len, shown)])

    def transformed(task: SuiteTask, classes: Sequence[int]) -> np.ndarray:
        if should_stop():
            raise Interrupted("stopped between the samples of two tasks")
        return transforms.apply(task, _test_images(transforms.source, task, classes[:fewest], 1))

    images = np.stack([transformed(task, own) for task, own in zip(tasks, shown, strict=True)])
    classes = np.array(common if common else [own[:fewest] for own in shown], np.int64)
    return {"images": images, "classes": classes}, {"tasks": json.dumps([task.index for task in tasks])}


def class_means(trainer: Trainer, tasks: Sequence[SuiteTask]) -> Measurement:
    """Mean training image of each class as each task sees it.

    Parameters
    ----------
    trainer : Trainer
        The experiment's.
    tasks : Sequence[SuiteTask]
        T tasks.

    Returns
    -------
    Measurement
        Tensors "means", float32 [T, K, D], pixels from 0 to 1; NaN for the classes that a task does not
        have, where tasks have their own datasets. No metadata.
    """
    info = trainer.info
    most = max(1, min(IMAGES_A_MEAN, MEAN_NUMBERS // (info.classes * info.pixels)))

    @lru_cache(maxsize=1)
    def chosen(data: ImageDataset) -> np.ndarray:
        images = first_of_each_class(data.train_images, data.train_labels, _trained_outputs(data), most)
        return images.reshape(len(_trained_outputs(data)), -1, data.info.pixels)

    @lru_cache(maxsize=1)
    def unmoved(data: ImageDataset) -> np.ndarray:
        return np.asarray((chosen(data).astype(np.float32) / 255).mean(axis=1))

    def means(task: SuiteTask) -> np.ndarray:
        data = trainer.source.of(task.index)
        if isinstance(task.transform, PixelMap):  # the mean of moved images is the moved mean
            images = task.transform.apply(unmoved(data))
        else:
            flat = chosen(data).reshape(-1, data.info.pixels)
            images = trainer.transforms.apply(task, flat).reshape(chosen(data).shape).mean(axis=1)
        of_outputs = np.full((info.classes, images.shape[1]), np.nan, images.dtype)
        of_outputs[_trained_outputs(data)] = images
        return of_outputs

    return {"means": np.stack([means(task) for task in tasks])}, {}


def accuracy_matrix(
    trainer: Trainer,
    tasks: Sequence[SuiteTask],
    trained: Sequence[TaskState],
    should_stop: Callable[[], bool],
) -> Measurement:
    """Accuracy of every task's context on every task's test images.

    Measured when all tasks have been learned, so what an earlier task lost to later ones would show in the
    diagonal.

    Parameters
    ----------
    trainer : Trainer
        The experiment's.
    tasks : Sequence[SuiteTask]
        T tasks.
    trained : Sequence[TaskState]
        T states, after the last epoch.
    should_stop : Callable[[], bool]
        Called between two evaluations; True ends the measurement.

    Returns
    -------
    Measurement
        Tensors "matrix", float64 [T, T], of the context of task i on the images of task j, and
        "untrained", float64 [T], of each task's context before training on its own images. No metadata.

    Raises
    ------
    Interrupted
        Soon after `should_stop` returned True.
    """

    def accuracy(task: SuiteTask, state: TaskState) -> float:
        if should_stop():
            raise Interrupted("stopped between two evaluations")
        return trainer.accuracy([task], [state])[0]

    # Task by task, so that the networks' wiring to its images is made once.
    columns = [[accuracy(task, state) for state in (*trained, trainer.fresh(task.index))] for task in tasks]
    *matrix, untrained = np.array(columns).T
    return {"matrix": np.array(matrix), "untrained": untrained}, {}


def _trained_outputs(data: ImageDataset) -> list[int]:
    """Outputs of the classes that have training images: a domain may have one for testing alone."""
    present = set(np.unique(data.train_labels).tolist())
    return [each for each in data.info.class_outputs if each in present]


def _compared_classes(trainer: Trainer, tasks: Sequence[SuiteTask]) -> tuple[int, ...]:
    """As many classes as have representations that fit in memory; two at least, where all tasks have them."""
    a_class = len(tasks) * IMAGES_A_CLASS * units_of(trainer.base)
    return trainer.info.common_outputs[: min(MOST_CLASSES, max(2, REPRESENTED_NUMBERS // a_class))]


def _fewer(batch: np.ndarray, classes: int, images: int) -> np.ndarray:
    """The first images of each class of a batch that has as many of all."""
    if len(batch) == classes * images:
        return batch
    return batch.reshape(classes, -1, batch.shape[1])[:, :images].reshape(classes * images, -1)


def first_of_each_class(
    images: np.ndarray, labels: np.ndarray, classes: Sequence[int], most: int
) -> np.ndarray:
    """The first images of every class, equally many, class after class.

    Parameters
    ----------
    images : np.ndarray
        uint8 [N, D].
    labels : np.ndarray
        int [N], their classes.
    classes : Sequence[int]
        Classes that are taken.
    most : int
        Images of a class at most.

    Returns
    -------
    np.ndarray
        uint8 [len(classes)·n, D]; n images of each class.
    """
    places = [np.flatnonzero(labels == label)[:most] for label in classes]
    fewest = min(map(len, places))
    return np.asarray(images[np.concatenate([each[:fewest] for each in places])])


def _test_images(source: ImageSource, task: SuiteTask, classes: Sequence[int], most: int) -> np.ndarray:
    """Test images of every class, equally many; training images of one that has no others."""
    dataset = source.of(task.index)
    is_tested = np.isin(classes, dataset.test_labels)
    if is_tested.all():
        return first_of_each_class(dataset.test_images, dataset.test_labels, classes, most)
    parts = [
        (dataset.test_images, dataset.test_labels) if tested else (dataset.train_images, dataset.train_labels)
        for tested in is_tested.tolist()
    ]
    each = [
        first_of_each_class(images, labels, [label], most)
        for (images, labels), label in zip(parts, classes, strict=True)
    ]
    fewest = min(map(len, each))
    return np.concatenate([images[:fewest] for images in each])


MOST_TASKS = 36
MOST_CLASS_MEANS = 1_000
MOST_MEAN_NUMBERS = 2**25
"""Tasks whose class means are kept (31 MB at the paper's size), and pixels of them all (128 MB); with more,
reconstructions have no score."""


def measure(
    trainer: Trainer,
    tasks: Sequence[SuiteTask],
    vectors: np.ndarray,
    trained_state: Callable[[int], TaskState],
    should_stop: Callable[[], bool],
) -> dict[str, Measurement]:
    """All measurements of an experiment whose tasks are trained.

    Parameters
    ----------
    trainer : Trainer
        The experiment's.
    tasks : Sequence[SuiteTask]
        All T tasks.
    vectors : np.ndarray
        float32 [E + 1, T, V]; context vectors after every epoch.
    trained_state : Callable[[int], TaskState]
        A task's state after its last epoch, by its index.
    should_stop : Callable[[], bool]
        Called between measurements of two tasks; True ends them.

    Returns
    -------
    dict[str, Measurement]
        "samples" of MOST_TASKS tasks at most, evenly spread, and "geometry" where they share two classes;
        "class-means" of all, where they are not too many; "accuracy-matrix" and "null-shuffles" where
        the spec says so; "members", what follows from the images of several datasets; "probe" and
        "calibration", see `tgsh.training.probe`.

    Raises
    ------
    Interrupted
        Soon after `should_stop` returned True.
    """
    measured_tasks = evenly_spaced(tasks, MOST_TASKS)
    measurements = {"samples": samples(trainer.transforms, measured_tasks, should_stop)}
    if len(_compared_classes(trainer, measured_tasks)) > 1:  # Definition 1 compares one class in two tasks
        measurements["geometry"] = geometry_of(trainer, measured_tasks, vectors)
    if follows_images(trainer.spec.suite):
        measurements["members"] = {}, members_to_text(trainer.info)
    numbers = len(tasks) * trainer.info.classes * trainer.info.pixels
    if len(tasks) <= MOST_CLASS_MEANS and numbers <= MOST_MEAN_NUMBERS:
        measurements["class-means"] = class_means(trainer, tasks)
    if trainer.spec.accuracy_matrix:
        trained = [trained_state(task.index) for task in tasks]
        measurements["accuracy-matrix"] = accuracy_matrix(trainer, tasks, trained, should_stop)
    if shuffles := trainer.spec.null_shuffles:
        shuffled = shuffled_vectors(trainer, tasks, shuffles, should_stop)
        measurements[NULL] = {"vectors": shuffled}, {}
    return measurements | probe(trainer, tasks, vectors[-1], should_stop)
