"""Resources and limits of this machine and process; loopback addresses."""

from __future__ import annotations

import contextlib
import ctypes
import ipaddress
import os
import platform
import resource
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h


def cores() -> int:
    """Number of cores that this process may use.

    Returns
    -------
    int
        On Linux, fewer than the machine has where the process is bound to some.
    """
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def has_torch() -> bool:
    """True where torch is installed; it is not imported.

    Returns
    -------
    bool
        Whether `import torch` finds something.
    """
    return find_spec("torch") is not None


def memory() -> int:
    """Memory that this process may use at most.

    Returns
    -------
    int
        Bytes: the limit of its container, else the memory of the machine.
    """
    size = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with contextlib.suppress(OSError, ValueError):  # "max" is no number: no limit
        size = min(size, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return size


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
