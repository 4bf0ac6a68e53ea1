"""Device slots."""

from __future__ import annotations

import os
import shutil
import subprocess
import warnings

from tgsh.errors import MachineProblem
from tgsh.system import cores, keep_freed_memory


def slots(devices: str) -> list[str]:
    """One entry a child: "cpu" or "cuda:N".

    Raises MachineProblem for a setting that makes no sense.
    """
    if devices == "auto":
        return [f"cuda:{index}" for index in range(_count_gpus())] or ["cpu"] * cores()
    found: list[str] = []
    for part in devices.split(","):
        kind, _, number = part.strip().partition(":")
        if kind == "cpu" and (not number or number.isdecimal()):
            found += ["cpu"] * (int(number) if number else cores())
        elif kind == "cuda" and number.isdecimal():
            found.append(f"cuda:{number}")
        else:
            raise MachineProblem(
                f'TGSH_DEVICES={devices!r} is none of "auto", "cpu", "cpu:N", "cuda:0,cuda:1,..."'
            )
    if not found:
        raise MachineProblem(f"TGSH_DEVICES={devices!r} names no device")
    return found


def shared(devices: str, children: int) -> list[str]:
    """What each of so many children has: they take the slots in turn."""
    found = slots(devices)
    return [found[child % len(found)] for child in range(children)]


def bind(slot: str) -> str:
    """Make this child see its device alone and use one thread; the name by which torch knows it.

    Call before torch is imported: OpenMP and CUDA read the environment once.
    """
    os.environ["OMP_NUM_THREADS"] = "1"
    keep_freed_memory()
    kind, _, number = slot.partition(":")
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if kind == "cuda" else []
    if kind == "cuda":
        os.environ["CUDA_VISIBLE_DEVICES"] = visible[int(number)] if visible != [""] else number
    else:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns of what this machine lacks
        import torch

    torch.set_num_threads(1)
    return "cuda:0" if kind == "cuda" else "cpu"


def _count_gpus() -> int:
    """GPUs that nvidia-smi lists and CUDA_VISIBLE_DEVICES allows."""
    allowed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if allowed is not None and not allowed.strip():
        return 0
    smi = shutil.which("nvidia-smi")
    if smi is None:
        return 0
    listing = subprocess.run([smi, "-L"], capture_output=True, text=True, timeout=30, check=False)
    count = sum(line.startswith("GPU ") for line in listing.stdout.splitlines())
    return min(count, len(allowed.split(","))) if allowed is not None else count
