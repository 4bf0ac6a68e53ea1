"""Health check of a worker's container: `python -m worker.health`."""

from __future__ import annotations

import socket
import sys

from tgsh.store.database import Database
from tgsh.store.leases import live_workers
from worker.settings import WorkerSettings

ILL = ("broken", "stuck")


def main() -> int:
    """Exit status 0 if a worker of this host had a recent heartbeat and all its children can work, else 1."""
    host = socket.gethostname()
    here = [worker for worker in live_workers(Database(WorkerSettings().database)) if worker.host == host]
    troubles = [
        f"{child['slot']} (process {child['pid']}) is {child['state']}: {child['reason']}"
        for worker in here
        for child in worker.children or ()
        if child["state"] in ILL
    ]
    if not here:
        troubles = [f"no worker of {host} was seen lately"]
    sys.stderr.writelines(f"{trouble}\n" for trouble in troubles)
    return 1 if troubles else 0


if __name__ == "__main__":
    sys.exit(main())
