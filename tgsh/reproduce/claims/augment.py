"""Claims about AugmentMNIST, and about flips and inversions combined."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tgsh.reproduce.claims.base import Claim, ClaimMeasurement, NotMeasured, Verdict
from tgsh.reproduce.claims.quantities import Quantity, number
from tgsh.reproduce.plan import DatasetChoice
from tgsh.schemas import Dendrogram, Similarity, SimilarityEpochs

CLUSTER_TEXT = "T1, T4, T5 and T6, which keep the digit upright, form one cluster"
LAST_TEXT = "T7 (invert) joins the tree last"
NEARER_TEXT = "T7 (invert) is more like T1 (identity) than like T2 (flip)"
NEGATIVE_TEXT = "T7 (invert) is negatively similar to all others"
SIGN_TEXT = "The sign of T1 with T7 is an effect of little training"
ADDITIVE_TEXT = "The effects of flip and invert add up"

AUGMENTS = ("augment-flynet", "augment-flynet-none", "augment-neuromodnet")
FLIPS = "flip-invert-flynet"
CLUSTER = (0, 3, 4, 5)
T1, T2, T7 = 0, 1, 6

CHANCE = 0.95
"""Share of differences of untrained similarities that a difference must exceed."""

TOLERANCE = 0.1
"""Of a sum: distances add up if they are that near to it."""

EPOCHS = {"mnist": (1, 2, 3, 5, 12), "mnist5k": (1, 3, 10, 20, 40)}
EXPECTED_TRAJECTORIES = {  # at these epochs of all of MNIST
    "augment-flynet": "−0.26, 0.01, 0.15, 0.30, 0.42",
    "augment-flynet-none": "−0.48, −0.26, −0.09, 0.14, 0.39",
}
DECIDED_BY = "training: scale of features (normalisation) × learning_rate × epochs"
HIDDEN_ORDER = "network.start"

LITTLE_TRAINING: Mapping[Verdict, str] = {
    "holds": "Trained contexts show it at this amount of training; untrained ones are in no order.",
    "does not hold": "The scale of the features, the learning rate and the epochs together decide how far T7 "
    "has come, and it was so, if at all, after less training.",
}
NO_ORDER: Mapping[Verdict, str] = {
    "does not hold": "Contexts that start independently end in unrelated solutions, whatever their tasks.",
}


def augment_claims(dataset: DatasetChoice) -> tuple[Claim, ...]:
    """Claims about AugmentMNIST, the eight transforms of Table 1, under both normalisations."""
    return (
        *(_cluster_claim(about) for about in AUGMENTS),
        *(_last_claim(about) for about in AUGMENTS),
        *(_nearer_claim(about) for about in AUGMENTS),
        *(_negative_claim(about) for about in AUGMENTS),
        *(_sign_claim(about, dataset) for about in AUGMENTS[:2]),
        _additive_claim(dataset),
    )


def one_cluster(tree: Dendrogram, cluster: Sequence[int] = CLUSTER) -> ClaimMeasurement:
    """Test that these tasks, and no others, lie below one node of the tree."""
    smallest = next(group for group in _groups(tree) if group >= set(cluster))  # joins by rising distance
    measured = {
        "smallest_group_with_them": sorted(smallest),
        "labels": [tree.labels[i] for i in sorted(smallest)],
    }
    names = ", ".join(f"T{task + 1}" for task in sorted(smallest))
    distances = _cophenetic_distances(tree)
    others = [task for task in range(len(tree.tasks)) if task not in cluster]
    apart = distances[np.ix_(cluster, others)].min() - distances[np.ix_(cluster, cluster)].max()
    quantity = Quantity("distance at which others join them, less their own", float(apart), 0, is_strict=True)
    return ClaimMeasurement(measured, f"they are joined as {names}", (quantity,))


def joins_last(tree: Dendrogram, untrained: Dendrogram, task: int = T7) -> ClaimMeasurement:
    """Test that the last join of the tree is that of this task, alone, with all others, and stands apart.

    One of eight unrelated tasks joins last by chance: the join must be farther from the one before than any
    two successive joins of the tree of untrained contexts.
    """
    sides = [_below(tree, node) for node in tree.linkage[-1][:2]]
    smaller = min(sides, key=len)
    names = ", ".join(f"T{place + 1}" for place in sorted(smaller))
    farther, least = _steps(tree)[-1], float(_steps(untrained).max())
    measured = {
        "last_to_join": sorted(smaller),
        "at_distance": tree.linkage[-1][2],
        "farther_than_the_join_before": float(farther),
        "by_chance": least,
    }
    summary = names if farther > least else f"{names}, as far as the join before"
    distances = _cophenetic_distances(tree)
    others = [place for place in range(len(tree.tasks)) if place != task]
    # Of the task that joins last, alone, this is the last step of the tree; of any other it is 0 or less.
    step = distances[task, others].min() - distances[np.ix_(others, others)].max()
    quantity = Quantity("last step less that by chance", float(step) - least, 0, is_strict=True)
    return ClaimMeasurement(measured, summary, (quantity,))


def nearer(
    matrix: Similarity, untrained: Similarity, task: int = T7, one: int = T1, other: int = T2
) -> ClaimMeasurement:
    """Test that a task is more similar to `one` than to `other`, by more than chance makes it.

    Half of all untrained networks have the one above the other: the difference must exceed CHANCE of those
    between any two similarities of a task in `untrained`.
    """
    to_one, to_other = matrix.values[task][one], matrix.values[task][other]
    least = _difference_by_chance(np.array(untrained.values))
    measured = {f"T{one + 1}": to_one, f"T{other + 1}": to_other, "by_chance": least}
    names = f"T{one + 1}", f"T{other + 1}"
    quantity = Quantity(
        f"{names[0]} less {names[1]}, less that by chance", to_one - to_other - least, 0, is_strict=True
    )
    describe = lambda means: " and ".join(number(means[name]) for name in names)  # noqa: E731
    return ClaimMeasurement(measured, describe, (quantity,))


def negative_to_all(matrix: Similarity, task: int = T7) -> ClaimMeasurement:
    """Test that a task has a negative similarity to every other."""
    others = {f"T{i + 1}": value for i, value in enumerate(matrix.values[task]) if i != task}
    quantity = Quantity("largest", max(others.values()), most=0, is_strict=True, possible=(-1, 1))
    return ClaimMeasurement(others, _negative_text, (quantity,))


def sign_changes(trajectories: SimilarityEpochs, epochs: Sequence[int]) -> ClaimMeasurement:
    """Test that the first trajectory is negative after the first of these epochs, positive after the last.

    Raises: NotMeasured where the trajectory ends before the last of these epochs.
    """
    return _sign_change(trajectories.pairs[0].values, epochs)


def untrained_sign_changes(trajectories: SimilarityEpochs, epochs: Sequence[int]) -> ClaimMeasurement:
    """Test the same of contexts that stay as they were before training."""
    return _sign_change([trajectories.pairs[0].values[0]] * (epochs[-1] + 1), epochs)


def additive(matrix: Similarity) -> ClaimMeasurement:
    """Test that the distance of flip and invert together is the sum of both, to TOLERANCE of it.

    Distances are 1 − cosine; the tasks: identity, flip, invert, flip and invert.
    """
    distances = 1 - np.array(matrix.values)
    flip, flip_of_inverted, both, one_to_other, invert = (
        float(distances[pair]) for pair in ((0, 1), (2, 3), (0, 3), (1, 2), (0, 2))
    )
    measured = {
        "identity, flip": flip,
        "identity, invert": invert,
        "invert, flip and invert": flip_of_inverted,
        "identity, flip and invert": both,
        "flip, invert": one_to_other,
        "sum": flip + invert,
    }
    share = both / (flip + invert) if flip + invert else math.nan
    quantity = Quantity("share of the sum", share, 1 - TOLERANCE, 1 + TOLERANCE)
    return ClaimMeasurement(measured, _additive_text, (quantity,))


def _negative_text(measured: Mapping[str, float]) -> str:
    below = sum(value < 0 for value in measured.values())
    low, high = min(measured.values()), max(measured.values())
    return f"negative to {below} of {len(measured)} ({number(low)} to {number(high)})"


def _additive_text(measured: Mapping[str, float]) -> str:
    flip, invert = measured["identity, flip"], measured["identity, invert"]
    both = measured["identity, flip and invert"]
    return f"{number(both, 3)} instead of {number(flip, 3)} + {number(invert, 3)}"


def _sign_text(measured: Mapping[str, Any]) -> str:
    return ", ".join(number(value) for value in measured["similarity_after_epoch"].values())


def _sign_change(values: Sequence[float | None], epochs: Sequence[int]) -> ClaimMeasurement:
    at_epochs = [values[epoch] if epoch < len(values) else None for epoch in epochs]
    similarities = [value for value in at_epochs if value is not None]
    if len(similarities) < len(epochs):
        raise NotMeasured(f"the course ends before epoch {epochs[-1]}")
    measured = {"similarity_after_epoch": dict(zip(map(str, epochs), similarities, strict=True))}
    quantities = (
        Quantity(
            f"after epoch {epochs[0]}", similarities[0], most=0, is_strict=True, possible=(-1, 1), digits=2
        ),
        Quantity(
            f"after epoch {epochs[-1]}", similarities[-1], least=0, is_strict=True, possible=(-1, 1), digits=2
        ),
    )
    return ClaimMeasurement(measured, _sign_text, quantities)


def _groups(tree: Dendrogram) -> list[set[int]]:
    """Positions of the tasks below every inner node, by rising distance."""
    tasks = len(tree.tasks)
    return [_below(tree, tasks + row) for row in range(len(tree.linkage))]


def _steps(tree: Dendrogram) -> np.ndarray:
    """Differences of the distances of successive joins."""
    return np.diff([join[2] for join in tree.linkage])


def _cophenetic_distances(tree: Dendrogram) -> np.ndarray:
    """Distance at which every two tasks are joined, float64 [T, T]; 0 on the diagonal."""
    distances = np.zeros((len(tree.tasks), len(tree.tasks)))
    for left, right, distance, _ in tree.linkage:
        ones, others = sorted(_below(tree, left)), sorted(_below(tree, right))
        distances[np.ix_(ones, others)] = distance
        distances[np.ix_(others, ones)] = distance
    return distances


def _below(tree: Dendrogram, node: int) -> set[int]:
    """Positions of the tasks below a node."""
    tasks, leaves, todo = len(tree.tasks), set[int](), [node]
    while todo:
        if (current := todo.pop()) < tasks:
            leaves.add(current)
        else:
            todo += tree.linkage[current - tasks][:2]
    return leaves


def _difference_by_chance(untrained: np.ndarray) -> float:
    """Quantile CHANCE of the differences s(i, j) − s(i, k) of untrained similarities."""
    tasks = len(untrained)
    others = [np.delete(untrained[task], task) for task in range(tasks)]
    differences = np.concatenate(
        [np.subtract.outer(row, row)[~np.eye(tasks - 1, dtype=bool)] for row in others]
    )
    return float(np.quantile(differences, CHANCE))


def _about_order(about: str) -> tuple[str, Mapping[Verdict, str]]:
    """The setting that decides a claim about these tasks, and why."""
    return (HIDDEN_ORDER, NO_ORDER) if "neuromodnet" in about else (DECIDED_BY, LITTLE_TRAINING)


def _cluster_claim(about: str) -> Claim:
    _, why = _about_order(about)
    return Claim(
        id=f"one-cluster.{about}",
        text=CLUSTER_TEXT,
        where="experiments, AugmentMNIST, Table 1",
        criterion="one node of the average-linkage tree has these four below it and no other",
        expected="T1, T4, T5, T6",
        about=(about,),
        measure=lambda documents: one_cluster(documents.dendrogram()),
        control=lambda documents: one_cluster(documents.dendrogram("before")),
        decided_by="network.kind" if "flynet" in about else HIDDEN_ORDER,
        why=why,
    )


def _last_claim(about: str) -> Claim:
    decided_by, why = _about_order(about)
    return Claim(
        id=f"joins-last-apart.{about}",
        text=LAST_TEXT,
        where="experiments, AugmentMNIST, Table 1",
        criterion="the last join of the average-linkage tree is that of T7, alone, with all others, farther "
        "from the one before than two successive joins are before training",
        expected="T7",
        about=(about,),
        measure=lambda documents: joins_last(documents.dendrogram(), documents.dendrogram("before")),
        control=lambda documents: joins_last(documents.dendrogram("before"), documents.dendrogram("before")),
        decided_by=decided_by,
        why=why,
    )


def _nearer_claim(about: str) -> Claim:
    decided_by, why = _about_order(about)
    return Claim(
        id=f"nearer-than-chance.{about}",
        text=NEARER_TEXT,
        where="experiments, AugmentMNIST, Table 1",
        criterion="cosine of T1 and T7 above that of T2 and T7 by more than 95 % of such differences before "
        "training",
        expected="T1 above T2",
        about=(about,),
        measure=lambda documents: nearer(documents.similarity(), documents.before()),
        control=lambda documents: nearer(documents.before(), documents.before()),
        decided_by=decided_by,
        why=why,
    )


def _negative_claim(about: str) -> Claim:
    decided_by, why = _about_order(about)
    return Claim(
        id=f"negative.{about}",
        text=NEGATIVE_TEXT,
        where="experiments, AugmentMNIST, Table 1",
        criterion="cosine of T7 with each of the seven others below 0",
        expected="7 of 7",
        about=(about,),
        measure=lambda documents: negative_to_all(documents.similarity()),
        control=lambda documents: negative_to_all(documents.before()),
        decided_by=decided_by,
        why=why,
    )


def _sign_claim(about: str, dataset: DatasetChoice) -> Claim:
    epochs = EPOCHS[dataset]
    return Claim(
        id=f"little-training.{about}",
        text=f"{SIGN_TEXT} (after {', '.join(map(str, epochs))} epochs)",
        where="not in the paper: what its negative sign depends on",
        criterion=f"cosine of T1 and T7 below 0 after {epochs[0]} epoch, above 0 after {epochs[-1]}",
        expected=EXPECTED_TRAJECTORIES[about] if dataset == "mnist" else "first negative, last positive",
        about=(about,),
        measure=lambda documents: sign_changes(documents.trajectories((T1, T7)), epochs),
        control=lambda documents: untrained_sign_changes(documents.trajectories((T1, T7)), epochs),
        decided_by=DECIDED_BY,
        why={
            "holds": "T7 starts to learn in the opposite direction and turns round with more training.",
            "does not hold": "At this scale of features the sign does not change between these epochs.",
        },
    )


def _additive_claim(dataset: DatasetChoice) -> Claim:
    return Claim(
        id=f"additive.{FLIPS}",
        text=f"{ADDITIVE_TEXT} (1 − cosine of identity with both, and with each)",
        where="experiments, AugmentMNIST: additive effect",
        criterion="1 − cosine of identity with flip and invert is the sum of those with each, ± 10 %",
        expected="1.056 instead of 0.817 + 0.814" if dataset == "mnist" else "the sum",
        about=(FLIPS,),
        measure=lambda documents: additive(documents.similarity()),
        control=lambda documents: additive(documents.before()),
        decided_by="measure: 1 − cosine is bounded",
        why={
            "does not hold": "Both together are hardly farther away than either: vectors that are nearly "
            "unrelated to the identity's cannot become twice as unrelated.",
        },
    )
