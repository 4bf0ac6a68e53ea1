"""`uvicorn service.app:create_app --factory`."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI
from fastapi.responses import RedirectResponse
from fastapi_offline import FastAPIOffline

from service import errors
from service.cache import ByteCache
from service.deps import Parts
from service.drawing import Artist
from service.following import Following
from service.limits import BodyLimit
from service.queue import Queue
from service.routers import (
    accuracy,
    accuracy_matrix,
    catalog,
    context_vectors,
    dendrogram,
    embedding,
    events,
    experiments,
    figures,
    geometry,
    health,
    inference,
    reconstructions,
    samples,
    similarity,
    similarity_epochs,
    tasks,
)
from service.settings import ServiceSettings
from tgsh.machine import allow_many_files
from tgsh.schemas import Problem
from tgsh.schemas.examples import PROBLEM
from tgsh.store.artifacts import Artifacts
from tgsh.store.database import Database

ROUTERS = (
    experiments,
    events,
    tasks,
    inference,
    samples,
    similarity,
    similarity_epochs,
    dendrogram,
    embedding,
    context_vectors,
    accuracy,
    accuracy_matrix,
    geometry,
    reconstructions,
    figures,
    catalog,
    health,
)
"""In the order in which the API pages show them."""

REFUSAL = {"schema": {"$ref": "#/components/schemas/Problem"}, "example": PROBLEM}

DESCRIPTION = """
How do learning tasks relate to one another? POST an experiment: workers learn one context vector per
task over random weights that never change. GET its similarity matrix.

Every error is an RFC 9457 problem document that names the field.
"""


def create_app(settings: ServiceSettings | None = None) -> FastAPI:
    """The application; settings come from the environment unless given."""
    settings = settings or ServiceSettings()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for ours in ("service", "tgsh"):
        logging.getLogger(ours).setLevel(settings.log_level)
    app: FastAPI = FastAPIOffline(
        title="tgsh",
        version=version("tgsh"),
        description=DESCRIPTION,
        lifespan=_lifespan,
        responses={"4XX": {"model": Problem, "content": {errors.MEDIA_TYPE: REFUSAL}}},
    )
    app.state.settings = settings
    errors.install(app)
    app.add_middleware(BodyLimit, max_bytes=settings.max_body_bytes)
    for module in ROUTERS:
        app.include_router(module.router)
    app.get("/", include_in_schema=False)(_root)
    return app


def _root() -> RedirectResponse:
    return RedirectResponse("/docs")


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    allow_many_files()  # one an event stream
    settings: ServiceSettings = app.state.settings
    database = Database(settings.database)
    database.migrate()
    queue = Queue(settings.redis)
    cache, artist = ByteCache(settings.cache_bytes), Artist()
    following, artifacts = Following(database), Artifacts(settings.artifacts)
    app.state.parts = Parts(settings, database, artifacts, queue, cache, artist, following)
    yield
    await following.close()
    artist.close()
    queue.close()
    database.dispose()
