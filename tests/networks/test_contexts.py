"""What tasks learn: how it starts, what vector it makes, where each layer lies."""

from __future__ import annotations

import numpy as np
import pytest

from tgsh.networks.registry import Context, context_of, vector_size
from tgsh.rng import rng_for
from tgsh.specs import FlyNetSpec, GshSpec, NetworkSpec, NeuroModNetSpec, TgshSpec

NETWORKS: list[NetworkSpec] = [
    FlyNetSpec(expansion=2),
    NeuroModNetSpec(),
    NeuroModNetSpec(layers=(30, 20, 10)),
    NeuroModNetSpec(layers=()),
    TgshSpec(hidden=50, rank=6),
    GshSpec(hidden=50, rank=6),
]


@pytest.fixture(params=NETWORKS, ids=str)
def context(request: pytest.FixtureRequest) -> Context:
    return context_of(request.param, 784, 10)


def test_parameters_have_their_shapes(context: Context) -> None:
    drawn = context.draw(rng_for(0, "x"))
    assert {name: array.shape for name, array in drawn.items()} == dict(context.shapes)
    assert {array.dtype for array in drawn.values()} == {np.dtype(np.float32)}
    again = context.draw(rng_for(0, "x"))
    assert all((again[name] == drawn[name]).all() for name in drawn)


def test_parts_are_the_whole_vector_in_order(context: Context) -> None:
    vector = context.vector(context.draw(rng_for(0, "x")))
    assert (vector.dtype, vector.shape) == (np.float32, (vector_size(context),))
    parts = np.concatenate([vector[part] for part in context.parts.values()])
    assert (parts == vector).all()


def test_every_layer_is_its_gain_times_its_contexts() -> None:
    context = context_of(NeuroModNetSpec(layers=(30, 20)), 784, 10)
    drawn = context.draw(rng_for(0, "x"))
    vector = context.vector(drawn)
    assert list(context.parts) == ["layer-1", "layer-2", "layer-3"]
    for layer in (1, 2, 3):
        assert (vector[context.parts[f"layer-{layer}"]] == drawn[f"g{layer}"] * drawn[f"c{layer}"]).all()


def test_contexts_start_as_the_paper_says() -> None:
    context = context_of(NeuroModNetSpec(), 784, 10)
    many = [context.draw(rng_for(0, index)) for index in range(200)]
    for layer, width in ((1, 784), (2, 1024), (3, 1024)):
        c = np.stack([drawn[f"c{layer}"] for drawn in many])
        g = np.concatenate([drawn[f"g{layer}"] for drawn in many])
        assert c.var() == pytest.approx(2 / (width + 1), rel=0.02)
        assert g.var() == pytest.approx(1, abs=0.35)
