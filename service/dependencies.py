"""The service's components, and the FastAPI dependencies that hand them and checked ids to endpoints."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Path, Query, Request, params
from fastapi.concurrency import run_in_threadpool
from fastapi.dependencies.utils import get_flat_params
from fastapi.routing import APIRoute
from prometheus_client import CollectorRegistry
from sqlalchemy.exc import SQLAlchemyError

from service.atlas import TaskIndex
from service.errors import Forbidden
from service.event_feed import EventFeed
from service.middleware.auth import Caller
from service.queue import JobQueue
from service.responses import ArrayCache, ByteCache
from service.settings import ServiceSettings
from service.subprocesses import AnalysisProcess, FigureProcess
from service.threads import WritingThreads
from service.uploads import UploadStaging
from tgsh.datasets.uploads.options import OnBad
from tgsh.errors import InvalidSpec, NotFound
from tgsh.execution.uploads import UploadedDatasets
from tgsh.specs.figure_options import DESCRIPTIONS
from tgsh.specs.suites import Fit
from tgsh.store import datasets, queries, studies
from tgsh.store.artifacts import Artifacts
from tgsh.store.database import Database, is_transient
from tgsh.store.datasets import StoredDataset
from tgsh.store.ownership import owner_of
from tgsh.store.studies import owner_of_study, unknown
from tgsh.traces import Tracing

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Services:
    """Components that live as long as the application."""

    settings: ServiceSettings
    database: Database
    artifacts: Artifacts
    queue: JobQueue
    cache: ByteCache
    arrays: ArrayCache
    figure_process: FigureProcess
    analysis_process: AnalysisProcess
    event_feed: EventFeed
    upload_staging: UploadStaging
    uploads: UploadedDatasets
    metrics: CollectorRegistry
    writing: WritingThreads
    atlas: TaskIndex
    tracing: Tracing

    def keep_trace(self, experiment_id: str) -> None:
        """Have the jobs of an experiment be part of the trace of this request, if there is one."""
        if (current := self.tracing.current()) is not None:
            self.queue.keep_trace(experiment_id, current)

    def wake_workers(self) -> None:
        """Publish job messages; what gets lost, the sweeper of the workers finds."""
        try:
            self.queue.wake_workers(self.database)
        except SQLAlchemyError as error:
            if not is_transient(error):
                raise
            log.warning("workers were not woken, new jobs wait for the sweeper: %s", error)


async def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


async def _caller(request: Request) -> Caller:
    caller: Caller = request.state.caller  # set by AuthMiddleware
    return caller


ServicesDep = Annotated[Services, Depends(_services)]
CallerDep = Annotated[Caller, Depends(_caller)]

ID = "^[0-9a-f]{16}$"


def require_visible(services: Services, caller: Caller, experiment_id: str) -> None:
    """Raises NotFound for an experiment that is missing or invisible to the caller, in equal words."""
    if not caller.sees(*owner_of(services.database, experiment_id)):
        raise NotFound(f"there is no experiment {experiment_id!r}")


async def _visible_id(
    experiment_id: Annotated[str, Path(pattern=ID, description="as POST /experiments answered it")],
    services: ServicesDep,
    caller: CallerDep,
) -> str:
    if caller.visible_to is not None:  # for an admin, the endpoint's own query raises NotFound
        await run_in_threadpool(require_visible, services, caller, experiment_id)
    return experiment_id


PARAMETER_PREFIXES = "x-parameter-prefixes"
"""In a route's openapi_extra: beginnings of names of further query parameters, such as "spec."."""


def query_parameters(route: APIRoute) -> tuple[str, ...]:
    """Names of the query parameters of an operation, as the OpenAPI document has them.

    That takes most of a second to make, in which no request is answered.
    """
    declared = get_flat_params(route.dependant)
    return tuple(dict.fromkeys(each.alias for each in declared if isinstance(each.field_info, params.Query)))


async def require_known_parameters(request: Request) -> None:
    """Raises InvalidSpec for query parameters that the operation does not have: all of them at once."""
    if not request.query_params:
        return
    route: APIRoute = request.scope["route"]
    names = query_parameters(route)
    begin = (route.openapi_extra or {}).get(PARAMETER_PREFIXES, ())
    unknown = [
        name
        for name in dict.fromkeys(request.query_params)
        if name not in names and not name.startswith(tuple(begin))
    ]
    if unknown:
        takes = f"it takes {', '.join(names)}" if names else "it takes none"
        operation = f"{request.method} {route.path_format}"
        first, *others = [(name, f"{operation} has no such parameter; {takes}") for name in unknown]
        raise InvalidSpec(*first, others)


ExperimentId = Annotated[str, Depends(_visible_id)]
"""The id in the path, of an experiment that the caller may see. Every endpoint takes its id this way."""


def require_changeable(services: Services, caller: Caller, experiment_id: str) -> None:
    """Raises NotFound for an experiment that the caller does not see, Forbidden where it may only look."""
    owner, shared = owner_of(services.database, experiment_id)
    if not caller.sees(owner, shared):
        raise NotFound(f"there is no experiment {experiment_id!r}")
    if not caller.may_change(owner):
        ownership = f"of {owner}, who shares it" if owner is not None else "of no key"
        raise Forbidden(f"the experiment is {ownership}: {caller.name} may look at it, not change it")


