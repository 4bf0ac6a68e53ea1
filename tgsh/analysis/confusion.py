"""Confusion counts of a classifier, and the accuracies that follow from them."""

from __future__ import annotations

import numpy as np


def confusion_counts(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Count images by their class and the class that was recognised.

    Parameters
    ----------
    labels : np.ndarray
        int [N], classes of the images, from 0.
    predicted : np.ndarray
        int [N], classes that were recognised, from 0.
    classes : int
        K.

    Returns
    -------
    np.ndarray
        int64 [K, K], images: a row a class, a column a recognised class.
    """
    places = labels.astype(np.int64) * classes + predicted
    return np.bincount(places, minlength=classes**2).reshape(classes, classes)


def recall(counts: np.ndarray) -> np.ndarray:
    """Share of the images of each class that are recognised.

    Parameters
    ----------
    counts : np.ndarray
        int [K, K], confusion counts.

    Returns
    -------
    np.ndarray
        float64 [K], from 0 to 1; NaN for a class without images.
    """
    images = counts.sum(axis=1)
    right = np.diagonal(counts).astype(np.float64)
    shares = np.full(len(counts), np.nan)
    np.divide(right, images, out=shares, where=images > 0)
    return shares


def accuracy(counts: np.ndarray) -> float:
    """Share of all images that are recognised.

    Parameters
    ----------
    counts : np.ndarray
        int [K, K], confusion counts of one image or more.

    Returns
    -------
    float
        From 0 to 1.
    """
    return int(np.trace(counts)) / int(counts.sum())


def balanced_accuracy(counts: np.ndarray) -> float:
    """Mean recall of the classes that have images (Brodersen et al. 2010).

    It is 1/K for a classifier that always says the same class, however common that class is.

    Parameters
    ----------
    counts : np.ndarray
        int [K, K], confusion counts of one image or more.

    Returns
    -------
    float
        From 0 to 1.
    """
    return float(np.nanmean(recall(counts)))


def chance(counts: np.ndarray) -> float:
    """Share of the commonest class: the accuracy of always saying it.

    Parameters
    ----------
    counts : np.ndarray
        int [K, K], confusion counts of one image or more.

    Returns
    -------
    float
        From 1/K to 1.
    """
    return int(counts.sum(axis=1).max()) / int(counts.sum())
