"""One task-epoch of full MNIST: a plain implementation against tgsh's two paths with every core at work."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from tests.benchmarks import ours, plain


@dataclass(frozen=True)
class Comparison:
    """Seconds per task-epoch and evaluation, by the plain implementation and by each of tgsh's paths."""

    cores: int
    plain: dict[str, float]
    torch: dict[str, float]
    fused: dict[str, float]

    @property
    def epoch_ratio(self) -> float:
        """How many times faster a task-epoch is on the path that workers take on a processor."""
        return self.plain["epoch_seconds"] / self.fused["epoch_seconds"]

    @property
    def evaluation_ratio(self) -> float:
        return self.plain["evaluation_seconds"] / self.fused["evaluation_seconds"]

    def table(self) -> str:
        """For people."""
        lines = [f"{'':<22}{'plain':>10}{'torch':>10}{'fused':>10}{'plain/fused':>13}"]
        for name, key, ratio in (
            ("task-epoch, s", "epoch_seconds", f"{self.epoch_ratio:.1f}"),
            ("evaluation, s", "evaluation_seconds", f"{self.evaluation_ratio:.1f}"),
            ("accuracy, 1 epoch", "accuracy", ""),
        ):
            numbers = "".join(f"{which[key]:>10.4f}" for which in (self.plain, self.torch, self.fused))
            lines.append(f"{name:<22}{numbers}{ratio:>13}")
        lines.append(f"tgsh: {self.cores} processes, one thread and one task each; one process sees")
        lines += [f"  {self._alone(name, of)}" for name, of in (("torch", self.torch), ("fused", self.fused))]
        lines.append(f"{self.epoch_ratio:.1f} times faster per task-epoch")
        return "\n".join(lines)

    def document(self) -> dict[str, object]:
        """For programs."""
        return {
            "cores": self.cores,
            "plain": self.plain,
            "torch": self.torch,
            "tgsh": self.fused,
            "epoch_ratio": self.epoch_ratio,
            "evaluation_ratio": self.evaluation_ratio,
        }

    @staticmethod
    def _alone(name: str, of: dict[str, float]) -> str:
        return (
            f"{name}: {of['alone_epoch_seconds']:.3f} s an epoch (fastest "
            f"{of['alone_fastest_epoch_seconds']:.3f} s), fastest evaluation "
            f"{of['alone_fastest_evaluation_seconds']:.4f} s, peak {of['peak_rss_mb']:.0f} MB"
        )


def compare(data_dir: Path, rounds: int, plain_batches: int | None) -> Comparison:
    """Measure one after the other. plain_batches: see plain.measure."""
    cores = len(os.sched_getaffinity(0))
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        yardstick = pool.submit(plain.measure, data_dir, plain_batches).result()
    torch, fused = (ours.measure(data_dir, cores, rounds, path) for path in ("torch", "fused"))
    return Comparison(cores, yardstick, torch, fused)
