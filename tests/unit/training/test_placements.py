"""Draws of images, dealings of classes, normalisation, and what placed contexts depend on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tgsh.datasets.base import DATASETS, PAPER, ImageDataset, Normalisation
from tgsh.errors import Interrupted
from tgsh.specs import ExperimentSpec
from tgsh.suites import build
from tgsh.training.placements import (
    DEALINGS,
    PlacedImages,
    PlacedVectors,
    class_dealings,
    normalisation_for,
    place,
    sample_size,
    stratified_sample,
)
from tgsh.training.trainer import Trainer

INFO = replace(DATASETS["mnist5k"], height=6, width=6, classes=3, train_images=90, test_images=30)


def images(count: int) -> tuple[np.ndarray, np.ndarray]:
    labels = np.arange(count) % 3
    rng = np.random.default_rng(1)
    noisy = rng.uniform(0, 255, (3, 36))[labels] + rng.normal(0, 30, (count, 36))
    return np.clip(noisy, 0, 255).astype(np.uint8), labels.astype(np.int64)


def trainer(**changes: object) -> Trainer:
    spec = ExperimentSpec.model_validate(
        {
            "dataset": "mnist5k",
            "suite": {"kind": "rotation", "tasks": 4, "step_degrees": 90},
            "training": {"epochs": 2},
            **changes,
        }
    )
    source = ImageDataset(INFO, *images(90), *images(30))
    return Trainer(spec, source, "cpu")


def placed(own: Trainer, seed: int = 0, *, deal: bool = True, stop: bool = False) -> PlacedVectors:
    tasks = build(own.spec.suite, own.info)
    states = [own.fresh(task.index) for task in tasks]
    for _ in range(2):
        states = own.epoch(tasks, states, lambda: False)
    vectors = np.stack([state.vectors[-1] for state in states])
    new = PlacedImages(*images(60), PAPER)
    return place(own, tasks, vectors, new, 200, 3, seed, lambda: stop, deal=deal)


def test_a_draw_has_of_every_class_its_share() -> None:
    classes = np.repeat([0, 1, 2], [60, 30, 10])
    chosen = stratified_sample(classes, 50, np.random.default_rng(3))
    assert len(set(chosen.tolist())) == 50
    assert np.abs(np.bincount(classes[chosen]) - [30, 15, 5]).max() <= 1
    again = stratified_sample(classes, 50, np.random.default_rng(4))
    assert chosen.tolist() != again.tolist()


@pytest.mark.parametrize(("n", "most", "size"), [(50, 200, 40), (1000, 200, 200), (5, 200, 4), (2, 9, 2)])
def test_a_replicate_leaves_images_for_the_others(n: int, most: int, size: int) -> None:
    assert sample_size(n, most) == size


def test_classes_are_dealt_out_otherwise_than_they_are() -> None:
    own = np.array([0, 1, 2])
    dealt = class_dealings(own, 10, seed=0)
    assert len(dealt) == DEALINGS
    assert len({tuple(each[own].tolist()) for each in dealt}) == DEALINGS
    assert (0, 1, 2) not in {tuple(each[own].tolist()) for each in dealt}
    assert all(len(set(each[own].tolist())) == 3 for each in dealt)
    few = class_dealings(np.array([0, 1]), 2, seed=0)
    assert [each.tolist() for each in few] == [[1, 0]]


def test_pixels_are_seen_as_the_experiments_own() -> None:
    spec = ExperimentSpec(dataset="mnist5k")
    other = replace(INFO, normalisation=Normalisation(0.5, 0.2))
    assert normalisation_for(spec, INFO, other) == PAPER
    assert normalisation_for(spec.model_copy(update={"normalisation": "none"}), INFO, other).mean == 0
    several = replace(INFO, members=(INFO, replace(INFO, normalisation=Normalisation(0.4, 0.1))))
    assert normalisation_for(spec, several, other) == Normalisation(0.5, 0.2)


def test_known_images_are_like_their_own_task_and_dealt_classes_are_not() -> None:
    found = placed(trainer())
    assert found.vectors.shape[0] == 3
    assert found.cosines.shape == (3, 4)
    assert found.dealt.shape == (5, 4)  # all other ways of three classes
    assert found.known.shape == (4,)
    assert found.images == 48
    assert (found.cosines.argmax(axis=1) == 0).all()
    assert found.cosines[:, 0].min() > found.dealt.max()


def test_the_seed_decides_all_of_it() -> None:
    one, again, other = (placed(trainer(), seed, deal=False) for seed in (0, 0, 1))
    assert np.array_equal(one.vectors, again.vectors)
    assert not np.array_equal(one.vectors, other.vectors)
    assert one.dealt.shape == (0, 4)


@pytest.mark.parametrize("network", [{"kind": "neuromodnet", "layers": [20, 12]}, {"kind": "tgsh"}])
def test_other_networks_are_placed_too(network: dict[str, object]) -> None:
    pytest.importorskip("torch")
    found = placed(trainer(network=network), deal=False)
    assert found.cosines.shape == (3, 4)
    assert np.isfinite(found.cosines).all()


def test_one_start_for_all_tasks_is_the_placed_contexts_too() -> None:
    common = trainer(
        network={"kind": "flynet", "start": "common"}, training={"epochs": 2, "learning_rate": 1e-9}
    )
    assert placed(common, deal=False).cosines.min() > 0.999  # nothing was learned but the start


def test_it_stops_when_it_is_told_to() -> None:
    with pytest.raises(Interrupted):
        placed(trainer(), stop=True)
