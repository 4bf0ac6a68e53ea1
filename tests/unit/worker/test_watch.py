"""Which children the watch takes for stuck, by what they leave in shared memory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tgsh import progress
from worker import watch as watch_module
from worker.board import Activity, Board
from worker.sweeper import DeafCheck
from worker.watch import Watch, worker_name

STALL, LOOK = 10.0, 5.0


class Clock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return 1.7e9 + self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(watch_module, "time", clock)
    return clock


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    """A process that may be killed."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


@pytest.fixture
def board(child: subprocess.Popen[bytes]) -> Iterator[Board]:
    """A board on which this process writes in the name of that child."""
    board = Board()
    board.prepare(1)
    board.take(0)
    assert board._own is not None
    board._own.pid = child.pid
    yield board
    progress.count_in(memoryview(bytearray(8)).cast("Q"))


def watched(board: Board, child: subprocess.Popen[bytes]) -> Watch:
    return Watch(board, ["cpu"], STALL, LOOK, lambda: {child.pid})


def looks(watch: Watch, clock: Clock, count: int) -> dict[str, float]:
    found: dict[str, float] = {}
    for _ in range(count):
        clock.now += LOOK
        found |= watch.look()
    return found


def test_a_busy_child_without_a_step_is_killed_once_and_shown_until_another_works(
    board: Board, child: subprocess.Popen[bytes], clock: Clock
) -> None:
    watch = watched(board, child)
    board.note(Activity.BUSY)
    assert looks(watch, clock, 3) == {}  # the first look only sees it
    [(name, seconds)] = looks(watch, clock, 1).items()
    assert (name, seconds) == (worker_name(child.pid, os.getpid(), "cpu"), 15.0)
    assert child.wait(60) == -signal.SIGKILL
    assert looks(watch, clock, 3) == {}
    [state] = watch.states()
    assert (state["state"], state["slot"]) == ("stuck", "cpu")
    assert "TGSH_STALL_SECONDS" in state["reason"]
    assert board._own is not None
    board._own.pid = 1  # its successor
    board.note(Activity.STARTING)
    assert watch.states()[0]["state"] == "stuck"
    board.note(Activity.IDLE)
    assert [(each["state"], each["reason"]) for each in watch.states()] == [("idle", "")]


def test_steps_idleness_and_a_stop_of_all_processes_are_no_reason(
    board: Board, child: subprocess.Popen[bytes], clock: Clock
) -> None:
    watch = watched(board, child)
    board.note(Activity.BUSY)
    for _ in range(10):
        progress.step()
        assert looks(watch, clock, 1) == {}
    clock.now += 100_000  # parent and child were stopped: that is two looks, not thousands
    assert watch.look() == {}
    board.note(Activity.IDLE)
    assert looks(watch, clock, 100) == {}
    board.note(Activity.BROKEN, "no CUDA")
    assert looks(watch, clock, 100) == {}
    assert [(each["state"], each["reason"]) for each in watch.states()] == [("broken", "no CUDA")]
    assert child.poll() is None


def test_what_is_done_after_a_request_to_stop_is_no_progress(
    board: Board, child: subprocess.Popen[bytes], clock: Clock
) -> None:
    watch = watched(board, child)
    board.note(Activity.BUSY)
    progress.hold(True)
    try:
        for _ in range(4):
            progress.step()
            found = looks(watch, clock, 1)
    finally:
        progress.hold(False)
    assert len(found) == 1


def test_a_start_may_take_longer(board: Board, child: subprocess.Popen[bytes], clock: Clock) -> None:
    watch = watched(board, child)
    assert looks(watch, clock, 60) == {}
    assert len(looks(watch, clock, 2)) == 1


def test_children_that_die_while_they_start_wait_longer_each() -> None:
    board = Board()
    board.prepare(1)
    pauses = [board.take(0) for _ in range(12)]
    assert pauses[:3] == [0.0] * 3
    assert pauses == sorted(pauses)
    assert pauses[-1] == 10.0
    board.note(Activity.IDLE)
    assert board.take(0) == 0.0
    progress.count_in(memoryview(bytearray(8)).cast("Q"))


def test_a_long_reason_is_cut_and_not_spread() -> None:
    board = Board()
    board.prepare(2)
    board.take(0)
    board.note(Activity.BROKEN, "ü" * 1000)
    [first] = board.children()
    assert set(first.reason) == {"ü"}
    progress.count_in(memoryview(bytearray(8)).cast("Q"))


def test_who_is_deaf() -> None:
    check = DeafCheck(look_seconds=5)
    assert not any(check.is_deaf(3, waits=True, idle=True) for _ in range(2))
    assert not check.is_deaf(4, waits=True, idle=True)  # it heard something
    assert not any(check.is_deaf(4, waits=True, idle=False) for _ in range(50))  # it had no time
    assert not any(check.is_deaf(4, waits=False, idle=True) for _ in range(50))
    assert [check.is_deaf(4, waits=True, idle=True) for _ in range(3)] == [False, False, True]
