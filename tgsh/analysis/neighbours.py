"""The most similar other task of each task."""

from __future__ import annotations

import numpy as np

from tgsh.analysis.similarity import SimilarityMatrix


def nearest(matrix: SimilarityMatrix) -> list[int]:
    """The place of the most similar other task, for each of T ≥ 2 tasks; the first one of equals."""
    if len(matrix.tasks) < 2:
        raise ValueError("a task has no neighbour where there is no other")
    others = matrix.values.copy()
    np.fill_diagonal(others, -np.inf)
    return [int(place) for place in others.argmax(axis=1)]
