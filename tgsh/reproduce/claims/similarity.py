"""Claims about similarity matrices of tasks on a circle: rotations and shifts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tgsh.analysis.similarity import SimilarityMatrix, nearest
from tgsh.reproduce.claims.base import Claim, ClaimMeasurement, NotMeasured, Verdict
from tgsh.reproduce.claims.quantities import Quantity, count, number
from tgsh.reproduce.plan import START_SUFFIXES, DatasetChoice
from tgsh.schemas import Similarity

ADJACENT_TEXT = "Adjacent tasks are the most similar ones"
NEAR_ZERO_TEXT = "Before training no two tasks are similar"
HALF_TURN_TEXT = "Tasks half a turn apart are more similar than tasks a quarter turn apart"
EVERY_SECOND_TEXT = (
    "Shift by 2 px looks like every second task of shift by 1 px, though its seed and its base differ"
)

CIRCLES = ("rotation", "shift-1px", "shift-2px")
SUITES = (*CIRCLES, "augment")
CONTEXT_NETWORKS = ("flynet", "neuromodnet")
STARTS = tuple(f"rotation-neuromodnet{suffix}" for suffix in START_SUFFIXES)

ZERO_LIMIT = 0.05
MIN_CORRELATION = 0.98
EXPECTED_AT_LAGS = "0.71 / 0.49 / 0.055 / 0.114"  # of 10°, 20°, 90°, 180°, on all of MNIST
UPDATES = "updates v − v₀"

LOST: Mapping[str, str] = {
    "rotation-neuromodnet-common": "From one random draw the tasks start alike and move apart: the more they "
    "train, the less of the order is left.",
    "rotation-neuromodnet-ones": "From equal starts neighbours stay alike, and a quarter and half a turn are "
    "about equally far.",
}
"""Reasons why an order is lost, by experiment."""

LOST_BY_START = (
    "NeuroModNet's loss is not convex in its contexts: from independent starts each task ends in a solution "
    "of its own."
)


def similarity_claims(dataset: DatasetChoice) -> tuple[Claim, ...]:
    """Claims about RotationMNIST and ShiftMNIST, and matrices before training."""
    paper = [f"{suite}-{network}" for network in CONTEXT_NETWORKS for suite in CIRCLES]
    return (
        *(_adjacent_claim(about) for about in [*paper, *STARTS[1:]]),
        *(_adjacent_claim(about, updates=True) for about in STARTS),
        *(_near_zero_claim(f"{suite}-{network}") for network in CONTEXT_NETWORKS for suite in SUITES),
        *(_half_turn_claim(about, dataset) for about in ["rotation-flynet", *STARTS]),
        *(_half_turn_claim(about, dataset, updates=True) for about in STARTS),
        *(_every_second_claim(network, dataset) for network in CONTEXT_NETWORKS),
    )


def adjacent(matrix: Similarity) -> ClaimMeasurement:
    """Test that every task's most similar other task is a neighbour on the closed circle of T tasks."""
    tasks = len(matrix.tasks)
    best = nearest(SimilarityMatrix(_values(matrix), tuple(matrix.labels), tuple(matrix.tasks), "cosine"))
    neighbours = sum((place - row) % tasks in {1, tasks - 1} for row, place in enumerate(best))
    quantity = Quantity("neighbour nearest", neighbours, least=tasks, possible=(0, tasks), digits=1)
    return ClaimMeasurement({"neighbours": neighbours, "tasks": tasks}, _adjacent_text, (quantity,))


def near_zero(matrix: Similarity) -> ClaimMeasurement:
    """Test that no two tasks have a similarity of magnitude ZERO_LIMIT or more."""
    others = _off_diagonal(_values(matrix))
    largest, typical = float(np.abs(others).max()), float(np.sqrt((others**2).mean()))
    quantity = Quantity("largest", largest, most=ZERO_LIMIT, is_strict=True, possible=(0, 1))
    measured = {"largest": largest, "root_mean_square": typical}
    return ClaimMeasurement(measured, lambda means: f"{means['largest']:.3f}", (quantity,))


def half_turn(matrix: Similarity) -> ClaimMeasurement:
    """Test that the mean similarity at a lag of T/2 tasks is above that at T/4, around the closed circle.

    It must be above by more than two standard errors of the difference: less may be chance.
    """
    values, tasks = _values(matrix), len(matrix.tasks)
    quarter, half = tasks // 4, tasks // 2
    pairs = {lag: _at_lag(values, lag) for lag in (1, 2, quarter, half)}
    means = {lag: float(values_at_lag.mean()) for lag, values_at_lag in pairs.items()}
    error = float(np.sqrt(sum(pairs[lag].var(ddof=1) / len(pairs[lag]) for lag in (quarter, half))))
    measured = {"mean_at_lag": {str(lag): mean for lag, mean in means.items()}, "standard_error": error}
    excess = means[half] - means[quarter] - 2 * error
    quantity = Quantity("180° less 90°, less two errors", excess, least=0, is_strict=True)
    return ClaimMeasurement(measured, _half_turn_text, (quantity,))


def every_second(fine: Similarity, coarse: Similarity) -> ClaimMeasurement:
    """Test that `coarse` and every second task of `fine` correlate, off the diagonal, by MIN_CORRELATION.

    Raises: NotMeasured where `coarse` has not half as many tasks as `fine`.
    """
    every_second_task, other = _values(fine)[::2, ::2], _values(coarse)
    if every_second_task.shape != other.shape:
        raise NotMeasured(f"{len(coarse.tasks)} tasks are not half of {len(fine.tasks)}")
    one, two = _off_diagonal(every_second_task), _off_diagonal(other)
    correlation = float(np.corrcoef(one, two)[0, 1])
    measured = {"correlation": correlation, "largest_difference": float(np.abs(one - two).max())}
    quantity = Quantity("correlation", correlation, least=MIN_CORRELATION, possible=(-1, 1), digits=4)
    return ClaimMeasurement(measured, lambda means: number(means["correlation"], 4), (quantity,))


