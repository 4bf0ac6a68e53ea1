"""All networks at once against one at a time."""

from __future__ import annotations

import numpy as np
import pytest

from tgsh.datasets.base import Normalisation
from tgsh.networks import all_tasks
from tgsh.networks.all_tasks import TaskNetworks, blind_features, multiply_adds
from tgsh.networks.inference import task_network
from tgsh.networks.registry import context_of, random_base
from tgsh.specs import FlyNetSpec, GshSpec, NetworkSpec, NeuroModNetSpec, TgshSpec

PIXELS, CLASSES, TASKS = 30, 4, 5
NETWORKS: tuple[NetworkSpec, ...] = (
    FlyNetSpec(expansion=3, fan_in=4),
    NeuroModNetSpec(layers=(20, 12)),
    TgshSpec(hidden=20, rank=6),
    GshSpec(hidden=20, rank=6),
)


def networks_of(spec: NetworkSpec) -> TaskNetworks:
    context = context_of(spec, PIXELS, CLASSES)
    vectors = [context.vector(context.draw(np.random.default_rng(task))) for task in range(TASKS)]
    base = random_base(spec, PIXELS, CLASSES, 0)
    return TaskNetworks(base, context, np.stack(vectors), range(TASKS), lambda i: Normalisation(0.1, 0.2 + i))


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("spec", NETWORKS, ids=lambda spec: spec.kind)
def test_logits_are_those_of_each_network(
    spec: NetworkSpec, dtype: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(all_tasks, "CONTEXT_NUMBERS", 2 * CLASSES * 3 * PIXELS)  # two contexts, four images
    monkeypatch.setattr(all_tasks, "FEATURE_NUMBERS", 4 * 3 * PIXELS)
    networks, steps = networks_of(spec), []
    images = np.random.default_rng(1).integers(0, 256, (9, PIXELS), np.uint8)
    images = images if dtype is np.uint8 else (images / 255).astype(np.float32)
    found = networks.logits(images, lambda: steps.append(1))
    assert (found.shape, found.dtype) == ((9, TASKS, CLASSES), np.float32)
    for task in range(TASKS):
        one = task_network(
            networks.base, networks.context, networks.vectors[task], task, Normalisation(0.1, 0.2 + task)
        )
        np.testing.assert_allclose(found[:, task], one.logits(images), rtol=2e-4, atol=1e-4)
    assert len(steps) > 1
    assert networks.classes == CLASSES


def test_a_step_may_end_it() -> None:
    def stop() -> None:
        raise InterruptedError

    for spec in NETWORKS:
        with pytest.raises(InterruptedError):
            networks_of(spec).logits(np.zeros((2, PIXELS), np.uint8), stop)


def test_blind_features_know_no_context() -> None:
    images = np.random.default_rng(2).random((6, PIXELS)).astype(np.float32)
    by = Normalisation(0.3, 0.5)
    for spec in NETWORKS[:3]:
        networks = networks_of(spec)
        features = blind_features(networks.base, images, by)
        assert features.shape == (6, networks.hidden_units)
        assert features.min() >= 0
    fly = networks_of(NETWORKS[0])
    v = fly.vectors[1] * np.float32(Normalisation(0.1, 1.2).scale)
    own = fly.network(1).representations(images)
    np.testing.assert_allclose(blind_features(fly.base, images, by) * v, own, rtol=1e-5)
    with pytest.raises(ValueError, match="no random base"):
        blind_features(networks_of(NETWORKS[3]).base, images, by)


def test_cost_is_that_of_one_more_context() -> None:
    assert [multiply_adds(networks_of(spec).base) for spec in NETWORKS] == [
        CLASSES * 3 * PIXELS,
        20 * PIXELS + 12 * 20 + CLASSES * 12,
        20 * PIXELS + 6 * 20 + CLASSES * 6,
        20 * PIXELS,
    ]
