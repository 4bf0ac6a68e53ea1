"""The example script of the guide, as jobs of a real Slurm: `python -m tests.cluster`.

Each job gives back what it cannot finish, and the next one goes on: warned before its time limit, cancelled,
idle. About three minutes; a line for each step, and exit status 1 where one failed.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

from tests.cluster import slurm as slurms
from tests.cluster.slurm import Slurm
from tests.support import batch
from tests.support.batch import Site
from tests.support.compose import ROOT
from tgsh.store import experiments, queries

SCRIPT = ROOT / "tgsh" / "deploy" / "slurm" / "worker.sbatch"
SMALL = ("--cpus-per-task=1",)
"""Options of every job here: the node may have two processors."""


def say(text: str, since: float) -> None:
    """Print a step and how long it took."""
    print(f"{text} [{time.monotonic() - since:.1f} s]", flush=True)


def submit(slurm: Slurm, site: Site, *options: str, **environment: str) -> str:
    """A worker as a job, which reads where its service is as an administrator would have written it."""
    file = site.folder / "environment"
    names = ("TGSH_HOME", "TGSH_REDIS_URL", "TGSH_SWEEP_SECONDS", "PYTHONPATH")
    file.write_text("".join(f"{name}={site.environment[name]}\n" for name in names))
    tgsh = site.folder / "tgsh"
    tgsh.write_text(f"#!/bin/sh\nexec {sys.executable} -c 'from tgsh.cli import app; app()' \"$@\"\n")
    tgsh.chmod(0o755)
    environment |= {"TGSH_ENVIRONMENT": str(file), "TGSH_COMMAND": str(tgsh)}
    return slurm.submit(SCRIPT, *SMALL, *options, **environment)


def ended(slurm: Slurm, job: str) -> str:
    """State and exit status of a job, once it has ended."""
    slurm.wait(lambda: slurm.job(job)["JobState"] not in ("PENDING", "RUNNING", "COMPLETING"), f"job {job}")
    fields = slurm.job(job)
    return f"{fields['JobState']} {fields['ExitCode']}"


def work(slurm: Slurm, site: Site) -> None:
    """The steps."""
    long = site.submit(epochs=1_000)
    began = time.monotonic()
    warned = submit(slurm, site, "--time=3", "--signal=B:USR1@90")
    slurm.wait(lambda: site.task(long)[2] > 0, "the first epoch")
    say(f"job {warned}: the first epoch is learned", began)
    assert ended(slurm, warned) == "COMPLETED 0:0", slurm.job(warned)
    assert site.task(long)[:2] == ("queued", 0), site.task(long)
    epochs = site.task(long)[2]
    say(f"job {warned}: warned by SIGUSR1, completed with 0, gave its task back after {epochs} epochs", began)

    began, epochs = time.monotonic(), site.task(long)[2]
    cancelled = submit(slurm, site)
    slurm.wait(lambda: site.task(long)[2] > epochs, "a further epoch")
    slurm.call("scancel", cancelled)
    state = ended(slurm, cancelled)
    slurm.wait(lambda: site.task(long)[0] == "queued", "the task's return")
    assert site.task(long)[1] == 0, "the attempt does not count"
    say(f"job {cancelled}: scancel, {state}, gave its task back", began)

    experiments.cancel(site.database, long)
    began, short = time.monotonic(), [site.submit(epochs=epochs) for epochs in (1, 2)]
    idle = submit(slurm, site, TGSH_UNTIL_IDLE="3s")
    assert ended(slurm, idle) == "COMPLETED 0:0", slurm.job(idle)
    statuses = {queries.experiment(site.database, each).record.status for each in short}
    assert statuses == {"completed"}, statuses
    say(f"job {idle}: two experiments completed, idle for 3 s, completed with 0", began)


def main() -> int:
    """Run all steps; the exit status."""
    if (reason := slurms.obstacle()) is not None:
        print(reason, file=sys.stderr)
        return os.EX_UNAVAILABLE
    with tempfile.TemporaryDirectory(prefix="tgsh-slurm-") as name:
        folder = Path(name)
        (folder / "site").mkdir()
        (folder / "slurm").mkdir()
        with batch.running(folder / "site") as site, slurms.running(folder / "slurm") as slurm:
            print(slurm.call("sinfo", "--version").strip(), "on one node", flush=True)
            try:
                work(slurm, site)
            except Exception as error:
                logs = sorted((folder / "slurm").glob("*.log")) + sorted((folder / "slurm").glob("*.out"))
                for log in logs:
                    print(f"--- {log.name}\n{log.read_text(errors='replace')[-3000:]}", file=sys.stderr)
                print(f"failed: {error}", file=sys.stderr)
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
