"""Similarity over the epochs: SciPy's at each, and nothing where a vector is missing."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cosine

from tgsh.analysis.similarity import Trajectory, similarity_over_epochs, telling_pairs
from tgsh.rng import rng_for

ONE, OTHER = rng_for(11, "courses").standard_normal((2, 5, 30)).astype(np.float32)


def test_every_epoch_is_scipys() -> None:
    wanted = [1 - cosine(u, v) for u, v in zip(ONE, OTHER, strict=True)]
    np.testing.assert_allclose(similarity_over_epochs(ONE, OTHER, 4, "cosine"), wanted, atol=1e-6)
    wanted = [np.corrcoef(u, v)[0, 1] for u, v in zip(ONE, OTHER, strict=True)]
    np.testing.assert_allclose(similarity_over_epochs(ONE, OTHER, 4, "correlation"), wanted, atol=1e-6)


@pytest.mark.parametrize(("one", "other", "there"), [(5, 3, 3), (0, 5, 0), (1, 1, 1), (5, 5, 5)])
def test_what_is_missing_is_nan(one: int, other: int, there: int) -> None:
    values = similarity_over_epochs(ONE[:one], OTHER[:other], 6, "cosine")
    assert np.isfinite(values).tolist() == [True] * there + [False] * (7 - there)


def test_a_course_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        Trajectory((0, 1), ("a", "b"), np.zeros(3)).values[0] = 1


@pytest.mark.parametrize(
    ("tasks", "others"),
    [(1, []), (2, [1]), (8, [1, 2, 3, 4, 5, 6, 7]), (9, [1, 2, 2, 4]), (36, [1, 2, 9, 18])],
)
def test_telling_pairs(tasks: int, others: list[int]) -> None:
    assert telling_pairs(tasks) == list(dict.fromkeys((0, other) for other in others))
