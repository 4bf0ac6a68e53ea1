"""Prometheus metrics of requests, of the store and of disk space."""

from __future__ import annotations

import logging
import os
import shutil
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from prometheus_client import CollectorRegistry, Histogram, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from sqlalchemy.exc import OperationalError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tgsh.store import analyses, datasets
from tgsh.store.artifacts import Artifacts
from tgsh.store.database import Database
from tgsh.store.lifecycle import DURATION_BUCKETS
from tgsh.store.models import WorkerRecord
from tgsh.store.ownership import results_bytes
from tgsh.store.statistics import Totals, totals

log = logging.getLogger(__name__)

BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

UNMATCHED = "unmatched"
"""Label of requests without a route: of unknown paths, and refused by middleware."""

MULTIPROCESS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""prometheus-client's variable: the folder in which several processes of one API add up their metrics."""

SIZE_MAX_AGE_SECONDS = 60.0
"""Age from which on the size of all artifacts is computed anew."""

TOTALS_MAX_AGE_SECONDS = 2.0
"""Age from which on the totals are read from the database anew."""

STATES = ("queued", "running", "completed", "failed", "cancelled")


class RequestMetrics:
    """Histogram of request durations by method, route and status class."""

    def __init__(self) -> None:
        self.seconds = Histogram(
            "tgsh_http_request_seconds",
            "Requests, by how long it took until the answer began: of an event stream its head.",
            ("method", "route", "status"),
            buckets=BUCKETS,
            registry=None,
        )
        self._children: dict[tuple[str, str, int], Histogram] = {}

    def register(self, registry: CollectorRegistry) -> None:
        """Add the histogram to a registry; with MULTIPROCESS_FOLDER that of all processes."""
        if MULTIPROCESS_FOLDER in os.environ:
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        else:
            registry.register(self.seconds)
            ProcessCollector(namespace="tgsh_api", registry=registry)

    def observe(self, scope: Scope, status: int, seconds: float) -> None:
        """Count a request."""
        matched = scope.get("route")  # None for mounted files, which have the root path of their mount
        route = str(scope.get("root_path") or UNMATCHED) if matched is None else matched.path
        key = scope["method"], route, status // 100
        child = self._children.get(key)
        if child is None:  # labels() takes longer than all the rest
            method = key[0] if key[0] in METHODS else "other"
            child = self._children[key] = self.seconds.labels(method, route, f"{key[2]}xx")
        child.observe(seconds)


