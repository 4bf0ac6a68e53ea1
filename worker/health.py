"""Health check of a worker's container: `python -m worker.health`."""

from __future__ import annotations

import socket
import sys

import psutil

from tgsh.store.database import Database
from tgsh.store.leases import live_workers
from tgsh.store.models import WorkerRecord
from worker.settings import WorkerSettings

ILL = ("broken", "stuck")
BOOT_PRECISION = 1.0  # seconds: of the time of boot, from which the kernel counts when processes began


def _is_running(worker: WorkerRecord) -> bool:
    """False for the row of a worker that ended without signing off.

    The processes of a container that starts again have the same numbers: what is there now must have been
    there when the row was written.
    """
    try:
        return bool(psutil.Process(worker.pid).create_time() + BOOT_PRECISION <= worker.seen_at)
    except psutil.NoSuchProcess:
        return False


def main() -> int:
    """Exit status 0 if a worker that runs here was seen lately and all its children can work, else 1."""
    host = socket.gethostname()
    alive = live_workers(Database(WorkerSettings().database))
    here = [worker for worker in alive if worker.host == host and _is_running(worker)]
    troubles = [
        f"{child['slot']} (process {child['pid']}) is {child['state']}: {child['reason']}"
        for worker in here
        for child in worker.children or ()
        if child["state"] in ILL
    ]
    if not here:
        troubles = [f"no worker that runs on {host} was seen lately"]
    sys.stderr.writelines(f"{trouble}\n" for trouble in troubles)
    return 1 if troubles else 0


if __name__ == "__main__":
    sys.exit(main())
