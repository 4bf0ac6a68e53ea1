"""What endpoints work with: made once with the application, handed to each by FastAPI."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Path, Request

from service.cache import ByteCache
from service.drawing import Artist
from service.following import Following
from service.queue import Queue
from service.settings import ServiceSettings
from tgsh.store import reads
from tgsh.store.artifacts import Artifacts
from tgsh.store.database import Database


@dataclass(frozen=True)
class Parts:
    """The parts of the service."""

    settings: ServiceSettings
    database: Database
    artifacts: Artifacts
    queue: Queue
    cache: ByteCache
    artist: Artist
    following: Following


def _parts(request: Request) -> Parts:
    parts: Parts = request.app.state.parts
    return parts


PartsDep = Annotated[Parts, Depends(_parts)]

ExperimentId = Annotated[str, Path(pattern="^[0-9a-f]{16}$", description="as POST /experiments answered it")]


def _existing(experiment_id: ExperimentId, parts: PartsDep) -> str:
    """Refuses an unknown id before a stream begins."""
    reads.experiment(parts.database, experiment_id)
    return experiment_id


ExistingId = Annotated[str, Depends(_existing)]
