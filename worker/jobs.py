"""What a child does when a hint wakes it: one job after the other, until none is left."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from worker import stopping
from worker.settings import WorkerSettings

if TYPE_CHECKING:
    from tgsh.runner import Bench

log = logging.getLogger(__name__)

_bench: Bench | None = None


def open_bench(settings: WorkerSettings, device: str, name: str) -> None:
    """Connect this child to its store and device; once, after the fork."""
    from tgsh.runner import Bench  # brings torch, which the parent must never import

    global _bench
    _bench = Bench.from_settings(settings, device, name)


def work(*args: object, **kwargs: object) -> None:
    """The one Celery task: whatever the database says is due. A repeated, late or forged hint is a look."""
    from tgsh import runner

    if args or kwargs:
        log.error("refused a message that is no hint: it has arguments")
        return
    while _bench is not None and not stopping.is_requested():
        job = runner.run_next(_bench, stopping.is_requested)
        if job is None:
            return
        log.info("worked on %s", job)
