"""Claims about accuracy, forgetting, and accuracy with the contexts of other tasks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from tgsh.reproduce.claims.base import Claim, ClaimMeasurement, NotMeasured
from tgsh.reproduce.claims.quantities import Quantity, count, number
from tgsh.reproduce.plan import DatasetChoice
from tgsh.schemas import Accuracy, AccuracyMatrix

LEARNED_TEXT = "Vectors over random weights are enough to learn a task (mean test accuracy)"

NO_FORGETTING_TEXT = (
    "Nothing is forgotten: every task is as accurate after all the others as when it was learned"
)
DEGRADATION_TEXT = "A context serves its neighbouring tasks best, and less the farther a task is"
TEST_IMAGES_5K = 1_000
EXPECTED_5K = 0.915  # after ten epochs
NOISE_5K = 2 * math.sqrt(EXPECTED_5K * (1 - EXPECTED_5K) / TEST_IMAGES_5K)

LEAST_OF_NEUROMODNET: Mapping[DatasetChoice, Mapping[str, float]] = {
    "mnist": {
        "rotation-neuromodnet": 0.93,
        "rotation-neuromodnet-common": 0.90,
        "rotation-neuromodnet-ones": 0.90,
    },
    "mnist5k": {
        "rotation-neuromodnet": 0.80,
        "rotation-neuromodnet-common": 0.80,
        "rotation-neuromodnet-ones": 0.80,
    },
}


def accuracy_claims(dataset: DatasetChoice) -> tuple[Claim, ...]:
    """Claims about test accuracy, forgetting and the contexts of other tasks."""
    return (*_learned_claims(dataset), _forgetting_claim(), _degradation_claim(dataset))


def mean_within(accuracies: Sequence[float], low: float, high: float = 1.0) -> ClaimMeasurement:
    """Test that the mean accuracy over all tasks is in [low, high]. Raises: NotMeasured without any."""
    if not accuracies:
        raise NotMeasured("no task has an accuracy")
    mean, least, most = math.fsum(accuracies) / len(accuracies), min(accuracies), max(accuracies)
    quantity = Quantity("mean", mean, low, high if high < 1 else None, possible=(0, 1))
    return ClaimMeasurement({"mean": mean, "min": least, "max": most}, _mean_text, (quantity,))


def nothing_forgotten(forgetting: Sequence[float], forward_transfer: float | None = None) -> ClaimMeasurement:
    """Test that recorded less re-measured accuracy is exactly 0 for every task.

    Raises: NotMeasured where there are no tasks.
    """
    if not forgetting:
        raise NotMeasured("the accuracy matrix has no tasks")
    worst = max(forgetting, key=abs)
    measured = {
        "tasks": len(forgetting),
        "exactly_zero": sum(value == 0 for value in forgetting),
        "largest_forgetting": worst,
        "forward_transfer": forward_transfer,
    }
    quantity = Quantity("largest forgetting", abs(worst), most=0, possible=(0, 1))
    return ClaimMeasurement(measured, _forgetting_text, (quantity,))


def degrades_with_distance(values: np.ndarray) -> ClaimMeasurement:
    """Test that accuracy falls with the distance on the closed circle, and neighbours' contexts are the best.

    values: [T, T], of the context of task i on the data of task j.
    """
    tasks = len(values)
    away = np.arange(tasks)
    lags = {"own": 0, "1": 1, "2": 2, "quarter": tasks // 4}
    means = {
        name: float(np.mean([values[(away + step) % tasks, away] for step in (lag, -lag)]))
        for name, lag in lags.items()
    }
    foreign = values.copy()
    np.fill_diagonal(foreign, -1)
    best = foreign.argmax(axis=0)
    neighbours = int(np.isin((best - away) % tasks, (1, tasks - 1)).sum())
    measured = {"mean_at_lag": means, "best_is_neighbour": neighbours, "tasks": tasks}
    names = {"own": "own", "1": "±1", "2": "±2", "quarter": "a quarter turn"}
    falls = (
        Quantity(f"{names[near]} less {names[far]}", means[near] - means[far], least=0, is_strict=True)
        for near, far in pairwise(lags)
    )
    best_of_all = Quantity("neighbour best", neighbours, least=tasks, possible=(0, tasks), digits=1)
    return ClaimMeasurement(measured, _degradation_text, (*falls, best_of_all))


def _mean_text(measured: Mapping[str, Any]) -> str:
    return f"{measured['mean']:.3f} ({measured['min']:.3f}–{measured['max']:.3f})"


def _forgetting_text(measured: Mapping[str, Any]) -> str:
    summary = f"exactly 0 for {count(measured['exactly_zero'])} of {measured['tasks']}"
    transfer = measured["forward_transfer"]
    return summary if transfer is None else f"{summary}\nforward transfer {transfer:+.3f}"


def _degradation_text(measured: Mapping[str, Any]) -> str:
    means = " / ".join(number(mean, 3) for mean in measured["mean_at_lag"].values())
    return f"{means}, {count(measured['best_is_neighbour'])} of {measured['tasks']}"


def _accuracies(accuracy: Accuracy) -> list[float]:
    return [task.accuracy for task in accuracy.tasks]


def _forgetting(transfers: Mapping[str, Any] | None) -> ClaimMeasurement:
    """transfers: `matrix` of the document /accuracy. Raises: NotMeasured where there is none."""
    if transfers is None:
        raise NotMeasured("the service has no accuracy matrix of this experiment")
    return nothing_forgotten(transfers["forgetting"], transfers.get("forward_transfer"))


def _values(matrix: AccuracyMatrix) -> np.ndarray:
    return np.array(matrix.values, np.float64)


def _learned_claims(dataset: DatasetChoice) -> tuple[Claim, ...]:
    if dataset == "mnist5k":
        low, high = EXPECTED_5K - NOISE_5K, EXPECTED_5K + NOISE_5K
        criterion = f"mean within {EXPECTED_5K} ± two standard errors of 1,000 test images ({NOISE_5K:.3f})"
        flynet = _learned_claim("rotation-flynet", f"{EXPECTED_5K} ± {NOISE_5K:.3f}", criterion, low, high)
    else:
        expected = "0.945 (0.937–0.950)"
        flynet = _learned_claim("rotation-flynet", expected, "mean within 0.937–0.950", 0.937, 0.950)
    return (
        flynet,
        *(
            _learned_claim(about, f"{least:.2f} or better", f"mean {least:.2f} or better", least, 1.0)
            for about, least in LEAST_OF_NEUROMODNET[dataset].items()
        ),
    )


def _learned_claim(about: str, expected: str, criterion: str, low: float, high: float) -> Claim:
    return Claim(
        id=f"accuracy.{about}",
        text=LEARNED_TEXT,
        where="experiments",
        criterion=criterion,
        expected=expected,
        about=(about,),
        measure=lambda documents: mean_within(_accuracies(documents.accuracy()), low, high),
        control=lambda documents: mean_within(documents.untrained_accuracies(), low, high),
        decided_by="training.epochs",
        why={
            "holds": "The context alone is trained; untrained ones are right by chance only.",
            "does not hold": "The mean is outside of what was expected of so many epochs.",
        },
    )


def _forgetting_claim() -> Claim:
    return Claim(
        id="no-forgetting.rotation-flynet",
        text=NO_FORGETTING_TEXT,
        where="Eq. 2: A and W never learn",
        criterion="recorded less re-measured accuracy is exactly 0 for every task",
        expected="exactly 0",
        about=("rotation-flynet",),
        measure=lambda documents: _forgetting(documents.transfers()),
        control=lambda documents: nothing_forgotten(documents.untrained_forgetting()),
        decided_by="none: A and W never learn, and each task has a vector of its own",
        why={
            "does not hold": "Something that tasks share has changed, which this design excludes.",
            "not informative": "It follows from the design, and tests only that the software keeps to it: "
            "where nothing is shared that learns, untrained contexts forget nothing either.",
        },
    )


def _degradation_claim(dataset: DatasetChoice) -> Claim:
    measured = "0.945 / 0.903 / 0.779 / 0.147, 36 of 36"
    about = "accuracy on its own task / ±10° / ±20° / ±90°, best foreign context that of a neighbour"
    return Claim(
        id="degradation.rotation-flynet",
        text=f"{DEGRADATION_TEXT} ({about})",
        where="experiments, RotationMNIST: least degradation on t ± 1",
        criterion="mean accuracy falls from own to ±10° to ±20° to ±90°, and the best foreign context of "
        "every task is that of a neighbour",
        expected=measured if dataset == "mnist" else "falling, all neighbours",
        about=("rotation-flynet",),
        measure=lambda documents: degrades_with_distance(_values(documents.accuracy_matrix())),
        control=lambda documents: degrades_with_distance(documents.untrained_matrix()),
        decided_by="suite.step_degrees",
        why={
            "holds": "Neighbouring tasks need nearly the same modulation; an untrained context serves none.",
            "does not hold": "The best foreign context of some task is not a neighbour's, or accuracy does "
            "not fall step by step.",
        },
    )
