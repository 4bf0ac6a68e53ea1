"""Representations: Definition 1, what a linear map reads of them, and what an inverted one looks like."""

from __future__ import annotations

from tgsh.reproduce.claims.claim import Claim, Finding, NotMeasured, number
from tgsh.reproduce.experiments import DatasetChoice
from tgsh.schemas import Geometry, GeometryStage, Reconstructions

TGSH = "Representations of one task are more alike than those of one class in two tasks: a T-GSH"
READ = "The task's parameter γ (angle or shift) can be read from representations"
SEEN = "An inverted representation shows the class and the rotation of its task"

RIGHT_CLASS = 1.0
RIGHT_TASK = 0.65


def claims(dataset: DatasetChoice) -> tuple[Claim, ...]:
    full = dataset == "mnist"
    return (
        _hash("rotation-flynet", "0.36 / 0.08, 0.95" if full else "intra above inter"),
        _hash("rotation-neuromodnet", "intra above inter"),
        _hash("rotation-gsh", "the baseline, to compare"),
        _readable("rotation-flynet"),
        _readable("shift-1px-flynet"),
        _readable("rotation-neuromodnet"),
        _visible(),
    )


def intra_above_inter(geometry: Geometry) -> Finding:
    """Definition 1: whether the mean intra cosine is above the mean inter cosine, after training.

    Raises: NotMeasured where there are no pairs of a kind.
    """
    before, after = _cosines(geometry.before), _cosines(geometry.after)
    shown = f"{_line(after)}\nuntrained {_line(before)}"
    return Finding(after["intra"] > after["inter"], {"before": before, "after": after}, shown)


def parameter_read(geometry: Geometry) -> Finding:
    """Whether a linear map reads γ better after training than before, and names tasks better than chance.

    Raises: NotMeasured where tasks have no parameter.
    """
    before, after = geometry.before.parameter_r2, geometry.after.parameter_r2
    if before is None or after is None:
        raise NotMeasured("these tasks have no parameter")
    accuracy = {"before": geometry.before.task_accuracy, "after": geometry.after.task_accuracy}
    chance = 1 / len(geometry.sample.tasks)
    numbers = {"r2": {"before": before, "after": after}, "task_accuracy": accuracy, "chance": chance}
    task = f"task {number(accuracy['before'])} → {number(accuracy['after'])}"
    shown = f"R² {number(before)} → {number(after)}\n{task}"
    return Finding(after > before and accuracy["after"] > chance, numbers, shown)


def seen_in_reconstructions(found: Reconstructions) -> Finding:
    """Whether the right class fits best in all, and the right task in RIGHT_TASK of all, reconstructions.

    Raises: NotMeasured where they have no score.
    """
    score = found.score
    if score is None or score.right_class is None or score.right_task is None:
        raise NotMeasured("the reconstructions have no score")
    right = score.right_class >= RIGHT_CLASS and score.right_task >= RIGHT_TASK
    shown = f"{number(score.correlation)}, {score.right_class:.0%}, {score.right_task:.0%}"
    return Finding(right, score.model_dump(), shown)


def _cosines(stage: GeometryStage) -> dict[str, float]:
    if stage.intra_mean is None or stage.inter_mean is None or stage.p_intra_greater is None:
        raise NotMeasured("there are no pairs of one kind")
    return {"intra": stage.intra_mean, "inter": stage.inter_mean, "p_intra_greater": stage.p_intra_greater}


def _line(cosines: dict[str, float]) -> str:
    intra, inter, above = (number(cosines[name]) for name in ("intra", "inter", "p_intra_greater"))
    return f"{intra} / {inter}, {above}"


def _hash(about: str, expected: str) -> Claim:
    return Claim(
        id=f"intra-above-inter.{about}",
        text=f"{TGSH} (mean intra / inter cosine, P(intra > inter))",
        where="Definition 1, Fig. 2a",
        criterion="mean intra cosine above mean inter cosine, after training",
        expected=expected,
        about=(about,),
        measure=lambda answers: intra_above_inter(answers.geometry()),
    )


def _readable(about: str) -> Claim:
    return Claim(
        id=f"parameter-read.{about}",
        text=f"{READ} (R² and tasks named right by a linear map, before → after training)",
        where="section 2.1",
        criterion="on images it never saw: R² after training above that before; tasks better than chance",
        expected="R² higher after",
        about=(about,),
        measure=lambda answers: parameter_read(answers.geometry()),
    )


def _visible() -> Claim:
    return Claim(
        id="reconstructions.rotation-flynet",
        text=f"{SEEN} (correlation, right class, right rotation)",
        where="Eq. 3, Fig. 3",
        criterion=f"right class {RIGHT_CLASS:.0%}, right rotation {RIGHT_TASK:.0%} or more",
        expected="0.30, 100%, 65% or more",
        about=("rotation-flynet",),
        measure=lambda answers: seen_in_reconstructions(answers.reconstructions()),
    )
