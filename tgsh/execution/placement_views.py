"""Documents of placements and of accuracy-matrix jobs, from their rows and arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tgsh.analysis.placements import CHANCE, LEVEL
from tgsh.schemas import MatrixJob, PlacedClass, PlacedTask, Placement, PlacementSummary
from tgsh.store.analyses import name_of
from tgsh.store.models import AnalysisRecord, as_datetime

NO_WORKER = "no worker runs that could do it; start one with `tgsh up`, or: celery -A worker.app worker"

MOST_TOLD = 10
"""Classes that a warning names."""

ONE_REPLICATE = "of one replicate it is not known how another draw of images would differ"


def placement_links(record: AnalysisRecord) -> dict[str, str]:
    """Paths of a placement and what belongs to it."""
    root = f"/experiments/{record.experiment_id}/placements/{record.id}"
    links = {"self": root, "experiment": f"/experiments/{record.experiment_id}"}
    return links | {name: f"{root}/{name}" for name in ("map", "samples")}


def summary_view(record: AnalysisRecord, has_worker: bool = True) -> PlacementSummary:
    """A placement as a list has it."""
    return PlacementSummary.model_validate(_summary_fields(record, has_worker))


def _summary_fields(record: AnalysisRecord, has_worker: bool) -> dict[str, Any]:
    found = record.summary or {}
    nearest = found.get("nearest") or {}
    waits = record.status == "queued" and not has_worker
    percentile = found.get("percentile")
    return {
        "id": record.id,
        "experiment_id": record.experiment_id,
        "name": name_of(record),
        "dataset": record.params["dataset"],
        "status": record.status,
        "reason": NO_WORKER if waits else record.reason,
        "created_at": as_datetime(record.created_at),
        "finished_at": as_datetime(record.finished_at),
        "owner": record.owner,
        "nearest": nearest.get("task"),
        "nearest_label": nearest.get("label"),
        "similarity": nearest.get("similarity"),
        "percentile": None if percentile is None else 100 * percentile,
        "novel": found.get("novel"),
        "sentence": sentence(found) if found else None,
        "links": placement_links(record),
    }


def placement_view(
    record: AnalysisRecord,
    base_id: str,
    labels: Sequence[str],
    outputs: Sequence[str],
    arrays: Mapping[str, np.ndarray] | None,
    has_worker: bool = True,
) -> Placement:
    """A whole placement. labels: of the tasks; outputs: names of the experiment's classes."""
    found: dict[str, Any] = record.summary or {}
    rule = record.params["classes"]
    fields = _summary_fields(record, has_worker) | {
        "base_id": base_id,
        "train_limit": record.params["train_limit"],
        "replicates": record.params["replicates"],
        "seed": record.params["seed"],
        "matching": rule if isinstance(rule, str) else "map",
        "level": LEVEL,
    }
    if arrays is not None and found:
        plain = ("matched_with", "images", "images_drawn", "images_left_out", "normalisation")
        fields |= {name: found[name] for name in plain}
        fields |= {name: found[name] for name in ("expected", "corrected", "threshold", "p", "estimate")}
        fields["classes"] = _classes(found, outputs)
        fields["tasks"] = ranked_tasks(found, arrays, labels)
        fields["interval_reason"] = None if "half_width" in arrays else ONE_REPLICATE
        fields["warnings"] = warnings(found, rule, outputs)
    return Placement.model_validate(fields)


def _classes(found: Mapping[str, Any], outputs: Sequence[str]) -> list[PlacedClass]:
    return [
        PlacedClass(
            name=each["name"],
            taken_for=None if each["output"] is None else outputs[each["output"]],
            images=each["images"],
        )
        for each in found["classes"]
    ]


def ranked_tasks(
    found: Mapping[str, Any], arrays: Mapping[str, np.ndarray], labels: Sequence[str]
) -> list[PlacedTask]:
    """All tasks, most alike first, with the ends of their intervals."""
    similarity, half_width = arrays["similarity"], arrays.get("half_width")
    return [
        PlacedTask(
            task=task,
            label=labels[task],
            similarity=float(similarity[task]),
            low=None if half_width is None else max(float(similarity[task] - half_width[task]), -1.0),
            high=None if half_width is None else min(float(similarity[task] + half_width[task]), 1.0),
        )
        for task in found["order"]
    ]


