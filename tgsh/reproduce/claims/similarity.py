"""Similarity follows task geometry."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tgsh.analysis.similarity import SimilarityMatrix, nearest
from tgsh.reproduce.claims.base import Claim, Finding, NotMeasured, number
from tgsh.reproduce.plan import DatasetChoice
from tgsh.schemas import Dendrogram, Similarity, SimilarityEpochs

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


def similarity_claims(dataset: DatasetChoice) -> tuple[Claim, ...]:
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


CLUSTER = (0, 3, 4, 5)
T1, T2, T7 = 0, 1, 6

TOGETHER = "T1, T4, T5 and T6, which keep the digit upright, form one cluster"
LAST = "T7 (invert) joins the tree last"
MIRRORED = "T7 (invert) is more like T1 (identity) than like T2 (flip)"
NEGATIVE = "T7 (invert) is negatively similar to all others"
FEW_EPOCHS = "The sign of T1 with T7 is an effect of few epochs"

EPOCHS = {"mnist": (1, 2, 3, 5, 12), "mnist5k": (1, 3, 10, 20, 40)}
COURSE = "−0.26, 0.01, 0.15, 0.30, 0.42"  # at these epochs of all of MNIST


def augment_claims(dataset: DatasetChoice) -> tuple[Claim, ...]:
    return (
        *(_together(network) for network in NETWORKS),
        *(_last(network) for network in NETWORKS),
        *(_mirrored(network) for network in NETWORKS),
        *(_negative(network) for network in NETWORKS),
        _few_epochs(dataset),
    )


def one_cluster(tree: Dendrogram, cluster: Sequence[int] = CLUSTER) -> Finding:
    """Whether these tasks, and no others, lie below one node of the tree."""
    around = next(group for group in _groups(tree) if group >= set(cluster))  # joins by rising distance
    numbers = {"smallest_group_with_them": sorted(around), "labels": [tree.labels[i] for i in sorted(around)]}
    names = ", ".join(f"T{task + 1}" for task in sorted(around))
    return Finding(around == set(cluster), numbers, f"they are joined as {names}")


def joins_last(tree: Dendrogram, task: int = T7) -> Finding:
    """Whether the last join of the tree is that of this task, alone, with all others."""
    sides = [_below(tree, node) for node in tree.linkage[-1][:2]]
    smaller = min(sides, key=len)
    names = ", ".join(f"T{place + 1}" for place in sorted(smaller))
    numbers = {"last_to_join": sorted(smaller), "at_distance": tree.linkage[-1][2]}
    return Finding({task} in sides, numbers, names)


def nearer(matrix: Similarity, task: int = T7, one: int = T1, other: int = T2) -> Finding:
    """Whether a task is more similar to `one` than to `other`."""
    to_one, to_other = matrix.values[task][one], matrix.values[task][other]
    numbers = {f"T{one + 1}": to_one, f"T{other + 1}": to_other}
    return Finding(to_one > to_other, numbers, f"{number(to_one)} and {number(to_other)}")


def negative_to_all(matrix: Similarity, task: int = T7) -> Finding:
    """Whether a task has a negative similarity to every other."""
    others = {f"T{i + 1}": value for i, value in enumerate(matrix.values[task]) if i != task}
    below = sum(value < 0 for value in others.values())
    low, high = min(others.values()), max(others.values())
    shown = f"negative to {below} of {len(others)} ({number(low)} to {number(high)})"
    return Finding(below == len(others), others, shown)


def sign_changes(courses: SimilarityEpochs, epochs: Sequence[int]) -> Finding:
    """Whether the first course is negative after the first of these epochs and positive after the last.

    Raises: NotMeasured where the course does not reach so far.
    """
    values = courses.pairs[0].values
    chosen = [values[epoch] if epoch < len(values) else None for epoch in epochs]
    found = [value for value in chosen if value is not None]
    if len(found) < len(epochs):
        raise NotMeasured(f"the course ends before epoch {epochs[-1]}")
    numbers = {"similarity_after_epoch": dict(zip(map(str, epochs), found, strict=True))}
    return Finding(found[0] < 0 < found[-1], numbers, ", ".join(number(value) for value in found))


def _groups(tree: Dendrogram) -> list[set[int]]:
    """Places below every node that joins two."""
    tasks = len(tree.tasks)
    return [_below(tree, tasks + row) for row in range(len(tree.linkage))]


def _below(tree: Dendrogram, node: int) -> set[int]:
    tasks, found, todo = len(tree.tasks), set[int](), [node]
    while todo:
        if (at := todo.pop()) < tasks:
            found.add(at)
        else:
            todo += tree.linkage[at - tasks][:2]
    return found


def _together(network: str) -> Claim:
    return Claim(
        id=f"one-cluster.augment-{network}",
        text=TOGETHER,
        where="experiments, AugmentMNIST, Table 1",
        criterion="one node of the average-linkage tree has these four below it and no other",
        expected="T1, T4, T5, T6",
        about=(f"augment-{network}",),
        measure=lambda answers: one_cluster(answers.dendrogram()),
    )


def _last(network: str) -> Claim:
    return Claim(
        id=f"joins-last.augment-{network}",
        text=LAST,
        where="experiments, AugmentMNIST, Table 1",
        criterion="the last join of the average-linkage tree is that of T7, alone, with all others",
        expected="T7",
        about=(f"augment-{network}",),
        measure=lambda answers: joins_last(answers.dendrogram()),
    )


def _mirrored(network: str) -> Claim:
    return Claim(
        id=f"nearer.augment-{network}",
        text=MIRRORED,
        where="experiments, AugmentMNIST, Table 1",
        criterion="cosine of T1 and T7 above that of T2 and T7",
        expected="T1 above T2",
        about=(f"augment-{network}",),
        measure=lambda answers: nearer(answers.similarity()),
    )


def _negative(network: str) -> Claim:
    return Claim(
        id=f"negative.augment-{network}",
        text=NEGATIVE,
        where="experiments, AugmentMNIST, Table 1",
        criterion="cosine of T7 with each of the seven others below 0",
        expected="7 of 7",
        about=(f"augment-{network}",),
        measure=lambda answers: negative_to_all(answers.similarity()),
    )


def _few_epochs(dataset: DatasetChoice) -> Claim:
    epochs = EPOCHS[dataset]
    return Claim(
        id="few-epochs.augment-flynet",
        text=f"{FEW_EPOCHS} (after {', '.join(map(str, epochs))} epochs)",
        where="not in the paper: what its negative sign depends on",
        criterion=f"cosine of T1 and T7 below 0 after {epochs[0]} epoch, above 0 after {epochs[-1]}",
        expected=COURSE if dataset == "mnist" else "first negative, last positive",
        about=("augment-flynet",),
        measure=lambda answers: sign_changes(answers.courses((T1, T7)), epochs),
    )
