"""Health check of a worker's container: `python -m worker.health`."""

from __future__ import annotations

import socket
import sys

from tgsh.store.database import Database
from tgsh.store.leases import live_workers
from worker.settings import WorkerSettings


def main() -> int:
    """Exit status 0 if a worker of this host had a recent heartbeat, else 1."""
    host = socket.gethostname()
    alive = any(worker.host == host for worker in live_workers(Database(WorkerSettings().database)))
    return 0 if alive else 1


if __name__ == "__main__":
    sys.exit(main())
