"""Faults on purpose, for tests: nothing happens unless TGSH_TEST_FAULTS names a file.

The file holds a JSON list of {"point": …, "index": …, "action": "raise" | "kill" | "sleep", "seconds": …};
a test that removes or rewrites the file ends the fault. No setting of the service can reach this.
"""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path


class InjectedFault(Exception):
    """What a "raise" fault raises: a failure that nobody foresaw."""


def point(name: str, index: int | None = None) -> None:
    """A named point in a job where a test may want something to go wrong."""
    path = os.environ.get("TGSH_TEST_FAULTS")
    if path is None or not Path(path).exists():
        return
    for fault in json.loads(Path(path).read_text() or "[]"):
        if fault["point"] == name and fault.get("index", index) == index:
            _happen(name, fault)


def _happen(name: str, fault: dict[str, object]) -> None:
    action = fault["action"]
    if action == "raise":
        raise InjectedFault(f"injected at {name}")
    if action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if action == "sleep":
        time.sleep(float(str(fault.get("seconds", 1))))
