"""The software that trains; recorded with every result, for bytes depend on it."""

from __future__ import annotations

import platform
from functools import cache
from importlib.metadata import version as _read_version
from importlib.util import find_spec

import numpy as np
import torch


def versions() -> dict[str, str]:
    """Versions by name; numba only where it is installed."""
    numba = {"numba": _version("numba")} if find_spec("numba") else {}
    return {
        "tgsh": _version("tgsh"),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": torch.__version__,
        **numba,
    }


@cache
def _version(name: str) -> str:
    return _read_version(name)  # reads a file, and takes as long as a batch


def compute(device: torch.device) -> str:
    """What trained, for the record: the same words mean the same bytes from the same spec."""
    torch_version = torch.__version__.split("+")[0]
    if device.type == "cuda":
        return f"cuda {torch.cuda.get_device_name(device)} torch {torch_version}"
    threads = torch.get_num_threads()
    capability = torch.backends.cpu.get_cpu_capability()
    return f"cpu {capability} torch {torch_version} {threads} thread{'' if threads == 1 else 's'}"


def fused_compute() -> str:
    """The same of the fused path: one thread of this processor, whatever torch may use."""
    return f"cpu {torch.backends.cpu.get_cpu_capability()} numba {_version('numba')} fused"
