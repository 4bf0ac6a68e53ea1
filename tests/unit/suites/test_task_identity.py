"""Which tasks of two suites are the same."""

from __future__ import annotations

import numpy as np
import pytest

from tgsh.datasets.base import DATASETS
from tgsh.specs import (
    AugmentSuite,
    CustomSuite,
    CustomTask,
    ManifoldSuite,
    PermutationSuite,
    RotationSuite,
    ShiftSuite,
    SuiteSpec,
)
from tgsh.suites import build
from tgsh.suites.task_identity import parameter_unit, task_identity, task_parameters, task_scale


def test_a_label_is_enough_where_it_says_all() -> None:
    turned = CustomSuite(tasks=(CustomTask(label="10°"),))
    assert task_identity(RotationSuite(tasks=3), "10°") == task_identity(turned, "10°")
    assert task_identity(RotationSuite(), "10°") != task_identity(RotationSuite(), "20°")


def test_a_permutation_is_another_with_another_seed_but_for_the_identity() -> None:
    one, other = PermutationSuite(), PermutationSuite(permutation_seed=1, tasks=3)
    assert task_identity(one, "permutation 1") != task_identity(other, "permutation 1")
    assert task_identity(one, "identity") == task_identity(other, "identity")
    assert task_identity(one, "permutation 1") == task_identity(PermutationSuite(tasks=99), "permutation 1")


def test_a_manifold_is_the_same_however_many_images_are_made_of_it() -> None:
    one = ManifoldSuite()
    assert task_identity(one, "γ1") == task_identity(ManifoldSuite(tasks=3, train_images=9), "γ1")
    for other in (ManifoldSuite(manifold_seed=1), ManifoldSuite(side=8), ManifoldSuite(perturbation=1.0)):
        assert task_identity(one, "γ1") != task_identity(other, "γ1")


INFO = DATASETS["mnist"]


@pytest.mark.parametrize(
    ("suite", "period"),
    [
        (RotationSuite(), 360),
        (RotationSuite(step_degrees=-10), 360),
        (RotationSuite(tasks=36, step_degrees=150), 360),  # twelve angles, all the way round
        (RotationSuite(tasks=72), 360),
        (RotationSuite(tasks=19), None),
        (RotationSuite(tasks=3, step_degrees=120), None),  # too few to be a circle
        (ShiftSuite(), 28),
        (ShiftSuite(step_pixels=5), 28),
        (ShiftSuite(tasks=9), None),
    ],
)
def test_tasks_in_order_have_a_scale_and_a_period_where_they_go_round(
    suite: RotationSuite | ShiftSuite, period: float | None
) -> None:
    tasks = build(suite, INFO)
    scale = task_scale(suite, INFO, range(len(tasks)))
    assert scale is not None
    assert list(scale.values) == [next(iter(task.params.values())) for task in tasks]
    assert scale.period == period
    part = task_scale(suite, INFO, [0, 2])
    assert part is not None
    assert (part.values, part.period) == (scale.values[:3:2], period)


@pytest.mark.parametrize("suite", [PermutationSuite(), AugmentSuite(), ManifoldSuite()])
def test_tasks_in_no_order_have_none(suite: SuiteSpec) -> None:
    assert task_scale(suite, INFO, [0, 1, 2]) is None


def test_neighbours_lie_beside_each_other_across_the_period() -> None:
    for suite in (RotationSuite(), ShiftSuite()):
        found = task_parameters(suite, build(suite, INFO), INFO)
        assert found is not None
        steps = np.linalg.norm(np.roll(found, -1, axis=0) - found, axis=1)
        np.testing.assert_allclose(steps, steps[0])
        np.testing.assert_allclose(found[0], [1, 0])


def test_errors_are_told_in_the_unit_of_the_suite() -> None:
    assert parameter_unit(RotationSuite(), INFO) == ("degrees", 360)
    assert parameter_unit(ShiftSuite(), INFO) == ("pixels", 28)
    assert parameter_unit(ManifoldSuite(), INFO) == ("Euclidean distance", None)


def test_permutations_have_none() -> None:
    suite = PermutationSuite(tasks=3)
    assert task_parameters(suite, build(suite, INFO), INFO) is None
