"""Worker processes of an ingestion: the images of one upload, over several cores."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tgsh.errors import InvalidSpec

CHUNK = 64
"""Images that a process takes at a time."""

LEAST = 4 * CHUNK
"""Fewer images than that are not worth a process."""

MOST_PROCESSES = 8
PR_SET_PDEATHSIG = 1

Work = Callable[[int, int], list[Any]]
"""From the first image and the one after the last to what was found, as JSON can hold it."""


def over_cores(
    count: int, work: Work, processes: int, scratch: Path, prepare: Callable[[], None] | None = None
) -> list[Any]:
    """Do a work on images in several processes, in chunks; what it writes, it writes into shared files.

    Parameters
    ----------
    count : int
        Images.
    work : Work
        What to do with a chunk.
    processes : int
        How many at most; 1: in this process.
    scratch : Path
        Folder for what the processes report.
    prepare : Callable[[], None] | None, default=None
        Called in every process first, to open files anew.

    Returns
    -------
    list[Any]
        All that was found, in no certain order.

    Raises
    ------
    InvalidSpec
        If a process takes more memory than there is.
    OSError
        If the disk is full.
    """
    chunks = [(start, min(start + CHUNK, count)) for start in range(0, count, CHUNK)]
    processes = min(processes, len(chunks), MOST_PROCESSES)
    if processes < 2 or count < LEAST or not hasattr(os, "fork"):
        return [each for chunk in chunks for each in work(*chunk)]
    started = []
    for number in range(processes):
        path = scratch / f"process-{number}.json"
        pid = os.fork()
        if pid == 0:
            _run(chunks[number::processes], work, path, prepare)
        started.append((pid, path))
    outcomes = [(os.waitpid(pid, 0)[1], path) for pid, path in started]
    return [each for status, path in outcomes for each in _found(status, path)]


def _run(chunks: list[tuple[int, int]], work: Work, path: Path, prepare: Callable[[], None] | None) -> None:
    """The life of a process; it ends here."""
    code = 1
    try:
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if prepare is not None:
            prepare()
        found = [each for chunk in chunks for each in work(*chunk)]
        path.write_text(json.dumps({"found": found}), "utf-8")
        code = 0
    except OSError as error:
        with contextlib.suppress(OSError):
            path.write_text(json.dumps({"errno": error.errno, "text": error.strerror or str(error)}), "utf-8")
    except BaseException as error:
        with contextlib.suppress(OSError, MemoryError):
            kind = "memory" if isinstance(error, MemoryError) else f"{type(error).__name__}: {error}"
            path.write_text(json.dumps({"failed": kind}), "utf-8")
    finally:
        os._exit(code)


def _found(status: int, path: Path) -> list[Any]:
    told = json.loads(path.read_text("utf-8")) if path.exists() else {"failed": "memory"}
    path.unlink(missing_ok=True)
    if status == 0:
        return list(told["found"])
    if "errno" in told:
        raise OSError(told["errno"] or errno.EIO, told["text"])
    if told.get("failed", "memory") != "memory":
        raise RuntimeError(f"a process that decodes images failed: {told['failed']}")
    raise InvalidSpec("body", "takes more memory to unpack than there is; send fewer or smaller files")
