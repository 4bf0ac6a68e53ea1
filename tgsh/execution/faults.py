"""Fault injection at named points in a job, for tests."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import time
from pathlib import Path
from typing import Any


class InjectedFault(Exception):
    """Raised by a "raise" fault, in place of an unexpected failure."""


def fault_point(name: str, index: int | None = None) -> None:
    """Inject the faults that the file of TGSH_TEST_FAULTS lists for a point in a job.

    Parameters
    ----------
    name : str
        The point's name.
    index : int or None, default=None
        The task's place in its suite.
    """
    path = os.environ.get("TGSH_TEST_FAULTS")
    if path is None or not Path(path).exists():
        return
    for fault in json.loads(Path(path).read_text() or "[]"):
        if fault["point"] == name and fault.get("index", index) == index and _is_due(fault):
            _inject(name, fault)


def _is_due(fault: dict[str, Any]) -> bool:
    if "once" not in fault:
        return True
    try:
        Path(fault["once"]).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def _inject(name: str, fault: dict[str, Any]) -> None:
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
    if action == "hang":  # in C, and with the interpreter's lock: no thread and no signal handler runs
        ctypes.PyDLL(None).pause()
    if action == "exit":
        os._exit(1)
    if action == "allocate":
        bytearray(fault["bytes"])
