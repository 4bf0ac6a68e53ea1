"""Form of figures for print: the figures that an experiment has, and the options that each of them takes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from service.results import FIGURES
from tgsh.schemas import Experiment
from tgsh.specs import ExperimentSpec
from tgsh.specs.figure_options import (
    COLOUR_MAPS,
    DEFAULT_DPI,
    DPI,
    LONGEST_TITLE,
    MILLIMETRES,
    POINTS,
)
from tgsh.specs.results import RESULT_SPECS

FORMAT = "FORMAT"
"""In an address, the place of the format's name."""

FOLLOWING: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "similarity": ("stage", "order", "measure", "layer"),
        "dendrogram": ("stage", "measure", "layer"),
        "embedding": ("stage", "measure", "layer", "dimensions"),
    }
)
"""Parameters that figures take from what the page has chosen for its plots."""

TITLES: Mapping[str, str] = MappingProxyType(
    {
        "similarity-before-after": "Similarity before and after training",
        "similarity-epochs": "Similarity over the epochs",
    }
)
"""Of figures that are in no list of downloads."""

OF_PAIRS = ("similarity-epochs",)
"""Figures that take two tasks."""

STARTS = (
    ("as designed", None, None),
    ("one column: 85 mm, 8 pt", 85, 8),
    ("two columns: 174 mm, 8 pt", 174, 8),
    ("slide: 250 mm, 14 pt", 250, 14),
)
"""Sizes to start from: words, mm, points."""

LIMITS = {"mm": MILLIMETRES, "points": POINTS, "dpi": DPI, "title": LONGEST_TITLE}


@dataclass(frozen=True)
class PrintedFigure:
    """One figure of the form.

    address : of its file, with FORMAT where the format's name stands.
    follows : parameters that it takes from the page.
    options : names of the options that it takes.
    waits : what it waits for, in words; "" where it can be drawn by now.
    is_lacking : the experiment cannot have it, whatever it waits for.
    """

    name: str
    title: str
    address: str
    follows: tuple[str, ...]
    options: tuple[str, ...]
    waits: str
    is_lacking: bool


def printed_figures(
    experiment: Experiment, spec: ExperimentSpec, lacking: Collection[str]
) -> list[PrintedFigure]:
    """The figures that an experiment of this spec has, or will have; lacking: results that it cannot have."""
    root = f"/experiments/{experiment.id}"
    figures = []
    for name, (result, _) in FIGURES.items():
        declared = RESULT_SPECS.get(result.name)
        if declared is not None and not declared.belongs_to(spec):
            continue
        follows = FOLLOWING.get(name, ())
        figures.append(
            PrintedFigure(
                name=name,
                title=TITLES.get(name) or str(result.spec.title),
                address=f"{root}/{result.name}?format={FORMAT}"
                if follows
                else f"{root}/figures/{name}.{FORMAT}",
                follows=follows,
                options=tuple(sorted(result.figure_options)),
                waits=_waits(experiment, name, at_finish=result.spec.at_finish),
                is_lacking=result.name in lacking,
            )
        )
    return figures


def _waits(experiment: Experiment, name: str, *, at_finish: bool) -> str:
    if experiment.status == "completed":
        return ""
    if at_finish:
        return "when completed"
    return "when two tasks are learned" if name in OF_PAIRS and experiment.progress.tasks_done < 2 else ""


def form_values(experiment: Experiment, spec: ExperimentSpec, lacking: Collection[str]) -> dict[str, object]:
    """Values that the template of the form shows; lacking: results that the experiment cannot have."""
    return {
        "figures": printed_figures(experiment, spec, lacking),
        "starts": STARTS,
        "limits": LIMITS,
        "maps": COLOUR_MAPS,
        "dpi": DEFAULT_DPI,
    }