def sentence(found: Mapping[str, Any]) -> str:
    """The answer in words."""
    nearest = found["nearest"]
    ends = ""
    if nearest["low"] is not None:
        ends = f", {round(100 * LEVEL)} % {nearest['low']:.2f}–{nearest['high']:.2f}"
    cosine = f"(cosine {nearest['similarity']:.2f}{ends})"
    if found["novel"]:
        reasons = []
        if found["p"] is not None and found["p"] > CHANCE:
            ways = found["dealings"] + 1
            reasons.append(
                f"with classes dealt out at random {round(found['p'] * ways)} of {ways} ways do as well"
            )
        corrected, threshold = found["corrected"], found["threshold"]
        if corrected is not None and threshold is not None and corrected < threshold:
            reasons.append(
                f"corrected for so few images that is {corrected:.2f}, less than half of what the tasks have "
                "with the ones most like them"
            )
        return f"Your images are like none of the tasks: nearest is {nearest['label']} {cosine}, and " + (
            ", and ".join(reasons) + "."
        )
    told = f"Your images are most like {nearest['label']} {cosine}"
    if found["percentile"] is not None:
        share = f"{100 * found['percentile']:.0f} %" if found["percentile"] < 1 else "all"
        above = f"above {share} of the similarities between two tasks"
        if found["corrected"] is None:
            told += f", {above}"
        else:
            told += f"; corrected for so few images, {_about(found['corrected'])}, that is {above}"
    if found["estimate"] is not None:
        told += f". Between the tasks, {found['estimate']['value']:.1f} {found['estimate']['unit']} fits best"
    if found["novel"] is None:
        told += ". Whether they are like it at all is not known: there is too little to compare with"
    return f"{told}."


def _about(corrected: float) -> str:
    """A corrected similarity, which may exceed 1 by chance."""
    return f"{corrected:.2f}" if corrected < 1 else "about 1"


def warnings(found: Mapping[str, Any], rule: object, outputs: Sequence[str]) -> list[str]:
    """Warnings about the classes, for a reader of the ranking."""
    told = []
    left_out = [each["name"] for each in found["classes"] if each["output"] is None and each["images"]]
    if left_out:
        told.append(
            f"Classes without a counterpart were left out, with {found['images_left_out']:,} images: "
            f"{_named(left_out)}"
        )
    taken = {each["output"] for each in found["classes"] if each["output"] is not None}
    lacking = [name for output, name in enumerate(outputs) if output not in taken]
    if lacking:
        told.append(
            f"There are no images of the experiment's classes {_named(lacking)}: similarity is lower for "
            "that reason alone"
        )
    if rule == "nearest":
        told.append(
            "Classes were matched by the means of their images, so that they are as alike as can be: the "
            "similarity is too high where they are other things, and no test can tell"
        )
    return told


def _named(names: Sequence[str]) -> str:
    shown = ", ".join(names[:MOST_TOLD])
    return shown if len(names) <= MOST_TOLD else f"{shown} and {len(names) - MOST_TOLD} more"


def matrix_job_view(
    experiment_id: str, record: AnalysisRecord | None, is_there: bool, has_worker: bool = True
) -> MatrixJob:
    """The job of an accuracy matrix; without a row, of one that the finish measured."""
    root = f"/experiments/{experiment_id}/accuracy/matrix"
    status = "completed" if is_there else ("absent" if record is None else record.status)
    waits = status == "queued" and not has_worker
    reason = None if record is None or is_there else record.reason
    return MatrixJob.model_validate(
        {
            "experiment_id": experiment_id,
            "status": status,
            "reason": NO_WORKER if waits else reason,
            "created_at": None if record is None else as_datetime(record.created_at),
            "finished_at": None if record is None else as_datetime(record.finished_at),
            "links": {"self": f"{root}/job", "matrix": root},
        }
    )
