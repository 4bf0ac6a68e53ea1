"""How commands fail: a red line or a few, and an exit status; never a traceback for what tgsh foresaw.

0 done · 1 the experiment failed or the service refused · 2 wrong usage · 3 no service answers · 130 Ctrl-C
"""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from tgsh.errors import InvalidSpec, ServiceUnreachable, TgshError

FAILED, USAGE, UNREACHABLE = 1, 2, 3


class FailingGroup(TyperGroup):
    """The command group that turns errors into lines and exit statuses."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except TgshError as error:
            complain(str(error) or type(error).__name__)
            raise typer.Exit(_status(error)) from error
        except KeyboardInterrupt as error:
            raise typer.Exit(128 + getattr(error, "number", 2)) from error


def complain(message: str) -> None:
    """An error, red, on standard error. A problem's detail may be one of its fields' lines: said once."""
    first, *others = message.splitlines()
    told = [first, *(line for line in others if line.strip() != first.strip())]
    typer.secho("\n".join(told), fg=typer.colors.RED, err=True)


def _status(error: TgshError) -> int:
    if isinstance(error, ServiceUnreachable):
        return UNREACHABLE
    return USAGE if isinstance(error, InvalidSpec) else FAILED
