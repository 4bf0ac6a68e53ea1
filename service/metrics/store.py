"""What the database knows, for Prometheus: jobs, experiments, workers, and what was ever done.

Read when somebody asks, so that workers need no port, and so that all processes of the API say the same.
No label has a name or tag of an experiment in it.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from sqlalchemy.exc import OperationalError

from service.metrics.stored import Stored
from tgsh.store.artifacts import Artifacts
from tgsh.store.census import Census, census
from tgsh.store.counters import SECONDS
from tgsh.store.database import Database
from tgsh.store.records import WorkerRecord

KEPT_SECONDS = 2.0
"""How long a look at the database is good for, however often somebody asks."""

STATES = ("queued", "running", "completed", "failed", "cancelled")


class StoreCollector(Collector):
    """Tells what lies in the store and who works on it. home: the folder whose disk is looked at, too."""

    def __init__(self, database: Database, artifacts: Artifacts, home: Path) -> None:
        self._database = database
        self._artifacts = artifacts
        self._home = home
        self._stored = Stored(database, artifacts)
        self._kept: tuple[float, Census] | None = None
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

    def _look(self) -> Census:
        with self._looking:
            if self._kept is None or time.monotonic() - self._kept[0] > KEPT_SECONDS:
                self._kept = time.monotonic(), census(self._database)
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


def _census(look: Census) -> Iterator[Metric]:
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


def _jobs(look: Census) -> dict[tuple[str, ...], float]:
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
        for bound in SECONDS:
            total += counted.get(f"{label}/{bound}", 0.0)
            buckets.append(("+Inf" if bound == SECONDS[-1] else str(bound), total))
        family.add_metric(label.split("/"), buckets, seconds[label])
    return family


def _workers(look: Census) -> Iterator[Metric]:
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