class RequestMetricsMiddleware:
    """ASGI middleware: observes every request when its response begins, or when it fails without one."""

    def __init__(self, app: ASGIApp, metrics: RequestMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and measure the time until the response begins."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started_at = time.perf_counter()
        has_response = False

        async def observe(message: Message) -> None:
            nonlocal has_response
            if message["type"] == "http.response.start":
                has_response = True
                self._metrics.observe(scope, message["status"], time.perf_counter() - started_at)
            await send(message)

        try:
            await self._app(scope, receive, observe)
        except Exception:
            if not has_response:  # Starlette responds with 500, outside of all middleware
                self._metrics.observe(scope, 500, time.perf_counter() - started_at)
            raise


class ArtifactSizeCollector:
    """Size of all experiments' artifacts and uploaded datasets, computed in a thread of its own."""

    def __init__(self, database: Database, artifacts: Artifacts) -> None:
        self._database = database
        self._artifacts = artifacts
        self._bytes: int | None = None
        self._computed_at = float("-inf")
        self._computing = threading.Lock()

    def bytes(self) -> int | None:
        """The last value, None before the first; starts a computation where the value is too old."""
        if time.monotonic() - self._computed_at > SIZE_MAX_AGE_SECONDS and self._computing.acquire(
            blocking=False
        ):
            threading.Thread(target=self._compute, name="stored-bytes", daemon=True).start()
        return self._bytes

    def _compute(self) -> None:
        try:
            with self._database.read() as session:
                uploaded = datasets.stored_bytes(session) + analyses.stored_bytes(session)
            self._bytes = uploaded + results_bytes(self._database, self._artifacts)
        except Exception as error:
            log.warning("cannot tell how much is stored: %s", error)
        finally:
            self._computed_at = time.monotonic()
            self._computing.release()


class StoreCollector(Collector):
    """Experiments, jobs, workers and sizes of the store. home: a folder whose free disk space is reported."""

    def __init__(self, database: Database, artifacts: Artifacts, home: Path) -> None:
        self._database = database
        self._artifacts = artifacts
        self._home = home
        self._artifact_size = ArtifactSizeCollector(database, artifacts)
        self._cached: tuple[float, Totals] | None = None
        self._reading = threading.Lock()

    def collect(self) -> Iterator[Metric]:
        """The current metrics; only tgsh_store_up and disk space while the database is unavailable."""
        try:
            current = self._totals()
        except OperationalError:
            current = None
        yield _gauge("tgsh_store_up", "Whether the database answers.", (), {(): float(current is not None)})
        if current is not None:
            yield from _store_metrics(current)
        yield from self._disk()

    def _totals(self) -> Totals:
        with self._reading:
            if self._cached is None or time.monotonic() - self._cached[0] > TOTALS_MAX_AGE_SECONDS:
                self._cached = time.monotonic(), totals(self._database)
            return self._cached[1]

    def _disk(self) -> Iterator[Metric]:
        free: dict[tuple[str, ...], float] = {}
        if self._home.exists():  # else database and artifacts are remote
            free["home",] = shutil.disk_usage(self._home).free
        artifacts = self._artifacts.free_bytes()
        if artifacts is not None:  # else they are remote
            free["artifacts",] = artifacts
        yield _gauge("tgsh_disk_free_bytes", "Free space where things are written.", ("place",), free)
        size = self._artifact_size.bytes()
        stored: dict[tuple[str, ...], float] = {} if size is None else {(): size}
        yield _gauge(
            "tgsh_stored_bytes",
            "What the artifacts of all experiments, placements and uploaded datasets take.",
            (),
            stored,
        )


def _gauge(
    name: str, text: str, labels: tuple[str, ...], values: Mapping[tuple[str, ...], float]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=labels)
    for label, value in values.items():
        family.add_metric(label, value)
    return family


def _store_metrics(current: Totals) -> Iterator[Metric]:
    by_status = _all_states(current.experiments)
    yield _gauge("tgsh_experiments", "Experiments, by status.", ("status",), by_status)
    yield _gauge("tgsh_studies", "Studies, by status.", ("status",), _all_states(current.studies))
    yield _gauge(
        "tgsh_jobs",
        "Jobs (tasks, finishes, placements, accuracy matrices asked for later), by status.",
        ("kind", "status"),
        _jobs(current),
    )
    oldest = "How long ago what has waited longest was submitted or resumed; 0: nothing waits."
    yield _gauge("tgsh_queue_oldest_seconds", oldest, (), {(): current.oldest_seconds or 0.0})
    yield _gauge(
        "tgsh_owner_tasks",
        "Unfinished tasks, by the name of the key that submitted them; without one by nobody's.",
        ("owner", "status"),
        {(owner, status): count for (owner, status), count in current.owner_tasks.items()},
    )
    yield from _counters(current.counters)
    yield from _workers(current)


def _all_states(counts: Mapping[str, int]) -> dict[tuple[str, ...], float]:
    """With zeros: a series must not vanish when its last experiment changes its state."""
    return {(state,): counts.get(state, 0) for state in STATES}


def _jobs(current: Totals) -> dict[tuple[str, ...], float]:
    labels = [("task", state) for state in STATES] + [("finish", state) for state in ("waiting", *STATES)]
    short = ("queued", "running", "completed", "failed")
    labels += [(kind, state) for kind in ("placement", "accuracy-matrix") for state in short]
    return {key: current.jobs.get(key, 0) for key in labels}


def _counters(counters: Mapping[str, Mapping[str, float]]) -> Iterator[Metric]:
    epochs = CounterMetricFamily("tgsh_task_epochs", "Epochs of tasks that were trained.")
    epochs.add_metric((), counters.get("task_epochs", {}).get("", 0.0))
    yield epochs
    recovered = CounterMetricFamily(
        "tgsh_jobs_recovered", "Jobs whose worker fell silent and that went to another.", labels=("kind",)
    )
    for kind in ("task", "finish"):
        recovered.add_metric((kind,), counters.get("recovered", {}).get(kind, 0.0))
    yield recovered
    stalled = CounterMetricFamily(
        "tgsh_jobs_stalled", "Jobs that made no progress, and whose process was killed.", labels=("kind",)
    )
    for kind in ("task", "finish"):
        stalled.add_metric((kind,), counters.get("stalled", {}).get(kind, 0.0))
    yield stalled
    ended = CounterMetricFamily("tgsh_experiments_ended", "Experiments that ended.", labels=("status",))
    for status in ("completed", "failed", "cancelled"):
        ended.add_metric((status,), counters.get("experiments", {}).get(status, 0.0))
    yield ended
    yield _job_seconds(counters.get("jobs", {}), counters.get("job_seconds", {}))


def _job_seconds(counted: Mapping[str, float], seconds: Mapping[str, float]) -> HistogramMetricFamily:
    family = HistogramMetricFamily(
        "tgsh_job_seconds",
        "Jobs that ended, by the seconds of their last attempt.",
        labels=("kind", "outcome"),
    )
    for label in sorted(seconds):
        total, buckets = 0.0, []
        for bound in DURATION_BUCKETS:
            total += counted.get(f"{label}/{bound}", 0.0)
            buckets.append(("+Inf" if bound == DURATION_BUCKETS[-1] else str(bound), total))
        family.add_metric(label.split("/"), buckets, seconds[label])
    return family


def _workers(current: Totals) -> Iterator[Metric]:
    """By host: a worker's name contains its process id, and would be a new series after every restart."""
    workers, slots, memory, devices = (Counter[tuple[str, ...]]() for _ in range(4))
    for worker in current.workers:
        host = (worker.host,)
        workers[host] += 1
        memory[host] += worker.memory_bytes
        for kind, state in _slots(worker):
            slots[worker.host, kind, state] += 1
        if worker.device_memory_bytes is not None:
            devices[host] = max(devices[host], worker.device_memory_bytes)  # in use there, by whomever
    yield _gauge("tgsh_workers", "Workers that live.", ("host",), workers)
    yield _gauge("tgsh_worker_slots", "Their processes, a job each.", ("host", "device", "state"), slots)
    yield _gauge("tgsh_worker_memory_bytes", "Memory of their processes.", ("host",), memory)
    yield _gauge("tgsh_device_memory_bytes", "Memory in use on their GPUs.", ("host",), devices)


def _slots(worker: WorkerRecord) -> list[tuple[str, str]]:
    """Kind of device and state of each of its slots; a version before 0.5 tells no state."""
    if worker.children is None:
        return [(_kind(slot), "unknown") for slot in worker.slots]
    return [(_kind(child["slot"]), child["state"]) for child in worker.children]


def _kind(slot: str) -> str:
    return slot.partition(":")[0]
