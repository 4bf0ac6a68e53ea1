"""Liveness, readiness, metrics and workers."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter, Request, Response
from prometheus_client import exposition

from service.dependencies import CallerDep, Services, ServicesDep
from service.middleware.auth import Caller
from tgsh.schemas import Check, Queue, QueuedExperiment, Readiness, Worker, Workers, WorkingOn
from tgsh.stack.state import troubles
from tgsh.store.leases import live_workers
from tgsh.store.models import WorkerRecord, as_datetime
from tgsh.store.removals import overdue
from tgsh.store.statistics import RunningJob, queue_figures, running_jobs

router = APIRouter(tags=["health"])

MIN_FREE_BYTES = 256 << 20

MAX_TOLD = 3
"""Slots that cannot work of which the reasons are told, at most."""


ALIVE = {"status": "alive"}


@router.get(
    "/livez",
    summary="Is the process alive",
    responses={200: {"content": {"application/json": {"example": ALIVE}}}},
    openapi_extra={"security": []},
)
async def livez() -> dict[str, str]:
    """Touches nothing, and needs no thread."""
    return ALIVE


@router.get("/readyz", summary="Can the service do its work", responses={503: {"model": Readiness}})
def readyz(services: ServicesDep, response: Response) -> Readiness:
    """Store, queue, disk and workers; 503 if one of them is not there."""
    checks = {"store": _store(services), "redis": _redis(services), "disk": _disk(services)}
    unknown = Check(ok=False, detail="unknown without the store")
    checks["workers"] = _workers(services) if checks["store"].ok else unknown
    if checks["store"].ok and (kept := overdue(services.database)):
        detail = f"{checks['disk'].detail}; {kept} files or folders could not be removed so far"
        checks["disk"] = Check(ok=checks["disk"].ok, detail=detail)
    ready = all(check.ok for check in checks.values())
    if not ready:
        response.status_code = 503
    return Readiness(ready=ready, checks=checks)


def _store(services: Services) -> Check:
    trouble = services.database.unreachable_reason()
    return Check(ok=trouble is None, detail=trouble or services.database.url.get_backend_name())


def _redis(services: Services) -> Check:
    trouble = services.queue.connection_error()
    return Check(ok=trouble is None, detail=trouble or "takes and gives messages")


def _disk(services: Services) -> Check:
    trouble = services.artifacts.unwritable_reason()
    if trouble is not None:
        return Check(ok=False, detail=f"artifacts cannot be written: {trouble}")
    free = services.artifacts.free_bytes()
    if free is None:
        return Check(ok=True, detail="artifacts are remote")
    return Check(ok=free > MIN_FREE_BYTES, detail=f"{free / 1e9:.1f} GB free for artifacts")


def _workers(services: Services) -> Check:
    workers = live_workers(services.database)
    slots = sum(len(worker.slots) for worker in workers)
    if workers and (lost := _lost_slots(workers)):
        some = "; ".join(lost[:MAX_TOLD]) + ("; …" if len(lost) > MAX_TOLD else "")
        return Check(ok=len(lost) < slots, detail=f"{len(lost)} of {slots} slots cannot work: {some}")
    dying = [f"{name}: {sentence}" for name, sentence in troubles(services.settings.home).items()]
    if not workers:
        start = "no worker was seen lately; start one with: celery -A worker.app worker"
        return Check(ok=False, detail="; ".join(dying) or start)
    return Check(ok=True, detail="; ".join([f"{len(workers)} worker(s), {slots} job(s) at a time", *dying]))


def _lost_slots(workers: Sequence[WorkerRecord]) -> list[str]:
    """Of each slot in which no job can be done now: where it is, and why."""
    return [
        f"{child['slot']} of {worker.host}: {child['reason']}"
        for worker in workers
        for child in worker.children or ()
        if child["state"] in ("broken", "stuck")
    ]


EXAMPLE = """# HELP tgsh_experiments Experiments, by status.
# TYPE tgsh_experiments gauge
tgsh_experiments{status="running"} 2.0
"""


@router.get(
    "/metrics",
    summary="Numbers for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}, "example": EXAMPLE}}}},
)
def metrics(request: Request, services: ServicesDep) -> Response:
    """Requests, jobs, experiments, workers, devices, disks; in OpenMetrics where that is accepted.

    What concerns jobs comes from the database, so that every process of the API says the same.
    """
    write, media_type = exposition.choose_encoder(request.headers.get("accept", ""))
    return Response(
        write(services.metrics), headers={"Content-Type": media_type, "Cache-Control": "no-store"}
    )


workers_router = APIRouter(prefix="/workers", tags=["health"])


@workers_router.get("", summary="Who works on what, and what waits")
def get(services: ServicesDep, caller: CallerDep) -> Workers:
    """The workers that were seen within half a minute, and the queue.

    Jobs of experiments that others own and do not share are counted, not named.
    """
    jobs = running_jobs(services.database)
    figures = queue_figures(services.database, caller.visible_to)
    return Workers(
        workers=[_worker(record, jobs, caller) for record in live_workers(services.database)],
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
            "torch": record.has_torch,
            "datasets": record.datasets,
            "version": record.version,
            "children": _children(record),
            "seen_at": as_datetime(record.seen_at),
            "working_on": [_job(job, caller) for job in jobs if job.worker.startswith(own)],
        }
    )


def _children(record: WorkerRecord) -> list[dict[str, object]] | None:
    if record.children is None:
        return None
    return [{**child, "since": as_datetime(child["since"])} for child in record.children]


def _job(job: RunningJob, caller: Caller) -> WorkingOn:
    document: dict[str, object] = {
        "kind": job.kind,
        "since": as_datetime(job.since),
        "device": job.worker.rpartition("/")[2],
    }
    if caller.sees(job.owner, job.shared):
        document |= {"experiment_id": job.experiment_id, "name": job.name}
        document |= {"task_index": job.index, "label": job.label}
    return WorkingOn.model_validate(document)
