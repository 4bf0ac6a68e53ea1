"""The API, where one runs; where none does, whether its port is free."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import httpx
from pydantic import ValidationError

from tgsh.doctor.finding import Finding, ok, problem, warning
from tgsh.embedded.home import running_url
from tgsh.embedded.ports import require_free
from tgsh.errors import MachineProblem
from tgsh.schemas import Readiness

HOST = "127.0.0.1"


def look(home: Path, url: str | None, port: int) -> Iterator[Finding]:
    """Ask it how it is."""
    asked = url or running_url(home.absolute()) or f"http://{HOST}:{port}"
    key = os.environ.get("TGSH_API_KEY")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        with httpx.Client(base_url=asked, headers=headers, timeout=5, trust_env=False) as http:
            if http.get("/livez").json() != {"status": "alive"}:
                yield problem(
                    "API", f"what answers at {asked} is not tgsh", "choose another --port, or --url"
                )
                return
            answer = http.get("/readyz")
    except (httpx.TransportError, ValueError) as error:
        yield from _silent(asked, error, port, is_named=url is not None)
        return
    yield from _told(asked, answer)


def _silent(asked: str, error: Exception, port: int, *, is_named: bool) -> Iterator[Finding]:
    if is_named:
        yield problem("API", f"{asked}: {error}", "start it, or correct --url or TGSH_URL")
        return
    yield ok("API", f"none runs at {asked}; `tgsh up` starts one")
    try:
        require_free(HOST, port)
    except MachineProblem as taken:
        yield problem("port", str(taken).partition(":")[0], "end it, or choose another with --port")
    else:
        yield ok("port", f"{port} is free")


def _told(asked: str, answer: httpx.Response) -> Iterator[Finding]:
    if answer.status_code in (401, 403):
        yield warning("API", f"{asked} lives, and tells no more without a key", "set TGSH_API_KEY")
        return
    try:
        checks = Readiness.model_validate_json(answer.content).checks
    except ValidationError:
        yield problem("API", f"{asked}/readyz answers {answer.status_code}", "see the API's log")
        return
    lacking = [f"{name}: {check.detail}" for name, check in checks.items() if not check.ok]
    if lacking:
        yield problem("API", f"{asked} is not ready", "; ".join(lacking))
    else:
        yield ok("API", f"{asked} is ready: {', '.join(check.detail for check in checks.values())}")
