"""Contexts learned on few images that an experiment has not seen, for their cosines with its tasks.

Beside the images themselves the same sample is learned with its classes dealt out at random, and samples of
known tasks that are as small: what unrelated classes give, and what a known task gives that has no more
images.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import permutations

import numpy as np

from tgsh.analysis.placements import cosines_between
from tgsh.datasets.base import DatasetInfo, ImageDataset, ImageSource, Normalisation
from tgsh.datasets.normalisation import normalisation_of
from tgsh.errors import Interrupted
from tgsh.rng import rng_for
from tgsh.specs import ExperimentSpec
from tgsh.suites import SuiteTask, evenly_spaced
from tgsh.suites.pixel_maps import PixelMap
from tgsh.training.state import fresh_state
from tgsh.training.trainer import Trainer

DEALINGS = 19
"""Random ways to deal out the classes: the true one is the best of all 20 by chance 1 time in 20."""

KNOWN_TASKS = 12
"""Tasks at most whose small samples are learned for comparison."""

SHARE = 0.8
"""Of few images, which every replicate takes of its own, so that replicates differ."""


@dataclass(frozen=True, eq=False)
class PlacedImages:
    """Labelled images whose place among the tasks of an experiment is looked for.

    Attributes
    ----------
    images : np.ndarray
        uint8 [N, D], pixels from 0 to 255.
    outputs : np.ndarray
        int64 [N], the output of the experiment's networks that stands for the class of each.
    normalisation : Normalisation
        Mean and deviation that their pixels are normalised by.
    """

    images: np.ndarray
    outputs: np.ndarray
    normalisation: Normalisation


@dataclass(frozen=True, eq=False)
class PlacedVectors:
    """Context vectors of placed images, and cosines of what they are compared with.

    Attributes
    ----------
    vectors : np.ndarray
        float32 [R, V], a replicate each.
    cosines : np.ndarray
        float64 [R, T], with the vectors of the experiment's tasks.
    dealt : np.ndarray
        float64 [P, T], the same of the first replicate's images with classes dealt out at random; P is 0
        where there are no other ways to deal them out.
    known : np.ndarray
        float64 [S], of known tasks' samples of the same size with the tasks that they are from.
    images : int
        Images of a replicate, m.
    """

    vectors: np.ndarray
    cosines: np.ndarray
    dealt: np.ndarray
    known: np.ndarray
    images: int


def sample_size(images: int, most: int) -> int:
    """Count the images that a replicate takes.

    Parameters
    ----------
    images : int
        N, all there are.
    most : int
        Most that a replicate may take.

    Returns
    -------
    int
        m = min(most, ⌊0.8 N⌋), at least 2.
    """
    return max(2, min(most, math.floor(SHARE * images)))


def place(
    trainer: Trainer,
    tasks: Sequence[SuiteTask],
    vectors: np.ndarray,
    placed: PlacedImages,
    most_images: int,
    replicates: int,
    seed: int,
    should_stop: Callable[[], bool],
    *,
    deal: bool = True,
) -> PlacedVectors:
    """Learn contexts of given images over an experiment's base, by its recipe, and compare them with tasks.

    Parameters
    ----------
    trainer : Trainer
        The experiment's.
    tasks : Sequence[SuiteTask]
        All T tasks.
    vectors : np.ndarray
        float32 [T, V], their context vectors after training.
    placed : PlacedImages
        N images.
    most_images : int
        Most images of a replicate.
    replicates : int
        R.
    seed : int
        Decides samples, starts, orders and dealings.
    should_stop : Callable[[], bool]
        Called before every batch; True ends the training.
    deal : bool, default=True
        Whether classes are also dealt out at random: that tells nothing where they were matched by images.

    Returns
    -------
    PlacedVectors
        Vectors and cosines.

    Raises
    ------
    Interrupted
        Soon after `should_stop` returned True.
    TrainingDiverged
        Where the recipe does not go with these images.
    """
    size = sample_size(len(placed.images), most_images)
    samples = [
        stratified_sample(placed.outputs, size, rng_for(seed, "placement", "sample", replicate))
        for replicate in range(replicates)
    ]
    slots = [_dataset(trainer.info, placed, placed.outputs, chosen) for chosen in samples]
    dealings = class_dealings(np.unique(placed.outputs), trainer.info.classes, seed) if deal else []
    slots += [_dataset(trainer.info, placed, dealt[placed.outputs], samples[0]) for dealt in dealings]
    identity = PixelMap.identity(trainer.info.pixels)
    own = [SuiteTask(slot, f"placed {slot}", {}, lambda: identity) for slot in range(len(slots))]
    # A dealing has start and order of the first replicate, of which it differs in its classes only.
    streams = [*range(replicates), *[0] * len(dealings)]
    learned = _learn(trainer, own, slots, streams, seed, should_stop)
    cosines = cosines_between(learned, vectors)
    known = _known_cosines(trainer, tasks, vectors, size, seed, should_stop)
    return PlacedVectors(learned[:replicates], cosines[:replicates], cosines[replicates:], known, size)


def stratified_sample(classes: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """Draw images without replacement, of every class its share to within one.

    Parameters
    ----------
    classes : np.ndarray
        int64 [N], the class of each image.
    size : int
        Images that are drawn, at most N.
    rng : np.random.Generator
        Decides which.

    Returns
    -------
    np.ndarray
        int64 [size], their places, ascending.
    """
    shares = np.empty(len(classes))
    for each in np.unique(classes):
        places = np.flatnonzero(classes == each)
        shares[rng.permutation(places)] = (np.arange(len(places)) + rng.random()) / len(places)
    return np.sort(np.argsort(shares, kind="stable")[:size])


def class_dealings(own: np.ndarray, outputs: int, seed: int) -> list[np.ndarray]:
    """Deal out classes to outputs at random, otherwise than they are.

    Parameters
    ----------
    own : np.ndarray
        int64 [C], outputs of the classes, ascending.
    outputs : int
        K, of the network.
    seed : int
        Decides the dealings.

    Returns
    -------
    list[np.ndarray]
        DEALINGS maps, or all others there are where they are fewer: int64 [K], from an output to another.
    """
    few = math.perm(outputs, len(own)) - 1
    if few <= DEALINGS:
        dealt = [each for each in permutations(range(outputs), len(own)) if each != tuple(own.tolist())]
    else:
        dealt = []
        rng = rng_for(seed, "placement", "dealing")
        while len(dealt) < DEALINGS:
            each = tuple(rng.permutation(outputs)[: len(own)].tolist())
            if each != tuple(own.tolist()) and each not in dealt:
                dealt.append(each)
    maps = []
    for each in dealt:
        whole = np.arange(outputs)
        whole[own] = each
        maps.append(whole)
    return maps


def normalisation_for(spec: ExperimentSpec, info: DatasetInfo, placed: DatasetInfo) -> Normalisation:
    """Choose the normalisation of placed images: the experiment's own, so that they are seen alike.

    Parameters
    ----------
    spec : ExperimentSpec
        The experiment.
    info : DatasetInfo
        Its images.
    placed : DatasetInfo
        The placed images.

    Returns
    -------
    Normalisation
        That of the experiment's images; where its tasks are normalised differently, each dataset by its own,
        the one that the experiment would give to the placed dataset.
    """
    members = info.members or (info,)
    chosen = {normalisation_of(spec.normalisation, member) for member in members}
    return chosen.pop() if len(chosen) == 1 else normalisation_of(spec.normalisation, placed)


@dataclass(frozen=True, eq=False)
class _Slots:
    """An image source with a dataset for each slot."""

    info: DatasetInfo
    datasets: Sequence[ImageDataset]

    def of(self, task: int) -> ImageDataset:
        return self.datasets[task]

    def info_of(self, task: int) -> DatasetInfo:
        return self.datasets[task].info


def _dataset(
    info: DatasetInfo, placed: PlacedImages, outputs: np.ndarray, chosen: np.ndarray
) -> ImageDataset:
    about = replace(info, normalisation=placed.normalisation, members=())
    return _training_set(about, placed.images[chosen], outputs[chosen])


def _training_set(info: DatasetInfo, images: np.ndarray, labels: np.ndarray) -> ImageDataset:
    about = replace(info, train_images=len(images), test_images=0)
    return ImageDataset(about, images, labels, images[:0], labels[:0])


def _learn(
    trainer: Trainer,
    tasks: Sequence[SuiteTask],
    datasets: Sequence[ImageDataset],
    streams: Sequence[int],
    seed: int,
    should_stop: Callable[[], bool],
) -> np.ndarray:
    """Context vectors, float32 [slots, V], of datasets with equally many images, in one batch.

    streams: of each slot the number that its start and its order of images follow from.
    """
    spec = trainer.spec
    recipe = spec.training.model_copy(update={"train_limit": None})
    # Streams of its own, also where the placement has the experiment's seed: equal starts would be alike.
    own_seed = int(rng_for(seed, "placement", spec.seed).integers(2**63))
    own = spec.model_copy(update={"training": recipe, "seed": own_seed, "normalisation": "auto"})
    source: ImageSource = _Slots(replace(trainer.info, members=()), datasets)
    learner = trainer.with_source(source, own)
    starting = spec if getattr(spec.network, "start", "independent") == "common" else own
    states = [replace(fresh_state(starting, learner.context, stream), index=stream) for stream in streams]
    for _ in range(recipe.epochs):
        if should_stop():
            raise Interrupted("stopped between two epochs")
        states = learner.epoch(tasks, states, should_stop)
    return np.stack([state.vectors[-1] for state in states])


def _known_cosines(
    trainer: Trainer,
    tasks: Sequence[SuiteTask],
    vectors: np.ndarray,
    size: int,
    seed: int,
    should_stop: Callable[[], bool],
) -> np.ndarray:
    """Cosines [S] of contexts of small samples of known tasks with the vectors of those tasks."""
    known: list[tuple[int, SuiteTask]] = []
    datasets: list[ImageDataset] = []
    for task in evenly_spaced(tasks, KNOWN_TASKS):
        data = trainer.source.of(task.index)
        info = trainer.source.info_of(task.index)
        images, labels = data.test_images, data.test_labels
        if len(images) < size:  # held out ones are too few
            images, labels = data.train_images, data.train_labels
        if len(images) >= size:
            rng = rng_for(seed, "placement", "known", task.index)
            chosen = stratified_sample(labels, size, rng)
            known.append((task.index, replace(task, index=len(known))))
            datasets.append(_training_set(info, images[chosen], labels[chosen].astype(np.int64)))
    if not known:
        return np.zeros(0)
    slots = [slot for _, slot in known]
    learned = _learn(trainer, slots, datasets, [1_000 + index for index, _ in known], seed, should_stop)
    own = vectors[[index for index, _ in known]]
    return np.array(
        [cosines_between(one[None], other[None])[0, 0] for one, other in zip(learned, own, strict=True)]
    )
