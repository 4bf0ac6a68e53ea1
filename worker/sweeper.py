"""Periodic work of a worker's parent: watch, heartbeat, leases, turns, garbage collection.

It runs in Celery's loop, in the parent, which never imports torch.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
from collections.abc import Sequence
from typing import Any

import psutil
from celery import bootsteps
from celery.worker import state

from tgsh.datasets.base import DATASETS
from tgsh.datasets.downloads import missing_files
from tgsh.store import leases
from tgsh.store.clock import ClockWatch, shorten_leases
from tgsh.store.database import Database
from tgsh.store.messages import ERRORS, JobMessages, lacking
from tgsh.store.recovery import recover_forgotten
from tgsh.store.scheduling import count_by_queue
from tgsh.system import has_torch
from worker import devices, tasks
from worker.cleanup import Cleanup
from worker.settings import WorkerSettings
from worker.stop_flag import stop_flag
from worker.transport import Channel
from worker.turns import OwnTurns
from worker.watch import Watch
from worker.webhooks import WebhookDelivery

log = logging.getLogger(__name__)

DEAF_SECONDS = 10.0
"""Seconds that job messages may wait beside an idle child; milliseconds are normal."""


class Sweeper(bootsteps.StartStopStep):  # type: ignore[misc] # celery has no types
    """Celery bootstep of the worker, not of its connection to Redis: it goes on while that is away."""

    requires = ("celery.worker.components:Pool",)

    def __init__(self, controller: Any, **_: Any) -> None:
        self._timer: Any = None
        self._settings: WorkerSettings = controller.app.conf["tgsh_settings"]
        self._deaf = DeafCheck(self._settings.sweep_seconds)
        self._lacking: dict[str, int] = {}
        self._received = -1
        self._stuck: dict[str, float] = {}

    def start(self, controller: Any) -> None:
        """Sweep now, then every TGSH_SWEEP_SECONDS."""
        settings = self._settings
        self._database = Database(settings.database)
        self._cleanup = Cleanup(self._database, settings.artifacts)
        self._webhooks = WebhookDelivery(self._database, settings.webhook_hosts, settings.webhook_key)
        self._clock = ClockWatch(self._database)
        self._messages = JobMessages(settings.redis)
        self._turns = OwnTurns(controller)
        controller.hub.on_tick.add(self._turns.give)
        self._slots = devices.shared(settings.devices, controller.concurrency)
        pids = controller.pool.pids
        self._watch = Watch(tasks.board, self._slots, settings.stall_seconds, settings.sweep_seconds, pids)
        self._sweep(controller)
        self._timer = controller.timer.call_repeatedly(settings.sweep_seconds, self._sweep, (controller,))

    def stop(self, controller: Any) -> None:
        """Cancel the timer and sign off."""
        if self._timer is None:
            return
        self._timer.cancel()
        self._timer = None
        controller.hub.on_tick.discard(self._turns.give)
        try:
            leases.sign_off(self._database, _name(controller))
        except Exception as error:
            log.warning("could not sign off: %s", error)
        self._database.dispose()
        self._messages.close()

    def _sweep(self, controller: Any) -> None:
        """Sweep once; if the database cannot be reached, the next sweep tries again."""
        self._stuck |= self._watch.look()  # before anything that may fail or wait
        try:
            self._report(controller)
            self._take_back()
            self._give_turns(controller)
            self._cleanup.start()
            self._webhooks.start()
        except Exception:
            log.exception("a sweep failed; the next one is in %g s", self._settings.sweep_seconds)

    def _report(self, controller: Any) -> None:
        """Tell the store that this worker lives, and what it has."""
        leases.heartbeat(
            self._database,
            _name(controller),
            socket.gethostname(),
            os.getpid(),
            self._slots,
            memory_bytes(),
            device_memory_bytes(self._slots),
            has_torch=has_torch(),
            datasets=[name for name in DATASETS if not missing_files(name, self._settings.data)],
            data_dir=self._settings.data.absolute(),
            children=self._watch.states(),
        )

    def _take_back(self) -> None:
        """Queue jobs of children that were killed, of workers that fell silent, and what was forgotten."""
        settings = self._settings
        if self._stuck:
            ended = leases.end_stuck(self._database, self._stuck, settings.max_attempts)
            log.warning("took %d jobs from children that made no progress", ended)
            self._stuck = {}
        self._clock.look(settings.lease_seconds)
        shorten_leases(self._database, settings.lease_seconds)
        if not self._clock.is_patient:
            expired = leases.expire_leases(self._database, settings.max_attempts)
            if expired:
                log.warning("took %d jobs from workers that fell silent", expired)
        if forgotten := recover_forgotten(self._database):
            log.warning("went on with %d experiments that nobody went on with", forgotten)

    def _give_turns(self, controller: Any) -> None:
        """Keep a message for each queued job in Redis; where it brings none, give idle children turns."""
        queues = devices.queues()
        waiting: dict[str, int] = {}
        if controller.consumer.connection is not None:
            try:
                waiting, queued = self._balance(queues)
            except ERRORS as error:
                log.warning("Redis cannot do its part, idle children get turns without it: %s", error)
                queued = count_by_queue(self._database)
        else:
            queued = count_by_queue(self._database)
        due = sum(queued[queue] for queue in queues)
        is_idle = self._turns.idle() > 0
        was_heard = Channel.received != self._received
        self._received = Channel.received
        if due and is_idle and not was_heard:
            self._turns.allow(due)
        elif not due or any(waiting.values()):  # Redis may bring them again
            self._turns.allow(0)
        waits = bool(due and any(waiting.values()))
        if self._deaf.is_deaf(Channel.received, waits=waits, idle=is_idle):
            log.critical(
                "job messages wait, children idle, and nothing is heard: ending, to be started again"
            )
            stop_flag.request()
            state.should_stop = os.EX_UNAVAILABLE

    def _balance(self, queues: Sequence[str]) -> tuple[dict[str, int], dict[str, int]]:
        """Replace messages that were lost and drop surplus; how many messages wait, and jobs are queued.

        Those that were missing at the last sweep too are lost: others may be on their way from whoever
        queued the job, or in the hands of a child that is about to lease it.
        """
        queued: dict[str, int] = {}

        def count() -> dict[str, int]:
            queued.update(count_by_queue(self._database))
            return queued

        found, waiting = lacking(self._messages, count, queues)
        lost = {queue: min(found[queue], self._lacking.get(queue, 0)) for queue in queues}
        self._lacking = found
        if any(count > 0 for count in lost.values()):
            self._messages.publish({queue: count for queue, count in lost.items() if count > 0})
            self._lacking = {}
        for queue, number in found.items():
            if number < 0:
                self._messages.drop(queue, -number, waiting[queue])
        return waiting, queued


def _name(controller: Any) -> str:
    """Name of the worker; other than Celery's node name, unique even among those of one machine."""
    return f"{controller.hostname}/{os.getpid()}"


class DeafCheck:
    """Detects a consumer that is connected but receives nothing (kombu after a reconnect).

    look_seconds: the time between two looks.
    """

    def __init__(self, look_seconds: float) -> None:
        self._looks_allowed = max(2, round(DEAF_SECONDS / look_seconds))
        self._received = -1
        self._looks = 0

    def is_deaf(self, received: int, *, waits: bool, idle: bool) -> bool:
        """Look once a sweep: True if too many looks found idle children beside messages, and none came.

        received: the number of messages ever received. A look at busy children tells nothing: they take none.
        """
        if received != self._received or not waits:
            self._received, self._looks = received, 0
        self._looks += waits and idle
        return self._looks > self._looks_allowed


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
