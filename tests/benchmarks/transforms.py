"""What transforms that change values cost, on one core: seconds per 60,000 images."""

from __future__ import annotations

import time

import torch

from tgsh.spec import transforms as named
from tgsh.streams import stream
from tgsh.suites.chain import ImageTransform, chain
from tgsh.transforms.carrying_out import drawn

IMAGES, BATCH = 60_000, 128
STEPS = (
    named.GaussianBlur(),
    named.Invert(),
    named.RandomPerspective(),
    named.RandomErasing(),
    named.RandomResizedCrop(),
)


def report() -> str:
    """A line a transform: parameters drawn and all batches carried out."""
    torch.set_num_threads(1)
    return "\n".join(f"{step.kind:<22}{_seconds(step):6.2f} s" for step in STEPS)


def _seconds(step: named.TransformSpec) -> float:
    transform = chain([step], 28, 28)
    assert isinstance(transform, ImageTransform)
    images = torch.rand(BATCH, 28, 28)
    began = time.perf_counter()
    operation = drawn(transform, IMAGES, (28, 28), stream(0, "draw"), torch.device("cpu"))
    for start in range(0, IMAGES, BATCH):
        chosen = torch.arange(start, min(start + BATCH, IMAGES))
        operation(images[: len(chosen)], chosen)
    return time.perf_counter() - began
