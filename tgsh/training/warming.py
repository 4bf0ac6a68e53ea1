"""What a process does before its first task, so that no task waits for it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from tgsh.datasets.dataset import Dataset
from tgsh.datasets.info import DATASETS
from tgsh.settings import Compute
from tgsh.spec import ExperimentSpec, FlyNetSpec
from tgsh.suites import build
from tgsh.training.trainer import Trainer


def warm_up(device: torch.device, compute: Compute) -> None:
    """Train and test a small FlyNet on images of nothing: a second, and some more on a new installation.

    Brings into memory the machine code of the paper's network, compiles it where that was not yet done, and
    starts the device. Raises MachineProblem as Trainer does.
    """
    info = replace(DATASETS["mnist"], train_images=10, test_images=10)
    images, labels = np.zeros((10, info.pixels), np.uint8), np.arange(10, dtype=np.uint8)
    spec = ExperimentSpec(network=FlyNetSpec(expansion=1))
    trainer = Trainer(spec, Dataset(info, images, labels, images, labels), device, compute)
    tasks = build(spec.suite, info)[:1]
    states = trainer.epoch(tasks, [trainer.fresh(0)], should_stop=lambda: False)
    trainer.accuracy(tasks, states)
