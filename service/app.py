"""Create_app: middleware, routers, lifespan."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from prometheus_client import CollectorRegistry

from service import api_docs, errors
from service.dashboard import experiment, guide, plots, rendering, routes
from service.dashboard.rendering import ProblemPageMiddleware
from service.dependencies import Services
from service.event_feed import EventFeed
from service.metrics import RequestMetrics, RequestMetricsMiddleware, StoreCollector
from service.middleware import request_log
from service.middleware.auth import AllowedHostsMiddleware, AuthMiddleware
from service.middleware.final_responses import FinalResponseCache
from service.middleware.limits import BodyLimitMiddleware, StreamLimitMiddleware
from service.middleware.security import SecurityHeadersMiddleware
from service.queue import Queue
from service.responses import ByteCache
from service.routers import (
    catalog,
    comparison,
    datasets,
    events,
    experiments,
    inference,
    operations,
    planning,
    results,
)
from service.settings import ServiceSettings, from_environment
from service.subprocesses import AnalysisProcess, FigureProcess
from service.uploads import UploadStaging
from tgsh.execution.uploads import UploadedDatasets
from tgsh.schemas import Problem
from tgsh.schemas.examples import PROBLEM
from tgsh.store.artifacts import Artifacts
from tgsh.store.database import Database
from tgsh.system import allow_many_files

ROUTERS = (
    experiments.router,
    events.router,
    experiments.tasks_router,
    inference.router,
    results.router,
    planning.router,
    planning.estimates_router,
    operations.workers_router,
    results.bundle_router,
    comparison.router,
    datasets.router,
    catalog.router,
    operations.router,
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
    request_log.configure_logging(settings)
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
    app.state.requests = RequestMetrics()
    errors.install(app)
    app.add_middleware(
        BodyLimitMiddleware,
        max_bytes=settings.max_body_bytes,
        max_seconds=settings.max_body_seconds,
        max_upload_bytes=settings.max_upload_bytes,
    )
    app.add_middleware(FinalResponseCache, max_bytes=settings.cache_bytes)
    app.add_middleware(
        StreamLimitMiddleware, most=settings.max_streams, most_per_client=settings.max_streams_per_client
    )
    for outer in (AuthMiddleware, AllowedHostsMiddleware):  # what is added later is asked earlier
        app.add_middleware(outer, settings)
    app.add_middleware(ProblemPageMiddleware)
    app.add_middleware(SecurityHeadersMiddleware)
    app.add_middleware(request_log.RequestLogMiddleware)
    app.add_middleware(RequestMetricsMiddleware, app.state.requests)
    api_docs.describe_keys(app)
    for router in (*ROUTERS, api_docs.router, routes.router, experiment.router, plots.router, guide.router):
        app.include_router(router)
    rendering.mount(app)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    allow_many_files()  # one an event stream
    settings: ServiceSettings = app.state.settings
    database = Database(settings.database)
    database.migrate()
    queue = Queue(settings.redis)
    artifacts = Artifacts(settings.artifacts)
    cache, figure_process = ByteCache(settings.cache_bytes), FigureProcess()
    analysis_process, event_feed = AnalysisProcess(artifacts), EventFeed(database)
    registry = CollectorRegistry()
    app.state.requests.register(registry)
    registry.register(StoreCollector(database, artifacts, settings.home))
    upload_staging, uploads = (
        UploadStaging(settings.home / "uploads"),
        UploadedDatasets(database, artifacts, settings.data),
    )
    app.state.services = Services(
        settings,
        database,
        artifacts,
        queue,
        cache,
        figure_process,
        analysis_process,
        event_feed,
        upload_staging,
        uploads,
        registry,
    )
    yield
    await event_feed.close()
    figure_process.close()
    analysis_process.close()
    queue.close()
    database.dispose()
