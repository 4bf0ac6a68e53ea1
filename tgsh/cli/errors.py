"""Exit statuses and error messages."""

from __future__ import annotations

import io
import json
import re
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from tgsh.errors import (
    Conflict,
    DatasetUnavailable,
    InvalidSpec,
    MachineProblem,
    NotFound,
    ServiceProblem,
    ServiceUnreachable,
    TgshError,
)

FAILED, USAGE, UNREACHABLE, MISSING, CONFLICT, FORBIDDEN, INTERRUPTED = 1, 2, 3, 4, 5, 6, 130

STATUSES = (
    "Exit status: 0 done · 1 the work failed · 2 wrong usage or a wrong spec · 3 no service answers · "
    "4 not found · 5 not possible in this state · 6 not allowed (key, role, quota) · 130 Ctrl-C.\n\n"
    "With --json, standard output is one JSON document; a failure is a problem document on standard error."
)

URN = "urn:tgsh:problem:"
EXITS = {
    "not-found": MISSING,
    "conflict": CONFLICT,
    "no-key": FORBIDDEN,
    "forbidden": FORBIDDEN,
    "quota-exceeded": FORBIDDEN,
    "service-unreachable": UNREACHABLE,
    "usage": USAGE,
    "invalid-request": USAGE,
    "not-acceptable": USAGE,
}
"""From the kind of a problem, the service's or our own; others are FAILED."""

KINDS: dict[type[TgshError], str] = {
    InvalidSpec: "invalid-request",
    NotFound: "not-found",
    Conflict: "conflict",
    ServiceUnreachable: "service-unreachable",
    DatasetUnavailable: "dataset-unavailable",
}
JSON = "tgsh.json"


class WorkFailed(TgshError):
    """The experiment has ended without its results."""


class FailingGroup(TyperGroup):
    """The command group that turns errors into lines and exit statuses."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        ctx.meta[JSON] = "--json" in args  # before anything is parsed: it may be what cannot be
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")  # "°" on a terminal that knows ASCII only
        try:
            return super().invoke(ctx)
        except (TgshError, OSError, ValueError) as error:
            if (foreseen := _foreseen(error)) is None:
                raise
            raise typer.Exit(_tell(problem_of(foreseen), ctx.meta[JSON])) from error
        except USAGE_ERROR as error:
            if not ctx.meta[JSON]:
                raise
            usage = _problem("usage", "The command was not understood", error.format_message())
            raise typer.Exit(_tell(usage, as_json=True)) from error
        except KeyboardInterrupt as error:
            raise typer.Exit(128 + getattr(error, "number", 2)) from error


USAGE_ERROR: Any = typer.BadParameter.__mro__[1]
"""typer's, whichever click it is made of."""


def report_error(message: str) -> None:
    """An error, red, on standard error. A problem's detail may be one of its fields' lines: said once."""
    first, *others = message.splitlines()
    told = [first, *(line for line in others if line.strip() != first.strip())]
    typer.secho("\n".join(told), fg=typer.colors.RED, err=True)


def _foreseen(error: Exception) -> TgshError | None:
    """What a person is told of an error; None where it is a mistake of ours, whose traceback we want."""
    if isinstance(error, TgshError):
        return error
    if isinstance(error, OSError) and error.filename is not None:
        return MachineProblem(f"{error.filename}: {error.strerror}")
    found: Any = error
    if str(getattr(found, "title", "")).endswith("Settings"):  # pydantic's, which --help does not import
        first = found.errors()[0]
        return InvalidSpec(f"TGSH_{'_'.join(map(str, first['loc'])).upper()}", first["msg"])
    return None


def problem_of(error: TgshError) -> dict[str, Any]:
    """The service's own problem document, or one in its manner."""
    if isinstance(error, ServiceProblem):
        return {"type": f"{URN}unreadable-answer", **error.problem, "message": str(error)}
    kind = next((KINDS[each] for each in type(error).__mro__ if each in KINDS), None)
    title = (type(error).__doc__ or "").partition("\n")[0].rstrip(".")
    found = _problem(kind or _kebab(type(error).__name__), title, str(error) or type(error).__name__)
    if isinstance(error, InvalidSpec):
        found["errors"] = [{"field": error.field, "message": error.message}]
    return found


def _problem(kind: str, title: str, detail: str) -> dict[str, Any]:
    return {"type": f"{URN}{kind}", "title": title, "detail": detail, "message": detail}


def _tell(problem: dict[str, Any], as_json: bool) -> int:
    """Say it, and the exit status that it deserves."""
    message = problem.pop("message")
    status = EXITS.get(problem["type"].removeprefix(URN), FAILED)
    if as_json:
        typer.echo(json.dumps(problem | {"exit_status": status}), err=True)
    else:
        report_error(message)
    return status


def _kebab(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()
