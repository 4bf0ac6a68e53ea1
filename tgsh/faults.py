"""Faults on purpose, for tests: nothing happens unless TGSH_TEST_FAULTS names a file.

The file holds a JSON list of {"point": …, "index": …, "action": …}, and a test that removes or rewrites the
file ends the fault. With "once": PATH it happens once on this machine, and makes that file. Actions: "raise";
"kill", this process or the one whose id the file "victim" holds; "sleep", for "seconds"; "exit", at once;
"allocate", "bytes" of memory. No setting of the service can reach this.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from pathlib import Path
from typing import Any


class InjectedFault(Exception):
    """What a "raise" fault raises: a failure that nobody foresaw."""


def point(name: str, index: int | None = None) -> None:
    """A named point in a job where a test may want something to go wrong."""
    path = os.environ.get("TGSH_TEST_FAULTS")
    if path is None or not Path(path).exists():
        return
    for fault in json.loads(Path(path).read_text() or "[]"):
        if fault["point"] == name and fault.get("index", index) == index and _is_its_turn(fault):
            _happen(name, fault)


def _is_its_turn(fault: dict[str, Any]) -> bool:
    if "once" not in fault:
        return True
    try:
        Path(fault["once"]).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def _happen(name: str, fault: dict[str, Any]) -> None:
    action = fault["action"]
    if action == "raise":
        raise InjectedFault(f"injected at {name}")
    if action == "kill":
        with contextlib.suppress(ProcessLookupError):  # another fault was first
            os.kill(
                int(Path(fault["victim"]).read_text()) if "victim" in fault else os.getpid(), signal.SIGKILL
            )
    if action == "sleep":
        time.sleep(fault.get("seconds", 1))
    if action == "exit":
        os._exit(1)
    if action == "allocate":
        bytearray(fault["bytes"])
