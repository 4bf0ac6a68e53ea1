"""What a process may use: limits of containers, systemd units and batch jobs, and who set them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tgsh.system import ResourceLimits, cores, limits, memory
from worker import devices

GIB = 1 << 30

V2 = "35 25 0:30 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
V1 = (
    "41 32 0:36 {root} /sys/fs/cgroup/memory ro,nosuid master:18 - cgroup cgroup rw,memory\n"
    "42 32 0:37 {root} /sys/fs/cgroup/cpu,cpuacct ro,nosuid master:19 - cgroup cgroup rw,cpu,cpuacct\n"
)


def machine(
    folder: Path, cgroup: str, mountinfo: str, files: dict[str, str], **environment: str
) -> ResourceLimits:
    """What `limits` finds on a machine with these files, bound to all of eight cores."""
    for name, text in {"proc/self/cgroup": cgroup, "proc/self/mountinfo": mountinfo, **files}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return limits(folder, environment, bound=8)


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.setattr(os, "sysconf", {"SC_PHYS_PAGES": 8 * GIB // 4096, "SC_PAGE_SIZE": 4096}.__getitem__)


def test_a_machine_without_limits_is_the_limit(tmp_path: Path) -> None:
    files = {
        "sys/fs/cgroup/user.slice/memory.max": "max\n",
        "sys/fs/cgroup/user.slice/cpu.max": "max 100000\n",
    }
    assert machine(tmp_path, "0::/user.slice\n", V2, files) == ResourceLimits(8, "", 8 * GIB, "")
    assert limits(tmp_path / "nothing", {}, bound=8) == ResourceLimits(8, "", 8 * GIB, "")
    assert limits(tmp_path, {}, bound=3).cores_by == "bound to some of the cores"


def test_a_container_of_version_2(tmp_path: Path) -> None:
    """docker run --memory 1g --cpus 0.5, with a namespace of its own."""
    files = {"sys/fs/cgroup/memory.max": f"{GIB}\n", "sys/fs/cgroup/cpu.max": "50000 100000\n"}
    found = machine(tmp_path, "0::/\n", V2, files)
    assert found == ResourceLimits(1, "a quota of 0.5 cores", GIB, "the limit of its control group")


@pytest.mark.parametrize(("root", "path"), [("/docker/4f1e", "/docker/4f1e"), ("/", "/")])
def test_a_container_of_version_1(tmp_path: Path, root: str, path: str) -> None:
    files = {
        "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{GIB}\n",
        "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "250000\n",
        "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
    }
    groups = f"8:memory:{path}\n4:cpu,cpuacct:{path}\n1:name=systemd:{path}\n0::/\n"
    found = machine(tmp_path, groups, V1.format(root=root), files)
    assert (found.cores, found.memory) == (3, GIB), "two and a half cores' time keeps three children busy"
    unlimited = {
        "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
        "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
    }
    assert machine(tmp_path, groups, V1.format(root=root), unlimited) == ResourceLimits(8, "", 8 * GIB, "")


def test_the_lowest_limit_above_a_unit_holds(tmp_path: Path) -> None:
    """MemoryMax= of the unit, CPUQuota= of the slice that it is in."""
    slice_ = "sys/fs/cgroup/lab.slice"
    files = {
        f"{slice_}/tgsh-worker.service/memory.max": f"{3 * GIB}\n",
        f"{slice_}/tgsh-worker.service/cpu.max": "max 100000\n",
        f"{slice_}/memory.max": f"{5 * GIB}\n",
        f"{slice_}/cpu.max": "200000 100000\n",
    }
    found = machine(tmp_path, "0::/lab.slice/tgsh-worker.service\n", V2, files)
    assert (found.cores, found.memory) == (2, 3 * GIB)


def test_a_batch_job_that_slurm_only_counts(tmp_path: Path) -> None:
    job = {"SLURM_JOB_ID": "7", "SLURM_CPUS_ON_NODE": "4", "SLURM_CPUS_PER_TASK": "2"}
    found = machine(tmp_path, "0::/\n", V2, {}, **job, SLURM_MEM_PER_CPU="512")
    assert found == ResourceLimits(4, "what Slurm gave the job", 2 * GIB, "what Slurm gave the job")
    assert machine(tmp_path, "0::/\n", V2, {}, **job, SLURM_STEP_ID="0").cores == 2
    assert machine(tmp_path, "0::/\n", V2, {}, **job, SLURM_MEM_PER_NODE="3072").memory == 3 * GIB


def test_all_children_together_hold_no_more_than_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def give(number: int, size: int) -> None:
        monkeypatch.setattr(devices, "cores", lambda: number)
        monkeypatch.setattr(devices, "memory", lambda: size)

    monkeypatch.setenv("PATH", "/nowhere")  # no GPUs
    give(8, 64 * GIB)
    assert (devices.slots("auto"), devices.child_memory("auto")) == (["cpu"] * 8, 8 * GIB)
    give(8, 3 * GIB)
    assert (devices.slots("auto"), devices.child_memory("auto")) == (["cpu"] * 3, GIB)
    assert devices.child_memory("cpu:6") == GIB // 2, "who names a number has it"
    give(1, GIB // 2)
    assert (devices.slots("cpu"), devices.child_memory("cpu")) == (["cpu"], GIB // 2)


def test_this_process_has_something() -> None:
    assert cores() >= 1
    assert memory() >= 64 << 20
