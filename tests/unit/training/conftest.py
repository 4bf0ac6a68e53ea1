"""Real digits and one thread, as a worker has it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tgsh.datasets.base import ImageDataset
from tgsh.datasets.mnist import load_dataset


@pytest.fixture(scope="package", autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="package")
def digits() -> ImageDataset:
    """mnist5k."""
    return load_dataset("mnist5k", Path("unused"))
