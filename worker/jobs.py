"""What a child does with a message: claim, run, publish what follows."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from celery import current_app
from pydantic import ValidationError

from tgsh.jobs import JOB_NAME, QUEUE, Job
from tgsh.store.experiments import mark_published
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


def do(**payload: Any) -> None:
    """The one Celery task. A message is a hint: a forged or late one does nothing."""
    from tgsh import runner

    try:
        job = Job.model_validate(payload)
    except ValidationError as error:
        log.error("refused a message that is no job: %s", error)
        return
    if stopping.is_requested() or _bench is None:
        return  # the row stays queued; the sweeper of a living worker publishes it again
    publish(current_app, runner.run(_bench, job, stopping.is_requested))
    # a hint that fails to go out now is found by the sweeper


def publish(app: Any, due: list[Job]) -> None:
    """Put hints into the queue and note it."""
    for job in due:
        app.send_task(JOB_NAME, kwargs=job.model_dump(), queue=QUEUE)
    if due and _bench is not None:
        mark_published(_bench.database, due)
