"""/dashboard/submit: a form made of the catalog's JSON Schemas. All that it asks for is the JSON API's."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from service.dashboard.frame import render
from service.deps import CallerDep
from tgsh.presets import PRESETS

router = APIRouter()


@router.get("/dashboard/submit")
def submit(request: Request, caller: CallerDep) -> HTMLResponse:
    """The form. `?preset=NAME` and `?from=ID` fill it: scripts read them from the address."""
    presets = [(name, spec.title) for name, spec in PRESETS.items()]
    presets.sort(key=lambda preset: preset[0] != "demo")  # what a newcomer begins with
    return render(request, "submit.html", presets=presets, may_submit=caller.role != "read")
