"""The T-GSH property on representations whose answer is known, and against SciPy."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.spatial.distance import cosine
from scipy.stats import mannwhitneyu
from sklearn.linear_model import Ridge

from tgsh.analysis.geometry import RIDGE, geometry, recoverability


def pairs(representations: np.ndarray) -> tuple[list[float], list[float]]:
    """Intra and inter cosines, pair by pair."""
    tasks, classes, images, _ = representations.shape
    everyone = list(itertools.product(range(tasks), range(classes), range(images)))
    intra, inter = [], []
    for one, other in itertools.combinations(everyone, 2):
        alike = 1 - cosine(representations[one], representations[other])
        if one[0] == other[0] and one[1] != other[1]:
            intra.append(alike)
        elif one[0] != other[0] and one[1] == other[1]:
            inter.append(alike)
    return intra, inter


def test_every_pair_counts_once() -> None:
    representations = np.random.default_rng(0).standard_normal((3, 4, 2, 6))
    representations[0] += 1
    intra, inter = pairs(representations)
    found = geometry(representations)
    assert (found.intra.sum(), found.inter.sum()) == (len(intra), len(inter))
    assert found.intra_mean == pytest.approx(np.mean(intra))
    assert found.inter_mean == pytest.approx(np.mean(inter))
    expected = mannwhitneyu(intra, inter).statistic / (len(intra) * len(inter))
    assert found.p_intra_greater == pytest.approx(expected, abs=1e-6)
    np.testing.assert_array_equal(found.intra, np.histogram(intra, found.edges)[0])


def test_a_perfect_hash_and_its_opposite() -> None:
    by_task = np.zeros((3, 2, 2, 5))
    by_class = np.zeros((3, 2, 2, 5))
    for task, label in itertools.product(range(3), range(2)):
        by_task[task, label, :, task] = 1
        by_class[task, label, :, label] = 1
    hash_, opposite = geometry(by_task), geometry(by_class)
    assert (hash_.p_intra_greater, hash_.overlap, hash_.intra_mean, hash_.inter_mean) == (1, 0, 1, 0)
    assert (opposite.p_intra_greater, opposite.intra_mean, opposite.inter_mean) == (0, 0, 1)


def test_what_cannot_be_told_apart_is_one_half() -> None:
    found = geometry(np.ones((2, 2, 1, 3)))
    assert found.p_intra_greater == pytest.approx(0.5)
    assert found.overlap == pytest.approx(1)


def test_one_task_has_no_inter_pairs_and_one_class_no_intra() -> None:
    one_task, one_class = geometry(np.ones((1, 2, 2, 3))), geometry(np.ones((2, 1, 2, 3)))
    assert (one_task.inter_mean, one_task.p_intra_greater) == (None, None)
    assert (one_class.intra_mean, one_class.overlap) == (None, None)


def test_a_silent_representation_is_like_no_other() -> None:
    silent = np.zeros((2, 2, 1, 3))
    silent[0, 0, 0] = 1
    assert geometry(silent).intra_mean == 0


def test_it_is_ridge_regression() -> None:
    rng = np.random.default_rng(0)
    representations = rng.standard_normal((4, 6, 30))
    parameters = rng.standard_normal((4, 1))
    representations[..., 0] += 3 * parameters
    fitted, scored = representations[:, ::2].reshape(-1, 30), representations[:, 1::2].reshape(-1, 30)
    truth = np.repeat(parameters, 3, axis=0)
    penalty = RIDGE * (fitted**2).sum(axis=1).mean()
    # The mean is taken off the targets and not off the representations, as it is there.
    model = Ridge(penalty, fit_intercept=False).fit(fitted, truth - truth.mean())
    said = model.predict(scored).reshape(truth.shape) + truth.mean()
    expected = 1 - ((said - truth) ** 2).sum() / ((truth - truth.mean()) ** 2).sum()
    assert recoverability(representations, parameters).parameter_r2 == pytest.approx(expected)


def test_tasks_that_are_written_into_representations_are_read() -> None:
    rng = np.random.default_rng(1)
    representations = 0.03 * rng.standard_normal((5, 8, 40))
    representations += np.eye(5, 40)[:, None]
    turns = 2 * np.pi * np.arange(5) / 5
    found = recoverability(representations, np.stack([np.cos(turns), np.sin(turns)], axis=1))
    assert found.task_accuracy == 1
    assert found.parameter_r2 is not None
    assert found.parameter_r2 > 0.9


def test_what_is_not_there_cannot_be_read() -> None:
    rng = np.random.default_rng(2)
    found = recoverability(rng.standard_normal((4, 50, 20)), rng.standard_normal((4, 1)))
    assert found.task_accuracy == pytest.approx(0.25, abs=0.12)
    assert found.parameter_r2 is not None
    assert found.parameter_r2 < 0.2


def test_where_there_is_no_parameter() -> None:
    representations = np.random.default_rng(3).standard_normal((3, 4, 5))
    assert recoverability(representations, None).parameter_r2 is None
    assert recoverability(representations, np.ones((3, 1))).parameter_r2 is None
    assert recoverability(np.zeros((2, 2, 3)), None).task_accuracy == 0.5
    with pytest.raises(ValueError, match="single image"):
        recoverability(representations[:, :1], None)
