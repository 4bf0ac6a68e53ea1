"""The command `tgsh worker`: a worker alone, for a batch job or a machine beside the service's."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from tgsh.cli.options import DEFAULT_HOME, Home, Json, Workers
from tgsh.cli.output import message_printer, print_json

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}

SLURM_END = "SLURM_JOB_END_TIME"
"""Slurm's variable: when it ends the job, in seconds since 1970."""

DRAIN_SECONDS = 60.0
"""Before its time limit a worker begins so early to give its jobs back: a batch, and a checkpoint."""


def seconds(text: str) -> float:
    """Seconds of a duration such as 10m, 90s or 1.5h; a number alone is of seconds."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", text.strip())
    if match is None or float(match[1]) == 0:
        raise typer.BadParameter(f"{text!r} is no duration: write 90s, 10m, 1.5h or 1d")
    return float(match[1]) * UNITS[match[2] or "s"]


def life_seconds(max_hours: float | None, environment: Mapping[str, str], now: float) -> float | None:
    """Seconds from now on until a worker begins to drain, by its own limit and by Slurm's; None: no limit.

    It begins DRAIN_SECONDS before the earlier of the two, of a short time a tenth before its end.
    """
    limits = [] if max_hours is None else [max_hours * 3600]
    if (end := environment.get(SLURM_END, "")).isdecimal():
        limits.append(float(end) - now)
    if not limits:
        return None
    limit = max(min(limits), 1.0)
    return limit - min(DRAIN_SECONDS, limit / 10)


def worker(
    until_idle: Annotated[
        float | None,
        typer.Option(parser=seconds, metavar="DURATION", help="End after so long without a job: 90s, 10m."),
    ] = None,
    max_hours: Annotated[
        float | None,
        typer.Option(min=0.001, help="Give the jobs back and end before so many hours."),
    ] = None,
    home: Home = DEFAULT_HOME,
    workers: Workers = None,
    as_json: Json = False,
) -> None:
    """Work for a service: take jobs from its Redis and database until told to stop, idle, or out of time.

    SIGTERM, SIGINT, SIGHUP and SIGUSR1 give the jobs back at the next batch; it ends with 0, also at a limit.
    Where Slurm says when the job ends, that is a limit, too.
    """
    from sqlalchemy.engine import make_url

    from tgsh.settings import StoreSettings

    # Until the worker can hear them, they wait: it shall end in order however early they come.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1})
    settings = StoreSettings(home=home)
    life = life_seconds(max_hours, os.environ, time.time())
    database = settings.database
    about = {
        "redis": make_url(settings.redis).render_as_string(hide_password=True),
        "database": str(database)
        if isinstance(database, Path)
        else make_url(database).render_as_string(hide_password=True),
        "artifacts": settings.artifacts,
        "idle_seconds": until_idle,
        "life_seconds": life,
        "pid": os.getpid(),
    }
    if as_json:
        print_json(about)
    else:
        say = message_printer(as_json)
        say(f"Jobs come from {about['redis']} and {about['database']}.")
        idle = "" if until_idle is None else f" after {until_idle:g} s without a job,"
        limit = "" if life is None else f" {life:.0f} s from now,"
        say(f"This worker ends{idle}{limit} or by: kill {about['pid']}")
    variables = {"TGSH_HOME": str(home.absolute()), "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    variables |= {} if until_idle is None else {"TGSH_IDLE_SECONDS": str(until_idle)}
    variables |= {} if life is None else {"TGSH_LIFE_SECONDS": str(life)}
    children = [] if workers is None else ["--concurrency", str(workers)]
    command = [sys.executable, "-m", "celery", "-q", "-A", "worker.app", "worker", "--loglevel", "INFO"]
    sys.stdout.flush()
    os.execve(sys.executable, [*command, *children], os.environ | variables)
