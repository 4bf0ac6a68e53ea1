"""Relations among the eight tasks of AugmentMNIST (Table 1 of the paper), T1 … T8 there, 0 … 7 here.

T1 identity, T2 and T3 flips, T4 blur, T5 perspective, T6 erasing, T7 invert, T8 resized crop.
"""

from __future__ import annotations

from collections.abc import Sequence

from tgsh.reproduce.claims.claim import Claim, Finding, NotMeasured, number
from tgsh.reproduce.experiments import DatasetChoice
from tgsh.schemas import Dendrogram, Similarity, SimilarityEpochs

CLUSTER = (0, 3, 4, 5)
T1, T2, T7 = 0, 1, 6

TOGETHER = "T1, T4, T5 and T6, which keep the digit upright, form one cluster"
LAST = "T7 (invert) joins the tree last"
MIRRORED = "T7 (invert) is more like T1 (identity) than like T2 (flip)"
NEGATIVE = "T7 (invert) is negatively similar to all others"
FEW_EPOCHS = "The sign of T1 with T7 is an effect of few epochs"

NETWORKS = ("flynet", "neuromodnet")
EPOCHS = {"mnist": (1, 2, 3, 5, 12), "mnist5k": (1, 3, 10, 20, 40)}
COURSE = "−0.26, 0.01, 0.15, 0.30, 0.42"  # at these epochs of all of MNIST


def claims(dataset: DatasetChoice) -> tuple[Claim, ...]:
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
