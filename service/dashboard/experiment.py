"""GET /dashboard/experiments/{id}: all about one experiment, while it runs and afterwards."""

from __future__ import annotations

import math
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from service.dashboard.experiment_code import as_curl, as_json, as_python
from service.dashboard.experiment_files import results_of
from service.dashboard.frame import render
from service.deps import CallerDep, ExperimentId, PartsDep
from tgsh.datasets.info import DatasetInfo, info_of
from tgsh.networks.answers import obstacle
from tgsh.planning import layers
from tgsh.schemas import TERMINAL
from tgsh.spec import ExperimentSpec
from tgsh.store import reads
from tgsh.store.records import TaskRecord
from tgsh.views import experiment_view

router = APIRouter(prefix="/dashboard/experiments")

MOST_LISTED = 200
"""Tasks in the table."""

MOST_CHIPS = 60
"""Tasks or classes of a gallery that are picked by name; of more, by number."""

MOST_TOLD = 1_000
"""Failures, and tasks at work, of which the page tells."""

SHOWN_AT_FIRST = 6
"""Tasks of a gallery, evenly spread."""


@router.get("/{experiment_id}")
def page(experiment_id: ExperimentId, request: Request, parts: PartsDep, caller: CallerDep) -> HTMLResponse:
    """The page; while the experiment runs, it asks for itself anew and takes the parts that changed."""
    experiment = experiment_view(reads.experiment(parts.database, experiment_id))
    tasks = reads.tasks(parts.database, experiment_id, limit=MOST_LISTED)
    failed = reads.tasks(parts.database, experiment_id, status="failed", limit=MOST_TOLD)
    spec, url = experiment.spec, str(request.base_url).rstrip("/")
    return render(
        request,
        "experiment.html",
        experiment=experiment,
        root=f"/experiments/{experiment_id}",
        is_over=experiment.status in TERMINAL,
        may_change=caller.may_change(experiment.owner),
        facts=_facts(spec),
        tasks=tasks,
        failures=_by_reason(failed),
        learned=[task.index for task in tasks if task.status == "completed"],
        running=reads.tasks(parts.database, experiment_id, status="running", limit=MOST_TOLD),
        layers=list(layers(spec, parts.shelf.info)),
        gallery=_gallery(info_of(spec, parts.shelf.info), tasks, experiment.progress.tasks_total),
        no_reconstructions=obstacle(spec.network, "reconstructions"),
        results=results_of(experiment_id, spec),
        codes=[
            ("curl", as_curl(spec, url, needs_key=caller.name is not None)),
            ("Python", as_python(spec, url)),
            ("JSON", as_json(spec)),
        ],
    )


def _facts(spec: ExperimentSpec) -> list[str]:
    """The spec in a line."""
    suite, network, training = (part.model_dump() for part in (spec.suite, spec.network, spec.training))
    return [
        spec.dataset_key,
        _told(suite, without=("tasks",) if isinstance(suite.get("tasks"), list | tuple) else ()),
        _told(network),
        _told(training),
    ]


def _told(part: dict[str, Any], without: tuple[str, ...] = ()) -> str:
    kind = part.get("kind", "training")
    values = (
        f"{key.replace('_', ' ')} {_short(value)}"
        for key, value in part.items()
        if key not in ("kind", *without) and value is not None
    )
    return ": ".join(filter(None, (kind, ", ".join(values))))


def _short(value: object) -> str:
    if isinstance(value, list | tuple):
        return " × ".join(map(_short, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _by_reason(failed: list[TaskRecord]) -> dict[str, list[str]]:
    """The labels of failed tasks, by their reasons."""
    found: dict[str, list[str]] = {}
    for task in failed:
        found.setdefault(task.reason or "no reason is known", []).append(task.label)
    return found


def _gallery(info: DatasetInfo, tasks: list[TaskRecord], total: int) -> dict[str, Any]:
    """What can be picked, as (number, name, whether at first); no tasks or classes where they are many."""
    first = range(0, total, max(1, math.ceil(total / SHOWN_AT_FIRST)))
    classes = info.classes
    return {
        "tasks": [(t.index, t.label, t.index in first) for t in tasks] if total <= MOST_CHIPS else [],
        "first": ",".join(map(str, first)),
        "last": total - 1,
        "classes": [(number, name, True) for number, name in enumerate(info.class_labels)]
        if classes <= MOST_CHIPS
        else [],
        "last_class": classes - 1,
    }
