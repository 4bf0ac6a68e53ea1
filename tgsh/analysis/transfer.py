"""Forgetting, forward transfer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Transfer:
    """Differences of accuracies, −1 to 1.

    forgetting: float64 [T], read-only: what each task lost from when it was learned to when all were.
    forward: what the context of the task before adds to a task's accuracy; None where there is one task.
    """

    forgetting: np.ndarray
    forward: float | None

    def __post_init__(self) -> None:
        self.forgetting.flags.writeable = False

    @property
    def mean_forgetting(self) -> float:
        """Over all tasks."""
        return float(self.forgetting.mean())


def transfer(learned: np.ndarray, matrix: np.ndarray, untrained: np.ndarray) -> Transfer:
    """Forgetting learned[i] − R[i, i], and forward transfer mean over i ≥ 1 of R[i−1, i] − untrained[i].

    learned: [T], each task's accuracy right after it was learned. matrix: R [T, T], of the context of task
    i on the images of task j, once all are learned. untrained: [T], of each task's context before training
    on its own images. Forward transfer is that of Lopez-Paz & Ranzato (2017), Eq. 4; contexts are learned
    apart, so R[i−1, i] is what it was before task i. Raises ValueError where shapes do not fit.
    """
    tasks = len(learned)
    if not tasks or (learned.shape, matrix.shape, untrained.shape) != ((tasks,), (tasks, tasks), (tasks,)):
        raise ValueError(
            f"accuracies of shapes {learned.shape}, {matrix.shape} and {untrained.shape} do not fit together"
        )
    following = np.diagonal(matrix, offset=1) - untrained[1:]
    return Transfer(
        forgetting=np.asarray(learned - np.diagonal(matrix), np.float64),
        forward=float(following.mean()) if tasks > 1 else None,
    )
