"""Claims about similarity matrices: circles of tasks, AugmentMNIST, similarity over epochs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tgsh.analysis.similarity import SimilarityMatrix, nearest
from tgsh.reproduce.claims.base import Claim, ClaimMeasurement, NotMeasured, number
from tgsh.reproduce.plan import DatasetChoice
from tgsh.schemas import Dendrogram, Similarity, SimilarityEpochs

ADJACENT_TEXT = "Adjacent tasks are the most similar ones"
NEAR_ZERO_TEXT = "Before training no two tasks are similar"
HALF_TURN_TEXT = "Tasks half a turn apart are more similar than tasks a quarter turn apart"
EVERY_SECOND_TEXT = "Shift by 2 px looks like every second task of shift by 1 px, though its seed differs"
CLUSTER_TEXT = "T1, T4, T5 and T6, which keep the digit upright, form one cluster"
LAST_TEXT = "T7 (invert) joins the tree last"
NEARER_TEXT = "T7 (invert) is more like T1 (identity) than like T2 (flip)"
NEGATIVE_TEXT = "T7 (invert) is negatively similar to all others"
SIGN_TEXT = "The sign of T1 with T7 is an effect of few epochs"

CIRCLES = ("rotation", "shift-1px", "shift-2px")
SUITES = (*CIRCLES, "augment")
NETWORKS = ("flynet", "neuromodnet")
CLUSTER = (0, 3, 4, 5)
T1, T2, T7 = 0, 1, 6

ZERO_LIMIT = 0.05
MIN_CORRELATION = 0.98
EXPECTED_AT_LAGS = "0.71 / 0.49 / 0.055 / 0.114"  # of 10°, 20°, 90°, 180°, on all of MNIST
EPOCHS = {"mnist": (1, 2, 3, 5, 12), "mnist5k": (1, 3, 10, 20, 40)}
EXPECTED_TRAJECTORY = "−0.26, 0.01, 0.15, 0.30, 0.42"  # at these epochs of all of MNIST


def similarity_claims(dataset: DatasetChoice) -> tuple[Claim, ...]:
    """Claims about RotationMNIST and ShiftMNIST, and matrices before training."""
    return (
        *(_adjacent_claim(f"{suite}-{network}") for network in NETWORKS for suite in CIRCLES),
        *(_near_zero_claim(f"{suite}-{network}") for network in NETWORKS for suite in SUITES),
        *(_half_turn_claim(f"rotation-{network}", network, dataset) for network in NETWORKS),
        *(_every_second_claim(network) for network in NETWORKS),
    )


def augment_claims(dataset: DatasetChoice) -> tuple[Claim, ...]:
    """Claims about AugmentMNIST, the eight transforms of Table 1."""
    return (
        *(_cluster_claim(network) for network in NETWORKS),
        *(_last_claim(network) for network in NETWORKS),
        *(_nearer_claim(network) for network in NETWORKS),
        *(_negative_claim(network) for network in NETWORKS),
        _sign_claim(dataset),
    )


def adjacent(matrix: Similarity) -> ClaimMeasurement:
    """Test that every task's most similar other task is a neighbour on the closed circle of T tasks."""
    tasks = len(matrix.tasks)
    best = nearest(SimilarityMatrix(_values(matrix), tuple(matrix.labels), tuple(matrix.tasks), "cosine"))
    neighbours = sum((place - row) % tasks in {1, tasks - 1} for row, place in enumerate(best))
    return ClaimMeasurement(
        neighbours == tasks, {"neighbours": neighbours, "tasks": tasks}, f"{neighbours} of {tasks}"
    )


def near_zero(matrix: Similarity) -> ClaimMeasurement:
    """Test that no two tasks have a similarity of magnitude ZERO_LIMIT or more."""
    others = _off_diagonal(_values(matrix))
    largest, typical = float(np.abs(others).max()), float(np.sqrt((others**2).mean()))
    return ClaimMeasurement(
        largest < ZERO_LIMIT, {"largest": largest, "root_mean_square": typical}, f"{largest:.3f}"
    )


