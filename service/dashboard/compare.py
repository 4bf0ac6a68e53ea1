"""GET /dashboard/compare: two to six experiments side by side. What is chosen stands in the address."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from service.dashboard.frame import render
from service.deps import ID, CallerDep, PartsDep, require_visible
from tgsh.errors import NotFound
from tgsh.schemas import Experiment, Measure
from tgsh.store import reads
from tgsh.views import experiment_view

router = APIRouter()

MOST = 6
"""Experiments side by side."""

OFFERED = 20
"""Experiments to choose from; the search finds the others."""


@dataclass(frozen=True)
class Shown:
    """What the page shows: ids in the viewer's order, the stage and the measure of their matrices."""

    ids: tuple[str, ...]
    stage: str
    measure: Measure

    def address(self, path: str = "/dashboard/compare", **changes: object) -> str:
        """Where the same is with these changes, on the page or in the API."""
        values = {"ids": ",".join(self.ids), "stage": self.stage, "measure": self.measure} | changes
        return f"{path}?{urlencode(values, safe=',')}"

    def with_one(self, experiment_id: str) -> str:
        """The page with one more."""
        return self.address(ids=",".join((*self.ids, experiment_id)))

    def without(self, experiment_id: str) -> str:
        """The page with one less."""
        return self.address(ids=",".join(found for found in self.ids if found != experiment_id))


@router.get("/dashboard/compare")
def compare(
    request: Request,
    parts: PartsDep,
    caller: CallerDep,
    ids: Annotated[str, Query(max_length=400)] = "",
    q: Annotated[str, Query(max_length=200)] = "",
    stage: Literal["before", "after"] = "after",
    measure: Measure = "cosine",
) -> HTMLResponse:
    """The page: what is chosen, what else there is, and the comparison, which its script asks for."""
    wanted = list(dict.fromkeys(part.strip() for part in ids.split(",") if part.strip()))
    chosen: list[Experiment] = []
    missing: list[str] = []
    for experiment_id in wanted:
        try:
            if not re.fullmatch(ID, experiment_id):
                raise NotFound(experiment_id)
            require_visible(parts, caller, experiment_id)
            chosen.append(experiment_view(reads.experiment(parts.database, experiment_id)))
        except NotFound:
            missing.append(experiment_id)
    shown = Shown(tuple(experiment.id for experiment in chosen[:MOST]), stage, measure)
    filters = reads.Filters(text=q.strip() or None, visible_to=caller.visible_to)
    found = reads.experiments(parts.database, filters, OFFERED + len(shown.ids))
    return render(
        request,
        "compare.html",
        shown=shown,
        chosen=chosen[:MOST],
        missing=missing,
        too_many=len(chosen) > MOST,
        most=MOST,
        q=q,
        offered=[experiment_view(snapshot) for snapshot in found if snapshot.record.id not in shown.ids][
            :OFFERED
        ],
    )