async def _changeable_id(experiment_id: ExperimentId, services: ServicesDep, caller: CallerDep) -> str:
    if caller.role != "admin":
        await run_in_threadpool(require_changeable, services, caller, experiment_id)
    return experiment_id


OwnId = Annotated[str, Depends(_changeable_id)]
"""The id in the path, of an experiment that the caller may change."""


async def _baseline_id(
    services: ServicesDep,
    caller: CallerDep,
    baseline: Annotated[
        str | None, Query(pattern=ID, description="id of an experiment on the same tasks and images")
    ] = None,
) -> str | None:
    if baseline is not None:
        await run_in_threadpool(require_visible, services, caller, baseline)
    return baseline


BaselineId = Annotated[str | None, Depends(_baseline_id)]
"""The id of a second experiment, which the caller must be allowed to see, too."""


MIN_COMPARED, MAX_COMPARED = 2, 50

TWICE = "names one twice, and with itself there is nothing to compare"

COMPARED = f"({ID[1:-1]})(?::([0-9]{{1,4}}))?"
"""An experiment or a study, or one cell of a study."""


@dataclass(frozen=True)
class ComparedId:
    """An experiment, or a cell of a study as a key of that name sees it (None: as an admin).

    name: what documents call it: the id, with the cell's number where a study has several.
    """

    name: str
    id: str
    cell: int | None = None
    visible_to: str | None = None

    @property
    def is_study(self) -> bool:
        """True for a cell of a study."""
        return self.cell is not None


def _compared_ids(
    services: ServicesDep,
    caller: CallerDep,
    ids: Annotated[
        str,
        Query(
            max_length=1_200,
            description="ids of 2 to 50 experiments and studies, with commas between them; a study stands "
            "for all its cells, ID:1 for one",
        ),
    ],
) -> tuple[ComparedId, ...]:
    parsed = [id.strip() for id in ids.split(",")]
    if len(set(parsed)) < len(parsed):
        raise InvalidSpec("ids", TWICE)
    for id in parsed:
        if not re.fullmatch(COMPARED, id):
            raise InvalidSpec("ids", f"{id[:40]!r} is no id; write two or more with commas between them")
    if len(parsed) > MAX_COMPARED:
        raise InvalidSpec("ids", f"{MIN_COMPARED} to {MAX_COMPARED} are compared, not {len(parsed)}")
    try:
        found = [each for id in parsed for each in compared_cells(services, caller, id)]
    except NotFound:
        if len(parsed) >= MIN_COMPARED:
            raise
        raise InvalidSpec("ids", f"{MIN_COMPARED} to {MAX_COMPARED} are compared, not 1") from None
    if not MIN_COMPARED <= len(found) <= MAX_COMPARED:
        several = " (a study stands for all its cells; ID:1 is one)" if len(found) > len(parsed) else ""
        raise InvalidSpec("ids", f"{MIN_COMPARED} to {MAX_COMPARED} are compared, not {len(found)}{several}")
    if len(set(found)) < len(found):
        raise InvalidSpec("ids", TWICE)
    return tuple(found)


def compared_cells(services: Services, caller: Caller, reference: str) -> list[ComparedId]:
    """An experiment, or the cells of a study, by an id with or without the number of a cell.

    Raises NotFound for what is missing or hidden, in equal words; InvalidSpec for a cell that is not there.
    """
    match = re.fullmatch(COMPARED, reference)
    if match is None:
        raise NotFound(f"there is no experiment and no study {reference[:40]!r}")
    id, cell = match.groups()
    try:
        if cell is None:
            require_visible(services, caller, id)
            return [ComparedId(id, id)]
    except NotFound:
        pass
    try:
        require_study_visible(services, caller, id)
    except NotFound as error:
        what = "study" if cell is not None else "experiment and no study"
        raise NotFound(f"there is no {what} {id!r}") from error
    cells = len(studies.study(services.database, id, caller.visible_to).record.cells)
    if cell is not None and int(cell) >= cells:
        there = f"0 to {cells - 1}" if cells > 1 else "0"
        raise InvalidSpec("ids", f"there is no cell {cell} of {id}; the study has {there}")
    names = [id if cells == 1 else f"{id}:{place}" for place in range(cells)]
    whole = [ComparedId(name, id, place, caller.visible_to) for place, name in enumerate(names)]
    return whole if cell is None else [whole[int(cell)]]


ComparedIds = Annotated[tuple[ComparedId, ...], Depends(_compared_ids)]
"""Experiments and cells of studies, each of which the caller may see."""


async def _access_check(
    request: Request, experiment_id: ExperimentId, services: ServicesDep, caller: CallerDep
) -> Callable[[], bool]:
    is_authenticated: Callable[[], bool] = request.state.is_authenticated

    def may_read() -> bool:
        return is_authenticated() and (
            caller.visible_to is None or caller.sees(*owner_of(services.database, experiment_id))
        )

    return may_read


