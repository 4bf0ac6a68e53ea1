"""Linear recoverability against scikit-learn, and where the answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from tgsh.analysis.geometry import RIDGE, recoverability


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
