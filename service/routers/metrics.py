"""GET /metrics: for Prometheus."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from prometheus_client import exposition

from service.deps import PartsDep

router = APIRouter(tags=["health"])

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
def metrics(request: Request, parts: PartsDep) -> Response:
    """Requests, jobs, experiments, workers, devices, disks; in OpenMetrics where that is accepted.

    What concerns jobs comes from the database, so that every process of the API says the same.
    """
    write, media_type = exposition.choose_encoder(request.headers.get("accept", ""))
    return Response(write(parts.metrics), headers={"Content-Type": media_type, "Cache-Control": "no-store"})
