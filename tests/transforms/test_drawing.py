"""Parameters are distributed as torchvision draws them (two-sample tests with fixed seeds)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.stats import ks_2samp
from torchvision.transforms import RandomErasing, RandomPerspective, RandomResizedCrop

from tgsh.rng import rng_for
from tgsh.training import transforms

COUNT = 3000
SIZES = [(28, 28), (20, 40)]


def _torchvisions(draw: Callable[[], object]) -> np.ndarray:
    with torch.random.fork_rng():
        torch.manual_seed(11)
        return np.array([np.ravel(draw()) for _ in range(COUNT)])


def _agree(ours: np.ndarray, theirs: np.ndarray) -> None:
    """Every parameter, and every sum of two (which shows how they hang together), is distributed alike."""
    ours, theirs = ours.reshape(COUNT, -1), theirs.reshape(COUNT, -1)
    columns = range(ours.shape[1])
    for first in columns:
        assert ks_2samp(ours[:, first], theirs[:, first], method="asymp").pvalue > 0.001, first
        for second in columns[first + 1 :]:
            sums = (values[:, first] + values[:, second] for values in (ours, theirs))
            assert ks_2samp(*sums, method="asymp").pvalue > 0.001, (first, second)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("scale", "ratio"), [((0.08, 1.0), (3 / 4, 4 / 3)), ((0.9, 1.0), (2.5, 3.0))])
def test_crops(size: tuple[int, int], scale: tuple[float, float], ratio: tuple[float, float]) -> None:
    image = torch.zeros(1, *size)
    theirs = _torchvisions(lambda: RandomResizedCrop.get_params(image, list(scale), list(ratio)))
    _agree(transforms.crops(rng_for(1, "crops"), COUNT, size, scale, ratio), theirs)


@pytest.mark.parametrize("size", SIZES)
def test_erasures(size: tuple[int, int]) -> None:
    image = torch.zeros(1, *size)
    theirs = _torchvisions(lambda: RandomErasing.get_params(image, (0.02, 0.33), (0.3, 3.3), [0.0])[:4])
    _agree(transforms.erasures(rng_for(1, "erasures"), COUNT, size, (0.02, 0.33), (0.3, 3.3)), theirs)


def test_an_erasure_that_cannot_fit_is_empty() -> None:
    drawn = transforms.erasures(rng_for(1, "erasures"), 50, (28, 28), (1.0, 1.0), (1.0, 1.0))
    assert (drawn[:, 2:] == 0).all()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("distortion", [0.5, 0.25])
def test_corners(size: tuple[int, int], distortion: float) -> None:
    theirs = _torchvisions(lambda: RandomPerspective.get_params(size[1], size[0], distortion)[1])
    _agree(transforms.corners(rng_for(1, "corners"), COUNT, size, distortion), theirs)
