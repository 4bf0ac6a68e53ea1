"""Exit statuses and error messages of the command line."""

from __future__ import annotations

import io
import json
import re
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from tgsh.cli import allow_interrupts
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

EXIT_STATUS_HELP = (
    "Exit status: 0 done · 1 the work failed · 2 wrong usage or a wrong spec · 3 no service answers · "
    "4 not found · 5 not possible in this state · 6 not allowed (key, role, quota) · 130 Ctrl-C.\n\n"
    "With --json, standard output is one JSON document; a failure is a problem document on standard error."
)

URN = "urn:tgsh:problem:"
EXIT_STATUSES = {
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
"""Exit status by kind of problem, of the service or of the command line; others are FAILED."""

PROBLEM_KINDS: dict[type[TgshError], str] = {
    InvalidSpec: "invalid-request",
    NotFound: "not-found",
    Conflict: "conflict",
    ServiceUnreachable: "service-unreachable",
    DatasetUnavailable: "dataset-unavailable",
}
JSON_FLAG = "tgsh.json"
"""Key of `Context.meta` for the flag --json."""


class WorkFailed(TgshError):
    """The experiment has ended without its results."""


class ErrorHandlingGroup(TyperGroup):
    """Command group that turns exceptions into error messages and exit statuses."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        ctx.meta[JSON_FLAG] = "--json" in args  # before anything is parsed: it may be what cannot be
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")  # "°" on a terminal that knows ASCII only
        try:
            allow_interrupts()
            return super().invoke(ctx)
        except (TgshError, OSError, ValueError) as error:
            if (user_error := _as_user_error(error)) is None:
                raise
            raise typer.Exit(_report_problem(problem_of(user_error), ctx.meta[JSON_FLAG])) from error
        except USAGE_ERROR as error:
            if not ctx.meta[JSON_FLAG]:
                raise
            usage = _problem_document("usage", "The command was not understood", error.format_message())
            raise typer.Exit(_report_problem(usage, as_json=True)) from error
        except KeyboardInterrupt as error:
            raise typer.Exit(128 + getattr(error, "number", 2)) from error


USAGE_ERROR: Any = typer.BadParameter.__mro__[1]
"""Base class of usage errors in the click that typer was built on."""


def report_error(message: str) -> None:
    """Print an error message in red on standard error.

    A problem's detail may repeat the lines of one of its fields: such a line is printed once.
    """
    lines: dict[str, str] = {}
    for line in message.splitlines():
        lines.setdefault(line.strip(), line)
    typer.secho("\n".join(lines.values()), fg=typer.colors.RED, err=True)


def _as_user_error(error: Exception) -> TgshError | None:
    """The error to report to the user; None for a bug, whose traceback is shown instead."""
    if isinstance(error, TgshError):
        return error
    if isinstance(error, OSError) and error.filename is not None:
        return MachineProblem(f"{error.filename}: {error.strerror}")
    validation_error: Any = error
    if str(getattr(error, "title", "")).endswith("Settings"):  # pydantic's, which --help does not import
        from tgsh.specs.validation import problems_of

        problems = [
            (f"TGSH_{field.replace('.', '_').upper()}", message)
            for field, message in problems_of(validation_error.errors())
        ]
        return InvalidSpec(*problems[0], problems[1:])
    return None


def problem_of(error: TgshError) -> dict[str, Any]:
    """Problem document of an error: the service's own, or one of the same form (RFC 9457)."""
    if isinstance(error, ServiceProblem):
        return {"type": f"{URN}unreadable-answer", **error.problem, "message": str(error)}
    kind = next((PROBLEM_KINDS[each] for each in type(error).__mro__ if each in PROBLEM_KINDS), None)
    title = (type(error).__doc__ or "").partition("\n")[0].rstrip(".")
    problem = _problem_document(
        kind or _kebab(type(error).__name__), title, str(error) or type(error).__name__
    )
    if isinstance(error, InvalidSpec):
        problem["errors"] = [{"field": field, "message": text} for field, text in error.fields]
    return problem


def _problem_document(kind: str, title: str, detail: str) -> dict[str, Any]:
    return {"type": f"{URN}{kind}", "title": title, "detail": detail, "message": detail}


def _report_problem(problem: dict[str, Any], as_json: bool) -> int:
    """Print a problem document on standard error; the exit status that goes with it."""
    message = problem.pop("message")
    status = EXIT_STATUSES.get(problem["type"].removeprefix(URN), FAILED)
    if as_json:
        typer.echo(json.dumps(problem | {"exit_status": status}), err=True)
    else:
        report_error(message)
    return status


def _kebab(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()
