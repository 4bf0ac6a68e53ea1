"""Similarity against scipy.spatial.distance, and what happens at the edges."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.spatial.distance import cosine, pdist, squareform

from tgsh.analysis import similarity as module
from tgsh.analysis.similarity import (
    Measure,
    SimilarityMatrix,
    Trajectory,
    nearest,
    representative_pairs,
    similarity,
    similarity_over_epochs,
)
from tgsh.rng import rng_for


def _vectors(tasks: int, units: int = 500) -> np.ndarray:
    shared = rng_for(0, "shared").standard_normal(units)
    return (rng_for(0, "own").standard_normal((tasks, units)) + shared + 3).astype(np.float32)


def _similarity(vectors: np.ndarray, measure: Measure = "cosine") -> SimilarityMatrix:
    return similarity(vectors, [f"t{i}" for i in range(len(vectors))], range(len(vectors)), measure)


@pytest.mark.parametrize("measure", ["cosine", "correlation"])
@pytest.mark.parametrize("rows_at_once", [1, 4, 1000])
def test_values_are_scipys_in_blocks_of_any_size(
    measure: Measure, rows_at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BLOCK_BYTES", rows_at_once * 500 * 8)
    vectors = _vectors(11)
    matrix = _similarity(vectors, measure)
    wanted = 1 - squareform(pdist(vectors.astype(np.float64), measure))
    np.testing.assert_allclose(matrix.values, wanted, atol=1e-12)
    assert (matrix.values == matrix.values.T).all()
    assert (np.diagonal(matrix.values) == 1).all()
    assert matrix.measure == measure


def test_updates_are_compared_from_the_start_on() -> None:
    one, other = _vectors(8).reshape(2, 4, 500)
    got = similarity_over_epochs(one, other, 4, "update")
    moved = [(one[epoch] - one[0], other[epoch] - other[0]) for epoch in (1, 2, 3)]
    np.testing.assert_allclose(got[1:4], [1 - cosine(u, v) for u, v in moved], atol=1e-6)
    assert np.isnan(got[[0, 4]]).all()  # nothing was added yet; an epoch that is still to come


def test_parallel_vectors_do_not_leave_the_range() -> None:
    one = _vectors(1)
    matrix = _similarity(np.concatenate([one, 3 * one, -one / 7]))
    assert np.abs(matrix.values).max() == 1
    np.testing.assert_allclose(matrix.values[0], [1, 1, -1], atol=1e-7)


@pytest.mark.parametrize(("measure", "row"), [("cosine", 0.0), ("correlation", 0.0), ("correlation", 0.1)])
def test_a_vector_without_direction_resembles_no_other(measure: Measure, row: float) -> None:
    vectors = _vectors(3)
    vectors[1] = row
    matrix = _similarity(vectors, measure)
    assert matrix.values[1].tolist() == [0, 1, 0]


def test_huge_and_tiny_vectors_keep_their_direction() -> None:
    one = _vectors(1)[0].astype(np.float32)
    matrix = _similarity(np.stack([one * np.float32(1e36), one * np.float32(1e-30)]))
    np.testing.assert_allclose(matrix.values, 1, atol=1e-6)


@pytest.mark.parametrize("tasks", [0, 1])
@pytest.mark.parametrize("measure", ["cosine", "correlation"])
def test_few_tasks_make_a_small_matrix(tasks: int, measure: Measure) -> None:
    assert _similarity(_vectors(tasks), measure).values.tolist() == [[1.0]] * tasks
    assert _similarity(np.zeros((0, 0), np.float32), measure).values.shape == (0, 0)


def test_vectors_may_lie_in_a_read_only_memory_map(tmp_path) -> None:  # type: ignore[no-untyped-def]
    np.save(tmp_path / "v.npy", _vectors(4))
    mapped = np.load(tmp_path / "v.npy", mmap_mode="r")
    assert (_similarity(mapped).values == _similarity(_vectors(4)).values).all()


def test_reordering_takes_labels_along() -> None:
    matrix = _similarity(_vectors(3))
    turned = matrix.reordered([2, 0, 1])
    assert turned.labels == ("t2", "t0", "t1")
    assert turned.tasks == (2, 0, 1)
    assert turned.values[0, 1] == matrix.values[2, 0]
    assert (turned.reordered([1, 2, 0]).values == matrix.values).all()


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: similarity(_vectors(3), ["a", "b"], [0, 1, 2]),
        lambda: similarity(_vectors(3), ["a", "b"], [0, 1]),
        lambda: similarity(_vectors(1)[0], ["a"], [0]),
        lambda: _similarity(_vectors(2), "euclid"),  # type: ignore[arg-type]
        lambda: _similarity(np.full((2, 3), np.nan)),
        lambda: _similarity(_vectors(3)).reordered([0, 1]),
        lambda: _similarity(_vectors(3)).reordered([0, 1, 1]),
        lambda: nearest(_similarity(_vectors(1))),
    ],
)
def test_what_does_not_fit_is_refused(wrong: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        wrong()


def test_a_matrix_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        _similarity(_vectors(3)).values[0, 0] = 2


def test_the_nearest_other_task() -> None:
    values = np.array([[1, 0.2, 0.9], [0.2, 1, -0.5], [0.9, -0.5, 1]])
    assert nearest(SimilarityMatrix(values, ("a", "b", "c"), (0, 1, 2), "cosine")) == [2, 0, 0]


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
    assert representative_pairs(tasks) == list(dict.fromkeys((0, other) for other in others))
