"""How the similarity of two tasks changes while they are learned."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tgsh.analysis.similarity import Measure, similarity


@dataclass(frozen=True, eq=False)
class Course:
    """The similarity of two tasks at every epoch, float64 [E + 1], read-only; NaN where a vector is missing.

    The first value is before training.
    """

    tasks: tuple[int, int]
    labels: tuple[str, str]
    values: np.ndarray

    def __post_init__(self) -> None:
        self.values.flags.writeable = False


def similarity_course(one: np.ndarray, other: np.ndarray, epochs: int, measure: Measure) -> np.ndarray:
    """Similarity of one[e] and other[e] for e = 0 … epochs, float64; NaN from where either ends.

    one, other: the vectors of a task at its epochs so far, [any, H].
    """
    values = np.full(epochs + 1, np.nan)
    for epoch, pair in enumerate(zip(one[: epochs + 1], other[: epochs + 1], strict=False)):
        values[epoch] = similarity(np.stack(pair), ("", ""), (0, 1), measure).values[0, 1]
    return values


def telling_pairs(tasks: int) -> list[tuple[int, int]]:
    """The first task with each other one; where these are many, with those 1, 2, T/4 and T/2 steps away.

    A suite that closes, such as rotation, is farthest from its start in its middle.
    """
    away = range(1, tasks) if tasks <= 8 else (1, 2, tasks // 4, tasks // 2)
    return [(0, other) for other in dict.fromkeys(away)]
