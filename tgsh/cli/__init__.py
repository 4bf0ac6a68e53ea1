"""The command `tgsh`: Ctrl-C ends it without a traceback, however early it comes."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:  # nothing is imported before the try below
    from typing import Any

interrupts: list[int] = []
"""Signals that raised KeyboardInterrupt in a command."""


def app(**options: Any) -> None:
    """Import and run the application."""
    try:
        import signal

        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, _quit)
        from tgsh.cli.application import app as application

        application(**options)
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except Exception:
        if interrupts:  # an import has made another error of it
            raise SystemExit(130) from None
        raise


def allow_interrupts() -> None:
    """Have Ctrl-C raise KeyboardInterrupt: a command begins, which may leave something behind."""
    import signal

    if signal.getsignal(signal.SIGINT) is _quit:
        signal.signal(signal.SIGINT, _interrupt)


def _quit(*_: object) -> None:
    import os

    os._exit(130)  # an exception may be swallowed, or printed, by what is being imported


def _interrupt(number: int, _frame: object) -> None:
    interrupts.append(number)
    raise KeyboardInterrupt
