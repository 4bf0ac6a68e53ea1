"""Plain PyTorch implementation of the paper's networks: the baseline of the benchmarks.

nn.Modules with dense matrices, a DataLoader over torchvision's MNIST, every image transformed by torchvision.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import MNIST
from torchvision.transforms.functional import rotate

PIXELS, UNITS, CLASSES, FAN_IN, BATCH = 784, 7840, 10, 7, 128
WIDE, RANK = 1024, 64
WARM_UP = 3  # batches before the clock starts: an experiment pays once for the first ones, not once an epoch


class FlyNet(nn.Module):
    """logits = g · W (c ⊙ ReLU(Ax − mean(Ax)))."""

    A: Tensor
    W: Tensor

    def __init__(self) -> None:
        super().__init__()
        a = torch.zeros(UNITS, PIXELS)
        for row in a:
            row[torch.randperm(PIXELS)[:FAN_IN]] = 1
        self.register_buffer("A", a)
        self.register_buffer("W", (torch.rand(CLASSES, UNITS) * 2 - 1) / math.sqrt(UNITS))
        self.c = nn.Parameter(torch.randn(UNITS) * math.sqrt(2 / (UNITS + 1)))
        self.g = nn.Parameter(torch.randn(1))

    def forward(self, images: Tensor) -> Tensor:
        h = images.flatten(1) @ self.A.T
        phi = torch.relu(h - h.mean(dim=1, keepdim=True))
        return self.g * ((self.c * phi) @ self.W.T)


class NeuroModNet(nn.Module):
    """h_l = ReLU(g_l · R_l (c_l ⊙ h_(l−1))), the last layer without ReLU."""

    def __init__(self) -> None:
        super().__init__()
        widths = (PIXELS, WIDE, WIDE, CLASSES)
        shapes = list(zip(widths[1:], widths, strict=False))
        self.weights = [torch.randn(shape) * math.sqrt(2 / shape[1]) for shape in shapes]
        self.c = nn.ParameterList(torch.randn(n) * math.sqrt(2 / (n + 1)) for _, n in shapes)
        self.g = nn.ParameterList(torch.randn(1) for _ in shapes)

    def forward(self, images: Tensor) -> Tensor:
        h = images.flatten(1)
        for layer, (weights, c, g) in enumerate(zip(self.weights, self.c, self.g, strict=True)):
            h = g * ((c * h) @ weights.T)
            if layer < len(self.weights) - 1:
                h = torch.relu(h)
        return h


class Hash(nn.Module):
    """logits = A B ReLU(Cx); A is learned (gsh), or random and frozen (tgsh)."""

    def __init__(self, *, learned: bool) -> None:
        super().__init__()
        self.first = torch.randn(WIDE, PIXELS) * math.sqrt(2 / PIXELS)
        self.b = nn.Parameter(torch.randn(RANK, WIDE) * math.sqrt(2 / (WIDE + 1)))
        readout = torch.randn(CLASSES, RANK) * math.sqrt(2 / RANK)
        self.readout = nn.Parameter(readout) if learned else readout

    def forward(self, images: Tensor) -> Tensor:
        phi = torch.relu(images.flatten(1) @ self.first.T)
        return phi @ self.b.T @ self.readout.T


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "flynet": FlyNet,
    "neuromodnet": NeuroModNet,
    "tgsh": lambda: Hash(learned=False),
    "gsh": lambda: Hash(learned=True),
}

TRANSFORMS: dict[str, Callable[[Any], Any]] = {
    "rotation": lambda image: rotate(image, 30),
    "shift": lambda image: transforms.functional.to_pil_image(
        torch.roll(transforms.functional.pil_to_tensor(image), 3, dims=2)
    ),
    "blur": transforms.GaussianBlur(5, sigma=2),
    "perspective": transforms.RandomPerspective(0.5, p=1),
    "crop": transforms.RandomResizedCrop(28),
}
"""Tasks by name, as torchvision's transforms on PIL images."""


def loader(data_dir: Path, task: str, *, train: bool) -> DataLoader[tuple[Tensor, Tensor]]:
    """Batches of one task."""
    normalise = transforms.Normalize((0.1307,), (0.3081,))
    transform = transforms.Compose([TRANSFORMS[task], transforms.ToTensor(), normalise])
    return DataLoader(MNIST(data_dir, train=train, transform=transform), batch_size=BATCH, shuffle=train)


def measure(data_dir: Path, network: str, task: str, batches: int | None) -> dict[str, float]:
    """Seconds of one task-epoch and one evaluation, and the accuracy after it.

    batches: train and evaluate on this many only and extrapolate; None: all of them.
    """
    torch.manual_seed(0)
    net, training = NETWORKS[network](), loader(data_dir, task, train=True)
    rate, decay = (1e-3, 1e-4) if network in ("tgsh", "gsh") else (1e-2, 0.0)
    optimiser = torch.optim.RMSprop(net.parameters(), lr=rate, weight_decay=decay)

    def learn(count: int | None) -> None:
        for images, labels in islice(training, count):
            optimiser.zero_grad()
            cross_entropy(net(images), labels).backward()  # type: ignore[no-untyped-call]
            optimiser.step()

    learn(WARM_UP)
    began = time.perf_counter()
    learn(batches)
    epoch = time.perf_counter() - began

    testing = loader(data_dir, task, train=False)
    correct = seen = 0
    began = time.perf_counter()
    with torch.no_grad():
        for images, labels in islice(testing, batches):
            correct += int((net(images).argmax(1) == labels).sum())
            seen += len(labels)
    evaluation = time.perf_counter() - began
    return {
        "epoch_seconds": epoch * len(training) / min(batches or len(training), len(training)),
        "evaluation_seconds": evaluation * len(testing) / min(batches or len(testing), len(testing)),
        "accuracy": correct / seen,
    }
