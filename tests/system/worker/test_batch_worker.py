"""`tgsh worker` as a batch system runs it: signals, time limit and idleness end it in order, with 0."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tests.support.batch import SECONDS, running
from tgsh.store import experiments, queries
from tgsh.store.leases import live_workers


@pytest.mark.slow
def test_a_worker_of_a_batch_job_gives_its_job_back_and_ends_with_zero(tmp_path: Path) -> None:
    with running(tmp_path) as site:
        long = site.submit(epochs=1000)

        early = site.worker()
        early.send_signal(signal.SIGTERM)  # as it starts: nobody handles it yet, and it counts
        assert early.wait(SECONDS) == 0, site.log()
        assert site.task(long) == ("queued", 0, 0)

        warned = site.worker("--workers", "1")
        site.wait(lambda: site.task(long)[2] > 0)
        os.killpg(warned.pid, signal.SIGUSR1)  # as Slurm does: to the parent and to its children
        assert warned.wait(SECONDS) == 0, site.log()
        status, attempts, epochs = site.task(long)
        assert (status, attempts) == ("queued", 0), "given back, and the attempt does not count"
        assert epochs > 0, "it goes on from its checkpoint"

        limited = site.worker("--max-hours", "9", SLURM_JOB_END_TIME=str(round(time.time()) + 10))
        assert limited.wait(SECONDS) == 0, site.log()
        assert site.task(long)[:2] == ("queued", 0)
        assert site.task(long)[2] >= epochs, "what was learned is kept"
        assert "its time of" in site.log()

        experiments.cancel(site.database, long)
        short = site.submit(epochs=1)
        idle = site.worker("--until-idle", "2s")
        assert idle.wait(SECONDS) == 0, site.log()
        assert queries.experiment(site.database, short).record.status == "completed"
        assert "it had no job for 2 s" in site.log()
        assert live_workers(site.database) == [], "every one signed off"
