"""The T-GSH property on representations whose answer is known, and against SciPy."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.spatial.distance import cosine
from scipy.stats import mannwhitneyu
from sklearn.linear_model import Ridge
from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict

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
    neighbours = [
        1 - cosine(representations[task, label, one], representations[task + 1, label, other])
        for task, label, one, other in itertools.product(range(2), range(4), range(2), range(2))
    ]
    assert found.neighbour_mean == pytest.approx(np.mean(neighbours))


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
    assert (one_task.inter_mean, one_task.p_intra_greater, one_task.neighbour_mean) == (None, None, None)
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


def circle(tasks: int, images: int = 6, width: int = 40, noise: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    """Representations that hold cosine and sine of their task's angle, and these."""
    rng = np.random.default_rng(4)
    turns = 2 * np.pi * np.arange(tasks) / tasks
    parameters = np.stack([np.cos(turns), np.sin(turns)], axis=1)
    representations = noise * rng.standard_normal((tasks, images, width)) + rng.standard_normal(width)
    representations[..., :2] += parameters[:, None]
    return representations, parameters


def read_by_sklearn(representations: np.ndarray, parameters: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Predictions [T, fitted images, P] by one ridge regression for every group that is left out."""
    fitted = representations[:, ::2]
    images, rows = fitted.shape[1], fitted.reshape(-1, fitted.shape[2])
    penalty = RIDGE * (rows**2).sum(axis=1).mean()
    of, targets = np.repeat(groups, images), np.repeat(parameters, images, axis=0)
    predicted = cross_val_predict(Ridge(penalty), rows, targets, groups=of, cv=LeaveOneGroupOut())
    return np.asarray(predicted.reshape(len(groups), images, -1))


def test_tasks_left_out_are_read_as_by_a_ridge_regression_for_each_of_them() -> None:
    representations, parameters = circle(12)
    predicted = read_by_sklearn(representations, parameters, np.arange(12))
    truth = np.broadcast_to(parameters[:, None], predicted.shape)
    r2 = 1 - ((predicted - truth) ** 2).sum() / ((truth - truth.mean(axis=(0, 1))) ** 2).sum()
    degrees = [np.degrees(np.angle(values[..., 0] + 1j * values[..., 1])) for values in (predicted, truth)]
    errors = np.abs(degrees[0] - degrees[1])
    errors = np.minimum(errors, 360 - errors)
    found = recoverability(representations, parameters, 360).left_out
    assert found is not None
    assert found.r2 == pytest.approx(r2)
    assert found.median_error == pytest.approx(np.median(errors))
    assert 0.5 < r2 < 0.99
    one_way = representations @ np.diag(np.arange(40) != 1)  # without the sine
    assert recoverability(one_way, parameters, 360).left_out.r2 < r2 - 0.2  # type: ignore[union-attr]


def test_tasks_of_the_same_parameter_are_left_out_together() -> None:
    representations, parameters = circle(6)
    representations = np.concatenate([representations, circle(6, noise=0.2)[0]])
    parameters = np.concatenate([parameters, parameters + 1e-12])  # once around, and rounding
    groups = np.tile(np.arange(6), 2)
    predicted = read_by_sklearn(representations, parameters, groups)
    error = np.linalg.norm(predicted - parameters[:, None], axis=2)
    found = recoverability(representations, parameters).left_out
    assert found is not None
    assert found.median_error == pytest.approx(np.median(error)), "not periodic: the distance as it is"


def test_a_task_left_out_is_not_read_where_each_task_has_a_direction_of_its_own() -> None:
    rng = np.random.default_rng(1)
    representations = 0.03 * rng.standard_normal((8, 8, 40)) + np.eye(8, 40)[:, None]
    found = recoverability(representations, circle(8)[1], 360)
    assert found.parameter_r2 is not None
    assert found.parameter_r2 > 0.9, "read where the task was in the fit"
    assert found.left_out is not None
    assert found.left_out.r2 < 0
    assert found.left_out.median_error > 45


def test_errors_are_measured_on_the_circle() -> None:
    representations, parameters = circle(8, noise=0.01)
    by_degrees, by_pixels = (recoverability(representations, parameters, period) for period in (360, 28))
    assert by_degrees.left_out is not None
    assert by_pixels.left_out is not None
    assert by_degrees.left_out.median_error < 3
    assert by_pixels.left_out.median_error == pytest.approx(by_degrees.left_out.median_error * 28 / 360)


def test_two_values_of_the_parameter_leave_nothing_to_fit() -> None:
    representations, parameters = circle(4)
    assert recoverability(representations, parameters[[0, 1, 0, 1]], 360).left_out is None
    assert recoverability(representations, parameters[[0, 0, 0, 0]], 360).left_out is None
    assert recoverability(representations, None).left_out is None
    silent = recoverability(np.zeros((4, 4, 5)), parameters, 360).left_out
    assert silent is not None
    assert silent.r2 == pytest.approx(1 - (4 / 3) ** 2), "the mean of the others is all that is known"


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_number_that_is_not_finite_is_refused(value: float) -> None:
    representations, parameters = circle(3)
    representations[1, 2, 3] = value
    with pytest.raises(ValueError, match="not finite"):
        geometry(representations[:, :, None])
    with pytest.raises(ValueError, match="not finite"):
        recoverability(representations, parameters)
