"""Page of a comparison: chosen experiments and studies, and others to choose from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from service.dashboard.rendering import render
from service.dependencies import MAX_COMPARED, CallerDep, ComparedId, Services, ServicesDep, compared_cells
from service.middleware.auth import Caller
from service.results.compared_subjects import ComparedParams, find_subject
from service.results.comparison_exports import letter
from tgsh.errors import InvalidSpec, NotFound
from tgsh.execution.presenters import experiment_view
from tgsh.execution.studies import study_summary
from tgsh.schemas import Experiment, Measure, StudySummary
from tgsh.specs.base import WITHOUT_NUL
from tgsh.store import queries, studies
from tgsh.store.studies import StudyFilters

router = APIRouter(include_in_schema=False)

LETTERS = tuple(map(letter, range(MAX_COMPARED)))
"""What the page calls those side by side: A to Z, AA to AX."""

MAX_OFFERED = 20
"""Studies and experiments in the list to choose from; the search finds the others."""

MAX_STUDIES_OFFERED = 6
"""Studies among them, before the experiments: their members would leave them no place."""


@dataclass(frozen=True)
class ComparisonQuery:
    """Query parameters of the comparison: ids in the viewer's order, stage and measure of the matrices."""

    ids: tuple[str, ...]
    stage: str
    measure: Measure

    def address(self, path: str = "/dashboard/compare", **changes: object) -> str:
        """The URL of the comparison with these changes, of the page or in the API."""
        values = {"ids": ",".join(self.ids), "stage": self.stage, "measure": self.measure} | changes
        return f"{path}?{urlencode(values, safe=',:')}"

    def with_one(self, id: str) -> str:
        """The URL of the page with one more."""
        return self.address(ids=",".join((*self.ids, id)))

    def without(self, name: str) -> str:
        """The URL of the page with one less."""
        return self.address(ids=",".join(id for id in self.ids if id != name))


@dataclass(frozen=True)
class Listed:
    """An experiment or a study in a list. id: as the comparison calls it. about: what it is."""

    id: str
    title: str
    url: str
    status: str
    about: str
    created_at: datetime
    accuracy: float | None = None


@router.get("/dashboard/compare")
def compare(
    request: Request,
    services: ServicesDep,
    caller: CallerDep,
    ids: Annotated[str, Query(max_length=1_400)] = "",
    q: Annotated[str, Query(max_length=200, pattern=WITHOUT_NUL)] = "",
    stage: Literal["before", "after"] = "after",
    measure: Measure = "cosine",
) -> HTMLResponse:
    """The page: chosen ones, others to choose from, and the comparison, which compare.js fetches."""
    requested = list(dict.fromkeys(part.strip() for part in ids.split(",") if part.strip()))
    chosen: list[ComparedId] = []
    missing: list[str] = []
    for id in requested:
        try:
            chosen += [each for each in compared_cells(services, caller, id) if each not in chosen]
        except (NotFound, InvalidSpec):
            missing.append(id)
    shown = chosen[:MAX_COMPARED]
    query = ComparisonQuery(tuple(each.name for each in shown), stage, measure)
    listed = [_chosen(services, each) for each in shown]
    return render(
        request,
        "compare.html",
        query=query,
        chosen=listed,
        accuracies=percents([each.accuracy for each in listed]),
        missing=missing,
        too_many=len(chosen) > MAX_COMPARED,
        most=MAX_COMPARED,
        letters=LETTERS,
        q=q,
        offered=_offered(services, caller, q.strip() or None, shown),
    )


def _chosen(services: Services, key: ComparedId) -> Listed:
    if not key.is_study:
        view = experiment_view(queries.experiment(services.database, key.id))
        return replace(_of_experiment(view, f"{view.progress.tasks_done} tasks"), accuracy=view.mean_accuracy)
    subject = find_subject(services, key, ComparedParams())
    count = subject.study["replicates"]
    about = f"study, {count} replicate{'' if count == 1 else 's'}"
    created = study_summary(studies.study(services.database, key.id, key.visible_to)).created_at
    return Listed(
        key.name,
        subject.title,
        f"/dashboard/studies/{key.id}?cell={key.cell}",
        subject.status,
        about,
        created,
        subject.mean_accuracy,
    )


def _offered(
    services: Services, caller: Caller, text: str | None, chosen: Sequence[ComparedId]
) -> list[Listed]:
    """Studies and experiments that are not chosen yet, the newest of each."""
    taken = {each.id for each in chosen}
    room = MAX_OFFERED + len(taken)
    filters = queries.Filters(text=text, visible_to=caller.visible_to)
    of_studies = StudyFilters(text=text, visible_to=caller.visible_to)
    snapshots = studies.studies(services.database, of_studies, MAX_STUDIES_OFFERED + len(taken))
    first = [_study(study_summary(each)) for each in snapshots if each.record.id not in taken]
    views = map(experiment_view, queries.experiments(services.database, filters, room))
    others = [_experiment(each) for each in views if each.id not in taken]
    return [*first[:MAX_STUDIES_OFFERED], *others][:MAX_OFFERED]


def _experiment(view: Experiment) -> Listed:
    done = f"{view.progress.tasks_done} of {view.progress.tasks_total} tasks"
    return _of_experiment(view, f"{view.spec.suite.kind} · {view.spec.network.kind} · {done}")


def _of_experiment(view: Experiment, about: str) -> Listed:
    title = view.name or view.spec.title
    url = f"/dashboard/experiments/{view.id}"
    return Listed(view.id, title, url, view.status, about, view.timings.created_at)


def _study(view: StudySummary) -> Listed:
    cells = 1
    for values in view.grid.values():
        cells *= len(values)
    several = f" · {cells} cells" if cells > 1 else ""
    done = f"{view.progress.experiments_done} of {view.progress.experiments_total} experiments"
    about = f"study · {view.spec.suite.kind} · {view.spec.network.kind}{several} · {done}"
    title = view.name or f"study {view.id[:6]}"
    return Listed(view.id, title, f"/dashboard/studies/{view.id}", view.status, about, view.created_at)


def percents(values: Sequence[float | None]) -> list[str]:
    """Shares in percent, with as many digits as tell different ones apart, four at most; "" for None."""
    known = {100 * value for value in values if value is not None}
    digits = next((d for d in range(1, 4) if len({f"{value:.{d}f}" for value in known}) == len(known)), 4)
    return ["" if value is None else f"{100 * value:.{digits}f} %" for value in values]
