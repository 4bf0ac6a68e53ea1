"""Plans of the experiments of a study, and schemas of studies from rows of the store; reaches no torch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tgsh.datasets.descriptions import UploadInfo, info_of
from tgsh.errors import InvalidSpec
from tgsh.execution.planning import plan
from tgsh.networks.registry import base_id_of
from tgsh.schemas import (
    TERMINAL,
    Study,
    StudyCellExperiments,
    StudyMemberState,
    StudyProgress,
    StudyReplicates,
    StudySummary,
)
from tgsh.specs import ExperimentSpec
from tgsh.specs.studies import StudyCell, StudyExpansion, StudyMember, cells_of
from tgsh.store.experiments import ExperimentPlan
from tgsh.store.models import StudyRecord, as_datetime
from tgsh.store.studies import PlannedMember, StudyReplicate, StudySnapshot, Tally

MAX_TASKS_QUEUED = 100_000
"""Tasks of all experiments of one submission: the transaction that inserts them takes seconds."""

ANSWERS = (
    "similarity",
    "matrices",
    "ceiling",
    "differences",
    "dendrogram",
    "accuracy",
    "effects",
    "embedding",
)
"""Names of what can be asked of a study."""

FindStored = Callable[[ExperimentSpec], str | None]
"""The id of a completed experiment with the results of a spec, if there is one."""

Place = tuple[int, int, int]
"""Cell, seed and base seed."""


def plan_members(
    expansion: StudyExpansion,
    uploads: UploadInfo,
    find_stored: FindStored,
    name: str = "",
    there: Iterable[Place] = (),
) -> list[PlannedMember]:
    """Plan every replicate of every cell but those that are there, or all that have stored results.

    The cells have been checked by `plan`. Raises InvalidSpec for too much for one submission.
    """
    taken, members, tasks = set(there), [], 0
    for place, cell in enumerate(expansion.cells):
        planned = plan(cell.spec, uploads)
        info = info_of(cell.spec, uploads)
        for base_seed in expansion.base_seeds:
            base_id = base_id_of(cell.spec.network, info.pixels, info.classes, base_seed)
            of_base = replace(planned, base_id=base_id)
            for seed in expansion.seeds:
                if (place, seed, base_seed) in taken:
                    continue
                spec = cell.member(seed, base_seed, name)
                stored = find_stored(spec)
                tasks += 0 if stored else len(planned.tasks)
                members.append(PlannedMember(place, seed, base_seed, spec, of_base, stored=stored))
    if tasks > MAX_TASKS_QUEUED:
        raise InvalidSpec(
            "replicates",
            f"{tasks:,} tasks are too many for one submission, and {MAX_TASKS_QUEUED:,} are the most; begin "
            "with fewer seeds and extend the study later",
        )
    return members


def members_of_experiments(
    found: Sequence[StudyMember], specs: Mapping[str, ExperimentSpec], cells: Sequence[StudyCell]
) -> list[PlannedMember]:
    """Members that are experiments that exist already; nothing is planned."""
    nothing = ExperimentPlan((), "")
    return [
        PlannedMember(
            each.cell, each.seed, each.base_seed, cells[each.cell].spec, nothing, each.experiment_id
        )
        for each in found
        if each.experiment_id in specs
    ]


def expansion_of(record: StudyRecord) -> StudyExpansion:
    """The cells and replicates of a stored study."""
    template = ExperimentSpec.model_validate(record.spec)
    replicates = StudyReplicates.model_validate(record.replicates)
    return StudyExpansion(
        template=template,
        seeds=tuple(replicates.seeds),
        base_seeds=tuple(replicates.base_seeds),
        grid=record.grid,
        cells=cells_of(template, record.cells),
    )


# --- documents


def progress_view(tally: Tally) -> StudyProgress:
    """Progress of a study; time left by the pace of the experiments that run."""
    done = tally.by_status.get("completed", 0)
    there = sum(tally.by_status.values())
    left = tally.epochs_total - tally.epochs_done
    is_whole = there > 0 and done == there
    fraction = 1.0 if is_whole else min(tally.epochs_done / max(tally.epochs_total, 1), 1.0)
    counts = dict(tally.by_status) | ({"missing": tally.missing} if tally.missing else {})
    return StudyProgress(
        tasks_total=tally.tasks_total,
        tasks_done=tally.tasks_done,
        fraction=fraction,
        eta_seconds=left / tally.pace if tally.pace > 0 and tally.status not in TERMINAL else None,
        experiments_total=there + tally.missing,
        experiments_done=done,
        experiments=counts,
    )


def study_summary(snapshot: StudySnapshot) -> StudySummary:
    """A study without its experiments."""
    return StudySummary.model_validate(_fields(snapshot))


def study_view(snapshot: StudySnapshot, members: Sequence[StudyReplicate]) -> Study:
    """A study with its cells and the state of every replicate."""
    by_cell: defaultdict[int, list[str]] = defaultdict(list)
    for each in members:
        if each.record is not None:
            by_cell[each.cell].append(each.record.id)
    cells = [
        StudyCellExperiments(cell=place, values=values, experiments=by_cell[place])
        for place, values in enumerate(snapshot.record.cells)
    ]
    fields = _fields(snapshot)
    if fields["reason"] is None:
        fields["reason"] = _failure(members)
    return Study.model_validate(
        {
            **fields,
            "cells": cells,
            "members": [member_view(each) for each in members],
            "warnings": missing_warnings(members),
        }
    )


def member_view(member: StudyReplicate) -> StudyMemberState:
    """A replicate and how far its experiment is."""
    record = member.record
    if record is None:
        return StudyMemberState(
            cell=member.cell, seed=member.seed, base_seed=member.base_seed, experiment=None, status=None
        )
    is_completed = record.status == "completed"
    return StudyMemberState.model_validate(
        {
            "cell": member.cell,
            "seed": member.seed,
            "base_seed": member.base_seed,
            "experiment": record.id,
            "status": record.status,
            "fraction": 1.0 if is_completed else min(record.epochs_done / record.epochs_total, 1.0),
            "mean_accuracy": record.mean_accuracy,
            "reason": record.reason,
        }
    )


def missing_warnings(members: Sequence[StudyReplicate]) -> list[str]:
    """Sentences about replicates that numbers over replicates leave out."""
    counts: defaultdict[str, int] = defaultdict(int)
    for each in members:
        counts["missing" if each.record is None else each.record.status] += 1
    total, words = len(members), []
    for status, text in (
        ("missing", "deleted, or not visible to you; POST …/extend trains deleted ones again"),
        ("failed", "failed and left out; POST …/resume tries them again"),
        ("cancelled", "cancelled and left out; POST …/resume goes on with them"),
    ):
        if count := counts[status]:
            verb = "is" if count == 1 else "are"
            words.append(f"{count} of {total} experiments {'' if status == 'failed' else f'{verb} '}{text}")
    if unfinished := counts["queued"] + counts["running"]:
        verb = "is" if unfinished == 1 else "are"
        words.append(f"{unfinished} of {total} experiments {verb} not completed yet and left out")
    return words


def _fields(snapshot: StudySnapshot) -> dict[str, Any]:
    record, tally = snapshot.record, snapshot.tally
    root = f"/studies/{record.id}"
    nothing = not tally.by_status
    return {
        "id": record.id,
        "name": record.name,
        "status": tally.status,
        "reason": "its experiments were deleted, or are not visible to you" if nothing else None,
        "progress": progress_view(tally),
        "replicates": record.replicates,
        "grid": record.grid,
        "spec": ExperimentSpec.model_validate(record.spec),
        "tags": record.tags,
        "notes": record.notes,
        "project": record.project,
        "owner": record.owner,
        "shared": record.shared,
        "priority": record.priority,
        "created_at": as_datetime(record.created_at),
        "links": {"self": root, **{name: f"{root}/{name}" for name in ("events", *ANSWERS, "bundle")}},
    }


def _failure(members: Sequence[StudyReplicate]) -> str | None:
    """The reason of the first experiment that failed."""
    failed = [each.record for each in members if each.record is not None and each.record.status == "failed"]
    if not failed:
        return None
    return f"{len(failed)} of {len(members)} experiments failed; {failed[0].id}: {failed[0].reason}"
