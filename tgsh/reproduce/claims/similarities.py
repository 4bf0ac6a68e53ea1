"""Cosines of context vectors follow the geometry of the tasks."""

from __future__ import annotations

import numpy as np

from tgsh.analysis.neighbours import nearest
from tgsh.analysis.similarity import SimilarityMatrix
from tgsh.reproduce.claims.claim import Claim, Finding, NotMeasured, number
from tgsh.reproduce.experiments import DatasetChoice
from tgsh.schemas import Similarity

ADJACENT = "Adjacent tasks are the most similar ones"
NEAR_ZERO = "Before training no two tasks are similar"
BUMP = "Tasks half a turn apart are more similar than tasks a quarter turn apart"
EVERY_SECOND = "Shift by 2 px looks like every second task of shift by 1 px, though its seed differs"

CIRCLES = ("rotation", "shift-1px", "shift-2px")
SUITES = (*CIRCLES, "augment")
NETWORKS = ("flynet", "neuromodnet")

NEAR = 0.05
SAME = 0.98
LAGS = "0.71 / 0.49 / 0.055 / 0.114"  # of 10°, 20°, 90°, 180°, on all of MNIST


def claims(dataset: DatasetChoice) -> tuple[Claim, ...]:
    return (
        *(_adjacent(f"{suite}-{network}") for network in NETWORKS for suite in CIRCLES),
        *(_near_zero(f"{suite}-{network}") for network in NETWORKS for suite in SUITES),
        *(_bump(f"rotation-{network}", network, dataset) for network in NETWORKS),
        *(_every_second(network) for network in NETWORKS),
    )


def adjacent(matrix: Similarity) -> Finding:
    """Whether the most similar other task of every task is a neighbour on the closed circle of T tasks."""
    tasks = len(matrix.tasks)
    best = nearest(SimilarityMatrix(_values(matrix), tuple(matrix.labels), tuple(matrix.tasks), "cosine"))
    near = sum((place - row) % tasks in {1, tasks - 1} for row, place in enumerate(best))
    return Finding(near == tasks, {"neighbours": near, "tasks": tasks}, f"{near} of {tasks}")


def near_zero(matrix: Similarity) -> Finding:
    """Whether no two tasks have a similarity of a magnitude of NEAR or more."""
    others = _off_diagonal(_values(matrix))
    largest, typical = float(np.abs(others).max()), float(np.sqrt((others**2).mean()))
    return Finding(largest < NEAR, {"largest": largest, "root_mean_square": typical}, f"{largest:.3f}")


def half_turn(matrix: Similarity) -> Finding:
    """Whether the mean similarity at a lag of T/2 tasks is above that at T/4, around the closed circle.

    Above is by more than two standard errors of the difference: what is less may be chance.
    """
    values, tasks = _values(matrix), len(matrix.tasks)
    quarter, half = tasks // 4, tasks // 2
    pairs = {lag: _at_lag(values, lag) for lag in (1, 2, quarter, half)}
    means = {lag: float(found.mean()) for lag, found in pairs.items()}
    error = float(np.sqrt(sum(pairs[lag].var(ddof=1) / len(pairs[lag]) for lag in (quarter, half))))
    shown = " / ".join(number(mean, 2 if lag < 3 else 3) for lag, mean in means.items())
    numbers = {"mean_at_lag": {str(lag): mean for lag, mean in means.items()}, "standard_error": error}
    return Finding(means[half] - means[quarter] > 2 * error, numbers, shown)


def every_second(fine: Similarity, coarse: Similarity) -> Finding:
    """Whether the off-diagonals of `coarse` and of every second task of `fine` correlate as SAME or better.

    Raises: NotMeasured where the second has not half as many tasks as the first.
    """
    chosen, other = _values(fine)[::2, ::2], _values(coarse)
    if chosen.shape != other.shape:
        raise NotMeasured(f"{len(coarse.tasks)} tasks are not half of {len(fine.tasks)}")
    one, two = _off_diagonal(chosen), _off_diagonal(other)
    correlation = float(np.corrcoef(one, two)[0, 1])
    numbers = {"correlation": correlation, "largest_difference": float(np.abs(one - two).max())}
    return Finding(correlation >= SAME, numbers, f"{correlation:.4f}")


def _values(matrix: Similarity) -> np.ndarray:
    return np.array(matrix.values, np.float64)


def _off_diagonal(values: np.ndarray) -> np.ndarray:
    """Every pair once."""
    return np.asarray(values[np.triu_indices(len(values), 1)])


def _at_lag(values: np.ndarray, lag: int) -> np.ndarray:
    """Similarities of all pairs so many tasks apart, each once."""
    rows = np.arange(len(values) // 2 if 2 * lag == len(values) else len(values))
    return np.asarray(values[rows, (rows + lag) % len(values)])


def _adjacent(about: str) -> Claim:
    return Claim(
        id=f"adjacent.{about}",
        text=ADJACENT,
        where="experiments, RotationMNIST and ShiftMNIST",
        criterion="the most similar other task of every task is a neighbour on the closed circle",
        expected="all",
        about=(about,),
        measure=lambda answers: adjacent(answers.similarity()),
    )


def _near_zero(about: str) -> Claim:
    return Claim(
        id=f"before-near-zero.{about}",
        text=NEAR_ZERO,
        where="experiments, matrices before training",
        criterion=f"largest magnitude off the diagonal below {NEAR}",
        expected=f"below {NEAR}",
        about=(about,),
        measure=lambda answers: near_zero(answers.before()),
    )


def _bump(about: str, network: str, dataset: DatasetChoice) -> Claim:
    return Claim(
        id=f"half-turn.{about}",
        text=f"{BUMP} (mean cosine at 10° / 20° / 90° / 180°)",
        where="experiments, RotationMNIST",
        criterion="mean cosine at 180° above that at 90° by more than two standard errors",
        expected=LAGS if (network, dataset) == ("flynet", "mnist") else "180° above 90°",
        about=(about,),
        measure=lambda answers: half_turn(answers.similarity()),
    )


def _every_second(network: str) -> Claim:
    return Claim(
        id=f"every-second.shift-{network}",
        text=f"{EVERY_SECOND} (correlation)",
        where="experiments, ShiftMNIST",
        criterion=f"correlation of the two matrices off their diagonals is {SAME} or better",
        expected=f"{SAME} or better",
        about=(f"shift-1px-{network}", f"shift-2px-{network}"),
        measure=lambda fine, coarse: every_second(fine.similarity(), coarse.similarity()),
    )
