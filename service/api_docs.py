"""/docs and /redoc with a CSP."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from fastapi.responses import HTMLResponse

router = APIRouter(include_in_schema=False)

FILES = "/static-offline-docs"  # where fastapi-offline mounts them

_INLINE = re.compile(rb"<script>(.*?)</script>", re.DOTALL)


SECURITY = {
    "key": {"type": "http", "scheme": "bearer", "description": "made with `tgsh keys add NAME`"},
    "password": {"type": "http", "scheme": "basic", "description": "the key as password, with any user name"},
}


def describe_keys(app: FastAPI) -> None:
    """Let the description of the API say how a key is shown; {}: there is none where none are needed."""
    described = app.openapi

    def openapi() -> dict[str, Any]:
        document = described()
        document["components"]["securitySchemes"] = SECURITY
        document["security"] = [*({name: []} for name in SECURITY), {}]
        return document

    app.openapi = openapi  # type: ignore[method-assign]


@router.get("/docs")
def docs(request: Request) -> HTMLResponse:
    """The API by Swagger UI."""
    base = request.scope.get("root_path", "")
    return _guarded(
        get_swagger_ui_html(
            openapi_url=f"{base}/openapi.json",
            title=f"{request.app.title}: API",
            swagger_js_url=f"{base}{FILES}/swagger-ui-bundle.js",
            swagger_css_url=f"{base}{FILES}/swagger-ui.css",
            swagger_favicon_url=f"{base}{FILES}/favicon.png",
        )
    )


@router.get("/redoc")
def redoc(request: Request) -> HTMLResponse:
    """The API by ReDoc."""
    base = request.scope.get("root_path", "")
    return _guarded(
        get_redoc_html(
            openapi_url=f"{base}/openapi.json",
            title=f"{request.app.title}: API",
            redoc_js_url=f"{base}{FILES}/redoc.standalone.js",
            redoc_favicon_url=f"{base}{FILES}/favicon.png",
            with_google_fonts=False,
        )
    )


def _guarded(page: HTMLResponse) -> HTMLResponse:
    """The page with a policy: our files, its own script by hash, styles as both libraries set them.

    blob: is where Swagger UI keeps the pictures that it shows, and ReDoc the worker that searches.
    """
    hashes = " ".join(f"'sha256-{_sha256(script)}'" for script in _INLINE.findall(bytes(page.body)))
    page.headers["Content-Security-Policy"] = (
        f"default-src 'none'; script-src 'self' {hashes}; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; connect-src 'self'; worker-src blob:; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    )
    return page


def _sha256(script: bytes) -> str:
    return base64.b64encode(hashlib.sha256(script).digest()).decode()
