"""Page of one experiment, its download links, and its losses as CSV."""

from __future__ import annotations

import json
import math
import pprint
import shlex
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from service.dashboard.rendering import render
from service.dependencies import CallerDep, ExperimentId, ServicesDep
from service.responses import ENDINGS, respond
from service.routers import (
    accuracy,
    accuracy_matrix,
    context_vectors,
    dendrogram,
    embedding,
    geometry,
    reconstructions,
    samples,
    similarity,
)
from tgsh.arrays import table_csv
from tgsh.datasets.base import DatasetInfo, info_of
from tgsh.execution.planning import layers
from tgsh.execution.presenters import experiment_view
from tgsh.networks.registry import unavailable_reason
from tgsh.schemas import TERMINAL
from tgsh.specs import ExperimentSpec
from tgsh.store import queries
from tgsh.store.models import TaskRecord


def as_json(spec: ExperimentSpec) -> str:
    """The body of POST /experiments."""
    return json.dumps(spec.model_dump(mode="json"), indent=2, ensure_ascii=False)


def as_curl(spec: ExperimentSpec, url: str, *, needs_key: bool) -> str:
    """A curl command that submits the spec, for POSIX shells. needs_key: it sends TGSH_API_KEY."""
    key = ' \\\n  -H "Authorization: Bearer $TGSH_API_KEY"' if needs_key else ""
    return (
        f"curl -sS {shlex.quote(url + '/experiments')} \\\n  -H 'Content-Type: application/json'{key} \\\n"
        f"  --data-binary {shlex.quote(as_json(spec))}"
    )


def as_python(spec: ExperimentSpec, url: str) -> str:
    """A script that submits the spec, waits and prints the matrix; the client reads TGSH_API_KEY."""
    body = pprint.pformat(spec.model_dump(mode="json"), indent=1, width=88, sort_dicts=False)
    return (
        "from tgsh.client import Client\n\n"
        f"spec = {body}\n\n"
        f"with Client({url!r}) as client:\n"
        "    experiment = client.wait(client.submit(spec).id)\n"
        "    print(client.similarity(experiment.id).values)\n"
    )


@dataclass(frozen=True)
class File:
    """A link: the format's name, where it is, and what the file is called."""

    format: str
    path: str
    name: str


@dataclass(frozen=True)
class Result:
    """One result in all its formats; waits: it is there when the experiment is completed."""

    title: str
    files: tuple[File, ...]
    waits: bool = False


def results_of(experiment_id: str, spec: ExperimentSpec) -> list[Result]:
    """The results that an experiment of this spec has, or will have."""

    def result(
        title: str, path: str, formats: tuple[str, ...], *, waits: bool = False, **query: str
    ) -> Result:
        return Result(title, tuple(_file(experiment_id, path, name, query) for name in formats), waits)

    found = [
        result("Similarity", "similarity", similarity.FORMATS),
        result("Similarity before training", "similarity", similarity.FORMATS, stage="before"),
        result("Dendrogram", "dendrogram", dendrogram.FORMATS),
        result("Map of the tasks", "embedding", embedding.FORMATS),
        result("Context vectors", "context-vectors", context_vectors.FORMATS),
        result("Accuracy", "accuracy", accuracy.FORMATS),
        result("Definition 1 (T-GSH)", "geometry", geometry.OFFERED, waits=True),
        result("Samples of the tasks", "samples", samples.OFFERED, waits=True),
    ]
    if spec.accuracy_matrix:
        found.append(result("Accuracy matrix", "accuracy/matrix", accuracy_matrix.FORMATS, waits=True))
    if unavailable_reason(spec.network, "reconstructions") is None:
        found.append(result("Reconstructions", "reconstructions", reconstructions.OFFERED))
    tasks = File("json", f"/experiments/{experiment_id}/tasks", f"tasks-{experiment_id}.json")
    losses = File("csv", f"/dashboard/experiments/{experiment_id}/losses.csv", f"losses-{experiment_id}.csv")
    return [*found, Result("Tasks and losses", (tasks, losses))]


def _file(experiment_id: str, path: str, format: str, query: dict[str, str]) -> File:
    asked = "&".join(f"{key}={value}" for key, value in (query | {"format": format}).items())
    name = "-".join([path.replace("/", "-"), experiment_id, *query.values()])
    return File(
        format, f"/experiments/{experiment_id}/{path}?{asked}", f"{name}.{ENDINGS.get(format, format)}"
    )


