"""Chromium as people use it: tabs of one window, one of which is shown. Playwright's are never hidden."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import IO, Any

SECONDS = 90
"""For which something is waited for."""


def wait_until(condition: Callable[[], object], what: Callable[[], object] = lambda: "") -> None:
    """Look again and again. what: tells what there is instead, at the end."""
    until = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < until, what()
        time.sleep(0.05)


START = """
import fcntl, os, sys
ends = [fcntl.fcntl(int(end), fcntl.F_DUPFD, 10) for end in sys.argv[1:3]]
for number, end in enumerate(ends, start=3):
    os.dup2(end, number)
os.execv(sys.argv[3], sys.argv[3:])
"""
"""Starts Chromium, which reads commands from descriptor 3 and writes answers to 4."""


PAGE_LEFT = -32000


class PageLeft(Exception):
    """The page that was asked is not there any more, or not yet."""


class Tab:
    """One tab; it is the one that is shown when it is opened."""

    def __init__(self, window: Window, target: str) -> None:
        self._window, self._target = window, target
        self._session = window.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

    def evaluate(self, expression: str) -> Any:
        """The value of an expression, or of its promise; None while the tab goes from page to page."""
        options = {"expression": expression, "returnByValue": True, "awaitPromise": True}
        try:
            answer = self._window.send("Runtime.evaluate", self._session, **options)
        except PageLeft:
            return None
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def send(self, method: str, **params: object) -> Any:
        """A command of the DevTools protocol to this tab."""
        return self._window.send(method, self._session, **params)

    @property
    def title(self) -> str:
        """What its tab says."""
        return str(self.evaluate("document.title"))

    def show(self) -> None:
        """Show this tab; the others are hidden."""
        self._window.send("Target.activateTarget", targetId=self._target)
        wait_until(lambda: self.evaluate("document.visibilityState") == "visible")

    def close(self) -> None:
        """Close it as a click on its cross does."""
        self._window.send("Target.closeTarget", targetId=self._target)


class Window:
    """A browser of its own with one window."""

    def __init__(self, commands: int, answers: IO[bytes]) -> None:
        self._commands, self._answers = commands, answers
        self._numbers = count(1)
        self._unread = b""

    def open(self, url: str) -> Tab:
        """A new tab at that address, shown."""
        tab = Tab(self, self.send("Target.createTarget", url=url)["targetId"])
        # In one look: the blank page before it is complete, too.
        wait_until(lambda: tab.evaluate("document.readyState === 'complete' && document.title !== ''"))
        return tab

    def send(self, method: str, session: str | None = None, **params: object) -> Any:
        """A command of the DevTools protocol."""
        number = next(self._numbers)
        message: dict[str, object] = {"id": number, "method": method, "params": params}
        if session is not None:
            message["sessionId"] = session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == number:
                if answer.get("error", {}).get("code") == PAGE_LEFT:
                    raise PageLeft(answer)
                assert "error" not in answer, (method, answer)
                return answer["result"]

    def _next(self) -> Mapping[str, Any]:
        while b"\0" not in self._unread:
            some = os.read(self._answers.fileno(), 1 << 16)
            assert some, "Chromium has ended"
            self._unread += some
        message, self._unread = self._unread.split(b"\0", 1)
        found: Mapping[str, Any] = json.loads(message)
        return found


@contextmanager
def window(program: str, profile: Path, *arguments: str) -> Iterator[Window]:
    """A new browser for as long as the block."""
    commands_out, commands = os.pipe()
    answers, answers_in = os.pipe()

    options = ["--headless=new", "--remote-debugging-pipe", f"--user-data-dir={profile}", *arguments]
    process = subprocess.Popen(
        [sys.executable, "-c", START, str(commands_out), str(answers_in), program, *options, "about:blank"],
        pass_fds=(commands_out, answers_in),
        stderr=subprocess.DEVNULL,
    )
    os.close(commands_out)
    os.close(answers_in)
    try:
        with os.fdopen(answers, "rb") as reader:
            yield Window(commands, reader)
    finally:
        os.close(commands)
        process.terminate()
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
