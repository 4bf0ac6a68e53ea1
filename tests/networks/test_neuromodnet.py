"""NeuroModNet's random base; its forward pass and gradient against autograd in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import kstest

from tests.networks import plain
from tgsh.errors import InvalidSpec
from tgsh.networks.bases import NeuroModNetBase, random_base
from tgsh.networks.contexts import context_of
from tgsh.networks.neuromodnet import NeuroModNets
from tgsh.spec import NeuroModNetSpec
from tgsh.streams import stream
from tgsh.suites.maps import rotation_map
from tgsh.suites.pixelmap import PixelMap
from tgsh.training.group import stacked

CPU = torch.device("cpu")
ANGLES = (0.0, 30.0, 137.5)
NETWORKS = [NeuroModNetSpec(layers=(60, 40)), NeuroModNetSpec(layers=(50,)), NeuroModNetSpec(layers=())]


@pytest.fixture(params=NETWORKS, ids=str)
def network(request: pytest.FixtureRequest) -> NeuroModNetSpec:
    assert isinstance(request.param, NeuroModNetSpec)
    return request.param


def _base(network: NeuroModNetSpec) -> NeuroModNetBase:
    return random_base(network, 784, 10, 3)


def _maps(count: int) -> list[PixelMap]:
    return [rotation_map(angle, 28, 28) for angle in ANGLES[:count]]


def _images(tasks: int, batch: int) -> np.ndarray:
    return stream(7, "images").integers(0, 256, (tasks, batch, 784), dtype=np.uint8)


def _distance(got: torch.Tensor, wanted: torch.Tensor) -> float:
    return float((got.double() - wanted).norm() / wanted.norm())


@pytest.mark.parametrize("tasks", [1, 3])
@pytest.mark.parametrize("batch", [1, 16])
def test_logits_and_gradient_are_those_of_the_definition(
    network: NeuroModNetSpec, tasks: int, batch: int
) -> None:
    base, maps, images = _base(network), _maps(tasks), _images(tasks, batch)
    context = context_of(network, 784)
    drawn = [context.draw(stream(5, task)) for task in range(tasks)]
    errors = torch.from_numpy(stream(7, "errors").standard_normal((tasks, 10, batch)))
    nets = NeuroModNets(base, maps, CPU)
    parameters = stacked(drawn, context, CPU)
    nets.take(parameters)
    logits, gradient = nets.logits(torch.from_numpy(images)), torch.empty_like(parameters)
    nets.learn_from(errors.float(), more=False)
    nets.gradient(out=gradient)
    for task, pixel_map in enumerate(maps):
        leaves = {
            name: torch.from_numpy(array.astype(np.float64)).requires_grad_()
            for name, array in drawn[task].items()
        }
        wanted = plain.neuromodnet(base, pixel_map.apply(images[task]), leaves)
        wanted.backward(errors[task].T)
        assert _distance(logits[task].T, wanted.detach()) < 1e-5
        flat = torch.cat([leaves[name].grad.ravel() for name in context.shapes])  # type: ignore[union-attr]
        assert _distance(gradient[task], flat) < 1e-5


def test_gradients_of_parts_add_up(network: NeuroModNetSpec) -> None:
    context = context_of(network, 784)
    images = torch.from_numpy(_images(1, 8))
    errors = torch.from_numpy(stream(7, "errors").standard_normal((1, 10, 8)).astype(np.float32))
    nets = NeuroModNets(_base(network), _maps(1), CPU)
    parameters = stacked([context.draw(stream(5, 0))], context, CPU)
    nets.take(parameters)
    whole, parts = torch.empty_like(parameters), torch.empty_like(parameters)
    nets.logits(images)
    nets.learn_from(errors, more=False)
    nets.gradient(out=whole)
    for part, more in ((slice(0, 5), False), (slice(5, 8), True)):
        nets.logits(images[:, part])
        nets.learn_from(errors[..., part], more=more)
    nets.gradient(out=parts)
    assert _distance(parts, whole.double()) < 1e-6


def test_float_images_are_seen_as_bytes_are(network: NeuroModNetSpec) -> None:
    context = context_of(network, 784)
    images = torch.from_numpy(_images(3, 4))
    nets = NeuroModNets(_base(network), _maps(3), CPU)
    nets.take(stacked([context.draw(stream(5, task)) for task in range(3)], context, CPU))
    assert _distance(nets.logits(images.float() / 255), nets.logits(images).double()) < 1e-6


def test_the_base_is_kaiming_normal() -> None:
    base = random_base(NeuroModNetSpec(), 784, 10, 0)
    assert [weights.shape for weights in base.weights] == [(1024, 784), (1024, 1024), (10, 1024)]
    for weights in base.weights:
        scaled = weights.ravel()[:100_000] / np.sqrt(2 / weights.shape[1])
        assert kstest(scaled, "norm").pvalue > 0.001
        with pytest.raises(ValueError, match="read-only"):
            weights[0, 0] = 1


def test_base_ids_tell_bases_apart_and_never_change() -> None:
    networks = (NeuroModNetSpec(), NeuroModNetSpec(layers=(1024,)), NeuroModNetSpec(layers=(1024, 512)))
    ids = {random_base(network, 784, 10, seed).base_id for network in networks for seed in (0, 1)}
    assert len(ids) == 6
    assert random_base(NeuroModNetSpec(), 784, 10, 0).base_id == PINNED


PINNED = "9091fa14a3289861d7bee97f515f43c101e065cae2972613766548943dab4b1c"


def test_a_base_beyond_measure_is_refused_by_field() -> None:
    with pytest.raises(InvalidSpec) as refusal:
        random_base(NeuroModNetSpec(layers=(20_000, 20_000)), 784, 10, 0)
    assert refusal.value.field == "network.layers"
