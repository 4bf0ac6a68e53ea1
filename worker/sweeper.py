"""A timer in every worker's parent: signs of life, expired leases, hints that got lost. Idempotent.

It runs on the parent's event loop, not in a thread: children are forked from that loop, and a fork must
not happen while another thread holds a lock.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from typing import Any

from celery import bootsteps
from celery.worker import state

from tgsh.jobs import HINT_NAME, MAX_HINTS, QUEUE, hints_due
from tgsh.store import workers
from tgsh.store.artifacts import Artifacts
from tgsh.store.database import Database
from tgsh.store.fairness import count_queued
from tgsh.store.sweeping import take_expired_leases
from tgsh.store.tidying import tidy
from worker import devices, stopping
from worker.hearing import Hearing
from worker.settings import WorkerSettings

log = logging.getLogger(__name__)

TIDY_SECONDS = 1800.0


class Sweeper(bootsteps.StartStopStep):  # type: ignore[misc] # celery has no types
    """Starts with the consumer, so with the connection to Redis, and stops with it."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **_: Any) -> None:
        self._timer: Any = None
        self._database: Database | None = None
        self._hearing = Hearing()
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
                workers.bow_out(self._database, _name(consumer))
            except Exception as error:
                log.warning("could not sign off: %s", error)
            self._database.dispose()
            self._database = None

    shutdown = stop

    def _sweep(self, consumer: Any) -> None:
        """One round; a database or queue that cannot be reached is tried again in the next."""
        assert self._database is not None
        try:
            slots = devices.slots(self._settings.devices)
            workers.beat(self._database, _name(consumer), socket.gethostname(), os.getpid(), slots)
            taken = take_expired_leases(self._database, self._settings.max_attempts)
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
        removed = tidy(self._database, Artifacts(self._settings.artifacts), 2 * TIDY_SECONDS)
        if removed:
            log.warning("removed %d files of workers that were killed", removed)

    def _publish(self, consumer: Any) -> None:
        assert self._database is not None
        with consumer.app.connection_for_write() as connection:
            waiting = connection.default_channel.queue_declare(QUEUE).message_count
            queued = count_queued(self._database, MAX_HINTS)
            with consumer.app.amqp.Producer(connection) as producer:
                for _ in range(hints_due(queued, waiting)):
                    consumer.app.send_task(HINT_NAME, queue=QUEUE, producer=producer)
        busy = len(state.reserved_requests) >= consumer.pool.num_processes
        if self._hearing.is_lost(state.all_total_count[0], ignored=bool(queued and waiting and not busy)):
            log.critical("hints wait, children idle, and nothing is heard: ending, to be started again")
            stopping.request()
            state.should_stop = os.EX_UNAVAILABLE


def _name(consumer: Any) -> str:
    """Unlike Celery's node name, no other worker's, even on the same machine."""
    return f"{consumer.hostname}/{os.getpid()}"
