"""What tasks make of images, for people to look at and networks to represent. Needs no network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from tgsh.datasets.dataset import Source
from tgsh.suites import Task
from tgsh.training.inputs import Inputs, wiring_of
from tgsh.training.state import transform_stream


@dataclass(frozen=True, eq=False)
class Views:
    """Images of a source as its tasks show them; what is random is drawn as when they are tested.

    seed: an experiment's, which decides what is drawn.
    """

    source: Source
    seed: int
    device: torch.device

    def __call__(self, task: Task, images: np.ndarray) -> np.ndarray:
        """Images uint8 [n, D] as the task shows them; float32 [n, D], 0 to 1."""
        with torch.inference_mode():
            shown = self.shown(task, images)[0].cpu().numpy()
        pixels = shown.astype(np.float32) / (255 if shown.dtype == np.uint8 else 1)
        return wiring_of(task, self.source.info.pixels).apply(pixels)

    def shown(self, task: Task, images: np.ndarray) -> torch.Tensor:
        """Images uint8 [n, D] as [1, n, D] on the device, on which the task's pixel map is still due."""
        rng = transform_stream(self.seed, task.index, "test")
        inputs = Inputs([torch.tensor(images, device=self.device)], self.source.info, [task], [rng])
        return inputs.batch(torch.arange(len(images), device=self.device)[None])
