"""The parameter of a suite's tasks."""

from __future__ import annotations

import numpy as np

from tgsh.datasets.base import DATASETS
from tgsh.specs import PermutationSuite, RotationSuite, ShiftSuite
from tgsh.suites import build
from tgsh.suites.task_identity import task_parameters

INFO = DATASETS["mnist"]


def test_neighbours_lie_beside_each_other_across_the_period() -> None:
    for suite in (RotationSuite(), ShiftSuite()):
        found = task_parameters(suite, build(suite, INFO), INFO)
        assert found is not None
        steps = np.linalg.norm(np.roll(found, -1, axis=0) - found, axis=1)
        np.testing.assert_allclose(steps, steps[0])
        np.testing.assert_allclose(found[0], [1, 0])


def test_permutations_have_none() -> None:
    suite = PermutationSuite(tasks=3)
    assert task_parameters(suite, build(suite, INFO), INFO) is None
