"""/dashboard/datasets: images of one's own, and the ones that have names."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from service.dashboard.frame import render
from service.deps import CallerDep
from tgsh.datasets.info import DATASETS

router = APIRouter()


@router.get("/dashboard/datasets")
def datasets(request: Request, caller: CallerDep) -> HTMLResponse:
    """The page. The uploaded ones are GET /datasets, which a script asks for."""
    return render(
        request, "datasets.html", named=DATASETS.values(), me=caller.name, may_upload=caller.role != "read"
    )
