"""Which device each child has."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tgsh.errors import MachineProblem
from tgsh.store.scheduling import QUEUE, TORCH_QUEUE
from worker import devices


@pytest.fixture
def nvidia_smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that lists GPUs as NVIDIA's does; this machine may have none."""
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'GPU 0: H100 (UUID: GPU-1)'\necho 'GPU 1: H100 (UUID: GPU-2)'\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return program


def test_every_core_where_there_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert devices.slots("auto") == ["cpu"] * len(os.sched_getaffinity(0))


def test_every_gpu_where_there_are_some(nvidia_smi: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert devices.slots("auto") == ["cuda:0", "cuda:1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert devices.slots("auto") == ["cuda:0"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert set(devices.slots("auto")) == {"cpu"}


def test_without_torch_processors_work_and_gpus_are_told(
    nvidia_smi: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert devices.queues() == [QUEUE, TORCH_QUEUE]
    assert devices.unused_gpus("auto") == 0
    monkeypatch.setitem(sys.modules, "torch", None)  # as where it is not installed
    assert devices.queues() == [QUEUE]
    assert set(devices.slots("auto")) == {"cpu"}
    assert (devices.unused_gpus("auto"), devices.unused_gpus("cpu")) == (2, 0)
    with pytest.raises(MachineProblem, match=r"cuda:0.* needs torch: pip install 'tgsh\[worker\]'"):
        devices.slots("cuda:0")


def test_devices_by_name() -> None:
    assert devices.slots("cpu:3") == ["cpu"] * 3
    assert devices.slots("cuda:1, cpu:1") == ["cuda:1", "cpu"]
    for bad in ("gpu", "cuda", "cpu:x", "", "cpu:0"):
        with pytest.raises(MachineProblem, match="TGSH_DEVICES"):
            devices.slots(bad)


@pytest.mark.parametrize(
    ("visible", "names"),
    [
        ("-1", []),
        ("NoDevFiles", []),
        ("none", []),
        ("0,-1,1", ["0"]),
        ("1,0", ["1", "0"]),
        ("0,0", ["0"]),
        ("1,7,0", ["1"]),
        ("GPU-2", ["GPU-2"]),
        ("GPU-2,GPU-1,GPU-9", ["GPU-2", "GPU-1"]),
        ("GPU-", []),  # means both
        (" 1 , 0", ["1", "0"]),
    ],
)
def test_only_gpus_that_cuda_would_see_count(
    nvidia_smi: Path, monkeypatch: pytest.MonkeyPatch, visible: str, names: list[str]
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert devices.visible_gpus() == names
    expected = [f"cuda:{index}" for index in range(len(names))]
    assert devices.slots("auto") == (expected or ["cpu"] * len(os.sched_getaffinity(0)))


MIG = """\
GPU 0: NVIDIA H100 (UUID: GPU-1)
  MIG 3g.40gb     Device  0: (UUID: MIG-a)
  MIG 3g.40gb     Device  1: (UUID: MIG-b)
GPU 1: NVIDIA H100 (UUID: GPU-2)
"""


@pytest.mark.parametrize(
    ("visible", "names"),
    [
        (None, ["MIG-a", "MIG-b", "1"]),
        ("MIG-b", ["MIG-b"]),
        ("MIG-a,MIG-b,MIG-c", ["MIG-a", "MIG-b"]),
        ("1,MIG-a", ["1", "MIG-a"]),
        ("MIG-", []),
    ],
)
def test_each_partition_of_a_gpu_is_a_device(
    nvidia_smi: Path, monkeypatch: pytest.MonkeyPatch, visible: str | None, names: list[str]
) -> None:
    nvidia_smi.write_text(f"#!/bin/sh\ncat <<END\n{MIG}END\n")
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert devices.visible_gpus() == names
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "undone")  # what is set below is taken back with it
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    if visible is None:
        devices.name_partitions()
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "MIG-a,MIG-b,1"
        assert devices.slots("auto") == ["cuda:0", "cuda:1", "cuda:2"]


def test_whole_gpus_need_no_names(nvidia_smi: Path) -> None:
    devices.name_partitions()
    assert "CUDA_VISIBLE_DEVICES" not in os.environ
    assert devices.visible_gpus() == ["0", "1"]


@pytest.mark.parametrize(
    "said",
    [
        "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver",
        "No devices were found",
        "GPU 0: Unable to determine the device handle for gpu 0000:3B:00.0: Unknown Error",
    ],
)
def test_lines_about_gpus_that_fail_are_no_gpus(nvidia_smi: Path, said: str) -> None:
    nvidia_smi.write_text(f"#!/bin/sh\necho {said!r}\n" if "'" not in said else f'#!/bin/sh\necho "{said}"\n')
    assert devices.visible_gpus() == []
    assert set(devices.slots("auto")) == {"cpu"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("slot", "visible", "expected"),
    [
        ("cpu", "0,1", "cpu||1"),
        ("cuda:1", "", "cuda:0|1|1"),
        ("cuda:1", "4,7", "cuda:0|7|1"),
        ("cuda:1", "4", "cuda:0|-1|1"),
    ],
)
def test_a_child_sees_its_device_alone_and_has_one_thread(slot: str, visible: str, expected: str) -> None:
    code = f"""
import os
from worker.devices import bind
name = bind({slot!r})
import torch
print(name, os.environ["CUDA_VISIBLE_DEVICES"], torch.get_num_threads(), sep="|")
"""
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": visible}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == expected


def test_children_take_the_slots_in_turn() -> None:
    assert devices.shared("cpu:2", 1) == ["cpu"]
    assert devices.shared("cuda:0,cpu", 1) == ["cuda:0"]
    assert devices.shared("cuda:0,cuda:3", 3) == ["cuda:0", "cuda:3", "cuda:0"]
