"""Confusion counts and the accuracies that follow, with scikit-learn as oracle."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix, recall_score

from tgsh.analysis.confusion import accuracy, balanced_accuracy, chance, confusion_counts, recall
from tgsh.rng import rng_for


@pytest.mark.parametrize(("classes", "images"), [(2, 30), (3, 500), (10, 200), (40, 60)])
def test_they_are_scikit_learns(classes: int, images: int) -> None:
    rng = rng_for(classes, "confusion")
    labels = rng.choice(classes, images, p=rng.dirichlet(np.full(classes, 0.5)))
    predicted = np.where(rng.random(images) < 0.6, labels, rng.integers(0, classes, images))
    counts = confusion_counts(labels, predicted, classes)
    assert counts.dtype == np.int64
    np.testing.assert_array_equal(counts, confusion_matrix(labels, predicted, labels=range(classes)))
    assert accuracy(counts) == accuracy_score(labels, predicted)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of predicted classes that no image has
        assert balanced_accuracy(counts) == pytest.approx(balanced_accuracy_score(labels, predicted))
    there = np.unique(labels)
    np.testing.assert_allclose(
        recall(counts)[there], recall_score(labels, predicted, average=None, labels=there)
    )
    assert np.isnan(np.delete(recall(counts), there)).all()
    assert chance(counts) == np.bincount(labels).max() / images


def test_always_saying_the_commonest_class_is_seen_through() -> None:
    counts = confusion_counts(np.repeat([0, 1], [500, 10]), np.zeros(510, np.uint8), 2)
    assert counts.tolist() == [[500, 0], [10, 0]]
    assert accuracy(counts) == chance(counts) == 500 / 510
    assert balanced_accuracy(counts) == 0.5
    assert recall(counts).tolist() == [1.0, 0.0]


def test_labels_of_a_byte_do_not_overflow() -> None:
    labels = np.full(3, 199, np.uint8)
    assert confusion_counts(labels, labels, 200)[199, 199] == 3
