"""Page of what can be reused of an experiment: its tasks for unlabelled images, its contexts, its codes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from types import MappingProxyType
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import HTMLResponse

from service.dashboard.rendering import render
from service.dashboard.reuse_traces import collisions_plot, retrieval_plot, scenarios_plot, transfer_plot
from service.dashboard.traces import Plot
from service.dependencies import Bits, CallerDep, ExperimentId, ServicesDep
from service.responses import respond
from service.results.base import AnyResult, Computed, Params, spec_of
from service.results.classes import read_info
from service.results.hash_codes import HASHING, HashParams, hashing_document
from service.results.scenarios import SCENARIOS, ScenarioParams, scenarios_document
from service.results.transfer import TRANSFER, TransferParams, transfer_document
from service.routers.placements import describe_matrix_job
from tgsh.errors import Conflict, InvalidSpec, NotFound
from tgsh.execution.planning import MOST_CROSSED
from tgsh.execution.presenters import experiment_view
from tgsh.schemas import ContextTransfer, HashKind, LogitRule, Measure
from tgsh.specs.results import ResultSpec
from tgsh.store import queries

router = APIRouter(prefix="/dashboard/experiments", include_in_schema=False)

FORMAT = "tgsh.reuse-plot/1"
"""Of what is drawn from the same numbers; another one is no longer what a browser keeps."""

RULES = {
    "margin": "margin: ten images or more",
    "blind-hash": "blind hash: a single image",
    "entropy": "entropy",
    "infomax": "infomax: a hundred images",
}


@router.get("/{experiment_id}/reuse")
def page(
    experiment_id: ExperimentId, request: Request, services: ServicesDep, caller: CallerDep
) -> HTMLResponse:
    """The form for unlabelled images, and the places of the plots, which reuse.js fetches."""
    experiment = experiment_view(queries.experiment(services.database, experiment_id))
    spec = spec_of(services, experiment_id)
    info = read_info(services, experiment_id, spec)
    return render(
        request,
        "reuse.html",
        experiment=experiment,
        root=f"/experiments/{experiment_id}",
        matrix=describe_matrix_job(services, experiment_id),
        may_change=caller.may_change(experiment.owner) and caller.role != "read",
        may_ask=caller.role != "read",
        rules=RULES,
        tasks=experiment.progress.tasks_total,
        most_crossed=MOST_CROSSED,
        size=" × ".join(map(str, info.shape)),
        conversion={"size": f"{info.height}x{info.width}", "channels": str(info.channels)},
    )


@dataclass(frozen=True)
class ReuseQuery:
    """Query parameters of all plots; each takes its own."""

    measure: Measure
    rule: LogitRule
    kind: HashKind
    bits: int
    count: int


def _drawn(
    result: AnyResult, document: Callable[[Any], Any], draw: Callable[[Any, Any], Plot], name: str
) -> AnyResult:
    """The result as a plot of the page. draw: (what was computed, its document) -> the plot."""

    def encode(computed: Computed[Any, Any, Any]) -> bytes:
        found = document(computed)
        root = f"/experiments/{found.experiment_id}/{result.name}"
        query = computed.params.model_dump(exclude_none=True, exclude_defaults=True)
        links = {
            format: f"{root}?{urlencode(query | {'format': format})}"
            for format in ("csv", "png", "svg", "pdf")
        }
        plot = asdict(replace(draw(computed, found), links=links))
        return json.dumps(plot, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()

    spec = ResultSpec(f"{FORMAT} {name}", ("json",))
    return replace(result, spec=spec, encoders={"json": encode}, figure=None)


def _transfer(computed: Computed[Any, Any, Any], document: ContextTransfer) -> Plot:
    return transfer_plot(computed.value[0], computed.content.accuracies, document)


PLOTS: Mapping[str, tuple[AnyResult, Callable[[ReuseQuery], Params]]] = MappingProxyType(
    {
        "transfer": (
            _drawn(TRANSFER, transfer_document, _transfer, "transfer"),
            lambda query: TransferParams(measure=query.measure),
        ),
        "scenarios": (
            _drawn(SCENARIOS, scenarios_document, lambda _, found: scenarios_plot(found), "scenarios"),
            lambda query: ScenarioParams(rule=query.rule),
        ),
        "collisions": (
            _drawn(HASHING, hashing_document, lambda _, found: collisions_plot(found), "collisions"),
            lambda query: HashParams(kind=query.kind, bits=query.bits, count=query.count),
        ),
        "retrieval": (
            _drawn(HASHING, hashing_document, lambda _, found: retrieval_plot(found), "retrieval"),
            lambda query: HashParams(kind=query.kind, bits=query.bits, count=query.count),
        ),
    }
)


@router.get("/{experiment_id}/reuse/{name}")
def plot(
    experiment_id: ExperimentId,
    name: Annotated[str, Path(max_length=32)],
    services: ServicesDep,
    request: Request,
    measure: Measure = "cosine",
    rule: Annotated[LogitRule, Query()] = "margin",
    kind: Annotated[HashKind, Query()] = "simhash",
    bits: Bits = 256,
    count: Annotated[int, Query(ge=1, le=100)] = 10,
) -> Response:
    """A plot as {summary, data, layout, links}; without data where the experiment has no such result."""
    if name not in PLOTS:
        raise NotFound(f"there is no plot {name!r}: ask for one of {', '.join(PLOTS)}")
    result, params_of = PLOTS[name]
    params = params_of(ReuseQuery(measure, rule, kind, bits, count))
    try:
        return respond(request, services, result, experiment_id, params, "json")
    except (Conflict, InvalidSpec) as error:  # told in the plot's place, beside those that there are
        words = str(error).replace("\n", "; ")
        missing = asdict(Plot(f"{words[0].upper()}{words[1:]}."))
        return Response(json.dumps(missing, ensure_ascii=False), media_type="application/json")
