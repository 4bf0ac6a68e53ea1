"""Page of an experiment's placements: new images among its tasks, in pictures and in words."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from service.dashboard.rendering import render
from service.dependencies import ID, CallerDep, ExperimentId, ServicesDep
from service.results.base import spec_of
from service.results.classes import read_info
from service.results.placements import describe, has_worker
from tgsh.datasets.base import DATASETS
from tgsh.datasets.classes import output_names
from tgsh.errors import NotFound
from tgsh.execution.placement_views import summary_view
from tgsh.execution.presenters import experiment_view
from tgsh.execution.uploads import dataset_info
from tgsh.networks.registry import shares_base
from tgsh.schemas import Placement
from tgsh.store import analyses, datasets, queries

router = APIRouter(prefix="/dashboard/experiments", include_in_schema=False)

ROWS = 50
"""Placements in the list; the API has all."""

RANKED = 10
"""Tasks of the ranking that are written."""

MAX_OFFERED = 200
"""Uploaded datasets in the choice."""


@router.get("/{experiment_id}/placements")
def page(
    experiment_id: ExperimentId,
    request: Request,
    services: ServicesDep,
    caller: CallerDep,
    placement: Annotated[str | None, Query(pattern=ID)] = None,
) -> HTMLResponse:
    """The form, one placement (the newest unless asked otherwise), and the list of all."""
    experiment = experiment_view(queries.experiment(services.database, experiment_id))
    records = analyses.page(services.database, experiment_id, caller.visible_to, ROWS)
    shown = _shown(services, caller, experiment_id, placement or (records[0].id if records else None))
    spec = spec_of(services, experiment_id)
    info = read_info(services, experiment_id, spec)
    is_served = has_worker(services)
    uploaded = [
        held
        for held in datasets.page(services.database, caller.visible_to, MAX_OFFERED)
        if dataset_info(held.record).shape == info.shape
    ]
    return render(
        request,
        "placements.html",
        experiment=experiment,
        root=f"/experiments/{experiment_id}",
        placement=shown,
        ranked=RANKED,
        placements=[summary_view(record, is_served) for record in records],
        named=[each for each in DATASETS.values() if each.shape == info.shape],
        uploaded=uploaded,
        classes=output_names(info),
        size=" × ".join(map(str, info.shape)),
        conversion={"size": f"{info.height}x{info.width}", "channels": str(info.channels)},
        may_place=caller.role != "read",
        obstacle=_obstacle(experiment.status, spec),
    )


def _shown(services: Any, caller: Any, experiment_id: str, placement_id: str | None) -> Placement | None:
    if placement_id is None:
        return None
    try:
        record = analyses.get(services.database, experiment_id, placement_id, caller.visible_to)
    except NotFound:  # deleted meanwhile: the page with the others
        return None
    return describe(services, record)


def _obstacle(status: str, spec: Any) -> str | None:
    """The reason why nothing can be placed here."""
    if status != "completed":
        return f"The experiment is {status}; images are placed among the tasks of a completed one."
    if not shares_base(spec.network):
        return (
            f"A {spec.network.kind} learns a base of its own for every task, so that nothing is comparable."
        )
    return None