router = APIRouter(prefix="/dashboard/experiments", include_in_schema=False)

MAX_LISTED_TASKS = 200
"""Tasks in the table."""

MAX_CHIPS = 60
"""Tasks or classes of a gallery that are chosen by name; more are chosen by number."""

MAX_SUMMARIZED_TASKS = 1_000
"""Failed tasks, and running tasks, in the summary."""

PRESELECTED = 6
"""Tasks of a gallery that are chosen at first, evenly spread."""


@router.get("/{experiment_id}")
def page(
    experiment_id: ExperimentId, request: Request, services: ServicesDep, caller: CallerDep
) -> HTMLResponse:
    """The page; while the experiment runs, experiment.js fetches it again and replaces changed parts."""
    experiment = experiment_view(queries.experiment(services.database, experiment_id))
    tasks = queries.tasks(services.database, experiment_id, limit=MAX_LISTED_TASKS)
    failed = queries.tasks(services.database, experiment_id, status="failed", limit=MAX_SUMMARIZED_TASKS)
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
        running=queries.tasks(services.database, experiment_id, status="running", limit=MAX_SUMMARIZED_TASKS),
        layers=list(layers(spec, services.uploads.info)),
        gallery=_gallery(info_of(spec, services.uploads.info), tasks, experiment.progress.tasks_total),
        no_reconstructions=unavailable_reason(spec.network, "reconstructions"),
        results=results_of(experiment_id, spec),
        codes=[
            ("curl", as_curl(spec, url, needs_key=caller.name is not None)),
            ("Python", as_python(spec, url)),
            ("JSON", as_json(spec)),
        ],
    )


def _facts(spec: ExperimentSpec) -> list[str]:
    """The spec in a few words."""
    suite, network, training = (part.model_dump() for part in (spec.suite, spec.network, spec.training))
    return [
        spec.dataset_key,
        _spec_line(suite, without=("tasks",) if isinstance(suite.get("tasks"), list | tuple) else ()),
        _spec_line(network),
        _spec_line(training),
    ]


def _spec_line(part: dict[str, Any], without: tuple[str, ...] = ()) -> str:
    kind = part.get("kind", "training")
    values = (
        f"{key.replace('_', ' ')} {_short_value(value)}"
        for key, value in part.items()
        if key not in ("kind", *without) and value is not None
    )
    return ": ".join(filter(None, (kind, ", ".join(values))))


def _short_value(value: object) -> str:
    if isinstance(value, list | tuple):
        return " × ".join(map(_short_value, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _by_reason(failed: list[TaskRecord]) -> dict[str, list[str]]:
    """Labels of failed tasks, grouped by reason."""
    labels: dict[str, list[str]] = {}
    for task in failed:
        labels.setdefault(task.reason or "no reason is known", []).append(task.label)
    return labels


def _gallery(info: DatasetInfo, tasks: list[TaskRecord], total: int) -> dict[str, Any]:
    """Choices of tasks and of classes, as (number, name, is preselected); empty where there are too many."""
    first = range(0, total, max(1, math.ceil(total / PRESELECTED)))
    classes = info.classes
    return {
        "tasks": [(t.index, t.label, t.index in first) for t in tasks] if total <= MAX_CHIPS else [],
        "first": ",".join(map(str, first)),
        "last": total - 1,
        "classes": [(number, name, True) for number, name in enumerate(info.class_labels)]
        if classes <= MAX_CHIPS
        else [],
        "last_class": classes - 1,
    }


@router.get("/{experiment_id}/losses.csv")
def losses(experiment_id: ExperimentId, services: ServicesDep, request: Request) -> Response:
    """A row for each task and finished epoch: mean training cross-entropy, in nats."""
    tasks = queries.tasks(services.database, experiment_id)
    rows = [
        (task.index, task.label, epoch, loss)
        for task in tasks
        for epoch, loss in enumerate(task.losses, start=1)
    ]
    key = ("losses", experiment_id, *(str(task.losses) for task in tasks))
    return respond(
        request,
        services.cache,
        key,
        "csv",
        f"losses-{experiment_id}",
        lambda: table_csv(["task", "label", "epoch", "loss"], rows),
    )
