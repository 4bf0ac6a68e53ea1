"""Tasks are learned, and what has been learned stays."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from tgsh.reproduce.claims.claim import Claim, Finding, NotMeasured
from tgsh.reproduce.experiments import DatasetChoice
from tgsh.schemas import Accuracy

LEARNED = "Vectors over random weights are enough to learn a task (mean test accuracy)"
KEPT = "Nothing is forgotten: every task is as accurate after all the others as when it was learned"

TEST_IMAGES_5K = 1_000
EXPECTED_5K = 0.915  # after ten epochs
NOISE_5K = 2 * math.sqrt(EXPECTED_5K * (1 - EXPECTED_5K) / TEST_IMAGES_5K)


def claims(dataset: DatasetChoice) -> tuple[Claim, ...]:
    return (*_learned(dataset), _kept())


def mean_within(accuracy: Accuracy, low: float, high: float = 1.0) -> Finding:
    """Whether the mean accuracy over all tasks lies in [low, high]. Raises: NotMeasured where none is."""
    if accuracy.mean is None or accuracy.min is None or accuracy.max is None:
        raise NotMeasured("no task has an accuracy")
    numbers = {"mean": accuracy.mean, "min": accuracy.min, "max": accuracy.max}
    shown = f"{accuracy.mean:.3f} ({accuracy.min:.3f}–{accuracy.max:.3f})"
    return Finding(low <= accuracy.mean <= high, numbers, shown)


def nothing_forgotten(matrix: Mapping[str, Any] | None) -> Finding:
    """Whether recorded less re-measured accuracy is exactly 0 for every task.

    matrix: `matrix` of an answer of /accuracy. Raises: NotMeasured where there is none.
    """
    if matrix is None:
        raise NotMeasured("the service has no accuracy matrix of this experiment")
    forgotten = [float(value) for value in matrix["forgetting"]]
    if not forgotten:
        raise NotMeasured("the accuracy matrix has no tasks")
    worst, transfer = max(forgotten, key=abs), matrix.get("forward_transfer")
    numbers = {"tasks": len(forgotten), "largest_forgetting": worst, "forward_transfer": transfer}
    exact = sum(value == 0 for value in forgotten)
    shown = f"exactly 0 for {exact} of {len(forgotten)}"
    if isinstance(transfer, int | float):
        shown += f"\nforward transfer {transfer:+.3f}"
    return Finding(exact == len(forgotten), numbers, shown)


def _learned(dataset: DatasetChoice) -> tuple[Claim, ...]:
    if dataset == "mnist5k":
        low, high = EXPECTED_5K - NOISE_5K, EXPECTED_5K + NOISE_5K
        criterion = f"mean within {EXPECTED_5K} ± two standard errors of 1,000 test images ({NOISE_5K:.3f})"
        return (_accuracy("rotation-flynet", f"{EXPECTED_5K} ± {NOISE_5K:.3f}", criterion, low, high),)
    return (
        _accuracy("rotation-flynet", "0.945 (0.937–0.950)", "mean within 0.937–0.950", 0.937, 0.950),
        _accuracy("rotation-neuromodnet", "0.93 or better", "mean 0.93 or better", 0.93, 1.0),
    )


def _accuracy(about: str, expected: str, criterion: str, low: float, high: float) -> Claim:
    return Claim(
        id=f"accuracy.{about}",
        text=LEARNED,
        where="experiments",
        criterion=criterion,
        expected=expected,
        about=(about,),
        measure=lambda answers: mean_within(answers.accuracy(), low, high),
    )


def _kept() -> Claim:
    return Claim(
        id="no-forgetting.rotation-flynet",
        text=KEPT,
        where="Eq. 2: A and W never learn",
        criterion="recorded less re-measured accuracy is exactly 0 for every task",
        expected="exactly 0",
        about=("rotation-flynet",),
        measure=lambda answers: nothing_forgotten(answers.accuracy_matrix()),
    )
