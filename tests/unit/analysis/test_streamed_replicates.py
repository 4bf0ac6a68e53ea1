"""Statistics by blocks: the same numbers as of whole matrices, in less memory than these take."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise
from typing import Any, get_args

import numpy as np
import pytest

from tgsh.analysis.consensus import mean_similarity
from tgsh.analysis.replicate_design import Over, Replicates
from tgsh.analysis.similarity import Measure, similarity
from tgsh.analysis.streamed_replicates import ARRAYS, row_blocks, streamed_similarity

CROSSED = Replicates.crossed(range(4), range(3))
DESIGNS = {
    "crossed": CROSSED,
    "incomplete": CROSSED.chosen([0, 1, 2, 3, 5, 6, 8, 10]),
    "grouped": Replicates((0, 1, 2), (5, 6, 7)),
    "seeds": Replicates.crossed(range(5), [0]),
    "one": Replicates((0,), (0,)),
}


def vectors(replicates: int, tasks: int, width: int = 60) -> np.ndarray:
    rng = np.random.default_rng([replicates, tasks])
    common = rng.standard_normal((tasks, width))
    return (common + 0.3 * rng.standard_normal((replicates, tasks, width))).astype(np.float32)


def whole(rows: np.ndarray, measure: Measure) -> np.ndarray:
    labels = [str(task) for task in range(rows.shape[1])]
    return np.array([similarity(each, labels, range(len(each)), measure).values for each in rows])


@pytest.mark.parametrize("name", DESIGNS)
@pytest.mark.parametrize("measure", get_args(Measure))
def test_blocks_are_the_whole(name: str, measure: Measure) -> None:
    replicates = DESIGNS[name]
    rows = vectors(len(replicates), 23)
    rows[:, 7] = 0  # no direction
    for over in get_args(Over):
        expected = mean_similarity(whole(rows, measure), replicates, over, 0.9)
        for held in (1, 4 * len(replicates) * 23, 10**9):
            found = streamed_similarity(rows.__getitem__, 23, replicates, measure, over, 0.9, held)
            assert (found.over, found.level, found.reason) == (expected.over, 0.9, expected.reason)
            for array in ARRAYS:
                told, true = getattr(found, array), getattr(expected, array)
                assert told.dtype == true.dtype
                np.testing.assert_array_equal(told, told.T)
                if array != "degrees":  # of components near 0: Satterthwaite's quotient of two of them
                    np.testing.assert_allclose(told, true, rtol=1e-12, atol=1e-12, err_msg=array)
            np.testing.assert_array_equal(np.diagonal(found.mean), 1)


@pytest.mark.parametrize(("tasks", "replicates", "held"), [(1, 1, 1), (10, 3, 1), (1000, 100, 10**7)])
def test_rows_are_divided_without_a_gap(tasks: int, replicates: int, held: int) -> None:
    blocks = list(row_blocks(tasks, replicates, held))
    assert (blocks[0][0], blocks[-1][1]) == (0, tasks)
    assert all(one[1] == other[0] for one, other in pairwise(blocks))
    for top, bottom in blocks:
        numbers = replicates * (bottom - top) * (tasks - top)
        assert numbers <= max(held, replicates * (tasks - top))
    assert list(row_blocks(0, replicates, held)) == []


def test_matrices_of_all_replicates_are_never_held() -> None:
    """120 matrices of 200 tasks are 38 MB; a block of 200,000 numbers is 1.6 MB."""
    replicates = Replicates.crossed(range(12), range(10))
    rows = vectors(120, 200, 16)
    whole_bytes = 8 * 120 * 200**2
    taken: list[int] = []

    def load(place: int) -> np.ndarray:
        taken.append(place)
        return np.asarray(rows[place])

    tracemalloc.start()
    try:
        streamed_similarity(load, 200, replicates, held=200_000)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    outputs = 8 * len(ARRAYS) * 200**2
    assert peak < outputs + 12 * 8 * 200_000 < whole_bytes
    passes = len(list(row_blocks(200, 120, 200_000)))
    assert taken == list(range(120)) * passes


@pytest.mark.parametrize("bad", ["shape", "nan"])
def test_what_does_not_fit_is_refused(bad: str) -> None:
    rows = vectors(3, 6)
    if bad == "nan":
        rows[1, 2, 3] = np.nan
    wrong: Any = 5 if bad == "shape" else 6
    with pytest.raises(ValueError, match="vectors"):
        streamed_similarity(rows.__getitem__, wrong, Replicates((0, 1, 2), (0, 0, 0)))
