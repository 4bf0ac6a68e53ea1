"""Services and the FastAPI dependencies."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Path, Query, Request
from fastapi.concurrency import run_in_threadpool
from prometheus_client import CollectorRegistry

from service.errors import Forbidden
from service.event_feed import EventFeed
from service.middleware.auth import Caller
from service.queue import Queue
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
    """The parts of the service."""

    settings: ServiceSettings
    database: Database
    artifacts: Artifacts
    queue: Queue
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
    caller: Caller = request.state.caller  # access.py left it there
    return caller


ServicesDep = Annotated[Services, Depends(_services)]
CallerDep = Annotated[Caller, Depends(_caller)]

ID = "^[0-9a-f]{16}$"


def require_visible(services: Services, caller: Caller, experiment_id: str) -> None:
    """Raises NotFound for what is not there, and in the same words for what is there for others only."""
    if not caller.sees(*owner_of(services.database, experiment_id)):
        raise NotFound(f"there is no experiment {experiment_id!r}")


async def _visible(
    experiment_id: Annotated[str, Path(pattern=ID, description="as POST /experiments answered it")],
    services: ServicesDep,
    caller: CallerDep,
) -> str:
    if caller.visible_to is not None:  # an admin's requests meet what is not there soon enough
        await run_in_threadpool(require_visible, services, caller, experiment_id)
    return experiment_id


ExperimentId = Annotated[str, Depends(_visible)]
"""The id in the path, of an experiment that is there for who asks. No endpoint takes an id otherwise."""


async def _own(experiment_id: ExperimentId, services: ServicesDep, caller: CallerDep) -> str:
    if caller.role != "admin":
        owner, _ = await run_in_threadpool(owner_of, services.database, experiment_id)
        if not caller.may_change(owner):
            whose = f"of {owner}, who shares it" if owner is not None else "of no key"
            raise Forbidden(f"the experiment is {whose}: {caller.name} may look at it, not change it")
    return experiment_id


OwnId = Annotated[str, Depends(_own)]
"""The same, of an experiment that who asks may change."""


async def _other(
    services: ServicesDep,
    caller: CallerDep,
    baseline: Annotated[
        str | None, Query(pattern=ID, description="id of an experiment on the same tasks and images")
    ] = None,
) -> str | None:
    if baseline is not None:
        await run_in_threadpool(require_visible, services, caller, baseline)
    return baseline


BaselineId = Annotated[str | None, Depends(_other)]
"""The id of a second experiment, which must be there for who asks as the first."""


FEWEST_COMPARED, MOST_COMPARED = 2, 6


def _compared(
    services: ServicesDep,
    caller: CallerDep,
    ids: Annotated[
        str, Query(max_length=200, description="ids of 2 to 6 experiments, with commas between them")
    ],
) -> tuple[str, ...]:
    named = tuple(id.strip() for id in ids.split(","))
    for id in named:
        if not re.fullmatch(ID, id):
            raise InvalidSpec("ids", f"{id[:40]!r} is no id; write two or more with commas between them")
    if not FEWEST_COMPARED <= len(named) <= MOST_COMPARED:
        raise InvalidSpec("ids", f"{FEWEST_COMPARED} to {MOST_COMPARED} are compared, not {len(named)}")
    if len(set(named)) < len(named):
        raise InvalidSpec("ids", "names an experiment twice, and with itself there is nothing to compare")
    for id in named:
        require_visible(services, caller, id)
    return named


ComparedIds = Annotated[tuple[str, ...], Depends(_compared)]
"""The ids of several experiments, each of which must be there for who asks."""


async def _welcome(
    request: Request, experiment_id: ExperimentId, services: ServicesDep, caller: CallerDep
) -> Callable[[], bool]:
    in_force: Callable[[], bool] = request.state.in_force

    def is_welcome() -> bool:
        return in_force() and (
            caller.visible_to is None or caller.sees(*owner_of(services.database, experiment_id))
        )

    return is_welcome


WelcomeDep = Annotated[Callable[[], bool], Depends(_welcome)]
"""Whether who asks may still see the experiment: a key may end before a long answer does."""


def _existing(experiment_id: ExperimentId, services: ServicesDep) -> str:
    """Refuses an unknown id before a stream begins."""
    queries.experiment(services.database, experiment_id)
    return experiment_id


ExistingId = Annotated[str, Depends(_existing)]


Stage = Annotated[
    str, Query(max_length=8, description='"before" or "after" training, or the number of an epoch')
]
Layer = Annotated[
    str | None, Query(max_length=32, description="one layer's part of the vectors only, such as layer-1")
]
Format = Annotated[str | None, Query(max_length=16, description="overrides the Accept header")]
