"""Claims about representations: Definition 1, what training adds to it, the parameter γ, reconstructions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from tgsh.reproduce.claims.base import Claim, ClaimMeasurement, NotMeasured
from tgsh.reproduce.claims.quantities import Quantity, number
from tgsh.reproduce.plan import DatasetChoice
from tgsh.schemas import GeometryStage, Reconstructions

DEFINITION_1_TEXT = "Representations of one task are more alike than those of one class in two tasks: a T-GSH"
CLOSER_TEXT = "Training over a shared base brings one class closer in tasks that are alike"
PARAMETER_TEXT = "The task's parameter γ (angle or shift) can be read from representations of tasks left out"
RECONSTRUCTION_TEXT = "An inverted representation shows the class and the rotation of its task"
LEAST_CLOSER = 0.05
"""Mean inter cosine of neighbours above that of all tasks."""

LEAST_R2 = 0.5
"""Share of the variance of γ that must be read: more than half."""

RIGHT_CLASS = 1.0
RIGHT_TASK = 0.65
"""Least shares of reconstructions that fit their own class and task best."""


def representation_claims(dataset: DatasetChoice) -> tuple[Claim, ...]:
    """Claims about Definition 1, the parameter γ and reconstructions."""
    full = dataset == "mnist"
    return (
        _hash_claim("rotation-flynet", "0.36 / 0.08, 0.95" if full else "intra above inter"),
        _hash_claim("rotation-neuromodnet", "intra above inter"),
        _hash_claim("rotation-gsh", "the baseline, to compare"),
        _closer_claim("rotation-flynet", "0.40 / 0.08" if full else "neighbours above all"),
        _closer_claim("rotation-neuromodnet", "neighbours above all"),
        _closer_claim("rotation-neuromodnet-ones", "neighbours above all"),
        _closer_claim("rotation-gsh", "the baseline, to compare"),
        _parameter_claim("rotation-flynet", "0.985, 1.9 degrees" if full else "R² above one half"),
        _parameter_claim("shift-1px-flynet", "R² above one half"),
        _parameter_claim("rotation-neuromodnet", "R² above one half"),
        _parameter_claim("rotation-neuromodnet-ones", "R² above one half"),
        _reconstruction_claim(),
    )


def intra_above_inter(stage: GeometryStage) -> ClaimMeasurement:
    """Test Definition 1: the mean intra cosine is above the mean inter cosine.

    Raises: NotMeasured where there are no pairs of a kind.
    """
    intra, inter, above = stage.intra_mean, stage.inter_mean, stage.p_intra_greater
    if intra is None or inter is None or above is None:
        raise NotMeasured("there are no pairs of one kind")
    quantity = Quantity("intra less inter", intra - inter, least=0, is_strict=True)
    measured = {"intra": intra, "inter": inter, "p_intra_greater": above}
    return ClaimMeasurement(measured, _hash_text, (quantity,))


def neighbours_closer(stage: GeometryStage) -> ClaimMeasurement:
    """Test that the mean inter cosine of tasks that follow one another is above that of all by LEAST_CLOSER.

    Raises: NotMeasured where it was not measured.
    """
    neighbours, everyone = stage.neighbour_mean, stage.inter_mean
    if neighbours is None or everyone is None:
        raise NotMeasured("the inter cosine of neighbours was not measured: train the experiment anew")
    measured = {"neighbours": neighbours, "all": everyone}
    quantity = Quantity("neighbours less all", neighbours - everyone, least=LEAST_CLOSER)
    return ClaimMeasurement(measured, _closer_text, (quantity,))


def parameter_read(stage: GeometryStage) -> ClaimMeasurement:
    """Test that a linear map reads γ of a task that it was not fitted on: R² of LEAST_R2 or more.

    Raises: NotMeasured where there is none, with the reason.
    """
    scores = stage.left_out
    if scores.r2 is None or scores.median_error is None:
        raise NotMeasured(scores.reason or "it was not measured")
    measured = {
        **scores.model_dump(exclude={"reason"}),
        "r2_with_all_tasks_in_the_fit": stage.parameter_r2,
        "task_accuracy": stage.task_accuracy,
    }
    quantity = Quantity("R²", scores.r2, least=LEAST_R2, possible=(-math.inf, 1))
    return ClaimMeasurement(measured, _parameter_text, (quantity,))


def seen_in_reconstructions(reconstructions: Reconstructions) -> ClaimMeasurement:
    """Test that the right class fits best in RIGHT_CLASS, the right task in RIGHT_TASK of reconstructions.

    Raises: NotMeasured where they have no score.
    """
    score = reconstructions.score
    if score is None or score.right_class is None or score.right_task is None:
        raise NotMeasured("the reconstructions have no score")
    quantities = (
        Quantity("right class", score.right_class, least=RIGHT_CLASS, possible=(0, 1)),
        Quantity("right rotation", score.right_task, least=RIGHT_TASK, possible=(0, 1)),
    )
    measured = score.model_dump(exclude={"interval", "reason"})
    return ClaimMeasurement(measured, _reconstruction_text, quantities)


def _hash_text(measured: Mapping[str, Any]) -> str:
    intra, inter, above = (number(measured[name]) for name in ("intra", "inter", "p_intra_greater"))
    return f"{intra} / {inter}, {above}"


def _closer_text(measured: Mapping[str, Any]) -> str:
    return f"{number(measured['neighbours'])} / {number(measured['all'])}"


def _parameter_text(measured: Mapping[str, Any]) -> str:
    return f"R² {number(measured['r2'], 3)}, {number(measured['median_error'], 1)} {measured['unit']}"


def _reconstruction_text(measured: Mapping[str, Any]) -> str:
    shares = f"{measured['right_class']:.0%}, {measured['right_task']:.0%}"
    return f"{number(measured['correlation'])}, {shares}"


def _hash_claim(about: str, expected: str) -> Claim:
    return Claim(
        id=f"intra-above-inter.{about}",
        text=f"{DEFINITION_1_TEXT} (mean intra / inter cosine, P(intra > inter))",
        where="Definition 1, Fig. 2a",
        criterion="mean intra cosine above mean inter cosine, after training",
        expected=expected,
        about=(about,),
        measure=lambda documents: intra_above_inter(documents.geometry().after),
        control=lambda documents: intra_above_inter(documents.geometry().before),
        decided_by="network.start",
        why={
            "not informative": "Contexts that were drawn independently share nothing, so that every task has "
            "a direction of its own before anything is learned.",
            "does not hold": "Classes of one task are no more alike than a class is in two tasks.",
        },
    )


def _closer_claim(about: str, expected: str) -> Claim:
    return Claim(
        id=f"neighbours-closer.{about}",
        text=f"{CLOSER_TEXT} (mean inter cosine of neighbours / of all tasks)",
        where="Definition 1: what training adds to it",
        criterion=f"mean inter cosine of neighbours above that of all tasks by {LEAST_CLOSER} or more",
        expected=expected,
        about=(about,),
        measure=lambda documents: neighbours_closer(documents.geometry().after),
        control=lambda documents: neighbours_closer(documents.geometry().before),
        decided_by="network.kind: convex in the vector, over a shared base",
        why={
            "holds": "Neighbouring tasks learn alike contexts over one base; untrained ones are unrelated.",
            "does not hold": "Contexts of neighbours end in unrelated solutions, or over unrelated bases.",
            "not informative": "Contexts that start equal represent neighbouring images alike at once.",
        },
    )


def _parameter_claim(about: str, expected: str) -> Claim:
    return Claim(
        id=f"parameter-left-out.{about}",
        text=f"{PARAMETER_TEXT} (R² of a linear map fitted on the other tasks, median error)",
        where="section 2.1",
        criterion=f"R² of {LEAST_R2} or more on tasks that were left out of the fit",
        expected=expected,
        about=(about,),
        measure=lambda documents: parameter_read(documents.geometry().after),
        control=lambda documents: parameter_read(documents.geometry().before),
        decided_by="network.kind and network.start",
        why={
            "holds": "Training orders the contexts by γ, so that a task between two others is read there.",
            "does not hold": "The context of a task left out does not say where it lies among the others.",
            "not informative": "Untrained contexts that are equal leave the angle of the images to be read.",
        },
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
        control=lambda documents: seen_in_reconstructions(documents.reconstructions("before")),
        decided_by="training.epochs",
        why={
            "holds": "Trained vectors point at the images that raise a class; untrained ones show noise.",
            "does not hold": "The images are not near enough to the mean of their class or task.",
        },
    )
