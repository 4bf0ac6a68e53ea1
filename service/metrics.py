"""Prometheus collectors and request metrics."""

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

from tgsh.store import datasets
from tgsh.store.artifacts import Artifacts
from tgsh.store.database import Database
from tgsh.store.lifecycle import DURATION_BUCKETS
from tgsh.store.models import WorkerRecord
from tgsh.store.ownership import results_bytes
from tgsh.store.statistics import Totals, totals

BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

UNMATCHED = "unmatched"
"""The route of whatever matched none: a path that is not there, or a caller who was refused before."""

SEVERAL = "PROMETHEUS_MULTIPROC_DIR"
"""prometheus-client's own variable: a folder where several processes of one API add up what they count."""


class RequestMetrics:
    """What is counted of requests, as long as the process lives."""

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
        """Let the registry tell it; of all processes of this API where they add up."""
        if SEVERAL in os.environ:
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        else:
            registry.register(self.seconds)
            ProcessCollector(namespace="tgsh_api", registry=registry)

    def note(self, scope: Scope, status: int, seconds: float) -> None:
        """One more."""
        matched = scope.get("route")  # of files that are mounted none, but where they are mounted
        route = str(scope.get("root_path") or UNMATCHED) if matched is None else matched.path
        key = scope["method"], route, status // 100
        child = self._children.get(key)
        if child is None:  # to look a label up by its text takes longer than all the rest
            method = key[0] if key[0] in METHODS else "other"
            child = self._children[key] = self.seconds.labels(method, route, f"{key[2]}xx")
        child.observe(seconds)


class RequestMetricsMiddleware:
    """ASGI middleware: notes every request when its answer begins, or when it fails without one."""

    def __init__(self, app: ASGIApp, requests: RequestMetrics) -> None:
        self._app = app
        self._requests = requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on, and look at the clock."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        begun = False

        async def note(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                self._requests.note(scope, message["status"], time.perf_counter() - began)
            await send(message)

        try:
            await self._app(scope, receive, note)
        except Exception:
            if not begun:  # Starlette answers 500, outside of all middleware
                self._requests.note(scope, 500, time.perf_counter() - began)
            raise


log = logging.getLogger(__name__)

REFRESH_SECONDS = 60.0
"""How old the number may be before it is found anew."""


class ArtifactSizeCollector:
    """Bytes of all experiments' artifacts and of uploaded datasets, as of lately."""

    def __init__(self, database: Database, artifacts: Artifacts) -> None:
        self._database = database
        self._artifacts = artifacts
        self._bytes: int | None = None
        self._found = float("-inf")
        self._finding = threading.Lock()

    def bytes(self) -> int | None:
        """What was found last; None before that. Looks again, in a thread, where that is long ago."""
        if time.monotonic() - self._found > REFRESH_SECONDS and self._finding.acquire(blocking=False):
            threading.Thread(target=self._find, name="stored-bytes", daemon=True).start()
        return self._bytes

    def _find(self) -> None:
        try:
            with self._database.read() as session:
                uploaded = datasets.stored_bytes(session)
            self._bytes = uploaded + results_bytes(self._database, self._artifacts)
        except Exception as error:
            log.warning("cannot tell how much is stored: %s", error)
        finally:
            self._found = time.monotonic()
            self._finding.release()


KEPT_SECONDS = 2.0
"""How long a look at the database is good for, however often somebody asks."""

STATES = ("queued", "running", "completed", "failed", "cancelled")


class StoreCollector(Collector):
    """Tells what lies in the store and who works on it. home: the folder whose disk is looked at, too."""

    def __init__(self, database: Database, artifacts: Artifacts, home: Path) -> None:
        self._database = database
        self._artifacts = artifacts
        self._home = home
        self._stored = ArtifactSizeCollector(database, artifacts)
        self._kept: tuple[float, Totals] | None = None
        self._looking = threading.Lock()

    def collect(self) -> Iterator[Metric]:
        """What is so now; of a database that is away, that."""
        try:
            look = self._look()
        except OperationalError:
            look = None
        yield _gauge("tgsh_store_up", "Whether the database answers.", (), {(): float(look is not None)})
        if look is not None:
            yield from _census(look)
        yield from self._disk()

    def _look(self) -> Totals:
        with self._looking:
            if self._kept is None or time.monotonic() - self._kept[0] > KEPT_SECONDS:
                self._kept = time.monotonic(), totals(self._database)
            return self._kept[1]

    def _disk(self) -> Iterator[Metric]:
        free: dict[tuple[str, ...], float] = {}
        if self._home.exists():  # else database and artifacts are remote
            free["home",] = shutil.disk_usage(self._home).free
        artifacts = self._artifacts.free_bytes()
        if artifacts is not None:  # else they are remote
            free["artifacts",] = artifacts
        yield _gauge("tgsh_disk_free_bytes", "Free space where things are written.", ("place",), free)
        stored = self._stored.bytes()
        known: dict[tuple[str, ...], float] = {} if stored is None else {(): stored}
        yield _gauge(
            "tgsh_stored_bytes",
            "What the artifacts of all experiments and uploaded datasets take.",
            (),
            known,
        )


def _gauge(
    name: str, text: str, labels: tuple[str, ...], values: Mapping[tuple[str, ...], float]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=labels)
    for label, value in values.items():
        family.add_metric(label, value)
    return family


def _census(look: Totals) -> Iterator[Metric]:
    by_status = _all_states(look.experiments)
    yield _gauge("tgsh_experiments", "Experiments, by status.", ("status",), by_status)
    yield _gauge("tgsh_jobs", "Jobs (tasks and finishes), by status.", ("kind", "status"), _jobs(look))
    oldest = "How long ago what has waited longest was submitted or resumed; 0: nothing waits."
    yield _gauge("tgsh_queue_oldest_seconds", oldest, (), {(): look.oldest_seconds or 0.0})
    yield from _counters(look.counters)
    yield from _workers(look)


def _all_states(counts: Mapping[str, int]) -> dict[tuple[str, ...], float]:
    """Zeros too: a line that ends says less than one that goes down."""
    return {(state,): counts.get(state, 0) for state in STATES}


def _jobs(look: Totals) -> dict[tuple[str, ...], float]:
    wanted = [("task", state) for state in STATES] + [("finish", state) for state in ("waiting", *STATES)]
    return {key: look.jobs.get(key, 0) for key in wanted}


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


def _workers(look: Totals) -> Iterator[Metric]:
    """By host: a worker's own name has its process id, and would be a new line after every restart."""
    workers, slots, memory, devices = (Counter[tuple[str, ...]]() for _ in range(4))
    for worker in look.workers:
        host = (worker.host,)
        workers[host] += 1
        memory[host] += worker.memory_bytes
        for kind in _kinds(worker):
            slots[worker.host, kind] += 1
        if worker.device_memory_bytes is not None:
            devices[host] = max(devices[host], worker.device_memory_bytes)  # in use there, by whomever
    yield _gauge("tgsh_workers", "Workers that live.", ("host",), workers)
    yield _gauge("tgsh_worker_slots", "Jobs that they can do at a time.", ("host", "device"), slots)
    yield _gauge("tgsh_worker_memory_bytes", "Memory of their processes.", ("host",), memory)
    yield _gauge("tgsh_device_memory_bytes", "Memory in use on their GPUs.", ("host",), devices)


def _kinds(worker: WorkerRecord) -> list[str]:
    return [str(slot).partition(":")[0] for slot in worker.slots]