AccessCheckDep = Annotated[Callable[[], bool], Depends(_access_check)]
"""Tells if the caller may still see the experiment: a key may expire during a long response."""


def _existing_id(experiment_id: ExperimentId, services: ServicesDep) -> str:
    """Raise NotFound before a stream begins."""
    queries.experiment(services.database, experiment_id)
    return experiment_id


ExistingId = Annotated[str, Depends(_existing_id)]
"""The id in the path, of an experiment that exists."""


async def _body(request: Request) -> bytes:
    return await request.body()


Body = Annotated[bytes, Depends(_body)]
"""The bytes of the request, read before a plain endpoint runs in a thread."""


def _conversion(
    size: Annotated[str | None, Query(description="resize images to HEIGHTxWIDTH, such as 28x28")] = None,
    channels: Annotated[str | None, Query(description="make all images grey (1) or colour (3)")] = None,
    fit: Annotated[
        str | None,
        Query(
            description="how images get another size; squash", json_schema_extra={"enum": list(Fit.__args__)}
        ),
    ] = None,
    background: Annotated[
        str | None, Query(description="colour under transparent pixels and of pad's margins, such as white")
    ] = None,
    encoding: Annotated[
        str | None, Query(description="of names in an archive that are not UTF-8, such as gbk")
    ] = None,
    on_bad: Annotated[
        str | None,
        Query(
            description="files that cannot be read: refuse", json_schema_extra={"enum": list(OnBad.__args__)}
        ),
    ] = None,
) -> dict[str, str]:
    return {key: value for key, value in locals().items() if value is not None}


ConversionDep = Annotated[dict[str, str], Depends(_conversion)]
"""Options of a file of images that are in the query, as text."""

Stage = Annotated[
    str, Query(max_length=8, description='"before" or "after" training, or the number of an epoch')
]
Layer = Annotated[
    str | None, Query(max_length=32, description="one layer's part of the vectors only, such as layer-1")
]
Bits = Annotated[int, Query(ge=8, le=2_048, description="of a SimHash; units that are set of a top share")]
Format = Annotated[str | None, Query(max_length=16, description="overrides the Accept header")]


def _option(name: str) -> Any:
    """Query parameter of a figure's option; `respond` reads it, so that all that is wrong is told at once."""
    return Query(max_length=400, description=DESCRIPTIONS[name])


def _asked_options(
    width: Annotated[str | None, _option("width")] = None,
    height: Annotated[str | None, _option("height")] = None,
    font: Annotated[str | None, _option("font")] = None,
    title: Annotated[str | None, _option("title")] = None,
    labels: Annotated[str | None, _option("labels")] = None,
    range: Annotated[str | None, _option("range")] = None,
    diagonal: Annotated[str | None, _option("diagonal")] = None,
    cmap: Annotated[str | None, _option("cmap")] = None,
    dpi: Annotated[str | None, _option("dpi")] = None,
    svg_text: Annotated[str | None, _option("svg_text")] = None,
) -> Mapping[str, str | None]:
    return {
        "width": width,
        "height": height,
        "font": font,
        "title": title,
        "labels": labels,
        "range": range,
        "diagonal": diagonal,
        "cmap": cmap,
        "dpi": dpi,
        "svg_text": svg_text,
    }


AskedOptions = Annotated[Mapping[str, str | None], Depends(_asked_options)]
"""Options of a figure as they stand in the query. Every endpoint that serves pictures takes them."""


def _held_dataset(
    dataset_id: Annotated[str, Path(pattern=ID, description="as POST /datasets answered it")],
    services: ServicesDep,
    caller: CallerDep,
) -> StoredDataset:
    return datasets.get(services.database, dataset_id, caller.visible_to)


HeldDep = Annotated[StoredDataset, Depends(_held_dataset)]
"""The uploaded dataset whose id is in the path, where it is there for who asks."""


def require_study_visible(services: Services, caller: Caller, study_id: str) -> None:
    """Raises NotFound for a study that is missing or invisible to the caller, in equal words."""
    if not caller.sees(*owner_of_study(services.database, study_id)):
        raise unknown(study_id)


def _visible_study_id(
    study_id: Annotated[str, Path(pattern=ID, description="as POST /studies answered it")],
    services: ServicesDep,
    caller: CallerDep,
) -> str:
    require_study_visible(services, caller, study_id)
    return study_id


StudyId = Annotated[str, Depends(_visible_study_id)]
"""The id in the path, of a study that the caller may see."""


def _changeable_study_id(study_id: StudyId, services: ServicesDep, caller: CallerDep) -> str:
    owner, _ = owner_of_study(services.database, study_id)
    if not caller.may_change(owner):
        ownership = f"of {owner}, who shares it" if owner is not None else "of no key"
        raise Forbidden(f"the study is {ownership}: {caller.name} may look at it, not change it")
    return study_id


OwnStudyId = Annotated[str, Depends(_changeable_study_id)]
"""The id in the path, of a study that the caller may change."""
