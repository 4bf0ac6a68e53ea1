"""The three settings of continual learning."""

from __future__ import annotations

import numpy as np
import pytest

from tgsh.analysis.scenarios import chance, scenario_accuracy


def one_hot(classes: np.ndarray, outputs: int, height: float) -> np.ndarray:
    return height * np.eye(outputs)[classes]


def test_a_perfect_network_is_perfect_in_all_settings() -> None:
    labels = np.array([[0, 1, 2, 0], [2, 1, 0, 1], [1, 1, 2, 0]])
    logits = np.zeros((3, 4, 3, 3))
    for task in range(3):
        logits[task, :, task] = one_hot(labels[task], 3, 5.0)
    found = scenario_accuracy(logits, labels, np.arange(3), np.ones((3, 3), bool), 2, "margin")
    assert (found.task_known.value, found.domain.value, found.class_.value, found.task.value) == (1, 1, 1, 1)
    assert found.images == 2


def test_domain_counts_the_class_and_class_counts_the_task_too() -> None:
    """The context of task 1 is the firmest for all images, and right about the classes of task 0 as well."""
    labels = np.array([[0, 1, 2], [2, 1, 0]])
    logits = np.zeros((2, 3, 2, 3))
    for task in range(2):
        logits[task, :, 0] = one_hot(labels[task], 3, 1.0)
        logits[task, :, 1] = one_hot(labels[task], 3, 9.0)
    found = scenario_accuracy(logits, labels, np.arange(2), np.ones((2, 3), bool), 1, "margin")
    assert (found.task_known.value, found.domain.value) == (1, 1)
    assert (found.class_.value, found.task.value) == (0.5, 0.5)


def test_own_outputs_are_counted_by_their_place_in_the_task() -> None:
    """Task 0 has outputs 0 and 1, task 1 has 2 and 3: in a domain the first of either is the same answer."""
    allowed = np.array([[True, True, False, False], [False, False, True, True]])
    labels = np.array([[0, 1], [2, 3]])
    logits = np.full((2, 2, 2, 4), -np.inf)
    logits[:, :, 0, :2] = 0
    logits[:, :, 1, 2:] = 0
    logits[0, :, 1, 2:] = one_hot(np.array([0, 1]), 2, 5.0)  # the wrong task, the right place
    logits[1, :, 1, 2:] = one_hot(np.array([0, 1]), 2, 5.0)
    found = scenario_accuracy(logits, labels, np.arange(2), allowed, 1, "margin")
    assert (found.domain.value, found.class_.value) == (1, 0.5)
    guesses = chance(allowed)
    assert (guesses.task_known, guesses.class_, guesses.task) == (0.5, 0.25, 0.5)


def test_intervals_are_over_tasks() -> None:
    rng = np.random.default_rng(0)
    logits, labels = rng.standard_normal((5, 40, 5, 3)), rng.integers(0, 3, (5, 40))
    found = scenario_accuracy(logits, labels, np.arange(5), np.ones((5, 3), bool), 10, "entropy")
    assert found.task.low is not None
    assert found.task.high is not None
    assert found.task.low <= found.task.value <= found.task.high
    one = scenario_accuracy(logits[:1], labels[:1], np.arange(1), np.ones((5, 3), bool), 10, "entropy")
    assert (one.task.low, one.task.high) == (None, None)
    with pytest.raises(ValueError, match="no batch of 41"):
        scenario_accuracy(logits, labels, np.arange(5), np.ones((5, 3), bool), 41, "margin")
