"""Matching of the classes of two sets of images by their means."""

from __future__ import annotations

import numpy as np


def class_distances(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Compute squared Euclidean distances between the mean images of classes.

    Parameters
    ----------
    one : np.ndarray
        float [K, D], mean images, normalised.
    other : np.ndarray
        float [L, D], mean images, normalised.

    Returns
    -------
    np.ndarray
        float64 [K, L].
    """
    first, second = np.asarray(one, np.float64), np.asarray(other, np.float64)
    squares = (first**2).sum(axis=1)[:, None] + (second**2).sum(axis=1)
    return np.asarray(np.maximum(squares - 2 * first @ second.T, 0.0))


def nearest_classes(reference: np.ndarray, means: np.ndarray) -> np.ndarray:
    """Match classes one to one so that the sum of the distances of their mean images is least.

    The assignment problem, solved exactly (`scipy.optimize.linear_sum_assignment`). Where there are more
    classes than references, those that cost least stay without one.

    Parameters
    ----------
    reference : np.ndarray
        float [K, D], mean images of the classes that are matched to, normalised.
    means : np.ndarray
        float [L, D], mean images of the classes that are matched, normalised.

    Returns
    -------
    np.ndarray
        int64 [L], the place of each class in the reference; −1 where it has none.
    """
    from scipy.optimize import linear_sum_assignment  # what a service needs not, and loads slowly

    places = np.full(len(means), -1, np.int64)
    rows, columns = linear_sum_assignment(class_distances(reference, means))
    places[columns] = rows
    return places


def normalised_class_means(images: np.ndarray, labels: np.ndarray, classes: int, most: int) -> np.ndarray:
    """Compute the mean image of every class, less the mean of all pixels and divided by their deviation.

    So neither brightness nor contrast of a whole set of images decides what its classes are like.

    Parameters
    ----------
    images : np.ndarray
        uint8 [N, D].
    labels : np.ndarray
        int [N], their classes.
    classes : int
        K, classes from 0 on; each has an image.
    most : int
        Images of a class at most, from the first on.

    Returns
    -------
    np.ndarray
        float64 [K, D].
    """
    means, squares, count = np.zeros((classes, images.shape[1])), 0.0, 0
    for label in range(classes):
        chosen = images[np.flatnonzero(labels == label)[:most]].astype(np.float64) / 255
        means[label] = chosen.mean(axis=0)
        squares, count = squares + float((chosen**2).mean(axis=1).sum()), count + len(chosen)
    weights = np.array([min(most, int((labels == label).sum())) for label in range(classes)])
    mean = float(weights @ means.mean(axis=1)) / count
    deviation = max(squares / count - mean**2, 0.0) ** 0.5
    return (means - mean) / (deviation or 1.0)