def half_turn(matrix: Similarity) -> ClaimMeasurement:
    """Test that the mean similarity at a lag of T/2 tasks is above that at T/4, around the closed circle.

    It must be above by more than two standard errors of the difference: less may be chance.
    """
    values, tasks = _values(matrix), len(matrix.tasks)
    quarter, half = tasks // 4, tasks // 2
    pairs = {lag: _at_lag(values, lag) for lag in (1, 2, quarter, half)}
    means = {lag: float(values_at_lag.mean()) for lag, values_at_lag in pairs.items()}
    error = float(np.sqrt(sum(pairs[lag].var(ddof=1) / len(pairs[lag]) for lag in (quarter, half))))
    summary = " / ".join(number(mean, 2 if lag < 3 else 3) for lag, mean in means.items())
    measured = {"mean_at_lag": {str(lag): mean for lag, mean in means.items()}, "standard_error": error}
    return ClaimMeasurement(means[half] - means[quarter] > 2 * error, measured, summary)


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
    return ClaimMeasurement(correlation >= MIN_CORRELATION, measured, f"{correlation:.4f}")


def one_cluster(tree: Dendrogram, cluster: Sequence[int] = CLUSTER) -> ClaimMeasurement:
    """Test that these tasks, and no others, lie below one node of the tree."""
    smallest = next(group for group in _groups(tree) if group >= set(cluster))  # joins by rising distance
    measured = {
        "smallest_group_with_them": sorted(smallest),
        "labels": [tree.labels[i] for i in sorted(smallest)],
    }
    names = ", ".join(f"T{task + 1}" for task in sorted(smallest))
    return ClaimMeasurement(smallest == set(cluster), measured, f"they are joined as {names}")


def joins_last(tree: Dendrogram, task: int = T7) -> ClaimMeasurement:
    """Test that the last join of the tree is that of this task, alone, with all others."""
    sides = [_below(tree, node) for node in tree.linkage[-1][:2]]
    smaller = min(sides, key=len)
    names = ", ".join(f"T{place + 1}" for place in sorted(smaller))
    measured = {"last_to_join": sorted(smaller), "at_distance": tree.linkage[-1][2]}
    return ClaimMeasurement({task} in sides, measured, names)


def nearer(matrix: Similarity, task: int = T7, one: int = T1, other: int = T2) -> ClaimMeasurement:
    """Test that a task is more similar to `one` than to `other`."""
    to_one, to_other = matrix.values[task][one], matrix.values[task][other]
    measured = {f"T{one + 1}": to_one, f"T{other + 1}": to_other}
    return ClaimMeasurement(to_one > to_other, measured, f"{number(to_one)} and {number(to_other)}")


def negative_to_all(matrix: Similarity, task: int = T7) -> ClaimMeasurement:
    """Test that a task has a negative similarity to every other."""
    others = {f"T{i + 1}": value for i, value in enumerate(matrix.values[task]) if i != task}
    below = sum(value < 0 for value in others.values())
    low, high = min(others.values()), max(others.values())
    summary = f"negative to {below} of {len(others)} ({number(low)} to {number(high)})"
    return ClaimMeasurement(below == len(others), others, summary)


def sign_changes(trajectories: SimilarityEpochs, epochs: Sequence[int]) -> ClaimMeasurement:
    """Test that the first trajectory is negative after the first of these epochs, positive after the last.

    Raises: NotMeasured where the trajectory ends before the last of these epochs.
    """
    values = trajectories.pairs[0].values
    at_epochs = [values[epoch] if epoch < len(values) else None for epoch in epochs]
    similarities = [value for value in at_epochs if value is not None]
    if len(similarities) < len(epochs):
        raise NotMeasured(f"the course ends before epoch {epochs[-1]}")
    measured = {"similarity_after_epoch": dict(zip(map(str, epochs), similarities, strict=True))}
    summary = ", ".join(number(value) for value in similarities)
    return ClaimMeasurement(similarities[0] < 0 < similarities[-1], measured, summary)


def _values(matrix: Similarity) -> np.ndarray:
    return np.array(matrix.values, np.float64)


def _off_diagonal(values: np.ndarray) -> np.ndarray:
    """Values above the diagonal: every pair once."""
    return np.asarray(values[np.triu_indices(len(values), 1)])


