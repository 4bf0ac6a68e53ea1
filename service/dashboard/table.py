"""GET /: the experiments, in a table."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from service.dashboard.frame import render

router = APIRouter()


@router.get("/")
def table(request: Request) -> HTMLResponse:
    """The table."""
    return render(request, "table.html")
