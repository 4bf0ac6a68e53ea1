"""Settings of torch and cuBLAS under which a GPU gives the same bytes again."""

from __future__ import annotations

import os

import torch

from tgsh.training.state import record_conditions

WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"


def require_determinism() -> None:
    """Make CUDA in this process use float32 products without TF32, and deterministic algorithms only.

    cuBLAS reads the size of its workspace when it is first used, so that this comes before. An operation
    that has no deterministic algorithm fails from now on, and its message names it. The settings go into the
    record of what this process trains.
    """
    os.environ.setdefault(WORKSPACE, ":4096:8")  # without one, parallel streams may choose other algorithms
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # none is read
    tf32 = torch.backends.cuda.matmul.allow_tf32 or torch.backends.cudnn.allow_tf32
    record_conditions(
        {
            "cuda": str(torch.version.cuda),
            "deterministic_algorithms": _on_or_off(torch.are_deterministic_algorithms_enabled()),
            "tf32": _on_or_off(tf32),
            WORKSPACE.lower(): os.environ[WORKSPACE],
        }
    )


def _on_or_off(setting: bool) -> str:
    return "on" if setting else "off"
