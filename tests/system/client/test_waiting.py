"""Waiting for an experiment: the bar, a service that goes away, a person who does."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import termios
import time

import psutil
import pytest

from tests.system.client.conftest import TINY
from tgsh.client import Client
from tgsh.client.results import Experiment
from tgsh.stack.stack import Stack

LONG = {"preset": "demo", "training": {"epochs": 1000}, "suite": {"tasks": 2}}

WAIT = """
import sys
from tgsh.client import Client
with Client() as client:
    print("here", flush=True)
    print(client.wait(sys.argv[1]).status)
"""


def test_a_bar_is_shown_when_asked_for(
    client: Client, done: Experiment, capsys: pytest.CaptureFixture[str]
) -> None:
    client.wait(done.id)
    assert capsys.readouterr().err == ""  # nobody looks: this is no terminal
    client.wait(done.id, progress=True)
    assert "<i>two</i>: 100%|██████████| 2/2 tasks, completed" in capsys.readouterr().err


def test_a_terminal_shows_the_bar(stack: Stack, done: Experiment) -> None:
    near, far = pty.openpty()
    termios.tcsetwinsize(far, (24, 80))
    command = [sys.executable, "-c", WAIT, done.id]
    environment = dict(os.environ) | {"TGSH_URL": stack.url}
    process = subprocess.run(command, env=environment, stderr=far, stdout=subprocess.PIPE, check=True)
    os.close(far)
    shown = os.read(near, 65_536).decode()
    os.close(near)
    assert process.stdout == b"here\ncompleted\n"
    assert "100%" in shown
    assert "2/2 tasks, completed" in shown
    assert max(map(len, shown.replace("\r", "\n").splitlines())) <= 80


def test_a_service_that_restarts_is_waited_for(stack: Stack, client: Client) -> None:
    slow = client.submit(TINY | {"training": {"epochs": 60, "train_limit": 2000}})
    (api,) = [process for process in stack._processes if process.name == "api"]
    assert client.get(slow.id).status in {"queued", "running"}
    for child in psutil.Process(api.pid).children():
        child.kill()
    api.wait(60)
    again = time.monotonic()
    stack._launch(api)  # as `tgsh up` does
    assert client.wait(slow.id, timeout=100).status == "completed"
    assert time.monotonic() > again


def test_ctrl_c_says_that_the_experiment_goes_on(stack: Stack, client: Client) -> None:
    slow = client.submit(LONG)
    environment = dict(os.environ) | {"TGSH_URL": stack.url}
    command = [sys.executable, "-c", WAIT, slow.id]
    pipe = subprocess.PIPE
    waiting = subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True)
    assert waiting.stdout
    assert waiting.stdout.readline() == "here\n"
    time.sleep(0.5)
    waiting.send_signal(signal.SIGINT)
    _, said = waiting.communicate(timeout=60)
    assert waiting.returncode != 0
    assert f"Experiment {slow.id} goes on without you" in said
    assert client.get(slow.id).status in {"queued", "running"}
    client.cancel(slow.id)
    assert client.wait(slow.id, timeout=150).status == "cancelled"


def test_a_timeout_is_kept_and_says_how_far_it_was(client: Client) -> None:
    slow = client.submit(LONG)
    started = time.monotonic()
    with pytest.raises(TimeoutError, match=f"{slow.id} is still (queued|running) after 0.3 s"):
        client.wait(slow.id, timeout=0.3)
    assert time.monotonic() - started < 3
    client.cancel(slow.id)
    client.wait(slow.id, timeout=150)
