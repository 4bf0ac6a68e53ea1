"""Page of one experiment, its download links, and its losses as CSV."""

from __future__ import annotations

import json
import math
import pprint
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from service.dashboard.figure_form import form_values
from service.dashboard.notes import as_html
from service.dashboard.rendering import render
from service.dashboard.traces import counted
from service.dependencies import CallerDep, ExperimentId, Services, ServicesDep
from service.responses import ENDINGS, respond
from service.results.base import NoParams, Result, Source, source_itself
from service.results.images import why_no_reconstructions
from service.results.measurements import why_no_geometry
from service.results.warnings import warnings_of
from tgsh.arrays import table_csv
from tgsh.datasets.base import DatasetInfo
from tgsh.datasets.descriptions import info_of
from tgsh.execution.planning import layers
from tgsh.execution.presenters import change_view, experiment_view
from tgsh.schemas import TERMINAL, Experiment
from tgsh.specs import ExperimentSpec
from tgsh.specs.results import PICTURES, RESULT_SPECS, ResultSpec
from tgsh.store import queries
from tgsh.store.analyses import MATRIX
from tgsh.store.annotations import history
from tgsh.store.models import TaskRecord
from tgsh.store.results import load_result
from tgsh.store.studies import studies_of


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
class DownloadLink:
    """A link to a file: format, path and file name. is_there: the file can be had by now."""

    format: str
    path: str
    name: str
    is_there: bool = True


@dataclass(frozen=True)
class Download:
    """One result in all its formats.

    waits : available when the experiment is completed.
    reason : the sentence on why the experiment cannot have it; "" where it can.
    """

    title: str
    files: tuple[DownloadLink, ...]
    waits: bool = False
    reason: str = ""


def downloads(experiment: Experiment, spec: ExperimentSpec, lacking: Mapping[str, str]) -> list[Download]:
    """The results that an experiment of this spec has, or will have: those that all have come first.

    lacking: reasons by the names of results that it cannot have.
    """
    tasks = Download("Tasks and losses", (_tasks_file(experiment.id), _losses_file(experiment.id)))
    if what_is_there(experiment) != "all":
        return [tasks]
    listed = [result for result in RESULT_SPECS.values() if result.title and result.belongs_to(spec)]
    listed.sort(key=lambda result: result.is_conditional)
    of_results = [
        Download(
            title,
            tuple(_file(experiment, result, format, query) for format in result.formats),
            result.at_finish and experiment.status != "completed",
            lacking.get(result.name, ""),
        )
        for result in listed
        for title, query in _variants(result)
    ]
    return [*of_results, tasks]


def what_is_there(experiment: Experiment) -> Literal["nothing", "epochs", "all"]:
    """Extent of what the page shows: less than all where the experiment ended before a task was learned."""
    if experiment.status not in TERMINAL or experiment.progress.tasks_done:
        return "all"
    return "epochs" if experiment.progress.fraction else "nothing"


def ended_early(experiment: Experiment, *, may_change: bool) -> str:
    """Sentences on what there is of an experiment that was not completed, and how to go on; "" for others."""
    if experiment.status not in TERMINAL or experiment.status == "completed":
        return ""
    done, total = experiment.progress.tasks_done, experiment.progress.tasks_total
    button = "Retry what failed" if experiment.status == "failed" else "Resume"
    how = f"“{button}”" if may_change else "Resuming it, which its owner can,"
    if what_is_there(experiment) == "nothing":
        every = "its one task" if total == 1 else f"all {total:,} tasks"
        return f"No task was learned, so there are no figures and no results. {how} trains {every}."
    if not done:
        begun = "there is the training loss of what was begun, and no other figure or result"
        return f"No task was learned to its end: {begun}. {how} goes on where it ended."
    if done == total:
        return f"All tasks were learned, and what is measured at the end is missing. {how} measures it."
    learned = f"{done:,} of {counted(total, 'task')} {'was' if done == 1 else 'were'} learned"
    rest = "What is below is of what was learned; what is measured at the end is missing"
    return f"{learned}. {rest}. {how} trains what is missing."


def _variants(result: ResultSpec) -> list[tuple[str, dict[str, str]]]:
    """Titles and parameters of a result."""
    before = [("Similarity before training", {"stage": "before"})] if result.name == "similarity" else []
    return [(str(result.title), {}), *before]


def _file(experiment: Experiment, result: ResultSpec, format: str, query: dict[str, str]) -> DownloadLink:
    parameters = "&".join(f"{key}={value}" for key, value in (query | {"format": format}).items())
    name = "-".join([result.name.replace("/", "-"), experiment.id, *query.values()])
    path = f"/experiments/{experiment.id}/{result.name}?{parameters}"
    is_there = experiment.status == "completed" or (
        not result.at_finish and (experiment.progress.tasks_done > 0 or format not in PICTURES)
    )
    return DownloadLink(format, path, f"{name}.{ENDINGS.get(format, format)}", is_there)


def _tasks_file(experiment_id: str) -> DownloadLink:
    return DownloadLink("json", f"/experiments/{experiment_id}/tasks", f"tasks-{experiment_id}.json")


