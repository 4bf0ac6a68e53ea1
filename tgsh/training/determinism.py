"""Settings of torch and cuBLAS under which a GPU gives the same bytes again, and their record."""

from __future__ import annotations

import os

WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"

_conditions: dict[str, str] = {}


def require_determinism() -> None:
    """Make CUDA in this process use float32 products without TF32, and deterministic algorithms only.

    cuBLAS reads the size of its workspace when it is first used, so that this comes before. An operation
    that has no deterministic algorithm fails from now on, and its message names it.
    """
    import torch

    os.environ.setdefault(WORKSPACE, ":4096:8")  # without one, parallel streams may choose other algorithms
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # none is read
    tf32 = torch.backends.cuda.matmul.allow_tf32 or torch.backends.cudnn.allow_tf32
    _conditions.update(
        {
            "cuda": str(torch.version.cuda),
            "deterministic_algorithms": _on_or_off(torch.are_deterministic_algorithms_enabled()),
            "tf32": _on_or_off(tf32),
            WORKSPACE.lower(): os.environ[WORKSPACE],
        }
    )


def cuda_conditions() -> dict[str, str]:
    """The settings that decide a GPU's bytes, for the record.

    Returns
    -------
    dict[str, str]
        By name, beside the versions of the software; empty in a process that computes on no GPU.
    """
    return dict(_conditions)


def _on_or_off(setting: bool) -> str:
    return "on" if setting else "off"