def _adjacent_text(measured: Mapping[str, Any]) -> str:
    return f"{count(measured['neighbours'])} of {measured['tasks']}"


def _half_turn_text(measured: Mapping[str, Any]) -> str:
    means = measured["mean_at_lag"].values()
    return " / ".join(number(mean, 2 if place < 2 else 3) for place, mean in enumerate(means))


def _values(matrix: Similarity) -> np.ndarray:
    return np.array(matrix.values, np.float64)


def _off_diagonal(values: np.ndarray) -> np.ndarray:
    """Values above the diagonal: every pair once."""
    return np.asarray(values[np.triu_indices(len(values), 1)])


def _at_lag(values: np.ndarray, lag: int) -> np.ndarray:
    """Similarities of all pairs `lag` tasks apart on the closed circle, each once."""
    rows = np.arange(len(values) // 2 if 2 * lag == len(values) else len(values))
    return np.asarray(values[rows, (rows + lag) % len(values)])


def _adjacent_claim(about: str, *, updates: bool = False) -> Claim:
    measure = "update" if updates else "cosine"
    return Claim(
        id=f"adjacent{'-update' if updates else ''}.{about}",
        text=ADJACENT_TEXT,
        where="experiments, RotationMNIST and ShiftMNIST",
        criterion="the most similar other task of every task is a neighbour on the closed circle",
        expected="all",
        about=(about,),
        measure=lambda documents: adjacent(documents.similarity(measure)),
        control=None if updates else lambda documents: adjacent(documents.before()),
        decided_by=_decided_by(about, updates),
        why=_why(about, updates),
        detail=UPDATES if updates else "",
    )


def _near_zero_claim(about: str) -> Claim:
    return Claim(
        id=f"before-near-zero.{about}",
        text=NEAR_ZERO_TEXT,
        where="experiments, matrices before training",
        criterion=f"largest magnitude off the diagonal below {ZERO_LIMIT}, where starts are independent",
        expected=f"below {ZERO_LIMIT}",
        about=(about,),
        measure=lambda documents: near_zero(documents.before()),
        control=lambda documents: near_zero(documents.similarity()),
        decided_by="network.start, and how many numbers a vector has",
        why={
            "holds": "Independent vectors of so many numbers are nearly orthogonal; trained ones are not.",
            "does not hold": "Chance alone makes larger cosines: its vectors have 2,832 numbers instead of "
            "7,840, and one gain a layer.",
            "not informative": "Trained contexts are as near to zero.",
        },
        contrast="trained",
    )


def _half_turn_claim(about: str, dataset: DatasetChoice, *, updates: bool = False) -> Claim:
    measure = "update" if updates else "cosine"
    return Claim(
        id=f"half-turn{'-update' if updates else ''}.{about}",
        text=f"{HALF_TURN_TEXT} (mean cosine at 10° / 20° / 90° / 180°)",
        where="experiments, RotationMNIST",
        criterion="mean cosine at 180° above that at 90° by more than two standard errors",
        expected=EXPECTED_AT_LAGS if (about, dataset) == ("rotation-flynet", "mnist") else "180° above 90°",
        about=(about,),
        measure=lambda documents: half_turn(documents.similarity(measure)),
        control=None if updates else lambda documents: half_turn(documents.before()),
        decided_by=_decided_by(about, updates),
        why=_why(about, updates)
        | {"holds": "Half a turn resembles a digit more than a quarter does, and trained contexts show it."},
        detail=UPDATES if updates else "",
    )


def _decided_by(about: str, updates: bool) -> str:
    if "flynet" in about:
        return "network.kind: FlyNet's loss is convex in its vector"
    return "network.start, and measure=update" if updates else "network.start"


def _why(about: str, updates: bool) -> dict[Verdict, str]:
    reasons: dict[Verdict, str] = {
        "holds": "Alike tasks need alike modulations over one base; untrained contexts are in no order.",
        "not informative": "The contexts are in this order before training.",
    }
    if updates:
        reasons["holds"] = (
            "What training adds is ordered as the tasks are; before it there is nothing to compare."
        )
    if "neuromodnet" in about:
        reasons["does not hold"] = LOST.get(about, LOST_BY_START)
    return reasons


def _every_second_claim(network: str, dataset: DatasetChoice) -> Claim:
    least = f"{MIN_CORRELATION} or better"
    return Claim(
        id=f"every-second.shift-{network}",
        text=f"{EVERY_SECOND_TEXT} (correlation)",
        where="experiments, ShiftMNIST",
        criterion=f"correlation of the two matrices off their diagonals is {least}",
        expected="0.9966" if (network, dataset) == ("flynet", "mnist") else least,
        about=(f"shift-1px-{network}", f"shift-2px-{network}"),
        measure=lambda fine, coarse: every_second(fine.similarity(), coarse.similarity()),
        control=lambda fine, coarse: every_second(fine.before(), coarse.before()),
        decided_by="network.kind; neither seed nor base_seed" if network == "flynet" else "network.start",
        why={
            "holds": "What the two runs have in common is the tasks: seed and random base are others.",
            "does not hold": "Neither matrix shows the order of its tasks, so they have nothing in common.",
        },
    )
