"""`uvicorn service.app:create_app --factory`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from prometheus_client import CollectorRegistry

from service import errors, logs, pages
from service.access import Access
from service.arrivals import Arrivals
from service.cache import ByteCache
from service.dashboard import routers as dashboard
from service.dashboard import static
from service.dashboard.problems import ProblemPages
from service.deps import Parts
from service.drawing import Artist
from service.following import Following
from service.headers import Headers
from service.hosts import Hosts
from service.limits import BodyLimit
from service.metrics.requests import Counting, Requests
from service.metrics.store import StoreCollector
from service.queue import Queue
from service.reckoning import Reckoner
from service.remembering import Remembering
from service.routers import (
    accuracy,
    accuracy_matrix,
    bundle,
    catalog,
    comparison,
    context_vectors,
    dataset_samples,
    datasets,
    dendrogram,
    embedding,
    estimates,
    events,
    experiments,
    figures,
    geometry,
    health,
    inference,
    metrics,
    previews,
    reconstructions,
    samples,
    similarity,
    similarity_block,
    similarity_epochs,
    similarity_nearest,
    tasks,
    workers,
)
from service.settings import ServiceSettings, from_environment
from service.streams import StreamLimit
from tgsh.machine import allow_many_files
from tgsh.schemas import Problem
from tgsh.schemas.examples import PROBLEM
from tgsh.shelf import StoreShelf
from tgsh.store.artifacts import Artifacts
from tgsh.store.database import Database

ROUTERS = (
    experiments,
    events,
    tasks,
    inference,
    samples,
    similarity,
    similarity_block,
    similarity_nearest,
    similarity_epochs,
    dendrogram,
    embedding,
    context_vectors,
    accuracy,
    accuracy_matrix,
    geometry,
    reconstructions,
    figures,
    previews,
    estimates,
    workers,
    bundle,
    comparison,
    datasets,
    dataset_samples,
    catalog,
    health,
    metrics,
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
    settings = settings or from_environment()
    logs.set_up(settings)
    app: FastAPI = FastAPIOffline(
        docs_url=None,  # pages.py has them, and fastapi-offline the files
        redoc_url=None,
        title="tgsh",
        version=version("tgsh"),
        description=DESCRIPTION,
        lifespan=_lifespan,
        responses={
            "4XX": {"model": Problem, "content": {errors.MEDIA_TYPE: REFUSAL}},
            503: {"description": "busy, or without its store", "content": {errors.MEDIA_TYPE: REFUSAL}},
        },
    )
    app.state.settings = settings
    app.state.requests = Requests()
    errors.install(app)
    app.add_middleware(
        BodyLimit,
        max_bytes=settings.max_body_bytes,
        max_seconds=settings.max_body_seconds,
        max_upload_bytes=settings.max_upload_bytes,
    )
    app.add_middleware(Remembering, max_bytes=settings.cache_bytes)
    app.add_middleware(
        StreamLimit, most=settings.max_streams, most_per_client=settings.max_streams_per_client
    )
    for outer in (Access, Hosts):  # what is added later is asked earlier
        app.add_middleware(outer, settings)
    app.add_middleware(ProblemPages)
    app.add_middleware(Headers)
    app.add_middleware(logs.Telling)
    app.add_middleware(Counting, app.state.requests)
    pages.describe_keys(app)
    for module in (*ROUTERS, pages, dashboard):
        app.include_router(module.router)
    static.mount(app)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    allow_many_files()  # one an event stream
    settings: ServiceSettings = app.state.settings
    database = Database(settings.database)
    database.migrate()
    queue = Queue(settings.redis)
    artifacts = Artifacts(settings.artifacts)
    cache, artist = ByteCache(settings.cache_bytes), Artist()
    reckoner, following = Reckoner(artifacts), Following(database)
    registry = CollectorRegistry()
    app.state.requests.register(registry)
    registry.register(StoreCollector(database, artifacts, settings.home))
    arrivals, shelf = Arrivals(settings.home / "uploads"), StoreShelf(database, artifacts, settings.data)
    app.state.parts = Parts(
        settings,
        database,
        artifacts,
        queue,
        cache,
        artist,
        reckoner,
        following,
        arrivals,
        shelf,
        registry,
    )
    yield
    await following.close()
    artist.close()
    reckoner.close()
    queue.close()
    database.dispose()
