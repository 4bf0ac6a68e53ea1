"""Pages of random bases: the list, and one base with the map of everything learned on it."""

from __future__ import annotations

from typing import Annotated, get_args

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from service import cursors
from service.dashboard.rendering import render
from service.dependencies import ID, CallerDep, ServicesDep
from service.routers.bases import BaseId, OfDataset, OfOwner, OfProject, OfSuite, summary
from tgsh.schemas import AtlasGroup, AtlasMethod
from tgsh.specs import MAX_TASKS
from tgsh.store import atlas
from tgsh.store.atlas import AtlasFilters

router = APIRouter(prefix="/dashboard/atlas", include_in_schema=False)

ROWS = 50

MOST_OFFERED = 200
"""Experiments in the list of those of which a task can be chosen; any other is chosen in the map."""

METHODS = {"mds": "landmark MDS", "pca": "PCA", "umap": "UMAP"}


@router.get("")
def base_list(
    request: Request,
    services: ServicesDep,
    caller: CallerDep,
    cursor: Annotated[str | None, Query(max_length=cursors.MAX_CURSOR)] = None,
) -> HTMLResponse:
    """Random bases, the one used last first."""
    after = None
    if cursor:
        created_at, base_id = cursors.decode_cursor(cursor)
        after = float(created_at), str(base_id)
    found = atlas.bases(services.database, caller.visible_to, ROWS + 1, after)
    last = found[ROWS - 1] if len(found) > ROWS else None
    return render(
        request,
        "bases.html",
        bases=[summary(services, counts) for counts in found[:ROWS]],
        next=cursors.encode_cursor(last.created_at, last.base_id) if last is not None else None,
    )


@router.get("/{base_id}")
def base_page(
    base_id: BaseId,
    request: Request,
    services: ServicesDep,
    caller: CallerDep,
    method: AtlasMethod = "mds",
    colour: AtlasGroup = "experiment",
    dataset: OfDataset = None,
    suite: OfSuite = None,
    owner: OfOwner = None,
    project: OfProject = None,
    experiment: Annotated[str, Query(pattern=f"{ID}|^$")] = "",
    task: Annotated[int, Query(ge=0, lt=MAX_TASKS)] = 0,
    other: bool = False,
) -> HTMLResponse:
    """The map, its filters, and the nearest tasks of a chosen one; atlas.js fetches both."""
    counts = atlas.base(services.database, base_id, caller.visible_to)
    pieces = atlas.pieces_of(services.database, base_id, AtlasFilters(caller.visible_to))
    names = {each.experiment: each.name or each.experiment for each in pieces if each.placement is None}
    return render(
        request,
        "atlas.html",
        base=summary(services, counts),
        method=method,
        methods={name: METHODS[name] for name in get_args(AtlasMethod)},
        colour=colour,
        colours=get_args(AtlasGroup),
        filters={
            "dataset": dataset or "",
            "suite": suite or "",
            "owner": owner or "",
            "project": project or "",
        },
        projects=atlas.projects(services.database, base_id, caller.visible_to),
        has_owners=caller.name is not None,
        experiments=list(names.items())[:MOST_OFFERED],
        chosen=experiment,
        chosen_name=names.get(experiment, experiment),
        task=task,
        other=other,
    )
