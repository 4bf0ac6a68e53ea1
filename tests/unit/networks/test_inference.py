"""What is computed without torch against the learners that train with it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.support import plain_networks as plain
from tests.unit.networks.test_torch_registry import NETWORKS
from tgsh.networks import inference
from tgsh.networks.flynet import flynet_base
from tgsh.networks.inference import TaskNetwork, flynet_features, task_network
from tgsh.networks.registry import context_of, random_base
from tgsh.networks.torch_registry import Learner, learner
from tgsh.rng import rng_for
from tgsh.specs import FlyNetSpec, NetworkSpec
from tgsh.suites.pixel_maps import PixelMap
from tgsh.training.state import stacked_parameters

CPU = torch.device("cpu")
SIZED: list[NetworkSpec] = [*NETWORKS, FlyNetSpec(expansion=3, fan_in=20)]
INDEX = 7


@pytest.fixture(params=SIZED, ids=str)
def network(request: pytest.FixtureRequest) -> NetworkSpec:
    chosen: NetworkSpec = request.param
    return chosen


@pytest.fixture(params=[0, 3, 2**40])
def base_seed(request: pytest.FixtureRequest) -> int:
    return int(request.param)


def made(network: NetworkSpec, base_seed: int = 3) -> tuple[TaskNetwork, Learner]:
    """The same network twice; the learner takes the parameters, ours their vector alone."""
    base, context = random_base(network, 784, 10, base_seed), context_of(network, 784, 10)
    drawn = context.draw(rng_for(5, "context"))
    nets = learner(base, [PixelMap.identity(784)], [INDEX], CPU)
    nets.load_parameters(torch.from_numpy(stacked_parameters([drawn], context)))
    return task_network(base, context, context.vector(drawn), INDEX), nets


def images(kind: str, count: int = 9) -> np.ndarray:
    pixels = rng_for(7, "images").integers(0, 256, (count, 784), dtype=np.uint8)
    return pixels if kind == "uint8" else (pixels / 255).astype(kind)


def distance(got: np.ndarray, wanted: torch.Tensor) -> float:
    return float((torch.from_numpy(got).double() - wanted.double()).norm() / wanted.double().norm())


@pytest.mark.parametrize("kind", ["uint8", "float32"])
def test_it_is_what_the_learner_computes(network: NetworkSpec, base_seed: int, kind: str) -> None:
    ours, nets = made(network, base_seed)
    seen = images(kind)
    representations, logits = ours.representations(seen), ours.logits(seen)
    assert (representations.dtype, logits.dtype) == (np.float32, np.float32)
    assert (representations.shape, logits.shape) == ((9, ours.size), (9, 10))
    given = torch.from_numpy(seen)[None]
    assert distance(representations, nets.representations(given)[0]) < 1e-5
    assert distance(logits, nets.logits(given)[0].T) < 1e-5


def test_it_is_what_the_definition_says(network: NetworkSpec) -> None:
    base, context = random_base(network, 784, 10, 3), context_of(network, 784, 10)
    drawn = context.draw(rng_for(5, "context"))
    ours = task_network(base, context, context.vector(drawn), INDEX)
    wanted = plain.logits_of(
        base,
        images("uint8"),
        {name: torch.from_numpy(array.astype(np.float64)) for name, array in drawn.items()},
        INDEX,
    )
    assert distance(ours.logits(images("uint8")), wanted) < 1e-5


@pytest.mark.parametrize("kind", ["float16", "float64"])
def test_other_floats_are_pixels_too(network: NetworkSpec, kind: str) -> None:
    ours, nets = made(network)
    given = torch.from_numpy(images(kind).astype(np.float32))[None]
    assert distance(ours.logits(images(kind)), nets.logits(given)[0].T) < 1e-5


def test_what_was_given_is_not_written_to(network: NetworkSpec) -> None:
    ours, _ = made(network)
    for kind in ("uint8", "float32"):
        seen = images(kind)
        seen.flags.writeable = False
        first = ours.logits(seen)
        np.testing.assert_array_equal(ours.logits(seen), first)


def test_blocks_make_no_difference(network: NetworkSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, _ = made(network)
    seen = images("uint8", 5)
    whole = ours.representations(seen), ours.logits(seen)
    monkeypatch.setattr(inference, "BLOCK_NUMBERS", 2 * ours.widest)
    assert distance(ours.representations(seen), torch.from_numpy(whole[0])) < 1e-5
    assert distance(ours.logits(seen), torch.from_numpy(whole[1])) < 1e-5


def test_every_task_of_the_baseline_has_its_own_network() -> None:
    network = NETWORKS[-1]
    base, context = random_base(network, 784, 10, 3), context_of(network, 784, 10)
    vector = context.vector(context.draw(rng_for(5, "context")))
    one, other = (task_network(base, context, vector, index).logits(images("uint8")) for index in (0, 1))
    assert not np.allclose(one, other)


def test_the_images_that_are_sent_stay_as_they_are() -> None:
    """Of one image in floats, too, whose transpose is contiguous."""
    base = flynet_base(FlyNetSpec(expansion=2, fan_in=3), 10, 2, 0)
    image = np.linspace(0, 1, 10, dtype=np.float32)[None]
    before = image.copy()
    flynet_features(base, image)
    np.testing.assert_array_equal(image, before)
