"""Text and JSON log formatters, and the context fields that they add to every line."""

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

REDUNDANT_ATTRIBUTES = ("color_message", "data")
"""Attributes that uvicorn and Celery add to their records, and that repeat the message."""

log_fields: ContextVar[Mapping[str, object]] = ContextVar("tgsh_log_fields", default={})  # noqa: B039 - never changed
"""Context fields of the lines logged at this moment; `log_context` adds to them."""


@contextmanager
def log_context(**fields: object) -> Iterator[None]:
    """Add context fields, other than None, to every line that is logged in the block."""
    added = {name: value for name, value in fields.items() if value is not None}
    token = log_fields.set({**log_fields.get(), **added})
    try:
        yield
    finally:
        log_fields.reset(token)


class TextFormatter(logging.Formatter):
    """`time LEVEL logger: message [experiment=… task=…]` on one line, whatever text a client has sent.

    A traceback keeps its own lines.
    """

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """Format the line, with every control character escaped."""
        context = " ".join(f"{name}={value}" for name, value in log_fields.get().items())
        line = super().formatMessage(record)
        return _escaped(f"{line} [{context}]" if context else line)


class JsonLinesFormatter(JsonFormatter):
    """One JSON object a line: time (UTC), level, logger, message, context fields and traceback."""

    def __init__(self) -> None:
        names = {"levelname": "level", "name": "logger", "exc_info": "traceback"}
        fields = ["levelname", "name", "message"]
        super().__init__(fields, rename_fields=names, reserved_attrs=[*RESERVED_ATTRS, *REDUNDANT_ATTRIBUTES])

    def add_fields(
        self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]
    ) -> None:
        """Add the fields, time first."""
        log_data["time"] = f"{_utc(record.created)}Z"
        super().add_fields(log_data, record, message_dict)
        log_data.update(log_fields.get())


def formatter(kind: LogFormat) -> logging.Formatter:
    """Formatter for a kind of log lines."""
    return JsonLinesFormatter() if kind == "json" else TextFormatter()


def _utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").removesuffix("+00:00")


def _escaped(text: str) -> str:
    """Text in which unprintable characters are escaped as Python does, such as \\x1b or \\u2028."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
