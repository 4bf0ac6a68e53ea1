"""Transforms that change values: 60,000 images in batches against torchvision, a sample at a time."""

from __future__ import annotations

import time

import torch
from torchvision.transforms import v2

from tests.benchmarks.table import Row
from tgsh.rng import rng_for
from tgsh.specs import transforms as named
from tgsh.suites.pipeline import ImageTransform, compose_transforms
from tgsh.training.transforms import drawn

IMAGES, BATCH, SAMPLES = 60_000, 128, 2_000
STEPS: tuple[tuple[named.TransformSpec, v2.Transform], ...] = (
    (named.GaussianBlur(), v2.GaussianBlur(5, sigma=2)),
    (named.Invert(), v2.RandomInvert(p=1)),
    (named.Affine(degrees=20, scale=0.9), v2.RandomAffine((20, 20), scale=(0.9, 0.9))),
    (named.RandomPerspective(), v2.RandomPerspective(0.5, p=1)),
    (named.RandomErasing(), v2.RandomErasing(p=1)),
    (named.RandomResizedCrop(), v2.RandomResizedCrop(28)),
)


def rows() -> list[Row]:
    """Sample parameters and transform all batches, on one thread; torchvision extrapolated from SAMPLES."""
    torch.set_num_threads(1)
    against = "torchvision, a sample at a time"
    return [
        Row(f"60,000 images, {step.kind}", "s", _ours(step), _torchvision(reference), against)
        for step, reference in STEPS
    ]


def _ours(step: named.TransformSpec) -> float:
    transform = compose_transforms([step], 28, 28)
    assert isinstance(transform, ImageTransform)
    images = torch.rand(BATCH, 28, 28)
    began = time.perf_counter()
    operation = drawn(transform, IMAGES, (28, 28), rng_for(0, "draw"), torch.device("cpu"))
    for start in range(0, IMAGES, BATCH):
        chosen = torch.arange(start, min(start + BATCH, IMAGES))
        operation(images[: len(chosen)], chosen)
    return time.perf_counter() - began


def _torchvision(transform: v2.Transform) -> float:
    images = torch.rand(SAMPLES, 1, 28, 28)
    began = time.perf_counter()
    for image in images:
        transform(image)
    return (time.perf_counter() - began) * IMAGES / SAMPLES
