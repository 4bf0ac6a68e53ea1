"""The fast forward pass and gradient against the plain definition in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.support import plain_networks as plain
from tgsh.datasets.base import PAPER
from tgsh.networks.flynet_torch import FlyNets
from tgsh.networks.registry import FlyNetBase, random_base
from tgsh.rng import rng_for
from tgsh.specs import FlyNetSpec
from tgsh.suites.pixel_maps import PixelMap, rotation_map

CPU = torch.device("cpu")
SIDE = 28
ANGLES = (0.0, 30.0, 137.5)


@pytest.fixture(scope="module")
def base() -> FlyNetBase:
    return random_base(FlyNetSpec(expansion=2), SIDE * SIDE, 10, 3)


def _maps(count: int) -> list[PixelMap]:
    return [rotation_map(angle, SIDE, SIDE) for angle in ANGLES[:count]]


def _images(tasks: int, batch: int) -> np.ndarray:
    return rng_for(7, "images").integers(0, 256, (tasks, batch, SIDE * SIDE), dtype=np.uint8)


def _distance(got: torch.Tensor, wanted: torch.Tensor) -> float:
    return float((got.double() - wanted).norm() / wanted.norm())


@pytest.mark.parametrize("tasks", [1, 3])
@pytest.mark.parametrize("batch", [1, 5, 128])
def test_features_are_those_of_the_definition(base: FlyNetBase, tasks: int, batch: int) -> None:
    maps, images = _maps(tasks), _images(tasks, batch)
    a = plain.dense(base, SIDE * SIDE)
    got = FlyNets(base, maps, CPU).features(torch.from_numpy(images))
    for task, pixel_map in enumerate(maps):
        wanted = plain.features(a, pixel_map.apply(images[task]))
        assert _distance(got[task].T * PAPER.scale, wanted) < 1e-6


def test_logits_and_gradient_are_those_of_the_definition(base: FlyNetBase) -> None:
    maps, images = _maps(3), _images(3, 16)
    a = plain.dense(base, SIDE * SIDE)
    v = torch.from_numpy(rng_for(7, "v").standard_normal((3, base.units)))
    errors = torch.from_numpy(rng_for(7, "errors").standard_normal((3, 10, 16)))
    nets = FlyNets(base, maps, CPU)
    nets.modulate(v.float())
    phi = nets.features(torch.from_numpy(images))
    got_logits = nets.logits(phi)
    got_gradient = torch.empty(3, base.units)
    nets.correlate(errors.float(), phi, more=False)
    nets.gradient(out=got_gradient)
    for task, pixel_map in enumerate(maps):
        context = v[task].clone().requires_grad_()
        wanted = plain.logits(
            base, plain.features(a, pixel_map.apply(images[task])), context, torch.ones(1).double()
        )
        wanted.backward(errors[task].T)
        assert context.grad is not None
        assert _distance(got_logits[task].T, wanted.detach()) < 2e-6
        assert _distance(got_gradient[task], context.grad) < 2e-6


def test_gradients_of_parts_add_up(base: FlyNetBase) -> None:
    images = torch.from_numpy(_images(1, 8))
    errors = torch.from_numpy(rng_for(7, "errors").standard_normal((1, 10, 8)).astype(np.float32))
    nets = FlyNets(base, _maps(1), CPU)
    whole, parts = torch.empty(1, base.units), torch.empty(1, base.units)
    nets.correlate(errors, nets.features(images), more=False)
    nets.gradient(out=whole)
    nets.correlate(errors[..., :5], nets.features(images[:, :5]), more=False)
    nets.correlate(errors[..., 5:], nets.features(images[:, 5:]), more=True)
    nets.gradient(out=parts)
    assert _distance(parts, whole.double()) < 1e-6
