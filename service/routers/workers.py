"""/workers: who works on what, and what waits."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter

from service.deps import CallerDep, PartsDep
from service.keyring import Caller
from tgsh.schemas import Queue, QueuedExperiment, Worker, Workers, WorkingOn
from tgsh.store.clock import as_datetime
from tgsh.store.overview import RunningJob, queue_figures, running_jobs
from tgsh.store.records import WorkerRecord
from tgsh.store.workers import living

router = APIRouter(prefix="/workers", tags=["health"])


@router.get("", summary="Who works on what, and what waits")
def get(parts: PartsDep, caller: CallerDep) -> Workers:
    """The workers that were seen within half a minute, and the queue.

    Jobs of experiments that others own and do not share are counted, not named.
    """
    jobs = running_jobs(parts.database)
    figures = queue_figures(parts.database, caller.visible_to)
    return Workers(
        workers=[_worker(record, jobs, caller) for record in living(parts.database)],
        queue=Queue(
            queued_jobs=figures.queued_jobs,
            oldest_seconds=figures.oldest_seconds,
            running_jobs=figures.running_jobs,
            experiments=[
                QueuedExperiment(id=each.id, name=each.name, queued=each.queued, running=each.running)
                for each in figures.experiments
            ],
        ),
    )


def _worker(record: WorkerRecord, jobs: Sequence[RunningJob], caller: Caller) -> Worker:
    own = f"{record.host}/{record.pid}/"  # as worker/app.py calls its children
    return Worker.model_validate(
        {
            "name": record.name,
            "host": record.host,
            "pid": record.pid,
            "devices": record.slots,
            "memory_bytes": record.memory_bytes,
            "device_memory_bytes": record.device_memory_bytes,
            "seen_at": as_datetime(record.seen_at),
            "working_on": [_job(job, caller) for job in jobs if job.worker.startswith(own)],
        }
    )


def _job(job: RunningJob, caller: Caller) -> WorkingOn:
    found: dict[str, object] = {
        "kind": job.kind,
        "since": as_datetime(job.since),
        "device": job.worker.rpartition("/")[2],
    }
    if caller.sees(job.owner, job.shared):
        found |= {"experiment_id": job.experiment_id, "name": job.name}
        found |= {"task_index": job.index, "label": job.label}
    return WorkingOn.model_validate(found)
