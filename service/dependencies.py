"""The service's components, and the FastAPI dependencies that hand them and checked ids to endpoints."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Path, Query, Request
from fastapi.concurrency import run_in_threadpool
from prometheus_client import CollectorRegistry

from service.errors import Forbidden
from service.event_feed import EventFeed
from service.middleware.auth import Caller
from service.queue import JobQueue
from service.responses import ByteCache
from service.settings import ServiceSettings
from service.subprocesses import AnalysisProcess, FigureProcess
from service.uploads import UploadStaging
from tgsh.errors import InvalidSpec, NotFound
from tgsh.execution.uploads import UploadedDatasets
from tgsh.store import queries
from tgsh.store.artifacts import Artifacts
from tgsh.store.database import Database
from tgsh.store.ownership import owner_of


@dataclass(frozen=True)
class Services:
    """Components that live as long as the application."""

    settings: ServiceSettings
    database: Database
    artifacts: Artifacts
    queue: JobQueue
    cache: ByteCache
    figure_process: FigureProcess
    analysis_process: AnalysisProcess
    event_feed: EventFeed
    upload_staging: UploadStaging
    uploads: UploadedDatasets
    metrics: CollectorRegistry


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


def parameters_only(*names: str) -> Callable[[Request], Awaitable[None]]:
    """A dependency that raises InvalidSpec for query parameters of other names: all of them at once."""

    async def check(request: Request) -> None:
        unknown = [name for name in dict.fromkeys(request.query_params) if name not in names]
        if unknown:
            message = f"unknown parameter; this takes {', '.join(names)}"
            first, *others = [(name, message) for name in unknown]
            raise InvalidSpec(*first, others)

    return check


ExperimentId = Annotated[str, Depends(_visible_id)]
"""The id in the path, of an experiment that the caller may see. Every endpoint takes its id this way."""


async def _changeable_id(experiment_id: ExperimentId, services: ServicesDep, caller: CallerDep) -> str:
    if caller.role != "admin":
        owner, _ = await run_in_threadpool(owner_of, services.database, experiment_id)
        if not caller.may_change(owner):
            ownership = f"of {owner}, who shares it" if owner is not None else "of no key"
            raise Forbidden(f"the experiment is {ownership}: {caller.name} may look at it, not change it")
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


MIN_COMPARED, MAX_COMPARED = 2, 6


def _compared_ids(
    services: ServicesDep,
    caller: CallerDep,
    ids: Annotated[
        str, Query(max_length=200, description="ids of 2 to 6 experiments, with commas between them")
    ],
) -> tuple[str, ...]:
    parsed = tuple(id.strip() for id in ids.split(","))
    for id in parsed:
        if not re.fullmatch(ID, id):
            raise InvalidSpec("ids", f"{id[:40]!r} is no id; write two or more with commas between them")
    if not MIN_COMPARED <= len(parsed) <= MAX_COMPARED:
        raise InvalidSpec("ids", f"{MIN_COMPARED} to {MAX_COMPARED} are compared, not {len(parsed)}")
    if len(set(parsed)) < len(parsed):
        raise InvalidSpec("ids", "names an experiment twice, and with itself there is nothing to compare")
    for id in parsed:
        require_visible(services, caller, id)
    return parsed


ComparedIds = Annotated[tuple[str, ...], Depends(_compared_ids)]
"""The ids of several experiments, each of which the caller may see."""


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


Stage = Annotated[
    str, Query(max_length=8, description='"before" or "after" training, or the number of an epoch')
]
Layer = Annotated[
    str | None, Query(max_length=32, description="one layer's part of the vectors only, such as layer-1")
]
Format = Annotated[str | None, Query(max_length=16, description="overrides the Accept header")]
