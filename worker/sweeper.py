"""Periodic work of a worker's parent: heartbeat, expired leases, lost job messages, garbage collection.

It runs in Celery's consumer, in the parent, which never imports torch.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import time
from collections.abc import Sequence
from typing import Any

import psutil
from celery import bootsteps
from celery.worker import state

from tgsh.datasets.base import DATASETS
from tgsh.datasets.downloads import missing_files
from tgsh.store import leases, previews
from tgsh.store.artifacts import Artifacts
from tgsh.store.database import Database
from tgsh.store.maintenance import collect_garbage
from tgsh.store.scheduling import MAX_JOB_MESSAGES, RUN_JOB_TASK, count_by_queue, job_messages_due
from tgsh.system import has_torch
from worker import devices, tasks
from worker.settings import WorkerSettings

log = logging.getLogger(__name__)

COLLECT_SECONDS = 1800.0
"""The pause between two garbage collections."""

STALLED_SECONDS = 10.0
"""Seconds that job messages may wait beside an idle child; milliseconds are normal."""


class Sweeper(bootsteps.StartStopStep):  # type: ignore[misc] # celery has no types
    """Celery bootstep: starts with the consumer, so with the connection to Redis, and stops with it."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **_: Any) -> None:
        self._timer: Any = None
        self._database: Database | None = None
        self._stalled_check = StalledConsumerCheck()
        self._collected_at = 0.0
        self._settings: WorkerSettings = consumer.app.conf["tgsh_settings"]

    def start(self, consumer: Any) -> None:
        """Sweep now, then every TGSH_SWEEP_SECONDS."""
        self._database = Database(self._settings.database)
        self._sweep(consumer)
        self._timer = consumer.timer.call_repeatedly(self._settings.sweep_seconds, self._sweep, (consumer,))

    def stop(self, consumer: Any) -> None:
        """Cancel the timer and sign off."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._database is not None:
            try:
                leases.sign_off(self._database, _name(consumer))
            except Exception as error:
                log.warning("could not sign off: %s", error)
            self._database.dispose()
            self._database = None

    shutdown = stop

    def _sweep(self, consumer: Any) -> None:
        """Sweep once; if the database or queue cannot be reached, the next sweep tries again."""
        assert self._database is not None
        try:
            slots = devices.shared(self._settings.devices, consumer.controller.concurrency)
            memory = memory_bytes(), device_memory_bytes(slots)
            leases.heartbeat(
                self._database,
                _name(consumer),
                socket.gethostname(),
                os.getpid(),
                slots,
                *memory,
                has_torch=has_torch(),
                datasets=[name for name in DATASETS if not missing_files(name, self._settings.data)],
                data_dir=self._settings.data.absolute(),
            )
            expired = leases.expire_leases(self._database, self._settings.max_attempts)
            if expired:
                log.warning("took %d jobs from workers that fell silent", expired)
            self._publish_job_messages(consumer)
            self._collect_garbage()
        except Exception:
            log.exception("a sweep failed; the next one is in %g s", self._settings.sweep_seconds)

    def _collect_garbage(self) -> None:
        """Twice an hour, of experiments completed within the hour; seldom is there anything to remove."""
        if self._database is None or time.monotonic() - self._collected_at < COLLECT_SECONDS:
            return
        self._collected_at = time.monotonic()
        artifacts = Artifacts(self._settings.artifacts)
        removed = collect_garbage(self._database, artifacts, 2 * COLLECT_SECONDS)
        if removed:
            log.warning("removed %d files of workers that were killed", removed)
        previews.remove_unused(self._database, artifacts)

    def _publish_job_messages(self, consumer: Any) -> None:
        assert self._database is not None
        queued = count_by_queue(self._database, MAX_JOB_MESSAGES)
        pending = False
        with (
            consumer.app.connection_for_write() as connection,
            consumer.app.amqp.Producer(connection) as producer,
        ):
            for queue in devices.queues():
                waiting = connection.default_channel.queue_declare(queue).message_count
                for _ in range(job_messages_due(queued[queue], waiting)):
                    consumer.app.send_task(RUN_JOB_TASK, queue=queue, producer=producer)
                pending = pending or bool(queued[queue] and waiting)
        busy = len(state.reserved_requests) >= consumer.pool.num_processes
        pending = pending and not busy
        if self._stalled_check.is_stalled(state.all_total_count[0], pending=pending):
            log.critical(
                "job messages wait, children idle, and nothing is heard: ending, to be started again"
            )
            tasks.stop_flag.request()
            state.should_stop = os.EX_UNAVAILABLE


def _name(consumer: Any) -> str:
    """Name of the worker; other than Celery's node name, unique even among those of one machine."""
    return f"{consumer.hostname}/{os.getpid()}"


class StalledConsumerCheck:
    """Detects a consumer that is connected but receives nothing (kombu after a reconnect)."""

    def __init__(self) -> None:
        self._received = -1
        self._since: float | None = None

    def is_stalled(self, received: int, *, pending: bool) -> bool:
        """Check once a sweep: True if job messages were pending for STALLED_SECONDS and none was received.

        received: the number of messages ever received. pending: job messages wait now while a child is idle.
        """
        if received != self._received or not pending:
            self._received, self._since = received, None
        if not pending:
            return False
        if self._since is None:
            self._since = time.monotonic()
        return time.monotonic() - self._since > STALLED_SECONDS


def memory_bytes() -> int:
    """Resident memory of this process and its children; shared pages count for each."""
    total = 0
    parent = psutil.Process()
    for process in (parent, *parent.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):  # one that has just ended
            total += process.memory_info().rss
    return total


def device_memory_bytes(slots: Sequence[str]) -> int | None:
    """Bytes in use on the GPUs of these slots, by any process; None where NVML reports none."""
    numbers = sorted({int(slot.partition(":")[2]) for slot in slots if slot.startswith("cuda:")})
    if not numbers:
        return None
    try:
        import pynvml  # it comes with the extra `worker`
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
        try:
            handles = [_handle(pynvml, number) for number in numbers]
            return sum(int(pynvml.nvmlDeviceGetMemoryInfo(handle).used) for handle in handles)
        finally:
            pynvml.nvmlShutdown()
    except (pynvml.NVMLError, IndexError, ValueError):
        return None


def _handle(pynvml: Any, number: int) -> Any:
    """NVML's handle of a CUDA device; CUDA_VISIBLE_DEVICES lists indices or UUIDs."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    name = visible.split(",")[number].strip() if visible else str(number)
    if name.isdecimal():
        return pynvml.nvmlDeviceGetHandleByIndex(int(name))
    return pynvml.nvmlDeviceGetHandleByUUID(name)
