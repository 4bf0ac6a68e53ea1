"""The pages /docs (Swagger UI) and /redoc, with a Content-Security-Policy."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from fastapi.responses import HTMLResponse

router = APIRouter(include_in_schema=False)

FILES = "/static-offline-docs"  # mounted by fastapi-offline

_INLINE_SCRIPT = re.compile(rb"<script>(.*?)</script>", re.DOTALL)

DARK = """
<style>html.dark-mode .swagger-ui .examples-select__section-label { color: #e4e6e6; }</style>
<script>
const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();
</script>
"""
"""Swagger UI's own dark colours, for those who prefer them; its label of examples has none."""

SECURITY = {
    "key": {"type": "http", "scheme": "bearer", "description": "made with `tgsh keys add NAME`"},
    "password": {"type": "http", "scheme": "basic", "description": "the key as password, with any user name"},
}


def describe_keys(app: FastAPI) -> None:
    """Add the security schemes to the OpenAPI document; {}: keys are optional."""
    original = app.openapi

    def openapi() -> dict[str, Any]:
        document = original()
        document["components"]["securitySchemes"] = SECURITY
        document["security"] = [*({name: []} for name in SECURITY), {}]
        return document

    app.openapi = openapi  # type: ignore[method-assign]


@router.get("/docs")
def docs(request: Request) -> HTMLResponse:
    """Swagger UI."""
    base = request.scope.get("root_path", "")
    page = get_swagger_ui_html(
        openapi_url=f"{base}/openapi.json",
        title=f"{request.app.title}: API",
        swagger_js_url=f"{base}{FILES}/swagger-ui-bundle.js",
        swagger_css_url=f"{base}{FILES}/swagger-ui.css",
        swagger_favicon_url=f"{base}{FILES}/favicon.png",
    )
    return _with_policy(HTMLResponse(bytes(page.body).replace(b"<body>", DARK.encode() + b"<body>", 1)))


@router.get("/redoc")
def redoc(request: Request) -> HTMLResponse:
    """ReDoc."""
    base = request.scope.get("root_path", "")
    return _with_policy(
        get_redoc_html(
            openapi_url=f"{base}/openapi.json",
            title=f"{request.app.title}: API",
            redoc_js_url=f"{base}{FILES}/redoc.standalone.js",
            redoc_favicon_url=f"{base}{FILES}/favicon.png",
            with_google_fonts=False,
        )
    )


def _with_policy(page: HTMLResponse) -> HTMLResponse:
    """The page with a policy: own files, its inline script by hash, and inline styles of both libraries.

    blob: is needed by Swagger UI for images, and by ReDoc for its search worker.
    """
    hashes = " ".join(f"'sha256-{_sha256(script)}'" for script in _INLINE_SCRIPT.findall(bytes(page.body)))
    page.headers["Content-Security-Policy"] = (
        f"default-src 'none'; script-src 'self' {hashes}; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; connect-src 'self'; worker-src blob:; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    )
    return page


def _sha256(script: bytes) -> str:
    return base64.b64encode(hashlib.sha256(script).digest()).decode()
