"""Resources and limits of this machine and process; loopback addresses."""

from __future__ import annotations

import contextlib
import ctypes
import ipaddress
import math
import multiprocessing
import os
import platform
import resource
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path, PurePosixPath

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h
MEMORY_LIMIT_FILES = ("memory.max", "memory.limit_in_bytes")  # of control groups of version 2, and 1


def cores() -> int:
    """Number of cores that this process may use.

    Returns
    -------
    int
        On Linux, fewer than the machine has where the process is bound to some, where a control group (of a
        container, a systemd unit) has a quota of processor time, or where a batch job of Slurm has fewer.
        Half a core counts as one.
    """
    return limits().cores


def has_torch() -> bool:
    """True where torch is installed; it is not imported.

    Returns
    -------
    bool
        Whether `import torch` finds something.
    """
    return find_spec("torch") is not None


def memory() -> int:
    """Memory that this process and all that share its limit may use at most.

    Returns
    -------
    int
        Bytes: the lowest limit of its control groups (of a container, a systemd unit) and of its batch job,
        else the memory of the machine.
    """
    return limits().memory


@dataclass(frozen=True)
class ResourceLimits:
    """Limits of this process, with what set them: "" where that is the machine itself."""

    cores: int
    cores_by: str
    memory: int
    memory_by: str


def limits(
    root: Path = Path("/"), environment: Mapping[str, str] = os.environ, bound: int | None = None
) -> ResourceLimits:
    """Find what this process may use, and by whose decision.

    Parameters
    ----------
    root : Path
        Folder in which ``proc`` and ``sys`` are.
    environment : mapping of str to str
        Variables of this process; those of Slurm count where it enforces nothing itself.
    bound : int, optional
        Cores to which this process is bound; by default asked of the system.

    Returns
    -------
    ResourceLimits
        The lowest of all.
    """
    online = os.cpu_count() or 1
    if bound is None:
        bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else online
    allowed = [(float(online), ""), (float(bound), "bound to some of the cores")]
    sizes = [(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), "")]
    quotas = map(_quota, _control_groups(root, "cpu"))
    allowed += [(quota, f"a quota of {quota:g} cores") for quota in quotas if quota is not None]
    files = [folder / name for folder in _control_groups(root, "memory") for name in MEMORY_LIMIT_FILES]
    found = [size for size in map(_number, files) if size is not None]
    sizes += [(size, "the limit of its control group") for size in found]
    if environment.get("SLURM_JOB_ID"):
        job = _batch_job(environment)
        allowed += [(float(job[0]), "what Slurm gave the job")] * (job[0] > 0)
        sizes += [(job[1], "what Slurm gave the job")] * (job[1] > 0)
    most = min(allowed, key=lambda each: math.ceil(each[0]))  # the first of equals: the machine itself
    size = min(sizes, key=lambda each: each[0])
    return ResourceLimits(max(1, math.ceil(most[0])), most[1], size[0], size[1])


def _control_groups(root: Path, controller: str) -> Iterator[Path]:
    """Folders of the control groups that this process is in, of a controller, innermost first.

    Both kinds are looked for: version 2, one tree for all controllers, and version 1, a tree for each. In a
    container a tree is mounted from the container's own group on, or its path starts there already.
    """
    paths: dict[str, str] = {}  # by controller; "" is version 2
    with contextlib.suppress(OSError):
        for line in (root / "proc/self/cgroup").read_text().splitlines():
            _, names, path = line.split(":", 2)
            paths |= dict.fromkeys(names.split(","), path)
    with contextlib.suppress(OSError):
        for line in (root / "proc/self/mountinfo").read_text().splitlines():
            fields, _, about = line.partition(" - ")
            words, kind = fields.split(), about.split()
            of = "" if kind[0] == "cgroup2" else controller
            if kind[0] not in ("cgroup", "cgroup2") or of not in paths:
                continue
            if kind[0] == "cgroup" and controller not in kind[-1].split(","):
                continue
            mounted_from, mounted_at = PurePosixPath(words[3]), root / words[4].lstrip("/")
            within = PurePosixPath(paths[of])
            inside = within.relative_to(mounted_from) if within.is_relative_to(mounted_from) else None
            folder = mounted_at / (inside or "")
            while True:
                if folder.is_dir():
                    yield folder
                if folder == mounted_at:
                    break
                folder = folder.parent


