"""Templates, static files, number formats and error pages of the dashboard."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path

import mimeparse
from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.datastructures import Headers, MutableHeaders
from starlette.staticfiles import StaticFiles
from starlette.templating import Jinja2Templates
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.dashboard.study_words import cell_words, path_words
from tgsh import colours
from tgsh.schemas import Problem

FOLDER = Path(__file__).parent / "static"
TEMPLATES = Path(__file__).parent / "templates"

MOUNT = "/dashboard/static"

PROBLEM_TYPE = "application/problem+json"

# No inline script and no eval. Styles are set inline by plotly and by the form.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; "
    "worker-src 'self'; img-src 'self' data: blob:; form-action 'self'; frame-ancestors 'none'; "
    "base-uri 'none'"
)

# A worker has the policy of its own response, not that of the page.
WORKER = "feed-worker.js"
WORKER_POLICY = "default-src 'none'; script-src 'self'; connect-src 'self'"

HEADERS = {"Content-Security-Policy": POLICY, "Cache-Control": "private, no-cache", "Vary": "Accept"}


def static_url(file: str) -> str:
    """The URL of a file in the folder `static`."""
    return f"{MOUNT}/{digest()}/{file}"


@cache
def digest() -> str:
    """Digest of all static files together: modules import one another by relative paths."""
    hasher = hashlib.sha256()
    for path in sorted(FOLDER.rglob("*")):
        if path.is_file():
            hasher.update(path.relative_to(FOLDER).as_posix().encode() + b"\0" + path.read_bytes())
    return hasher.hexdigest()[:12]


def mount(app: FastAPI) -> None:
    """Serve the static files below their digest; the URLs of another version are 404."""
    app.mount(f"{MOUNT}/{digest()}", CachedStaticFiles(directory=FOLDER), name="dashboard-static")


class CachedStaticFiles(StaticFiles):
    """Immutable static files, cached by the browser for a year."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file with Cache-Control; private, as a key may be needed for it."""
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "private, max-age=31536000, immutable"
        if path == WORKER:
            response.headers["Content-Security-Policy"] = WORKER_POLICY
        return response


def format_seconds(seconds: float | None) -> str:
    """A duration such as "0.8 s", "12 s", "3 min 5 s", "2 h 10 min", "3 d 4 h"; "–" for None."""
    if seconds is None:
        return "–"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    for size, name, below, smaller in (
        (86_400, "d", 3_600, "h"),
        (3_600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if whole >= size:
            rest = whole % size // below
            return f"{whole // size} {name} {rest} {smaller}" if rest else f"{whole // size} {name}"
    raise AssertionError(seconds)


def format_share(share: float | None) -> str:
    """A share of one as a percentage with one decimal; "–" for None."""
    return "–" if share is None else f"{100 * share:.1f} %"


def format_deviation(deviation: float | None) -> str:
    """A standard deviation of shares in percent, to two digits however small; "–" for None."""
    return "–" if deviation is None else f"{100 * deviation:.2g} %"


def format_bytes(count: float | None) -> str:
    """A size such as "512 B", "1.5 GB"; "–" for None."""
    if count is None:
        return "–"
    for name in ("B", "kB", "MB", "GB"):
        if count < 999.5:
            return f"{count:.0f} {name}" if name == "B" or count >= 99.5 else f"{count:.1f} {name}"
        count /= 1000
    return f"{count:.1f} TB"


def format_time(at: datetime) -> str:
    """A time in UTC; format.js writes it in the viewer's zone."""
    return f"{at:%Y-%m-%d %H:%M} UTC"


FILTERS = {
    "cell_words": cell_words,
    "path_words": path_words,
    "seconds": format_seconds,
    "share": format_share,
    "deviation": format_deviation,
    "bytes": format_bytes,
    "time": format_time,
}


def render(request: Request, name: str, status: int = 200, **values: object) -> HTMLResponse:
    """A page, or a part of one, from the template `name`.

    Every template also has `request`, `static(file)`, and `here`, the path that the navigation marks.
    """
    values = {"here": request.url.path, **values}
    return _templates().TemplateResponse(request, name, values, status_code=status, headers=HEADERS)


def template_text(name: str, **values: object) -> str:
    """Text of a template that is no page of the dashboard: a file of its own."""
    return str(_templates().env.get_template(name).render(**values))


@cache
def _templates() -> Jinja2Templates:
    env = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters |= FILTERS
    env.globals |= {"static": static_url, "version": version("tgsh"), "plot_colours": colours_of_plots()}
    return Jinja2Templates(env=env)


def colours_of_plots() -> str:
    """The colours of print for plots.js, as JSON."""
    return json.dumps(
        {
            "maps": dict(colours.STOPS),
            "diverging": colours.DIVERGING,
            "sequential": colours.SEQUENTIAL,
            "cyclic": colours.CYCLIC,
            "palette": colours.PALETTE,
        }
    )


def wants_page(accept: str) -> bool:
    """True where an Accept header names HTML and prefers it to JSON, as browsers do and programs do not."""
    if "text/html" not in accept:
        return False
    try:
        html, json = (mimeparse.quality(kind, accept) for kind in ("text/html", "application/json"))
        return bool(html > json)
    except mimeparse.MimeTypeParseException:
        return False


def preferred_error_page(request: Request, document: bytes) -> Response | None:
    """The page of a problem document; None where the client prefers JSON."""
    return error_page(request, document) if wants_page(request.headers.get("accept", "")) else None


def error_page(request: Request, document: bytes) -> Response:
    """The page of a problem document."""
    problem = Problem.model_validate_json(document)
    return render(request, "problem.html", problem.status, problem=problem)


class ProblemPageMiddleware:
    """ASGI middleware: replaces a problem document by its page where the client prefers HTML."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on every response but problem documents."""
        if scope["type"] != "http" or not wants_page(Headers(scope=scope).get("accept", "")):
            await self._app(scope, receive, send)
            return
        buffered: list[Message] = []  # the start of a problem document, and its body so far

        async def replace(message: Message) -> None:
            if message["type"] == "http.response.start" and _is_problem(message):
                buffered.append(message)
            elif not buffered:
                await send(message)
            else:
                buffered.append(message)
                if not message.get("more_body"):
                    await _page(scope, buffered)(scope, receive, send)

        await self._app(scope, receive, replace)


def _is_problem(start: Message) -> bool:
    return Headers(raw=list(start["headers"])).get("content-type", "").startswith(PROBLEM_TYPE)


def _page(scope: Scope, buffered: list[Message]) -> Response:
    page = error_page(Request(scope), b"".join(message.get("body", b"") for message in buffered[1:]))
    headers = MutableHeaders(raw=list(buffered[0]["headers"]))
    for name, value in headers.items():
        if name not in ("content-type", "content-length"):
            page.headers.append(name, value)  # Retry-After, both WWW-Authenticate, Connection
    return page
