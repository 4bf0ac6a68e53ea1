"""Forgetting and forward transfer from accuracies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Transfer:
    """Forgetting and forward transfer: differences of accuracies, −1 to 1.

    Attributes
    ----------
    forgetting : np.ndarray
        float64 [T], read-only: accuracy of each task right after it was learned less that after all were.
    forward : float | None
        Gain in a task's accuracy by the context of the task before; None for one task.
    """

    forgetting: np.ndarray
    forward: float | None

    def __post_init__(self) -> None:
        self.forgetting.flags.writeable = False

    @property
    def mean_forgetting(self) -> float:
        """Mean forgetting over all tasks."""
        return float(self.forgetting.mean())


def transfer(learned: np.ndarray, matrix: np.ndarray, untrained: np.ndarray) -> Transfer:
    """Compute forgetting and forward transfer.

    Forgetting is learned[i] − R[i, i], forward transfer the mean over i ≥ 1 of R[i−1, i] − untrained[i]:
    that of Lopez-Paz & Ranzato (2017), Eq. 4; contexts are learned independently, so
    R[i−1, i] is what it was before task i.

    Parameters
    ----------
    learned : np.ndarray
        float [T], each task's accuracy right after it was learned.
    matrix : np.ndarray
        R, float [T, T], accuracy of the context of task i on the images of task j, once all are learned.
    untrained : np.ndarray
        float [T], accuracy of each task's context before training on its own images.

    Returns
    -------
    Transfer
        Both, in shares of images.

    Raises
    ------
    ValueError
        If shapes do not fit, or a number is not finite.
    """
    tasks = len(learned)
    if not tasks or (learned.shape, matrix.shape, untrained.shape) != ((tasks,), (tasks, tasks), (tasks,)):
        raise ValueError(
            f"accuracies of shapes {learned.shape}, {matrix.shape} and {untrained.shape} do not fit together"
        )
    if not all(np.isfinite(values).all() for values in (learned, matrix, untrained)):
        raise ValueError("accuracies hold a number that is not finite")
    following = np.diagonal(matrix, offset=1) - untrained[1:]
    return Transfer(
        forgetting=np.asarray(learned - np.diagonal(matrix), np.float64),
        forward=float(following.mean()) if tasks > 1 else None,
    )
