"""Text and JSON log formatters, log context."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Literal

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

LogFormat = Literal["text", "json"]

TWICE = ("color_message", "data")
"""What uvicorn and Celery add to their records, and what is in the message already."""

facts: ContextVar[Mapping[str, object]] = ContextVar("tgsh_about", default={})  # noqa: B039 - never changed
"""What lines are about at the moment; `about` adds to it."""


@contextmanager
def about(**more: object) -> Iterator[None]:
    """Let every line inside say this, too; what is None is not said."""
    known = {name: value for name, value in more.items() if value is not None}
    token = facts.set({**facts.get(), **known})
    try:
        yield
    finally:
        facts.reset(token)


class Text(logging.Formatter):
    """`time LEVEL logger: message [experiment=… task=…]`, on one line, whatever a client wrote into it.

    A traceback keeps its own lines.
    """

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """Every control character escaped."""
        told = " ".join(f"{name}={value}" for name, value in facts.get().items())
        line = super().formatMessage(record)
        return _escaped(f"{line} [{told}]" if told else line)


class Json(JsonFormatter):
    """One JSON object a line: time (UTC), level, logger, message, what it is about, and the traceback."""

    def __init__(self) -> None:
        names = {"levelname": "level", "name": "logger", "exc_info": "traceback"}
        fields = ["levelname", "name", "message"]
        super().__init__(fields, rename_fields=names, reserved_attrs=[*RESERVED_ATTRS, *TWICE])

    def add_fields(
        self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]
    ) -> None:
        """The time first."""
        log_data["time"] = f"{_utc(record.created)}Z"
        super().add_fields(log_data, record, message_dict)
        log_data.update(facts.get())


def formatter(kind: LogFormat) -> logging.Formatter:
    """The formatter of that name."""
    return Json() if kind == "json" else Text()


def _utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").removesuffix("+00:00")


def _escaped(text: str) -> str:
    """The text with everything that is not printable as Python writes it, such as \\x1b or \\u2028."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
