"""Guard process: runs a command, and ends it with all its children when standard input closes.

Standard input is a pipe from the parent, so it closes however the parent ends. Started by path with `-I -S`,
so it imports nothing but the standard library.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main(argv: list[str]) -> int:
    """Run a command; its exit status. argv: seconds between SIGTERM and SIGKILL, then the command."""
    grace, command = float(argv[0]), argv[1:]
    child = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, process_group=0, preexec_fn=_set_parent_death_signal
    )
    # Installed after the start: a signal before it ends the guard, and there is no child yet.
    # A handler, not SIG_IGN, as ignored signals stay ignored in the child's own children.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: child.terminate())
    threading.Thread(target=_stop_at_eof, args=(child, grace), daemon=True).start()
    status = child.wait()
    _kill_group(child.pid)  # a pool whose parent was killed would go on
    return status if status >= 0 else 128 - status


def _set_parent_death_signal() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _stop_at_eof(child: subprocess.Popen[bytes], grace: float) -> None:
    while os.read(0, 4096):
        pass
    child.terminate()
    try:
        child.wait(grace)
    except subprocess.TimeoutExpired:
        _kill_group(child.pid)


def _kill_group(group: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
