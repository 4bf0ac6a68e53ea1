"""What a worker's processes hold of memory, and what is in use on its GPUs. For the parent: no CUDA here.

NVML, NVIDIA's library of management, opens no CUDA context, which would not survive a fork.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from typing import Any

import psutil
import pynvml


def memory_bytes() -> int:
    """Resident memory of this process and its children; pages that they share count for each."""
    found = 0
    me = psutil.Process()
    for process in (me, *me.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):  # one that has just ended
            found += process.memory_info().rss
    return found


def device_memory_bytes(slots: Sequence[str]) -> int | None:
    """Bytes in use on the GPUs of these slots, by whomever; None where none can be asked."""
    numbers = sorted({int(slot.partition(":")[2]) for slot in slots if slot.startswith("cuda:")})
    if not numbers:
        return None
    try:
        pynvml.nvmlInit()
        try:
            return sum(int(pynvml.nvmlDeviceGetMemoryInfo(_handle(number)).used) for number in numbers)
        finally:
            pynvml.nvmlShutdown()
    except (pynvml.NVMLError, IndexError, ValueError):
        return None


def _handle(number: int) -> Any:
    """The device that CUDA calls by this number: CUDA_VISIBLE_DEVICES lists numbers, or names of its own."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    name = visible.split(",")[number].strip() if visible else str(number)
    if name.isdecimal():
        return pynvml.nvmlDeviceGetHandleByIndex(int(name))
    return pynvml.nvmlDeviceGetHandleByUUID(name)
