"""What all pages share: their templates, their policy, the addresses of their files."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version
from pathlib import Path

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.templating import Jinja2Templates

from service.dashboard import wording
from service.dashboard.static import address

TEMPLATES = Path(__file__).parent / "templates"

# No inline script and no eval. Styles are set inline by plotly and by the form.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; "
    "img-src 'self' data: blob:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)

HEADERS = {"Content-Security-Policy": POLICY, "Cache-Control": "private, no-cache", "Vary": "Accept"}


def render(request: Request, name: str, status: int = 200, **values: object) -> HTMLResponse:
    """A page (or a part of one) of the template `name` with these values.

    Every template knows `request`, `static(file)`, and `here`, the path that the navigation marks.
    """
    values = {"here": request.url.path, **values}
    return _templates().TemplateResponse(request, name, values, status_code=status, headers=HEADERS)


@cache
def _templates() -> Jinja2Templates:
    env = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters |= wording.FILTERS
    env.globals |= {"static": address, "version": version("tgsh")}
    return Jinja2Templates(env=env)
