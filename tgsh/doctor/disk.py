"""The folder of everything: room, rights, and whether what is written stays."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tgsh.doctor.finding import Finding, ok, problem, warning

LEAST, FEW = 256 << 20, 5 << 30
"""Bytes below which the API is not ready, and below which somebody should look."""

SLOW_SECONDS = 0.2


def look(home: Path) -> Iterator[Finding]:
    """HOME, or where it will be made."""
    home = home.absolute()
    there = next(folder for folder in (home, *home.parents) if folder.exists())
    what = str(home) if there == home else f"{home} (will be made in {there})"
    free = shutil.disk_usage(there).free
    room = f"{free / 1e9:.1f} GB free for {what}"
    if free < LEAST:
        yield problem("disk", room, "make room there, or choose another folder with --home or TGSH_HOME")
    elif free < FEW:
        yield warning("disk", room, "make room there soon; `tgsh delete ID` removes results")
    else:
        yield ok("disk", room)
    if there == home and (loose := home.stat().st_mode & 0o077):
        yield warning("rights", f"others may enter {home} ({loose:03o})", f"chmod go= {home}")
    yield _writing(there)


def _writing(folder: Path) -> Finding:
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".doctor-") as file:
            file.write(bytes(1 << 20))
            file.flush()
            began = time.perf_counter()
            os.fsync(file.fileno())
            seconds = time.perf_counter() - began
    except OSError as error:
        why = error.strerror or str(error)
        return problem(
            "writing", f"{folder}: {why}", f"give this user the right to write there: chown {folder}"
        )
    detail = f"1 MiB reaches the disk in {seconds * 1e3:.0f} ms"
    if seconds > SLOW_SECONDS:
        return warning(
            "writing", detail, "put HOME on a local disk: every epoch of every task ends with this"
        )
    return ok("writing", detail)
