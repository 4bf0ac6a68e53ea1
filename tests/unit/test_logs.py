"""What log lines look like, and what they say they are about."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from contextvars import copy_context
from datetime import UTC, datetime
from io import StringIO

import pytest

from tgsh.logs import LogFormat, formatter, log_context


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    """A logger that nobody else listens to."""
    logger = logging.Logger("tgsh.some.module")
    yield logger
    logger.handlers.clear()


def listening(logger: logging.Logger, kind: LogFormat) -> StringIO:
    text = StringIO()
    handler = logging.StreamHandler(text)
    handler.setFormatter(formatter(kind))
    logger.addHandler(handler)
    return text


def test_json_has_everything_in_one_line(logger: logging.Logger) -> None:
    text = listening(logger, "json")
    with log_context(experiment="0f3a", task=3), log_context(attempt=2, worker="w", request=None):
        try:
            raise ValueError("a\nb")
        except ValueError:
            logger.exception("no %s", "luck\x1b[31m\n{}", extra={"status": 404})
    [line] = text.getvalue().splitlines()
    entry = json.loads(line)
    assert list(entry)[:4] == ["time", "level", "logger", "message"]
    assert abs((datetime.now(UTC) - datetime.fromisoformat(entry.pop("time"))).total_seconds()) < 60
    assert entry.pop("traceback").endswith("ValueError: a\nb")
    assert entry == {
        "level": "ERROR",
        "logger": "tgsh.some.module",
        "message": "no luck\x1b[31m\n{}",
        "status": 404,
        "experiment": "0f3a",
        "task": 3,
        "attempt": 2,
        "worker": "w",
    }


def test_text_is_one_line_whatever_is_written_into_it(logger: logging.Logger) -> None:
    text = listening(logger, "text")
    with log_context(experiment="0f3a", task="finish"):
        logger.warning("odd: %s", "\x1b[2J\r\n2026-01-01 INFO all is well\u2028")
    logger.info("plain")
    first, second = text.getvalue().splitlines()
    assert first.endswith(
        r"WARNING tgsh.some.module: odd: \x1b[2J\r\n2026-01-01 INFO all is well\u2028"
        " [experiment=0f3a task=finish]"
    )
    assert second.endswith("INFO tgsh.some.module: plain")


def test_threads_do_not_mix_up_what_they_are_about(logger: logging.Logger) -> None:
    text = listening(logger, "json")
    meet = threading.Barrier(2)

    def work(task: int) -> None:
        with log_context(task=task):
            meet.wait(60)
            logger.info("%d", task)
            meet.wait(60)

    with log_context(experiment="e"):
        threads = [
            threading.Thread(target=copy_context().run, args=(work, 1)),
            threading.Thread(target=work, args=(2,)),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    entries = {entry["task"]: entry for entry in map(json.loads, text.getvalue().splitlines())}
    assert entries[1]["experiment"] == "e"
    assert "experiment" not in entries[2]
    assert all(entry["message"] == str(task) for task, entry in entries.items())