def _quota(folder: Path) -> float | None:
    """Cores' worth of time that a control group has; None where it has no quota."""
    with contextlib.suppress(OSError, ValueError):  # "max" is no number: no quota
        quota, period = (folder / "cpu.max").read_text().split()
        return int(quota) / int(period)
    quota_us, period_us = (_number(folder / f"cpu.cfs_{name}_us") for name in ("quota", "period"))
    return quota_us / period_us if quota_us and period_us and quota_us > 0 else None


def _number(path: Path) -> int | None:
    with contextlib.suppress(OSError, ValueError):
        return int(path.read_text())
    return None


def _batch_job(environment: Mapping[str, str]) -> tuple[int, int]:
    """Cores and bytes that Slurm gave a job on this node; 0 where it does not say."""

    def number(name: str) -> int:
        text = environment.get(name, "")
        return int(text) if text.isdecimal() else 0

    on_node = number("SLURM_CPUS_ON_NODE")
    mebibytes = number("SLURM_MEM_PER_NODE") or number("SLURM_MEM_PER_CPU") * on_node
    is_step = "SLURM_STEP_ID" in environment  # of srun, which starts a process a task; the script has all
    return (is_step and number("SLURM_CPUS_PER_TASK")) or on_node, mebibytes << 20


@cache
def description() -> str:
    """Kind of this machine: system, architecture, processor. It does not identify the machine."""
    processor = platform.processor()
    with contextlib.suppress(OSError):  # Linux
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                processor = line.partition(":")[2].strip()
                break
    return ", ".join(part for part in (f"{platform.system()} {platform.machine()}", processor) if part)


def limit_memory(limit: int) -> None:
    """Make allocations of this process beyond a limit fail (MemoryError), to protect the machine.

    Linux counts private writable memory (RLIMIT_DATA): not the gigabytes of address space that torch maps
    and never touches. If the kernel runs out of memory nevertheless, it ends this process first.

    Parameters
    ----------
    limit : int
        Bytes.
    """
    if sys.platform != "linux":
        return
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (limit if hard < 0 else min(limit, hard), hard))
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500")


def allow_many_files() -> None:
    """Raise the limit of open files and connections to what the system allows; shells set 1,024."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def yield_to_others(niceness: int) -> None:
    """Lower the priority of this process by `niceness`."""
    with contextlib.suppress(OSError):
        os.nice(niceness)


def end_with_parent() -> None:
    """Make this child process of multiprocessing end, at once, when its parent has ended in whatever way.

    A parent that is killed tells its children nothing: they would work on, or wait for work for ever.
    """
    parent = multiprocessing.parent_process()

    def wait() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=wait, name="end-with-parent", daemon=True).start()


def keep_freed_memory() -> None:
    """Make glibc's malloc keep freed memory, so that the buffers of every batch are not paged in anew.

    Whether glibc gives megabytes back to the system after each batch depends on what lies above them, so
    without this the same training took 0.8 s or 1.8 s.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, 32 << 20)  # the most that glibc takes
        mallopt(M_TRIM_THRESHOLD, 1 << 30)


def is_loopback(host: str) -> bool:
    """True if only processes of this machine reach a host name or address."""
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return host.lower() == "localhost"
    mapped = getattr(address, "ipv4_mapped", None)  # ::ffff:127.0.0.1 on a socket of both kinds
    return (mapped or address).is_loopback


def is_everywhere(host: str) -> bool:
    """True for the wildcard, which stands for every address of this machine."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_unspecified
    except ValueError:
        return not host
