"""Every network's random base; its forward pass and gradient against autograd in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import kstest

from tests.support import plain_networks as plain
from tgsh.errors import InvalidSpec
from tgsh.networks.registry import FlyNetBase, NeuroModNetBase, RandomBase, TgshBase, context_of, random_base
from tgsh.networks.torch_registry import Learner, learner
from tgsh.rng import rng_for
from tgsh.specs import FlyNetSpec, GshSpec, NetworkSpec, NeuroModNetSpec, TgshSpec
from tgsh.suites.pixel_maps import PixelMap, rotation_map
from tgsh.training.state import stacked_parameters

CPU = torch.device("cpu")
ANGLES = (0.0, 30.0, 137.5)
INDICES = (4, 0, 7)
NETWORKS: list[NetworkSpec] = [
    FlyNetSpec(expansion=1),
    NeuroModNetSpec(layers=(60, 40)),
    NeuroModNetSpec(layers=(50,)),
    NeuroModNetSpec(layers=()),
    TgshSpec(hidden=50, rank=12, weight_decay=0.1),
    TgshSpec(hidden=30, rank=4, weight_decay=0.0),
    GshSpec(hidden=50, rank=12, weight_decay=0.1),
]


@pytest.fixture(params=NETWORKS, ids=str)
def network(request: pytest.FixtureRequest) -> NetworkSpec:
    chosen: NetworkSpec = request.param
    return chosen


def _base(network: NetworkSpec) -> RandomBase:
    return random_base(network, 784, 10, 3)


def _learner(network: NetworkSpec, tasks: int) -> Learner:
    return learner(_base(network), _maps(tasks), INDICES[:tasks], CPU)


def _maps(count: int) -> list[PixelMap]:
    return [rotation_map(angle, 28, 28) for angle in ANGLES[:count]]


def _images(tasks: int, batch: int) -> np.ndarray:
    return rng_for(7, "images").integers(0, 256, (tasks, batch, 784), dtype=np.uint8)


def _distance(got: torch.Tensor, wanted: torch.Tensor) -> float:
    return float((got.double() - wanted).norm() / wanted.norm())


@pytest.mark.parametrize("tasks", [1, 3])
@pytest.mark.parametrize("batch", [1, 16])
def test_logits_and_gradient_are_those_of_the_definition(
    network: NetworkSpec, tasks: int, batch: int
) -> None:
    base, maps, images = _base(network), _maps(tasks), _images(tasks, batch)
    context = context_of(network, 784, 10)
    drawn = [context.draw(rng_for(5, task)) for task in range(tasks)]
    errors = torch.from_numpy(rng_for(7, "errors").standard_normal((tasks, 10, batch)))
    nets = _learner(network, tasks)
    parameters = torch.from_numpy(stacked_parameters(drawn, context))
    nets.load_parameters(parameters)
    logits, gradient = nets.logits(torch.from_numpy(images)), torch.empty_like(parameters)
    nets.learn_from(errors.float(), more=False)
    nets.gradient(out=gradient)
    for task, pixel_map in enumerate(maps):
        leaves = {
            name: torch.from_numpy(array.astype(np.float64)).requires_grad_()
            for name, array in drawn[task].items()
        }
        wanted = plain.logits_of(base, pixel_map.apply(images[task]), leaves, INDICES[task])
        ((wanted * errors[task].T).sum() + plain.penalty(base, leaves)).backward()
        assert _distance(logits[task].T, wanted.detach()) < 1e-5
        flat = torch.cat([leaves[name].grad.ravel() for name in context.shapes])  # type: ignore[union-attr]
        assert _distance(gradient[task], flat) < 1e-5


def _readout(base: RandomBase, parameters: dict[str, np.ndarray]) -> np.ndarray:
    match base:
        case FlyNetBase() | TgshBase():
            return base.readout
        case NeuroModNetBase():
            return base.weights[-1]
    return parameters["A"]


@pytest.mark.parametrize("tasks", [1, 3])
def test_representations_are_what_the_readout_makes_logits_of(network: NetworkSpec, tasks: int) -> None:
    context, images = context_of(network, 784, 10), torch.from_numpy(_images(tasks, 5))
    drawn = [context.draw(rng_for(5, task)) for task in range(tasks)]
    nets = _learner(network, tasks)
    nets.load_parameters(torch.from_numpy(stacked_parameters(drawn, context)))
    seen, logits = nets.representations(images), nets.logits(images)
    for task in range(tasks):
        readout = torch.tensor(_readout(_base(network), drawn[task]), dtype=torch.float64)
        assert _distance(logits[task].T, seen[task].double() @ readout.T) < 1e-5


def test_the_vector_alone_decides_the_logits(network: NetworkSpec) -> None:
    context, images = context_of(network, 784, 10), torch.from_numpy(_images(1, 5))
    drawn = context.draw(rng_for(5, 0))
    again = context.parameters(context.vector(drawn))
    assert {name: array.shape for name, array in again.items()} == dict(context.shapes)
    np.testing.assert_array_equal(context.vector(again), context.vector(drawn))
    nets = _learner(network, 1)
    nets.load_parameters(torch.from_numpy(stacked_parameters([drawn], context)))
    wanted = nets.logits(images).double()
    nets.load_parameters(torch.from_numpy(stacked_parameters([again], context)))
    assert _distance(nets.logits(images), wanted) < 1e-5


def test_gradients_of_parts_add_up(network: NetworkSpec) -> None:
    context = context_of(network, 784, 10)
    images = torch.from_numpy(_images(1, 8))
    errors = torch.from_numpy(rng_for(7, "errors").standard_normal((1, 10, 8)).astype(np.float32))
    nets = _learner(network, 1)
    parameters = torch.from_numpy(stacked_parameters([context.draw(rng_for(5, 0))], context))
    nets.load_parameters(parameters)
    whole, parts = torch.empty_like(parameters), torch.empty_like(parameters)
    nets.logits(images)
    nets.learn_from(errors, more=False)
    nets.gradient(out=whole)
    for part, more in ((slice(0, 5), False), (slice(5, 8), True)):
        nets.logits(images[:, part])
        nets.learn_from(errors[..., part], more=more)
    nets.gradient(out=parts)
    assert _distance(parts, whole.double()) < 1e-6


def test_float_images_are_seen_as_bytes_are(network: NetworkSpec) -> None:
    context = context_of(network, 784, 10)
    images = torch.from_numpy(_images(3, 4))
    nets = _learner(network, 3)
    nets.load_parameters(
        torch.from_numpy(stacked_parameters([context.draw(rng_for(5, task)) for task in range(3)], context))
    )
    assert _distance(nets.logits(images.float() / 255), nets.logits(images).double()) < 1e-6


def test_dense_bases_are_kaiming_normal() -> None:
    deep = random_base(NeuroModNetSpec(), 784, 10, 0)
    assert [weights.shape for weights in deep.weights] == [(1024, 784), (1024, 1024), (10, 1024)]
    shared = random_base(TgshSpec(), 784, 10, 0)
    assert (shared.input_weights.shape, shared.readout.shape) == ((1024, 784), (10, 64))
    own = random_base(GshSpec(), 784, 10, 0)
    for weights in (*deep.weights, shared.input_weights, shared.readout, own.input_weights(3)):
        scaled = weights.ravel()[:100_000] / np.sqrt(2 / weights.shape[1])
        assert kstest(scaled, "norm").pvalue > 0.001
        with pytest.raises(ValueError, match="read-only"):
            weights[0, 0] = 1


def test_base_ids_tell_bases_apart_and_never_change() -> None:
    networks: list[NetworkSpec] = [
        NeuroModNetSpec(),
        NeuroModNetSpec(layers=(1024,)),
        TgshSpec(),
        TgshSpec(rank=32),
        GshSpec(),
        GshSpec(rank=32),
    ]
    ids = {random_base(network, 784, 10, seed).base_id for network in networks for seed in (0, 1)}
    assert len(ids) == 12
    for network in PINNED:
        assert random_base(network, 784, 10, 0).base_id == PINNED[network]
    assert random_base(TgshSpec(weight_decay=0.5), 784, 10, 0).base_id == PINNED[TgshSpec()]


def test_every_task_of_the_baseline_has_a_base_of_its_own() -> None:
    base = random_base(GshSpec(), 784, 10, 0)
    assert (base.input_weights(2) == base.input_weights(2)).all()
    assert abs(np.corrcoef(base.input_weights(2).ravel(), base.input_weights(3).ravel())[0, 1]) < 0.01


PINNED: dict[NetworkSpec, str] = {
    NeuroModNetSpec(): "9091fa14a3289861d7bee97f515f43c101e065cae2972613766548943dab4b1c",
    TgshSpec(): "08d2fdedcde1d9087a340ad33a0cca10ceab7ff56bfdc1f6de32021c5ba510b6",
    GshSpec(): "e0cea0ea081fee48925e342001893d28d8ff05f9f38871d8609c7d03af8c877d",
}


@pytest.mark.parametrize(
    ("network", "field"),
    [
        (NeuroModNetSpec(layers=(20_000, 20_000)), "network.layers"),
        (TgshSpec(hidden=200_000, rank=1), "network.hidden"),
        (GshSpec(rank=5_000), "network.rank"),
    ],
)
def test_bases_beyond_measure_are_refused_by_field(network: NetworkSpec, field: str) -> None:
    with pytest.raises(InvalidSpec) as refusal:
        random_base(network, 784, 10, 0)
    assert refusal.value.field == field
