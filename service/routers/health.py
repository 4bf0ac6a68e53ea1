"""/livez and /readyz: is the process alive; can the service do its work."""

from __future__ import annotations

from fastapi import APIRouter, Response

from service.deps import Parts, PartsDep
from tgsh.schemas import Check, Readiness
from tgsh.store.workers import living

router = APIRouter(tags=["health"])

MIN_FREE_BYTES = 256 << 20


ALIVE = {"status": "alive"}


@router.get(
    "/livez",
    summary="Is the process alive",
    responses={200: {"content": {"application/json": {"example": ALIVE}}}},
    openapi_extra={"security": []},
)
def livez() -> dict[str, str]:
    """Touches nothing."""
    return ALIVE


@router.get("/readyz", summary="Can the service do its work", responses={503: {"model": Readiness}})
def readyz(parts: PartsDep, response: Response) -> Readiness:
    """Store, queue, disk and workers; 503 if one of them is not there."""
    checks = {"store": _store(parts), "redis": _redis(parts), "disk": _disk(parts)}
    checks["workers"] = (
        _workers(parts) if checks["store"].ok else Check(ok=False, detail="unknown without the store")
    )
    ready = all(check.ok for check in checks.values())
    if not ready:
        response.status_code = 503
    return Readiness(ready=ready, checks=checks)


def _store(parts: Parts) -> Check:
    trouble = parts.database.is_reachable()
    return Check(ok=trouble is None, detail=trouble or parts.database.url.get_backend_name())


def _redis(parts: Parts) -> Check:
    trouble = parts.queue.is_reachable()
    return Check(ok=trouble is None, detail=trouble or "answers")


def _disk(parts: Parts) -> Check:
    trouble = parts.artifacts.is_writable()
    if trouble is not None:
        return Check(ok=False, detail=f"artifacts cannot be written: {trouble}")
    free = parts.artifacts.free_bytes()
    if free is None:
        return Check(ok=True, detail="artifacts are remote")
    return Check(ok=free > MIN_FREE_BYTES, detail=f"{free / 1e9:.1f} GB free for artifacts")


def _workers(parts: Parts) -> Check:
    workers = living(parts.database)
    slots = sum(len(worker.slots) for worker in workers)
    if not workers:
        return Check(
            ok=False, detail="no worker was seen lately; start one with: celery -A worker.app worker"
        )
    return Check(ok=True, detail=f"{len(workers)} worker(s), {slots} job(s) at a time")
