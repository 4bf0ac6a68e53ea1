"""Device slots: which CPU or GPU each child of a worker uses. Knows no Celery."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterable, Sequence

from tgsh.errors import MachineProblem
from tgsh.store.scheduling import QUEUE, TORCH_QUEUE
from tgsh.system import cores, has_torch, keep_freed_memory, memory

CHILD_BYTES = 1 << 30
"""A child on a processor has at least so much memory, where "auto" or "cpu" leaves their number open."""


def queues() -> list[str]:
    """The queues of the job messages that a worker here can make something of."""
    return [QUEUE, TORCH_QUEUE] if has_torch() else [QUEUE]


def slots(devices: str) -> list[str]:
    """The device of each child, "cpu" or "cuda:N", by TGSH_DEVICES. Raises MachineProblem."""
    if devices == "auto":
        gpus = _count_gpus() if has_torch() else 0
        return [f"cuda:{index}" for index in range(gpus)] or ["cpu"] * _children()
    names: list[str] = []
    for part in devices.split(","):
        kind, _, number = part.strip().partition(":")
        if kind == "cpu" and (not number or number.isdecimal()):
            names += ["cpu"] * (int(number) if number else _children())
        elif kind == "cuda" and number.isdecimal():
            if not has_torch():
                raise MachineProblem(f"TGSH_DEVICES={devices!r} needs torch: pip install 'tgsh[worker]'")
            names.append(f"cuda:{number}")
        else:
            raise MachineProblem(
                f'TGSH_DEVICES={devices!r} is none of "auto", "cpu", "cpu:N", "cuda:0,cuda:1,..."'
            )
    if not names:
        raise MachineProblem(f"TGSH_DEVICES={devices!r} names no device")
    return names


def _children() -> int:
    """One a core, or as many as there is memory for."""
    return max(1, min(cores(), memory() // CHILD_BYTES))


def child_memory(devices: str) -> int:
    """Bytes that each child on a processor may hold: all of them together no more than there is."""
    return memory() // max(1, slots(devices).count("cpu"))


def shared(devices: str, children: int) -> list[str]:
    """The slot of each of `children` children, which take them in turn."""
    names = slots(devices)
    return [names[child % len(names)] for child in range(children)]


def unused_gpus(devices: str) -> int:
    """The number of GPUs that "auto" leaves alone, as torch is not installed."""
    return _count_gpus() if devices == "auto" and not has_torch() else 0


def bind(slot: str) -> str:
    """Restrict this child to its device and one thread; torch's name of the device.

    Call before torch is imported: OpenMP and CUDA read the environment once. On a processor torch, which
    takes seconds to import, is left to the backend that computes with it.
    """
    os.environ["OMP_NUM_THREADS"] = "1"
    keep_freed_memory()
    kind, _, number = slot.partition(":")
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if kind == "cuda" else []
    if kind == "cuda":  # beyond the end of what is visible there is none
        names = visible if visible != [""] else [str(index) for index in range(int(number) + 1)]
        os.environ["CUDA_VISIBLE_DEVICES"] = names[int(number)].strip() if int(number) < len(names) else "-1"
    else:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    if kind == "cuda" or "torch" in sys.modules:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns about missing devices
            import torch

        torch.set_num_threads(1)
    return "cuda:0" if kind == "cuda" else "cpu"


def _count_gpus() -> int:
    """The number of GPUs that CUDA would see."""
    return len(visible_gpus())


def visible_gpus() -> list[str]:
    """Index or UUID of each GPU that nvidia-smi lists and CUDA_VISIBLE_DEVICES allows, as CUDA reads that.

    A GPU that is partitioned (MIG) is as many as it has partitions: a process can use one of them only.

    CUDA takes what is listed up to the first name that means no GPU, such as -1 or Slurm's NoDevFiles.
    """
    allowed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if allowed is not None and not allowed.strip():
        return []
    uuids, partitions = _listed()
    if allowed is None:
        by_gpu = [
            [each for each in partitions if partitions[each] == uuid] or [str(index)]
            for index, uuid in enumerate(uuids)
        ]
        return [name for names in by_gpu for name in names]
    names: list[str] = []
    seen: set[str] = set()
    for part in allowed.split(","):
        meant = _meant(part.strip(), uuids, partitions)
        if meant is None or meant in seen:
            break
        seen.add(meant)
        names.append(part.strip())
    return names


def name_partitions() -> None:
    """Have CUDA_VISIBLE_DEVICES name every device, where some are partitions, which have no index.

    In the parent, before it forks: its children, and what asks for memory in use, find them there.
    """
    names = visible_gpus() if "CUDA_VISIBLE_DEVICES" not in os.environ else []
    if any(name.startswith("MIG") for name in names):
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(names)


def _meant(name: str, uuids: Sequence[str], partitions: Iterable[str]) -> str | None:
    """The UUID of the GPU, or of the part of one (MIG), that a name means; None where it means none."""
    if name.isdecimal():
        return uuids[int(name)] if int(name) < len(uuids) else None
    found = [uuid for uuid in (*uuids, *partitions) if name and uuid.startswith(name)]
    return found[0] if len(found) == 1 else None


def _listed() -> tuple[list[str], dict[str, str]]:
    """UUIDs of this machine's GPUs, as nvidia-smi lists them; of partitions, each with that of its GPU."""
    smi = shutil.which("nvidia-smi")
    if smi is None:
        return [], {}
    try:
        listing = subprocess.run([smi, "-L"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return [], {}
    uuids: list[str] = []
    partitions: dict[str, str] = {}
    for match in re.finditer(r"\(UUID: ((?:GPU|MIG)-[^)]+)\)", listing.stdout):
        if match[1].startswith("GPU"):
            uuids.append(match[1])
        elif uuids:
            partitions[match[1]] = uuids[-1]
    return uuids, partitions
