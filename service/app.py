"""create_app: the FastAPI application with its middleware, routers and lifespan."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import Depends, FastAPI
from fastapi_offline import FastAPIOffline
from prometheus_client import CollectorRegistry

from service import api_docs, errors
from service.atlas import TaskIndex
from service.dashboard import atlas as atlas_pages
from service.dashboard import comparison as comparison_page
from service.dashboard import (
    experiment,
    guide,
    live,
    plots,
    rendering,
    report_file,
    routes,
    study_plots,
    table,
)
from service.dashboard import placements as placement_pages
from service.dashboard import reports as report_pages
from service.dashboard import reuse as reuse_page
from service.dashboard import studies as study_pages
from service.dashboard.rendering import ProblemPageMiddleware
from service.dependencies import Services, require_known_parameters
from service.event_feed import EventFeed
from service.metrics import RequestMetrics, RequestMetricsMiddleware, StoreCollector
from service.middleware import request_log
from service.middleware.auth import AllowedHostsMiddleware, AuthMiddleware
from service.middleware.final_responses import FinalResponseCacheMiddleware
from service.middleware.head import HeadMiddleware
from service.middleware.limits import BodyLimitMiddleware, StreamLimitMiddleware
from service.middleware.quotas import SharedQuota
from service.middleware.security import SecurityHeadersMiddleware
from service.middleware.traces import TracingMiddleware
from service.queue import JobQueue
from service.responses import ArrayCache, ByteCache
from service.routers import (
    bases,
    catalog,
    comparison,
    datasets,
    events,
    experiments,
    inference,
    operations,
    placements,
    planning,
    reports,
    results,
    reuse,
    studies,
    study_results,
    task_inference,
)
from service.settings import ServiceSettings, from_environment
from service.subprocesses import AnalysisProcess, FigureProcess
from service.threads import LIMITS, WritingThreads
from service.uploads import UploadStaging
from tgsh.execution.uploads import UploadedDatasets
from tgsh.schemas import Problem
from tgsh.schemas.examples import PROBLEM
from tgsh.store.artifacts import Artifacts
from tgsh.store.database import Database
from tgsh.system import allow_many_files
from tgsh.traces import Tracing

ROUTERS = (
    experiments.router,
    events.router,
    experiments.tasks_router,
    inference.router,
    task_inference.router,
    results.router,
    reuse.router,
    placements.router,
    placements.matrix_router,
    planning.router,
    planning.estimates_router,
    operations.workers_router,
    results.bundle_router,
    comparison.router,
    studies.router,
    study_results.router,
    reports.router,
    bases.router,
    datasets.router,
    catalog.router,
    operations.router,
)
"""In the order of the OpenAPI document."""

PROBLEM_CONTENT = {"schema": {"$ref": "#/components/schemas/Problem"}, "example": PROBLEM}

DESCRIPTION = """
How do learning tasks relate to one another? POST an experiment: workers learn one context vector per
task over random weights that never change. GET its similarity matrix.

Every error is an RFC 9457 problem document that names the field.
"""


def create_app(settings: ServiceSettings | None = None) -> FastAPI:
    """The application; its settings are those of the environment unless passed."""
    settings = settings or from_environment()
    request_log.configure_logging(settings)
    app: FastAPI = FastAPIOffline(
        docs_url=None,  # api_docs.py serves the pages, fastapi-offline their files
        redoc_url=None,
        title="tgsh",
        version=version("tgsh"),
        description=DESCRIPTION,
        lifespan=_lifespan,
        responses={
            "4XX": {"model": Problem, "content": {errors.MEDIA_TYPE: PROBLEM_CONTENT}},
            503: {
                "description": "busy, or without its store",
                "content": {errors.MEDIA_TYPE: PROBLEM_CONTENT},
            },
        },
    )
    app.state.settings = settings
    app.state.request_metrics = RequestMetrics()
    app.state.request_quota = SharedQuota(settings.requests_a_minute, settings.redis)
    errors.install(app, html=rendering.preferred_error_page)
    # The last one added runs first: service/middleware/__init__.py has the whole stack.
    app.add_middleware(
        BodyLimitMiddleware,
        max_bytes=settings.max_body_bytes,
        max_seconds=settings.max_body_seconds,
        max_upload_bytes=settings.max_upload_bytes,
    )
    app.add_middleware(FinalResponseCacheMiddleware, max_bytes=settings.cache_bytes)
    app.add_middleware(
        StreamLimitMiddleware,
        max_streams=settings.max_streams,
        max_per_client=settings.max_streams_per_client,
    )
    app.add_middleware(AuthMiddleware, settings, app.state.request_quota)
    app.add_middleware(AllowedHostsMiddleware, settings)
    app.add_middleware(ProblemPageMiddleware)
    app.add_middleware(HeadMiddleware)
    app.add_middleware(SecurityHeadersMiddleware)
    app.add_middleware(request_log.RequestLogMiddleware)
    app.add_middleware(RequestMetricsMiddleware, app.state.request_metrics)
    if settings.otlp_endpoint is not None:
        app.add_middleware(TracingMiddleware)
    api_docs.describe_keys(app)
    for router in ROUTERS:
        app.include_router(router, dependencies=[Depends(require_known_parameters)])
    for router in (
        api_docs.router,
        table.router,
        routes.router,
        live.router,
        experiment.router,
        comparison_page.router,
        placement_pages.router,
        reuse_page.router,
        study_pages.router,
        atlas_pages.router,
        study_plots.router,
        report_pages.router,
        report_file.router,
        plots.router,
        guide.router,
    ):
        app.include_router(router)
    rendering.mount(app)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    allow_many_files()  # one for each event stream
    settings: ServiceSettings = app.state.settings
    database = Database(settings.database, LIMITS)
    database.migrate()
    artifacts = Artifacts(settings.artifacts)
    registry = CollectorRegistry()
    app.state.request_metrics.register(registry)
    registry.register(StoreCollector(database, artifacts, settings.home))
    services = app.state.services = Services(
        settings=settings,
        database=database,
        artifacts=artifacts,
        queue=JobQueue(settings.redis),
        cache=ByteCache(settings.cache_bytes),
        arrays=ArrayCache(settings.cache_bytes),
        figure_process=FigureProcess(),
        analysis_process=AnalysisProcess(artifacts),
        event_feed=EventFeed(database),
        upload_staging=UploadStaging(settings.home / "uploads"),
        uploads=UploadedDatasets(database, artifacts, settings.data),
        metrics=registry,
        writing=WritingThreads(),
        atlas=TaskIndex(database, artifacts, settings.atlas_bytes),
        tracing=Tracing(settings.otlp_endpoint, "tgsh-api"),
    )
    yield
    await app.state.request_quota.close()
    await services.event_feed.close()
    services.atlas.close()
    services.figure_process.close()
    services.analysis_process.close()
    services.tracing.close()
    services.queue.close()
    services.database.dispose()
