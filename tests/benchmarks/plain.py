"""FlyNet on RotationMNIST as a person would write it from the paper: the yardstick of the benchmark.

An nn.Module with a dense A, a DataLoader over torchvision's MNIST, every image rotated through PIL.
"""

from __future__ import annotations

import math
import time
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader
from torchvision.datasets import MNIST
from torchvision.transforms import Compose, Normalize, ToTensor
from torchvision.transforms.functional import rotate

PIXELS, UNITS, CLASSES, FAN_IN, BATCH = 784, 7840, 10, 7, 128


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


def loader(data_dir: Path, angle: float, *, train: bool) -> DataLoader[tuple[Tensor, Tensor]]:
    """Batches of one rotation task."""
    see = Compose([lambda image: rotate(image, angle), ToTensor(), Normalize((0.1307,), (0.3081,))])
    return DataLoader(MNIST(data_dir, train=train, transform=see), batch_size=BATCH, shuffle=train)


def measure(data_dir: Path, batches: int | None) -> dict[str, float]:
    """Seconds of one task-epoch and one evaluation, and the accuracy after it.

    batches: train and evaluate on this many only and extrapolate; None: all of them.
    """
    torch.manual_seed(0)
    network, training = FlyNet(), loader(data_dir, 30, train=True)
    optimiser = torch.optim.RMSprop(network.parameters(), lr=1e-2)
    began = time.perf_counter()
    for images, labels in islice(training, batches):
        optimiser.zero_grad()
        cross_entropy(network(images), labels).backward()
        optimiser.step()
    epoch = time.perf_counter() - began

    testing = loader(data_dir, 30, train=False)
    correct = seen = 0
    began = time.perf_counter()
    with torch.no_grad():
        for images, labels in islice(testing, batches):
            correct += int((network(images).argmax(1) == labels).sum())
            seen += len(labels)
    evaluation = time.perf_counter() - began
    return {
        "epoch_seconds": epoch * len(training) / min(batches or len(training), len(training)),
        "evaluation_seconds": evaluation * len(testing) / min(batches or len(testing), len(testing)),
        "accuracy": correct / seen,
    }
