"""Permutation tasks: fixed, all different, as random as can be."""

from __future__ import annotations

import numpy as np

from tgsh.datasets.base import DATASETS
from tgsh.rng import rng_for
from tgsh.specs import PermutationSuite
from tgsh.suites import build

MNIST = DATASETS["mnist"]
IMAGES = rng_for(1, "images").integers(0, 256, (5, 784), dtype=np.uint8)


def _sources(**changes: int) -> list[np.ndarray]:
    return [task.transform.source for task in build(PermutationSuite(**changes), MNIST)]


def test_the_first_task_is_the_identity_and_the_others_move_every_pixel_once() -> None:
    first, *others = build(PermutationSuite(tasks=6), MNIST)
    assert (first.transform.apply(IMAGES) == IMAGES).all()
    for task in others:
        assert (np.sort(task.transform.apply(IMAGES)) == np.sort(IMAGES)).all()
        assert (task.transform.source == np.arange(784)).mean() < 0.02


def test_permutations_follow_from_their_seed_and_place_alone() -> None:
    short, long, other = _sources(tasks=3), _sources(tasks=8), _sources(tasks=3, permutation_seed=1)
    assert all((a == b).all() for a, b in zip(short, long, strict=False))
    assert not (short[1] == other[1]).all()
    assert len({source.tobytes() for source in [*long, *other[1:]]}) == 10
    assert long[1][:4].tolist() == [470, 679, 704, 309]  # on every machine and numpy


def test_tasks_say_what_they_are() -> None:
    tasks = build(PermutationSuite(tasks=3), MNIST)
    assert [task.label for task in tasks] == ["identity", "permutation 1", "permutation 2"]
    assert [dict(task.params) for task in tasks] == [{"permutation": index} for index in range(3)]
