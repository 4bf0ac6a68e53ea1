"""Which tasks of two suites are the same."""

from __future__ import annotations

import numpy as np

from tgsh.datasets.base import DATASETS
from tgsh.specs import CustomSuite, CustomTask, ManifoldSuite, PermutationSuite, RotationSuite, ShiftSuite
from tgsh.suites import build
from tgsh.suites.task_identity import parameter_unit, task_identity, task_parameters


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
