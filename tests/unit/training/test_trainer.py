"""The same bytes in any company and after any interruption; stopping, failing, refusing."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import sys

import numpy as np
import pytest
import torch

from tests.support import training
from tgsh.datasets.base import ImageDataset
from tgsh.errors import Interrupted, InvalidSpec, MachineProblem, TrainingDiverged
from tgsh.settings import Compute
from tgsh.specs import AugmentSuite, FlyNetSpec, GshSpec, NetworkSpec, NeuroModNetSpec, TgshSpec
from tgsh.training import state as state_module
from tgsh.training import trainer as module
from tgsh.training.state import batch_order, fresh_state, from_tensors, to_tensors
from tgsh.training.trainer import Trainer


def test_same_seed_same_bytes(digits: ImageDataset) -> None:
    spec = training.small()
    [once], [again] = training.train(spec, digits, [7]), training.train(spec, digits, [7])
    [other] = training.train(spec.model_copy(update={"seed": 6}), digits, [7])
    assert training.digest(once) == training.digest(again) != training.digest(other)


def test_same_bytes_whatever_a_trainer_did_before(digits: ImageDataset) -> None:
    spec = training.small()
    trainer = Trainer(spec, digits, training.CPU)
    alone = [training.digest(state) for index in (2, 9) for state in training.train(spec, digits, [index])]
    in_turn = [
        training.digest(state)
        for index in (2, 9, 2)
        for state in training.train(spec, digits, [index], trainer)
    ]
    assert in_turn == [*alone, alone[0]]


# Sizes at which a batch of several tasks gave other bytes when it was computed at once: rows that begin where
# memory is not aligned, sums of another shape.
COMPANY: list[tuple[Compute, NetworkSpec, int, int]] = [
    ("torch", FlyNetSpec(expansion=3, fan_in=5), 133, 132),
    ("torch", NeuroModNetSpec(layers=(64, 32)), 300, 64),
    ("torch", NeuroModNetSpec(layers=(33, 17)), 310, 61),
    ("torch", TgshSpec(hidden=77, rank=13), 133, 132),
    ("torch", GshSpec(hidden=77, rank=13), 133, 132),
    ("fused", FlyNetSpec(expansion=2), 133, 64),
    ("fused-classes", FlyNetSpec(expansion=2), 133, 64),
]


@pytest.mark.parametrize(
    ("path", "network", "images", "batch"), COMPANY, ids=lambda value: getattr(value, "kind", str(value))
)
def test_company_changes_no_byte(
    path: Compute, network: NetworkSpec, images: int, batch: int, digits: ImageDataset
) -> None:
    spec = training.small(train_limit=images, batch_size=batch, epochs=1)
    spec = spec.model_copy(update={"network": network})
    trainer = Trainer(spec, digits, training.CPU, path)
    alone = {index: training.digest(training.train(spec, digits, [index], trainer)[0]) for index in (0, 3)}
    for company in (2, 5, 12, 36):
        others = [index for index in range(36) if index not in alone][: company - 2]
        together = training.train(spec, digits, [0, *others, 3], trainer)
        assert {state.index: training.digest(state) for state in (together[0], together[-1])} == alone


def test_a_task_that_computes_pixels_changes_no_byte_of_one_that_does_not(digits: ImageDataset) -> None:
    network = NeuroModNetSpec(layers=(64, 32))
    spec = training.small(epochs=1).model_copy(update={"suite": AugmentSuite(), "network": network})
    trainer = Trainer(spec, digits, training.CPU)
    [alone] = training.train(spec, digits, [0], trainer)
    together = training.train(spec, digits, [0, 3, 6], trainer)
    assert training.digest(together[0]) == training.digest(alone)
    tasks = training.chosen(spec, digits, [0, 3, 6])
    assert trainer.accuracy(tasks, together)[:1] == trainer.accuracy(tasks[:1], [alone])


def test_resuming_after_every_epoch_gives_the_same_bytes(digits: ImageDataset) -> None:
    spec = training.small(epochs=3)
    [undisturbed] = training.train(spec, digits, [3])
    state = Trainer(spec, digits, training.CPU).fresh(3)
    for _ in range(3):
        state = from_tensors(*to_tensors(state, spec, keep_optimiser=True), spec, 3)
        trainer = Trainer(spec, digits, training.CPU)  # as another process would have it
        [state] = trainer.epoch(training.chosen(spec, digits, [3]), [state], training.never)
    assert training.digest(state) == training.digest(undisturbed)


def test_a_batch_taken_in_parts_is_the_same_batch(
    digits: ImageDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = training.small()
    [whole] = training.train(spec, digits, [1], Trainer(spec, digits, training.CPU, "torch"))
    monkeypatch.setattr(module, "FEATURES_AT_ONCE", 17 * 1568)
    [parts] = training.train(spec, digits, [1], Trainer(spec, digits, training.CPU, "torch"))
    np.testing.assert_allclose(parts.vectors, whole.vectors, atol=2e-4)


def test_states_are_values(digits: ImageDataset) -> None:
    spec = training.small()
    trainer = Trainer(spec, digits, training.CPU)
    before = trainer.fresh(0)
    kept = training.digest(before)
    [after] = trainer.epoch(training.chosen(spec, digits, [0]), [before], training.never)
    assert training.digest(before) == kept
    assert (after.epoch, len(after.losses), after.vectors.shape) == (1, 1, (2, 1568))
    assert (after.vectors[0] == before.vectors[0]).all()
    assert (after.vectors[1] == after.parameters["g"] * after.parameters["c"]).all()


def test_contexts_start_as_the_paper_says(digits: ImageDataset) -> None:
    trainer = Trainer(training.small(), digits, training.CPU)
    states = [trainer.fresh(index) for index in range(200)]
    c = np.stack([state.parameters["c"] for state in states])
    g = np.concatenate([state.parameters["g"] for state in states])
    assert c.var() == pytest.approx(2 / 1569, rel=0.02)
    assert abs(c.mean()) < 4 * math.sqrt(2 / 1569 / c.size)
    assert g.var() == pytest.approx(1, abs=0.35)
    assert abs(np.corrcoef(c)[np.triu_indices(200, 1)]).max() < 0.15


@pytest.mark.parametrize("kind", [FlyNetSpec, NeuroModNetSpec])
def test_contexts_start_alike_where_the_spec_says_so(
    kind: type[FlyNetSpec | NeuroModNetSpec], digits: ImageDataset
) -> None:
    def start(name: str, seed: int = 5) -> list[np.ndarray]:
        network = kind.model_validate({"start": name})
        spec = training.small().model_copy(update={"network": network, "seed": seed})
        context = training.context(spec, digits)
        return [fresh_state(spec, context, index).vectors[0] for index in range(3)]

    independent, common, ones = map(start, ("independent", "common", "ones"))
    assert len({vector.tobytes() for vector in independent + common[:1]}) == 4
    assert len({vector.tobytes() for vector in common + ones[:1]}) == 2
    assert all((vector == 1).all() for vector in ones)
    assert (start("common", seed=6)[0] != common[0]).any()
    assert common[0].std() == pytest.approx(independent[0].std(), rel=30)  # a draw, of another g


def test_every_epoch_of_every_task_has_its_own_order() -> None:
    orders = [batch_order(0, task, epoch, 100).tolist() for task in range(3) for epoch in range(3)]
    assert all(sorted(order) == list(range(100)) for order in orders)
    assert len({tuple(order) for order in orders}) == 9


def test_it_stops_between_two_batches(digits: ImageDataset) -> None:
    trainer = Trainer(training.small(), digits, training.CPU)
    asked = iter([False, False, True])
    with pytest.raises(Interrupted):
        trainer.epoch(training.chosen(training.small(), digits, [0]), [trainer.fresh(0)], lambda: next(asked))
    assert next(asked, "none left") == "none left"


@pytest.mark.parametrize("poison", [math.nan, math.inf])
def test_divergence_names_task_and_epoch(digits: ImageDataset, poison: float) -> None:
    trainer = Trainer(training.small(), digits, training.CPU)
    state = trainer.fresh(4)
    c = state.parameters["c"].copy()
    c[:] = poison
    poisoned = dataclasses.replace(state, parameters={**state.parameters, "c": c})
    with pytest.raises(TrainingDiverged, match=r"40°.*epoch 1"):
        trainer.epoch(
            training.chosen(training.small(), digits, [0, 4]), [trainer.fresh(0), poisoned], training.never
        )


def test_a_state_without_averages_cannot_go_on(digits: ImageDataset) -> None:
    trainer = Trainer(training.small(), digits, training.CPU)
    state = dataclasses.replace(trainer.fresh(0), square_avg=None)
    with pytest.raises(ValueError, match="averages"):
        trainer.epoch(training.chosen(training.small(), digits, [0]), [state], training.never)


def test_a_limit_beyond_the_dataset_is_refused_by_field(digits: ImageDataset) -> None:
    with pytest.raises(InvalidSpec) as refusal:
        Trainer(training.small(train_limit=4001), digits, training.CPU)
    assert refusal.value.field == "training.train_limit"
    Trainer(training.small(train_limit=4000), digits, training.CPU)


@pytest.mark.parametrize(
    ("network", "wanted", "words"),
    [
        (FlyNetSpec(), "torch", ["cpu", "torch", "1 thread"]),
        (FlyNetSpec(), "fused", ["cpu", "numba", "fused"]),
        (FlyNetSpec(), "auto", ["cpu", "numba", "fused"]),
        (NeuroModNetSpec(), "fused", ["cpu", "torch", "1 thread"]),
    ],
)
def test_the_record_says_what_trained(
    network: NetworkSpec, wanted: Compute, words: list[str], digits: ImageDataset
) -> None:
    spec = training.small().model_copy(update={"network": network})
    compute = Trainer(spec, digits, training.CPU, wanted).compute
    assert compute.startswith(words[0])
    assert words[1] in compute
    assert compute.endswith(words[2])


def test_a_gpu_computes_what_it_can_compute_again_and_the_record_says_so(
    digits: ImageDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No GPU is asked: settings are made before the first kernel."""
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "removed again at the end")
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")
    monkeypatch.setattr(state_module, "_conditions", {})
    Trainer(training.small(), digits, training.CPU, "torch")
    assert "tf32" not in state_module.versions()
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = True
    try:
        Trainer(training.small(), digits, "cuda:0")
        assert torch.are_deterministic_algorithms_enabled()
        assert not torch.backends.cuda.matmul.allow_tf32
        assert not torch.backends.cudnn.allow_tf32
    finally:
        torch.use_deterministic_algorithms(False)
    spec = training.small()
    _, about = to_tensors(Trainer(spec, digits, training.CPU).fresh(0), spec, keep_optimiser=False)
    recorded = json.loads(about["versions"])
    assert recorded["torch"] == torch.__version__
    told = {name: recorded[name] for name in ("deterministic_algorithms", "tf32", "cublas_workspace_config")}
    assert told == {"deterministic_algorithms": "on", "tf32": "off", "cublas_workspace_config": ":4096:8"}
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"


def test_without_numba_torch_trains_unless_the_fused_path_is_asked_for(
    digits: ImageDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tgsh.networks.flynet_numba", None)  # as if its import failed
    assert "torch" in Trainer(training.small(), digits, training.CPU).compute
    with pytest.raises(MachineProblem, match=r"numba.*TGSH_COMPUTE"):
        Trainer(training.small(), digits, training.CPU, "fused")


def test_without_torch_what_needs_it_is_refused(
    digits: ImageDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tgsh.training.torch_backend", None)  # as if its import failed
    assert "fused" in Trainer(training.small(), digits, training.CPU).compute
    spec = training.small().model_copy(update={"network": NeuroModNetSpec()})
    with pytest.raises(MachineProblem, match="needs torch"):
        Trainer(spec, digits, training.CPU)
