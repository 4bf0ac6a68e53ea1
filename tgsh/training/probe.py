"""Probe of a trained experiment: logits of test images of each task under every context, and calibration.

What the API needs to tell how well it infers tasks, without the dataset and without torch.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import numpy as np

from tgsh.analysis.image_bootstrap import seed_from
from tgsh.analysis.task_inference import calibrate, mask_outputs
from tgsh.errors import Interrupted
from tgsh.networks.all_tasks import TaskNetworks, multiply_adds
from tgsh.rng import rng_for
from tgsh.suites import SuiteTask, evenly_spaced
from tgsh.training.trainer import Trainer

MOST_IMAGES = 300
"""Test images of a task: a third of them fits the calibration, the others measure."""

FEWEST_IMAGES = 3

MOST_PRODUCTS = 2**36
"""Multiplications of all logits: one to four seconds of one core."""

MOST_NUMBERS = 2**23
"""Logits that are kept (16 MB)."""

MOST_CONTEXTS = 1_000

KEPT_IMAGES = 40
"""Images of a task that are kept themselves, for hash codes; four a class where there are more classes."""

MOST_BYTES = 2**23
"""Of the images that are kept."""

Measured = tuple[dict[str, np.ndarray], dict[str, str]]


def probe(
    trainer: Trainer,
    tasks: Sequence[SuiteTask],
    vectors: np.ndarray,
    should_stop: Callable[[], bool],
) -> dict[str, Measured]:
    """Run test images of every task through the networks of all tasks.

    Images are drawn at random, of every task its own. Where all tasks are too many for MOST_PRODUCTS or
    MOST_NUMBERS, images of fewer tasks are taken, evenly spread; contexts are always all of them.

    Parameters
    ----------
    trainer : Trainer
        The experiment's.
    tasks : Sequence[SuiteTask]
        All T tasks.
    vectors : np.ndarray
        float32 [T, V], context vectors after training.
    should_stop : Callable[[], bool]
        Called between two blocks of work; True ends the measurement.

    Returns
    -------
    dict[str, Measured]
        "probe": tensors "logits", float16 [D, n, T, K], less the largest of each image and context, −inf for
        outputs that a task does not have; "labels", int64 [D, n]; "images", uint8 [D, m, pixels], as the
        tasks see them, rounded to bytes. Metadata: "tasks", the D places, and "fitted", images behind the
        calibration. "calibration": tensor "scales", float64 [T]; metadata "calibration". Empty where there
        are more than MOST_CONTEXTS tasks, a task has one class, or one has fewer than FEWEST_IMAGES test
        images.

    Raises
    ------
    Interrupted
        Soon after `should_stop` returned True.
    """

    def step() -> None:
        if should_stop():
            raise Interrupted("stopped while tasks were inferred")

    allowed = _outputs(trainer, tasks)
    fewest = min(trainer.source.info_of(task.index).test_images for task in tasks)
    if len(tasks) > MOST_CONTEXTS or allowed.sum(axis=1).min() < 2 or fewest < FEWEST_IMAGES:
        return {}
    counts = _counts(trainer, len(tasks), fewest)
    if counts is None:
        return {}
    networks = TaskNetworks(
        trainer.base,
        trainer.context,
        vectors,
        [task.index for task in tasks],
        lambda index: trainer.source.info_of(index).normalisation,
    )
    probed = evenly_spaced(tasks, counts[0])
    parts = [_probe_task(trainer, networks, task, counts[1], allowed, step) for task in probed]
    # What moves pixels leaves images in columns; files and compiled code take rows.
    logits, labels, images = (np.ascontiguousarray(np.stack(arrays)) for arrays in zip(*parts, strict=True))
    rows = np.array([[each.index for each in tasks].index(task.index) for task in probed])
    fitted = max(1, logits.shape[1] // 3)
    found = calibrate(logits, labels, rows, fitted, seed_from(trainer.spec.digest()), step)
    about = {"tasks": json.dumps([task.index for task in probed]), "fitted": str(fitted)}
    return {
        "probe": ({"logits": logits, "labels": labels, "images": images}, about),
        "calibration": ({"scales": found.scales}, {"calibration": found.to_text()}),
    }


def _outputs(trainer: Trainer, tasks: Sequence[SuiteTask]) -> np.ndarray:
    """bool [T, K], outputs of the classes that each task has."""
    allowed = np.zeros((len(tasks), trainer.info.classes), bool)
    for row, task in enumerate(tasks):
        allowed[row, list(trainer.source.info_of(task.index).class_outputs)] = True
    return allowed


def _counts(trainer: Trainer, tasks: int, fewest: int) -> tuple[int, int] | None:
    """Tasks whose images are taken, and images of each; fewer images where else tasks would be fewer than
    six.

    None where even FEWEST_IMAGES of one task are too many.
    """
    classes, cost = trainer.info.classes, multiply_adds(trainer.base)
    for images in (MOST_IMAGES, MOST_IMAGES // 2, MOST_IMAGES // 10, FEWEST_IMAGES):
        taken = min(images, fewest)
        of_task = taken * tasks
        probed = min(tasks, MOST_PRODUCTS // (of_task * cost), MOST_NUMBERS // (of_task * classes))
        if probed >= min(tasks, 6) or (images == FEWEST_IMAGES and probed):
            return probed, taken
    return None


def _probe_task(
    trainer: Trainer,
    networks: TaskNetworks,
    task: SuiteTask,
    count: int,
    allowed: np.ndarray,
    step: Callable[[], None],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logits [n, T, K], labels [n] and kept images [m, D] of a task."""
    data = trainer.source.of(task.index)
    places = rng_for(trainer.spec.seed, "probe", task.index).permutation(len(data.test_labels))[:count]
    pixels = trainer.transforms.apply(task, np.asarray(data.test_images[places])) * np.float32(255)
    as_bytes = np.rint(pixels).astype(np.uint8)
    # What only moves pixels shows the bytes that the networks were trained on.
    images = as_bytes if np.abs(pixels - as_bytes).max() < 1e-3 else pixels / np.float32(255)
    logits = mask_outputs(networks.logits(np.ascontiguousarray(images), step), allowed)
    logits -= logits.max(axis=-1, keepdims=True)
    width = as_bytes.shape[1]
    kept = max(KEPT_IMAGES, 4 * trainer.info.classes)
    kept = min(kept, MOST_BYTES // (width * max(1, len(networks.tasks))) or 1)
    return logits.astype(np.float16), data.test_labels[places].astype(np.int64), as_bytes[:kept]
