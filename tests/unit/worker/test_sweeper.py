"""Memory of processes, and of GPUs where there are some: CUDA is never touched."""

from __future__ import annotations

import os
import subprocess
import sys

import psutil
import pynvml
import pytest

from worker import sweeper

MEGABYTE = 1 << 20


def test_children_count() -> None:
    before = sweeper.memory_bytes()
    assert before > psutil.Process().memory_info().rss / 2
    code = f"held = bytearray({100 * MEGABYTE}); held[::4096] = held[::4096]; print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert sweeper.memory_bytes() - before > 90 * MEGABYTE
        child.communicate("\n")


def test_without_a_gpu_there_is_none() -> None:
    assert sweeper.device_memory_bytes(["cpu", "cpu"]) is None
    assert sweeper.device_memory_bytes([]) is None


def test_nothing_is_known_of_a_gpu_that_cannot_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "no-such-device")
    assert sweeper.device_memory_bytes(["cuda:0", "cuda:7"]) is None


@pytest.fixture
def gpus() -> int:
    """How many there are."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        pytest.skip("no GPU of NVIDIA's")
    try:
        return int(pynvml.nvmlDeviceGetCount())
    finally:
        pynvml.nvmlShutdown()


def test_what_is_in_use_on_gpus(gpus: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    slots = [f"cuda:{number}" for number in range(gpus)]
    first = sweeper.device_memory_bytes(slots[:1])
    assert first is not None
    assert first > 0
    assert (sweeper.device_memory_bytes(slots * 2) or 0) >= first


@pytest.mark.slow
def test_the_parent_imports_no_torch() -> None:
    code = "import sys, worker.app, worker.sweeper; print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], env=dict(os.environ), capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"
