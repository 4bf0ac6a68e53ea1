"""Logs of `tgsh up`: bounded while it runs, no line lost or torn, and no process ever waits for them."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.compose import ROOT
from tests.system.faults.disks import small_disk
from tests.system.test_stack import kin, until
from tgsh.stack import guard
from tgsh.stack.guard import MAX_BYTES, MAX_FILES, MAX_WAITING, OutputCopy, RotatedLog
from tgsh.stack.processes import ManagedProcess

WRITERS = """
import os, sys
for number in range(int(sys.argv[2])):
    os.write(1, f"{sys.argv[1]} {number} {'x' * (number * 37 % 6000)} end\\n".encode())
"""

ALONE = """
import os, sys, time
from pathlib import Path
from tgsh.stack.processes import ManagedProcess
home = Path(sys.argv[1])
script = "trap 'sleep 0.5; echo farewell; exit' TERM; echo ready; while :; do sleep 0.1; done"
environment = os.environ | {"TGSH_HOME": str(home)}
ManagedProcess("api", ["sh", "-c", script], environment, home / "api.log", 0).start()
print(flush=True)
time.sleep(60)
"""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "home"
    folder.mkdir()
    yield folder
    for process in kin(folder):
        process.kill()


def started(home: Path, *command: str, log: Path | None = None) -> ManagedProcess:
    environment = dict(os.environ) | {"TGSH_HOME": str(home)}
    process = ManagedProcess("api", command, environment, log or home / "api.log", 0)
    process.start()
    return process


def logs(path: Path) -> list[Path]:
    """The files of a log, the oldest first."""
    return sorted(
        path.parent.glob(f"{path.name}*"),
        key=lambda file: int(file.suffix[1:]) if file.suffix[1:].isdecimal() else 0,
        reverse=True,
    )


def test_a_log_is_bounded_while_its_process_runs(home: Path) -> None:
    last = 16_000_000
    process = started(home, "sh", "-c", f"seq {last}; touch {home}/done; exec sleep 60")
    assert until((home / "done").exists, 150)
    assert until(lambda: process.last_lines(1) == str(last), 150)
    files = logs(home / "api.log")
    assert len(files) == MAX_FILES
    assert all(file.stat().st_size <= MAX_BYTES + guard.MAX_LINE for file in files)
    assert all(file.stat().st_mode & 0o077 == 0 for file in files)
    numbers = [int(line) for file in files for line in file.read_text().splitlines()]
    assert numbers == list(range(numbers[0], last + 1))  # none is torn or lost
    process.kill()
    assert process.last_lines(1) == str(last)


def test_lines_of_several_processes_stay_whole(tmp_path: Path) -> None:
    reading, writing = socket.socketpair()
    copy = OutputCopy(reading.fileno(), RotatedLog(str(tmp_path / "log"), 2**20, 1000))
    copy.start()
    command = [sys.executable, "-c", WRITERS]
    writers = [subprocess.Popen([*command, str(name), "3000"], stdout=writing.fileno()) for name in range(3)]
    writing.close()
    for writer in writers:
        assert writer.wait(120) == 0
    copy.wait(60)
    reading.close()
    found: dict[str, list[int]] = {}
    for file in logs(tmp_path / "log"):
        text = file.read_text()
        assert text.endswith("\n")
        for line in text.splitlines():
            match = re.fullmatch(r"(\d) (\d+) (x*) end", line)
            assert match is not None, line[:80]
            assert len(match[3]) == int(match[2]) * 37 % 6000
            found.setdefault(match[1], []).append(int(match[2]))
    assert found == {name: list(range(3000)) for name in "012"}
    assert len(logs(tmp_path / "log")) > 10


def test_a_line_without_end_is_bounded_too(tmp_path: Path) -> None:
    log = RotatedLog(str(tmp_path / "log"), 1000, 3)
    for _ in range(100):
        log.write(b"x" * 100_000)
    log.close()
    files = logs(tmp_path / "log")
    assert len(files) == 3
    assert all(file.stat().st_size <= 1000 + 2 * guard.MAX_LINE for file in files)


def test_what_is_written_after_a_sigkill_of_tgsh_is_kept(home: Path) -> None:
    command = [sys.executable, "-c", ALONE, str(home)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as tgsh:
        assert tgsh.stdout is not None
        tgsh.stdout.readline()
        assert until(lambda: (home / "api.log").exists() and "ready" in (home / "api.log").read_text(), 150)
        tgsh.kill()
    assert until(lambda: (home / "api.log").read_text() == "ready\nfarewell\n", 150)
    assert until(lambda: kin(home) == [], 150)


def command(process: psutil.Process) -> list[str]:
    """Its words; none where it has ended meanwhile."""
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


def test_what_a_killed_guard_had_not_written_is_kept(home: Path) -> None:
    process = started(
        home,
        "sh",
        "-c",
        f"touch {home}/begun; until [ -e {home}/go ]; do sleep 0.05; done; seq 9000; exec sleep 60",
    )
    assert until(lambda: len(kin(home)) >= 2 and (home / "begun").exists(), 150)
    os.kill(process.pid, signal.SIGSTOP)
    (home / "go").touch()
    assert until(lambda: any(command(found)[:2] == ["sleep", "60"] for found in kin(home)), 150)
    os.kill(process.pid, signal.SIGKILL)
    assert until(lambda: not process.running, 150)
    process.kill()
    assert (home / "api.log").read_text().split() == [str(number) for number in range(1, 9001)]


def test_a_command_that_cannot_be_started_says_so_in_its_log(home: Path) -> None:
    process = started(home, str(home / "nothing"))
    assert process.wait(60)
    assert "No such file" in process.last_lines()
    process.kill()


@pytest.mark.faults
def test_a_full_disk_stops_no_process_and_what_is_missing_is_counted(home: Path) -> None:
    with small_disk(home / "disk", "1m") as disk:
        script = f"until [ -e {home}/go ]; do sleep 0.1; done; seq 300000; touch {home}/done; sleep 1; "
        script += (
            f"until [ -e {home}/again ]; do sleep 0.1; done; echo more; sleep 0.3; echo fine; exec sleep 60"
        )
        process = started(home, "sh", "-c", script, log=home / "disk" / "api.log")
        disk.fill(leave=8192)
        (home / "go").touch()
        assert until((home / "done").exists, 60)  # it writes 2 MB, and waits for nobody
        assert until(lambda: (home / "disk" / "api.log").stat().st_size >= 4096, 150)
        time.sleep(0.5)  # the rest of it arrives
        disk.free()
        (home / "again").touch()
        assert until(lambda: process.last_lines(1) == "fine", 150)
        text = (home / "disk" / "api.log").read_text()
        (lost,) = re.findall(
            r"\n\[tgsh: (\d+) bytes of output are missing here: No space left on device\]\n", text
        )
        whole = sum(len(str(number)) + 1 for number in range(1, 300_001)) + len("more\nfine\n")
        notice = re.search(r"\n?\[tgsh: .*\n", text)
        assert notice is not None
        assert len(text) - len(notice[0]) + int(lost) in (
            whole,
            whole - 1,
        )  # the notice ends a line that was cut
        process.kill()


def test_a_disk_that_hangs_stops_no_process(home: Path) -> None:
    log = home / "api.log"
    os.mkfifo(log)  # to open it waits for a reader, as a lost file server lets wait
    process = started(home, "sh", "-c", f"seq 3000000; touch {home}/done; exec sleep 60", log=log)
    assert until((home / "done").exists, 60)  # 23 MB
    memory = psutil.Process(process.pid).memory_info().rss
    assert memory < 5 * MAX_WAITING
    with log.open("rb") as reader:
        text = b""
        while b"[tgsh: " not in text:
            text += reader.read1(1 << 16)
    assert text.startswith(b"1\n2\n3\n")
    assert b"the disk was too slow" in text
    process.kill()
