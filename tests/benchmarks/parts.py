"""Where the time of a task-epoch goes on the torch path, on one core; the fused path is a single call."""

from __future__ import annotations

import time
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile

from tgsh.datasets.mnist import load_dataset
from tgsh.specs import ExperimentSpec
from tgsh.suites import build
from tgsh.training.trainer import Trainer

PARTS = {
    "embedding_bag (Ax − mean)": ("aten::_embedding_bag",),
    "ReLU": ("aten::clamp_min", "aten::relu"),
    "GEMM errors·φᵀ": ("aten::baddbmm",),
    "GEMM logits, mean of Ax": ("aten::bmm",),
    "gather images": ("aten::index_select",),
    "transpose, uint8 to float": ("aten::copy_", "aten::_to_copy"),
    "RMSprop": ("aten::addcmul", "aten::addcdiv", "aten::sqrt"),
}


def report(data_dir: Path) -> str:
    """A table: seconds and share of each part of one profiled epoch (profiling itself adds a few percent)."""
    torch.set_num_threads(1)
    dataset, spec = load_dataset("mnist", data_dir), ExperimentSpec()
    trainer = Trainer(spec, dataset, "cpu", "torch")
    task = build(spec.suite, dataset.info)[3]
    state = trainer.fresh(3)
    trainer.epoch([task], [state], lambda: False)
    began = time.perf_counter()
    trainer.epoch([task], [state], lambda: False)
    plain = time.perf_counter() - began
    with profile(activities=[ProfilerActivity.CPU]) as recorded:
        trainer.epoch([task], [state], lambda: False)
    seconds = {event.key: event.self_cpu_time_total / 1e6 for event in recorded.key_averages()}
    total = sum(seconds.values())
    lines = [f"one task-epoch: {plain:.3f} s; under the profiler {total:.3f} s, of which"]
    for part, prefixes in PARTS.items():
        spent = sum(seconds.pop(key) for key in list(seconds) if key.startswith(prefixes))
        lines.append(f"  {part:<28} {spent:6.3f} s {spent / total:6.1%}")
    rest = sum(seconds.values())
    lines.append(f"  {'the rest':<28} {rest:6.3f} s {rest / total:6.1%}")
    return "\n".join(lines)
