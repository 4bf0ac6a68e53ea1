"""Python, and what trains: torch, its devices, numba. By command: to import torch here takes seconds."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

from tgsh.doctor.finding import Finding, ok, problem, warning
from tgsh.machine import cores, memory

OLDEST = (3, 11)

TORCH_SECONDS = 55.0

WORKER = "pip install 'tgsh[worker]'"

ASKING_TORCH = """
import json, warnings
warnings.simplefilter("ignore")
import torch
told = {"version": torch.__version__, "cuda": torch.version.cuda, "devices": []}
if torch.cuda.is_available():
    for index in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(index)
        told["devices"].append([torch.cuda.get_device_name(index), free, total])
try:
    import torchvision
    told["torchvision"] = torchvision.__version__
except Exception as error:
    told["no_torchvision"] = f"{type(error).__name__}: {error}"
try:
    import numba
    from tgsh.networks import flynet_fused
    told["numba"] = numba.__version__
except Exception as error:
    told["no_numba"] = f"{type(error).__name__}: {error}"
print(json.dumps(told))
"""


def python() -> Iterator[Finding]:
    """The interpreter and the machine."""
    version = platform.python_version()
    if sys.version_info < OLDEST:
        yield problem("Python", version, "install Python 3.11 or later, and tgsh in it")
    else:
        yield ok("Python", f"{version} in {sys.prefix}")
    yield ok("machine", f"{cores()} cores, {memory() / 2**30:.1f} GiB of memory, {platform.platform()}")


def torch() -> Iterator[Finding]:
    """Whether this machine can train, and on what."""
    if find_spec("torch") is None:
        yield warning("torch", "is not installed: this machine can run the API only", WORKER)
        return
    command = [sys.executable, "-c", ASKING_TORCH]
    try:
        asked = subprocess.run(
            command, capture_output=True, text=True, timeout=TORCH_SECONDS, check=False, env=_one_thread()
        )
    except subprocess.TimeoutExpired:
        yield problem("torch", f"was not imported within {TORCH_SECONDS:g} s", "see whether the disk hangs")
        return
    if asked.returncode != 0:
        last = (asked.stderr.strip().splitlines() or [f"exit status {asked.returncode}"])[-1]
        yield problem("torch", f"cannot be imported: {last}", f"install it anew: {WORKER}")
        return
    told = json.loads(asked.stdout.splitlines()[-1])
    yield ok("torch", f"{told['version']}, a thread a worker's child, {cores()} children here without GPUs")
    yield _devices(told)
    yield _torchvision(told)
    yield _fused(told)


def _one_thread() -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1"}


def _devices(told: dict[str, Any]) -> Finding:
    if told["devices"]:
        devices = [
            f"{name}: {free / 2**30:.1f} of {total / 2**30:.1f} GiB free"
            for name, free, total in told["devices"]
        ]
        return ok("CUDA", f"{told['cuda']}; {'; '.join(devices)}")
    listed = _listed_gpus()
    if not listed:
        return ok("CUDA", "no NVIDIA GPU here: workers train on processors, which is fine")
    if told["cuda"] is None:
        return warning(
            "CUDA", f"{listed}, but this torch was built without CUDA", "pip install torch from PyPI"
        )
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
    if hidden is not None and not hidden.strip():
        return ok("CUDA", f"{listed}, hidden by CUDA_VISIBLE_DEVICES")
    return warning(
        "CUDA", f"{listed}, but torch sees none", "update the NVIDIA driver; nvidia-smi tells its version"
    )


def _listed_gpus() -> str:
    """What nvidia-smi lists: "2 GPUs"; empty where there are none."""
    smi = shutil.which("nvidia-smi")
    if smi is None:
        return ""
    asked = subprocess.run([smi, "-L"], capture_output=True, text=True, timeout=15, check=False)
    count = sum(line.startswith("GPU ") for line in asked.stdout.splitlines())
    return f"nvidia-smi lists {count} GPU{'s' * (count > 1)}" if count else ""


def _torchvision(told: dict[str, Any]) -> Finding:
    if "torchvision" in told:
        return ok("torchvision", str(told["torchvision"]))
    return problem("torchvision", told["no_torchvision"], f"it has to fit torch: {WORKER}")


def _fused(told: dict[str, Any]) -> Finding:
    if "numba" in told:
        return ok("numba", f"{told['numba']}: FlyNet trains by fused loops on processors")
    detail = f"{told['no_numba']}: FlyNet trains by torch, two to three times slower"
    return warning("numba", detail, f"{WORKER} brings the version that fits")