def _losses_file(experiment_id: str) -> DownloadLink:
    path = f"/dashboard/experiments/{experiment_id}/losses.csv"
    return DownloadLink("csv", path, f"losses-{experiment_id}.csv")


router = APIRouter(prefix="/dashboard/experiments", include_in_schema=False)

MAX_LISTED_TASKS = 200
"""Tasks in the table."""

MAX_CHIPS = 60
"""Tasks or classes of a gallery that are chosen by name; more are chosen by number."""

MAX_SUMMARIZED_TASKS = 1_000
"""Failed tasks, and running tasks, in the summary."""

MAX_CHANGES = 50
"""Changes of what is said of the experiment, the newest."""

PRESELECTED = 6
"""Tasks of a gallery that are chosen at first, evenly spread."""


@router.get("/{experiment_id}")
def page(
    experiment_id: ExperimentId, request: Request, services: ServicesDep, caller: CallerDep
) -> HTMLResponse:
    """The page; while the experiment runs, experiment.js fetches it again and replaces changed parts."""
    at = queries.states(services.database, [experiment_id], None).get(experiment_id)  # the rest is newer
    experiment = experiment_view(queries.experiment(services.database, experiment_id))
    tasks = queries.tasks(services.database, experiment_id, limit=MAX_LISTED_TASKS)
    failed = queries.tasks(services.database, experiment_id, status="failed", limit=MAX_SUMMARIZED_TASKS)
    spec, url = experiment.spec, str(request.base_url).rstrip("/")
    asked = _with_later_results(services, experiment_id, spec)
    may_change = caller.may_change(experiment.owner)
    lacking = _lacking(services, experiment)
    return render(
        request,
        "experiment.html",
        experiment=experiment,
        root=f"/experiments/{experiment_id}",
        is_over=experiment.status in TERMINAL,
        newest=at.newest if at else 0,
        there=what_is_there(experiment),
        ended_early=ended_early(experiment, may_change=may_change),
        may_change=may_change,
        facts=_facts(spec),
        notes=as_html(experiment.notes),
        changes=[change_view(record) for record in history(services.database, experiment_id)[:MAX_CHANGES]],
        studies=studies_of(services.database, experiment_id, caller.visible_to),
        tasks=tasks,
        failures=_by_reason(failed),
        warnings=warnings_of(services, experiment_id),
        learned=[task.index for task in tasks if task.status == "completed"],
        running=queries.tasks(services.database, experiment_id, status="running", limit=MAX_SUMMARIZED_TASKS),
        layers=list(layers(spec, services.uploads.info)),
        gallery=_gallery(info_of(spec, services.uploads.info), tasks, experiment),
        lacking=lacking,
        results=downloads(experiment, asked, lacking),
        has_accuracy_matrix=asked.accuracy_matrix,
        paper=form_values(experiment, asked, lacking),
        codes=[
            ("curl", as_curl(spec, url, needs_key=caller.name is not None)),
            ("Python", as_python(spec, url)),
            ("JSON", as_json(spec)),
        ],
    )


def _lacking(services: Services, experiment: Experiment) -> dict[str, str]:
    """Sentences on why an experiment cannot have a result, by its name."""
    spec = experiment.spec
    reasons = {"reconstructions": why_no_reconstructions(spec, info_of(spec, services.uploads.info))}
    if experiment.status == "completed":  # some classes are matched when it completes
        reasons["geometry"] = why_no_geometry(services, experiment.id)
    return {name: f"{reason[0].upper()}{reason[1:]}." for name, reason in reasons.items() if reason}


def _with_later_results(services: Services, experiment_id: str, spec: ExperimentSpec) -> ExperimentSpec:
    """The spec with what was computed later as if it had asked for it."""
    is_there = load_result(services.database, services.artifacts, experiment_id, MATRIX) is not None
    return spec.model_copy(update={"accuracy_matrix": True}) if is_there else spec


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


def _gallery(info: DatasetInfo, tasks: list[TaskRecord], experiment: Experiment) -> dict[str, Any]:
    """Choices of tasks and of classes, as (number, name, is preselected); empty where there are too many."""
    total, classes = experiment.progress.tasks_total, info.classes
    learned = [task.index for task in tasks if task.status == "completed"]
    shown = learned if learned and experiment.status in ("failed", "cancelled") else range(total)
    first = shown[:: math.ceil(len(shown) / PRESELECTED)]
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
    return respond(request, services, LOSSES, experiment_id, NoParams(), "csv")


Losses = list[tuple[int, str, int, float]]


def _find_losses(services: Services, experiment_id: str, _params: NoParams) -> Source[Losses]:
    rows = [
        (task.index, task.label, epoch, loss)
        for task in queries.tasks(services.database, experiment_id)
        for epoch, loss in enumerate(task.losses, start=1)
    ]
    return Source(rows, f"{experiment_id} {rows}", experiment_id)


LOSSES = Result(
    spec=ResultSpec("losses", ("csv",)),
    params=NoParams,
    find=_find_losses,
    compute=source_itself,
    encoders={"csv": lambda losses: table_csv(["task", "label", "epoch", "loss"], losses.value)},
)
