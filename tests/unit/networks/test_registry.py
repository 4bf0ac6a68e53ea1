"""The random base: what it holds, that it never changes, and what it refuses."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.stats import chisquare, kstest

from tgsh.errors import InvalidSpec
from tgsh.networks.registry import Context, base_id_of, context_of, random_base, vector_size
from tgsh.rng import rng_for
from tgsh.specs import FlyNetSpec, GshSpec, NetworkSpec, NeuroModNetSpec, TgshSpec

PAPER = FlyNetSpec()


def test_rows_are_ascending_subsets_of_the_pixels() -> None:
    base = random_base(PAPER, 784, 10, 0)
    assert base.indices.shape == (7840, 7)
    assert base.indices.dtype == np.int32
    assert (np.diff(base.indices, axis=1) > 0).all()
    assert base.indices.min() == 0
    assert base.indices.max() == 783


def test_every_subset_is_as_likely_as_any_other() -> None:
    base = random_base(FlyNetSpec(expansion=100, fan_in=3), 6, 2, 1)
    many = np.concatenate(
        [random_base(FlyNetSpec(expansion=100, fan_in=3), 6, 2, s).indices for s in range(40)]
    )
    subsets = list(itertools.combinations(range(6), 3))
    counts = [int((many == subset).all(axis=1).sum()) for subset in subsets]
    assert sum(counts) == len(many) == 40 * base.units
    assert chisquare(counts).pvalue > 0.001


def test_readout_is_uniform_within_its_bound() -> None:
    base = random_base(PAPER, 784, 10, 0)
    bound = 1 / np.sqrt(7840)
    assert base.readout.shape == (10, 7840)
    assert base.readout.dtype == np.float32
    assert kstest(base.readout.ravel(), "uniform", args=(-bound, 2 * bound)).pvalue > 0.001


def test_base_id_is_the_same_on_every_machine_and_numpy() -> None:
    assert random_base(PAPER, 784, 10, 0).base_id == (
        "8caf7c99e4da856c6823fa471dc877a836c6908aaa194763be9c8b737b3f8644"
    )


def test_base_id_tells_bases_apart() -> None:
    ids = {
        random_base(network, 784, classes, seed).base_id
        for network in (PAPER, FlyNetSpec(fan_in=8), FlyNetSpec(expansion=9))
        for classes in (10, 26)
        for seed in (0, 1)
    }
    assert len(ids) == 12


def test_a_base_cannot_be_changed() -> None:
    base = random_base(PAPER, 784, 10, 0)
    for array in (base.indices, base.readout):
        with pytest.raises(ValueError, match="read-only"):
            array[0, 0] = 1


@pytest.mark.parametrize(
    ("network", "pixels", "field"),
    [
        (FlyNetSpec(fan_in=50), 49, "network.fan_in"),
        (FlyNetSpec(expansion=100), 2001, "network.expansion"),
    ],
)
def test_impossible_bases_are_refused_by_field(network: FlyNetSpec, pixels: int, field: str) -> None:
    with pytest.raises(InvalidSpec) as refusal:
        random_base(network, pixels, 10, 0)
    assert refusal.value.field == field


def test_a_row_may_take_every_pixel() -> None:
    base = random_base(FlyNetSpec(fan_in=49), 49, 10, 0)
    assert (base.indices == np.arange(49)).all()


@pytest.mark.parametrize(
    "network",
    [
        FlyNetSpec(expansion=2),
        NeuroModNetSpec(layers=(2000, 7)),  # more than one block
        TgshSpec(hidden=2000, rank=3),
        GshSpec(hidden=5, rank=3),
    ],
)
def test_an_id_needs_no_base(network: NetworkSpec) -> None:
    assert base_id_of(network, 784, 10, 3) == random_base(network, 784, 10, 3).base_id


def test_the_id_of_an_impossible_base_is_refused_likewise() -> None:
    with pytest.raises(InvalidSpec, match="random weights"):
        base_id_of(NeuroModNetSpec(layers=(20_000, 20_000)), 784, 10, 0)
    with pytest.raises(InvalidSpec, match="readout weights"):
        base_id_of(FlyNetSpec(expansion=40), 784, 1_000, 0)


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
