"""One task-epoch of full MNIST: a plain implementation against tgsh with every core at work."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from tests.benchmarks import ours, plain


@dataclass(frozen=True)
class Comparison:
    """Seconds per task-epoch and evaluation of both, and how many times faster tgsh is."""

    cores: int
    plain: dict[str, float]
    ours: dict[str, float]

    @property
    def epoch_ratio(self) -> float:
        return self.plain["epoch_seconds"] / self.ours["epoch_seconds"]

    @property
    def evaluation_ratio(self) -> float:
        return self.plain["evaluation_seconds"] / self.ours["evaluation_seconds"]

    def table(self) -> str:
        """For people."""
        lines = [f"{'':<22}{'plain':>10}{'tgsh':>10}{'ratio':>8}"]
        for name, key, ratio in (
            ("task-epoch, s", "epoch_seconds", self.epoch_ratio),
            ("evaluation, s", "evaluation_seconds", self.evaluation_ratio),
        ):
            lines.append(f"{name:<22}{self.plain[key]:>10.3f}{self.ours[key]:>10.3f}{ratio:>8.1f}")
        lines.append(
            f"{'accuracy, 1 epoch':<22}{self.plain['accuracy']:>10.4f}{self.ours['accuracy']:>10.4f}"
        )
        lines.append(
            f"tgsh: {self.cores} processes, one thread and one task each; one process sees "
            f"{self.ours['alone_epoch_seconds']:.3f} s an epoch (fastest "
            f"{self.ours['alone_fastest_epoch_seconds']:.3f} s), peak {self.ours['peak_rss_mb']:.0f} MB"
        )
        lines.append(f"{self.epoch_ratio:.1f} times faster per task-epoch")
        return "\n".join(lines)

    def document(self) -> dict[str, object]:
        """For programs."""
        return {
            "cores": self.cores,
            "plain": self.plain,
            "tgsh": self.ours,
            "epoch_ratio": self.epoch_ratio,
            "evaluation_ratio": self.evaluation_ratio,
        }


def compare(data_dir: Path, rounds: int, plain_batches: int | None) -> Comparison:
    """Measure both, one after the other. plain_batches: see plain.measure."""
    cores = len(os.sched_getaffinity(0))
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        yardstick = pool.submit(plain.measure, data_dir, plain_batches).result()
    return Comparison(cores, yardstick, ours.measure(data_dir, cores, rounds))
