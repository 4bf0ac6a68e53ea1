"""Claims about accuracy, forgetting, Definition 1 and reconstructions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from tgsh.reproduce.claims.base import Claim, ClaimMeasurement, NotMeasured, number
from tgsh.reproduce.plan import DatasetChoice
from tgsh.schemas import Accuracy, Geometry, GeometryStage, Reconstructions

LEARNED_TEXT = "Vectors over random weights are enough to learn a task (mean test accuracy)"

NO_FORGETTING_TEXT = (
    "Nothing is forgotten: every task is as accurate after all the others as when it was learned"
)

DEFINITION_1_TEXT = "Representations of one task are more alike than those of one class in two tasks: a T-GSH"
PARAMETER_TEXT = "The task's parameter γ (angle or shift) can be read from representations"
RECONSTRUCTION_TEXT = "An inverted representation shows the class and the rotation of its task"
TEST_IMAGES_5K = 1_000
EXPECTED_5K = 0.915  # after ten epochs
NOISE_5K = 2 * math.sqrt(EXPECTED_5K * (1 - EXPECTED_5K) / TEST_IMAGES_5K)
RIGHT_CLASS = 1.0
RIGHT_TASK = 0.65
"""Least shares of reconstructions that fit their own class and task best."""


def accuracy_claims(dataset: DatasetChoice) -> tuple[Claim, ...]:
    """Claims about test accuracy and forgetting."""
    return (*_learned_claims(dataset), _forgetting_claim())


def representation_claims(dataset: DatasetChoice) -> tuple[Claim, ...]:
    """Claims about Definition 1, the parameter γ and reconstructions."""
    full = dataset == "mnist"
    return (
        _hash_claim("rotation-flynet", "0.36 / 0.08, 0.95" if full else "intra above inter"),
        _hash_claim("rotation-neuromodnet", "intra above inter"),
        _hash_claim("rotation-gsh", "the baseline, to compare"),
        _parameter_claim("rotation-flynet"),
        _parameter_claim("shift-1px-flynet"),
        _parameter_claim("rotation-neuromodnet"),
        _reconstruction_claim(),
    )


def mean_within(accuracy: Accuracy, low: float, high: float = 1.0) -> ClaimMeasurement:
    """Test that the mean accuracy over all tasks is in [low, high]. Raises: NotMeasured without any."""
    if accuracy.mean is None or accuracy.min is None or accuracy.max is None:
        raise NotMeasured("no task has an accuracy")
    measured = {"mean": accuracy.mean, "min": accuracy.min, "max": accuracy.max}
    summary = f"{accuracy.mean:.3f} ({accuracy.min:.3f}–{accuracy.max:.3f})"
    return ClaimMeasurement(low <= accuracy.mean <= high, measured, summary)


def nothing_forgotten(matrix: Mapping[str, Any] | None) -> ClaimMeasurement:
    """Test that recorded less re-measured accuracy is exactly 0 for every task.

    matrix: `matrix` of the document /accuracy. Raises: NotMeasured where there is none.
    """
    if matrix is None:
        raise NotMeasured("the service has no accuracy matrix of this experiment")
    forgotten = [float(value) for value in matrix["forgetting"]]
    if not forgotten:
        raise NotMeasured("the accuracy matrix has no tasks")
    worst, transfer = max(forgotten, key=abs), matrix.get("forward_transfer")
    measured = {"tasks": len(forgotten), "largest_forgetting": worst, "forward_transfer": transfer}
    exact = sum(value == 0 for value in forgotten)
    summary = f"exactly 0 for {exact} of {len(forgotten)}"
    if isinstance(transfer, int | float):
        summary += f"\nforward transfer {transfer:+.3f}"
    return ClaimMeasurement(exact == len(forgotten), measured, summary)


def intra_above_inter(geometry: Geometry) -> ClaimMeasurement:
    """Test Definition 1: after training, the mean intra cosine is above the mean inter cosine.

    Raises: NotMeasured where there are no pairs of a kind.
    """
    before, after = _cosines(geometry.before), _cosines(geometry.after)
    summary = f"{_cosine_text(after)}\nuntrained {_cosine_text(before)}"
    return ClaimMeasurement(after["intra"] > after["inter"], {"before": before, "after": after}, summary)


def parameter_read(geometry: Geometry) -> ClaimMeasurement:
    """Test that a linear map reads γ better after training than before, and tasks better than chance.

    Raises: NotMeasured where tasks have no parameter.
    """
    before, after = geometry.before.parameter_r2, geometry.after.parameter_r2
    if before is None or after is None:
        raise NotMeasured("these tasks have no parameter")
    accuracy = {"before": geometry.before.task_accuracy, "after": geometry.after.task_accuracy}
    chance = 1 / len(geometry.sample.tasks)
    measured = {"r2": {"before": before, "after": after}, "task_accuracy": accuracy, "chance": chance}
    task = f"task {number(accuracy['before'])} → {number(accuracy['after'])}"
    summary = f"R² {number(before)} → {number(after)}\n{task}"
    return ClaimMeasurement(after > before and accuracy["after"] > chance, measured, summary)


def seen_in_reconstructions(reconstructions: Reconstructions) -> ClaimMeasurement:
    """Test that the right class fits best in RIGHT_CLASS, the right task in RIGHT_TASK of reconstructions.

    Raises: NotMeasured where they have no score.
    """
    score = reconstructions.score
    if score is None or score.right_class is None or score.right_task is None:
        raise NotMeasured("the reconstructions have no score")
    right = score.right_class >= RIGHT_CLASS and score.right_task >= RIGHT_TASK
    summary = f"{number(score.correlation)}, {score.right_class:.0%}, {score.right_task:.0%}"
    return ClaimMeasurement(right, score.model_dump(), summary)


def _cosines(stage: GeometryStage) -> dict[str, float]:
    if stage.intra_mean is None or stage.inter_mean is None or stage.p_intra_greater is None:
        raise NotMeasured("there are no pairs of one kind")
    return {"intra": stage.intra_mean, "inter": stage.inter_mean, "p_intra_greater": stage.p_intra_greater}


def _cosine_text(cosines: dict[str, float]) -> str:
    intra, inter, above = (number(cosines[name]) for name in ("intra", "inter", "p_intra_greater"))
    return f"{intra} / {inter}, {above}"


def _learned_claims(dataset: DatasetChoice) -> tuple[Claim, ...]:
    if dataset == "mnist5k":
        low, high = EXPECTED_5K - NOISE_5K, EXPECTED_5K + NOISE_5K
        criterion = f"mean within {EXPECTED_5K} ± two standard errors of 1,000 test images ({NOISE_5K:.3f})"
        return (_accuracy_claim("rotation-flynet", f"{EXPECTED_5K} ± {NOISE_5K:.3f}", criterion, low, high),)
    return (
        _accuracy_claim("rotation-flynet", "0.945 (0.937–0.950)", "mean within 0.937–0.950", 0.937, 0.950),
        _accuracy_claim("rotation-neuromodnet", "0.93 or better", "mean 0.93 or better", 0.93, 1.0),
    )


def _accuracy_claim(about: str, expected: str, criterion: str, low: float, high: float) -> Claim:
    return Claim(
        id=f"accuracy.{about}",
        text=LEARNED_TEXT,
        where="experiments",
        criterion=criterion,
        expected=expected,
        about=(about,),
        measure=lambda documents: mean_within(documents.accuracy(), low, high),
    )


def _forgetting_claim() -> Claim:
    return Claim(
        id="no-forgetting.rotation-flynet",
        text=NO_FORGETTING_TEXT,
        where="Eq. 2: A and W never learn",
        criterion="recorded less re-measured accuracy is exactly 0 for every task",
        expected="exactly 0",
        about=("rotation-flynet",),
        measure=lambda documents: nothing_forgotten(documents.accuracy_matrix()),
    )


def _hash_claim(about: str, expected: str) -> Claim:
    return Claim(
        id=f"intra-above-inter.{about}",
        text=f"{DEFINITION_1_TEXT} (mean intra / inter cosine, P(intra > inter))",
        where="Definition 1, Fig. 2a",
        criterion="mean intra cosine above mean inter cosine, after training",
        expected=expected,
        about=(about,),
        measure=lambda documents: intra_above_inter(documents.geometry()),
    )


def _parameter_claim(about: str) -> Claim:
    return Claim(
        id=f"parameter-read.{about}",
        text=f"{PARAMETER_TEXT} (R² and tasks named right by a linear map, before → after training)",
        where="section 2.1",
        criterion="on images it never saw: R² after training above that before; tasks better than chance",
        expected="R² higher after",
        about=(about,),
        measure=lambda documents: parameter_read(documents.geometry()),
    )


def _reconstruction_claim() -> Claim:
    return Claim(
        id="reconstructions.rotation-flynet",
        text=f"{RECONSTRUCTION_TEXT} (correlation, right class, right rotation)",
        where="Eq. 3, Fig. 3",
        criterion=f"right class {RIGHT_CLASS:.0%}, right rotation {RIGHT_TASK:.0%} or more",
        expected="0.30, 100%, 65% or more",
        about=("rotation-flynet",),
        measure=lambda documents: seen_in_reconstructions(documents.reconstructions()),
    )
