"""Periodic: heartbeat, expired leases, lost messages, memory use."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import time
from collections.abc import Sequence
from typing import Any

import psutil
import pynvml
from celery import bootsteps
from celery.worker import state

from tgsh.store import leases, previews
from tgsh.store.artifacts import Artifacts
from tgsh.store.database import Database
from tgsh.store.leases import expire_leases
from tgsh.store.maintenance import collect_garbage
from tgsh.store.scheduling import MAX_JOB_MESSAGES, QUEUE, RUN_JOB_TASK, count_queued, job_messages_due
from worker import devices, tasks
from worker.settings import WorkerSettings

DEAF_SECONDS = 10.0
"""How long hints may wait beside an idle child. Normally that lasts milliseconds."""


class StalledConsumerCheck:
    """Told at every sweep what was heard so far, it says when that has gone on for too long."""

    def __init__(self) -> None:
        self._heard = -1
        self._since: float | None = None

    def is_stalled(self, heard: int, *, ignored: bool) -> bool:
        """heard: messages that ever arrived. ignored: whether hints wait now though a child is idle."""
        if heard != self._heard or not ignored:
            self._heard, self._since = heard, None
        if not ignored:
            return False
        if self._since is None:
            self._since = time.monotonic()
        return time.monotonic() - self._since > DEAF_SECONDS


def memory_bytes() -> int:
    """Resident memory of this process and its children; pages that they share count for each."""
    found = 0
    me = psutil.Process()
    for process in (me, *me.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):  # one that has just ended
            found += process.memory_info().rss
    return found


def device_memory_bytes(slots: Sequence[str]) -> int | None:
    """Bytes in use on the GPUs of these slots, by whomever; None where none can be asked."""
    numbers = sorted({int(slot.partition(":")[2]) for slot in slots if slot.startswith("cuda:")})
    if not numbers:
        return None
    try:
        pynvml.nvmlInit()
        try:
            return sum(int(pynvml.nvmlDeviceGetMemoryInfo(_handle(number)).used) for number in numbers)
        finally:
            pynvml.nvmlShutdown()
    except (pynvml.NVMLError, IndexError, ValueError):
        return None


def _handle(number: int) -> Any:
    """The device that CUDA calls by this number: CUDA_VISIBLE_DEVICES lists numbers, or names of its own."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    name = visible.split(",")[number].strip() if visible else str(number)
    if name.isdecimal():
        return pynvml.nvmlDeviceGetHandleByIndex(int(name))
    return pynvml.nvmlDeviceGetHandleByUUID(name)


log = logging.getLogger(__name__)

TIDY_SECONDS = 1800.0


class Sweeper(bootsteps.StartStopStep):  # type: ignore[misc] # celery has no types
    """Starts with the consumer, so with the connection to Redis, and stops with it."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **_: Any) -> None:
        self._timer: Any = None
        self._database: Database | None = None
        self._hearing = StalledConsumerCheck()
        self._tidied = 0.0
        self._settings: WorkerSettings = consumer.app.conf["tgsh_settings"]

    def start(self, consumer: Any) -> None:
        """Sweep now, then every TGSH_SWEEP_SECONDS."""
        self._database = Database(self._settings.database)
        self._sweep(consumer)
        self._timer = consumer.timer.call_repeatedly(self._settings.sweep_seconds, self._sweep, (consumer,))

    def stop(self, consumer: Any) -> None:
        """Cancel the timer and say goodbye."""
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
        """One round; a database or queue that cannot be reached is tried again in the next."""
        assert self._database is not None
        try:
            slots = devices.shared(self._settings.devices, consumer.controller.concurrency)
            held = memory_bytes(), device_memory_bytes(slots)
            leases.heartbeat(self._database, _name(consumer), socket.gethostname(), os.getpid(), slots, *held)
            taken = expire_leases(self._database, self._settings.max_attempts)
            if taken:
                log.warning("took %d jobs from workers that fell silent", taken)
            self._publish(consumer)
            self._tidy()
        except Exception:
            log.exception("a sweep failed; the next one is in %g s", self._settings.sweep_seconds)

    def _tidy(self) -> None:
        """Twice an hour, what was completed within the hour; most have nothing left to remove."""
        if self._database is None or time.monotonic() - self._tidied < TIDY_SECONDS:
            return
        self._tidied = time.monotonic()
        artifacts = Artifacts(self._settings.artifacts)
        removed = collect_garbage(self._database, artifacts, 2 * TIDY_SECONDS)
        if removed:
            log.warning("removed %d files of workers that were killed", removed)
        previews.remove_unused(self._database, artifacts)

    def _publish(self, consumer: Any) -> None:
        assert self._database is not None
        with consumer.app.connection_for_write() as connection:
            waiting = connection.default_channel.queue_declare(QUEUE).message_count
            queued = count_queued(self._database, MAX_JOB_MESSAGES)
            with consumer.app.amqp.Producer(connection) as producer:
                for _ in range(job_messages_due(queued, waiting)):
                    consumer.app.send_task(RUN_JOB_TASK, queue=QUEUE, producer=producer)
        busy = len(state.reserved_requests) >= consumer.pool.num_processes
        if self._hearing.is_stalled(state.all_total_count[0], ignored=bool(queued and waiting and not busy)):
            log.critical("hints wait, children idle, and nothing is heard: ending, to be started again")
            tasks.request()
            state.should_stop = os.EX_UNAVAILABLE


def _name(consumer: Any) -> str:
    """Unlike Celery's node name, no other worker's, even on the same machine."""
    return f"{consumer.hostname}/{os.getpid()}"
