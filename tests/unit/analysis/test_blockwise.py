"""Parts of a similarity matrix are what the whole says, in blocks of any size."""

from __future__ import annotations

import numpy as np
import pytest

from tgsh.analysis import similarity as module
from tgsh.analysis.blockwise import Similarities
from tgsh.analysis.similarity import Measure, similarity
from tgsh.rng import rng_for

TASKS, UNITS = 23, 60


@pytest.fixture(params=[1, 5, 1000], autouse=True)
def _blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK_BYTES", request.param * UNITS * 8)


@pytest.fixture
def vectors() -> np.ndarray:
    found = rng_for(0, "vectors").standard_normal((TASKS, UNITS)).astype(np.float32)
    found[7] = 0.25  # constant: no direction once centred
    found[9] = 0
    return found


def _whole(vectors: np.ndarray, measure: Measure) -> np.ndarray:
    return similarity(vectors, [""] * TASKS, range(TASKS), measure).values


@pytest.mark.parametrize("measure", ["cosine", "correlation"])
def test_a_block_is_a_part_of_the_matrix(vectors: np.ndarray, measure: Measure) -> None:
    rows, columns = [3, 20, 0, 7, 9], [9, 3, 4, 22, 21, 7, 0]
    block = Similarities(vectors, measure).block(rows, columns)
    np.testing.assert_allclose(block, _whole(vectors, measure)[np.ix_(rows, columns)], atol=1e-12)
    assert block[0, 1] == block[2, 6] == block[4, 0] == 1
    assert Similarities(vectors, measure).block([], [1]).shape == (0, 1)


@pytest.mark.parametrize("measure", ["cosine", "correlation"])
@pytest.mark.parametrize("count", [1, 4, TASKS - 1])
def test_the_nearest_are_those_of_the_matrix(vectors: np.ndarray, measure: Measure, count: int) -> None:
    others = _whole(vectors, measure).copy()
    np.fill_diagonal(others, -np.inf)
    found = Similarities(vectors, measure).nearest(count)
    np.testing.assert_allclose(found.values, -np.sort(-others, axis=1)[:, :count], atol=1e-12)
    np.testing.assert_allclose(np.take_along_axis(others, found.indices, axis=1), found.values, atol=1e-12)
    assert all(len(set(row)) == count for row in found.indices.tolist())


def test_there_are_no_more_neighbours_than_tasks(vectors: np.ndarray) -> None:
    assert Similarities(vectors).nearest(100).indices.shape == (TASKS, TASKS - 1)
    assert Similarities(vectors[:1]).nearest(5).indices.shape == (1, 0)
    assert Similarities(vectors[:0]).nearest(5).indices.shape == (0, 0)


def test_averages_are_those_of_the_matrix(vectors: np.ndarray) -> None:
    vectors = np.delete(vectors, 9, axis=0)  # of a zero vector the matrix says 1 with itself
    values = similarity(vectors, [""] * 22, range(22)).values
    groups = np.array_split(np.arange(22), [4, 8, 13, 17])
    expected = [[values[np.ix_(a, b)].mean() for b in groups] for a in groups]
    np.testing.assert_allclose(Similarities(vectors).averaged(5), expected, atol=1e-12)


def test_what_is_not_finite_is_refused(vectors: np.ndarray) -> None:
    vectors[5, 3] = np.nan
    for ask in (
        lambda: Similarities(vectors).nearest(2),
        lambda: Similarities(vectors).averaged(2),
        lambda: Similarities(vectors).block([5], [1]),
    ):
        with pytest.raises(ValueError, match="not finite"):
            ask()
    assert Similarities(vectors).block([4], [1]).shape == (1, 1)