def _at_lag(values: np.ndarray, lag: int) -> np.ndarray:
    """Similarities of all pairs `lag` tasks apart on the closed circle, each once."""
    rows = np.arange(len(values) // 2 if 2 * lag == len(values) else len(values))
    return np.asarray(values[rows, (rows + lag) % len(values)])


def _groups(tree: Dendrogram) -> list[set[int]]:
    """Positions of the tasks below every inner node, by rising distance."""
    tasks = len(tree.tasks)
    return [_below(tree, tasks + row) for row in range(len(tree.linkage))]


def _below(tree: Dendrogram, node: int) -> set[int]:
    """Positions of the tasks below a node."""
    tasks, leaves, todo = len(tree.tasks), set[int](), [node]
    while todo:
        if (current := todo.pop()) < tasks:
            leaves.add(current)
        else:
            todo += tree.linkage[current - tasks][:2]
    return leaves


def _adjacent_claim(about: str) -> Claim:
    return Claim(
        id=f"adjacent.{about}",
        text=ADJACENT_TEXT,
        where="experiments, RotationMNIST and ShiftMNIST",
        criterion="the most similar other task of every task is a neighbour on the closed circle",
        expected="all",
        about=(about,),
        measure=lambda documents: adjacent(documents.similarity()),
    )


def _near_zero_claim(about: str) -> Claim:
    return Claim(
        id=f"before-near-zero.{about}",
        text=NEAR_ZERO_TEXT,
        where="experiments, matrices before training",
        criterion=f"largest magnitude off the diagonal below {ZERO_LIMIT}",
        expected=f"below {ZERO_LIMIT}",
        about=(about,),
        measure=lambda documents: near_zero(documents.before()),
    )


def _half_turn_claim(about: str, network: str, dataset: DatasetChoice) -> Claim:
    return Claim(
        id=f"half-turn.{about}",
        text=f"{HALF_TURN_TEXT} (mean cosine at 10° / 20° / 90° / 180°)",
        where="experiments, RotationMNIST",
        criterion="mean cosine at 180° above that at 90° by more than two standard errors",
        expected=EXPECTED_AT_LAGS if (network, dataset) == ("flynet", "mnist") else "180° above 90°",
        about=(about,),
        measure=lambda documents: half_turn(documents.similarity()),
    )


def _every_second_claim(network: str) -> Claim:
    return Claim(
        id=f"every-second.shift-{network}",
        text=f"{EVERY_SECOND_TEXT} (correlation)",
        where="experiments, ShiftMNIST",
        criterion=f"correlation of the two matrices off their diagonals is {MIN_CORRELATION} or better",
        expected=f"{MIN_CORRELATION} or better",
        about=(f"shift-1px-{network}", f"shift-2px-{network}"),
        measure=lambda fine, coarse: every_second(fine.similarity(), coarse.similarity()),
    )


def _cluster_claim(network: str) -> Claim:
    return Claim(
        id=f"one-cluster.augment-{network}",
        text=CLUSTER_TEXT,
        where="experiments, AugmentMNIST, Table 1",
        criterion="one node of the average-linkage tree has these four below it and no other",
        expected="T1, T4, T5, T6",
        about=(f"augment-{network}",),
        measure=lambda documents: one_cluster(documents.dendrogram()),
    )


def _last_claim(network: str) -> Claim:
    return Claim(
        id=f"joins-last.augment-{network}",
        text=LAST_TEXT,
        where="experiments, AugmentMNIST, Table 1",
        criterion="the last join of the average-linkage tree is that of T7, alone, with all others",
        expected="T7",
        about=(f"augment-{network}",),
        measure=lambda documents: joins_last(documents.dendrogram()),
    )


def _nearer_claim(network: str) -> Claim:
    return Claim(
        id=f"nearer.augment-{network}",
        text=NEARER_TEXT,
        where="experiments, AugmentMNIST, Table 1",
        criterion="cosine of T1 and T7 above that of T2 and T7",
        expected="T1 above T2",
        about=(f"augment-{network}",),
        measure=lambda documents: nearer(documents.similarity()),
    )


def _negative_claim(network: str) -> Claim:
    return Claim(
        id=f"negative.augment-{network}",
        text=NEGATIVE_TEXT,
        where="experiments, AugmentMNIST, Table 1",
        criterion="cosine of T7 with each of the seven others below 0",
        expected="7 of 7",
        about=(f"augment-{network}",),
        measure=lambda documents: negative_to_all(documents.similarity()),
    )


def _sign_claim(dataset: DatasetChoice) -> Claim:
    epochs = EPOCHS[dataset]
    return Claim(
        id="few-epochs.augment-flynet",
        text=f"{SIGN_TEXT} (after {', '.join(map(str, epochs))} epochs)",
        where="not in the paper: what its negative sign depends on",
        criterion=f"cosine of T1 and T7 below 0 after {epochs[0]} epoch, above 0 after {epochs[-1]}",
        expected=EXPECTED_TRAJECTORY if dataset == "mnist" else "first negative, last positive",
        about=("augment-flynet",),
        measure=lambda documents: sign_changes(documents.trajectories((T1, T7)), epochs),
    )
