"""When a worker of a batch job ends, and which signal means what."""

from __future__ import annotations

import os

import pytest
import typer

from tgsh.cli import worker as command
from worker import time_limit as limits
from worker.board import Activity, Child
from worker.lifetime import Lifetime
from worker.time_limit import TimeLimit


def child(state: Activity, since: float, reason: str = "") -> Child:
    return Child(0, 1, state, since, 0, reason)


def test_a_worker_ends_once_all_its_children_were_idle_for_long_enough() -> None:
    lifetime = Lifetime(idle_seconds=60, life_seconds=None, started_at=100)
    idle = child(Activity.IDLE, 110)
    assert lifetime.end(169, [idle]) is None
    ended = lifetime.end(170, [idle])
    assert ended is not None
    assert (ended.reason, ended.status) == ("it had no job for 60 s", os.EX_OK)
    for busy in (child(Activity.BUSY, 110), child(Activity.STARTING, 110), child(Activity.IDLE, 111)):
        assert lifetime.end(170, [idle, busy]) is None
    assert lifetime.end(1000, []) is None, "nobody is up yet"
    assert lifetime.end(170, [idle, child(Activity.BROKEN, 110, "no GPU")]) == ended


def test_one_that_never_could_work_fails_and_says_why() -> None:
    ended = Lifetime(60, None, 100).end(170, [child(Activity.BROKEN, 105, "cuda:0: no device")])
    assert ended is not None
    assert ended.status == os.EX_UNAVAILABLE
    assert "cuda:0: no device" in ended.reason


def test_a_worker_ends_at_its_time_limit_whatever_it_does() -> None:
    lifetime = Lifetime(idle_seconds=None, life_seconds=60, started_at=100)
    busy = [child(Activity.BUSY, 150)]
    assert lifetime.end(159, busy) is None
    assert lifetime.end(160, busy) is not None
    assert Lifetime(None, None, 100).end(1e9, [child(Activity.IDLE, 100)]) is None


def test_the_earlier_of_two_limits_counts_and_draining_begins_before_it() -> None:
    slurm = {command.SLURM_END: "5000"}
    assert command.life_seconds(None, {}, 1000) is None
    assert command.life_seconds(1, {}, 1000) == 3600 - 60
    assert command.life_seconds(2, slurm, 1000) == 4000 - 60
    assert command.life_seconds(0.1, slurm, 1000) == 360 - 36
    assert command.life_seconds(None, slurm, 9000) == pytest.approx(0.9), "it is over: drain at once"


def test_durations() -> None:
    assert [command.seconds(text) for text in ("90", "90s", "10m", "1.5h", "1d")] == [
        90, 90, 600, 5400, 86_400,
    ]  # fmt: skip
    for bad in ("", "m", "ten", "1w", "-1s", "0"):
        with pytest.raises(typer.BadParameter, match="90s, 10m"):
            command.seconds(bad)


def test_a_batch_systems_warning_is_no_time_limit_of_a_job(monkeypatch: pytest.MonkeyPatch) -> None:
    """billiard's signal of the limit is SIGUSR1, as is what Slurm sends to every process of a step."""
    now = 1000.0
    monkeypatch.setattr(limits.time, "monotonic", lambda: now)
    limit = TimeLimit()
    limit.start(None)
    now += 1e6
    assert not limit.is_due
    limit.start(60)
    now += 58
    assert not limit.is_due
    now += 1.5
    assert limit.is_due
