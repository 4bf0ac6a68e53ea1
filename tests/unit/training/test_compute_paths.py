"""The compute paths of FlyNet on a processor: each has its name in records, and its bytes for good."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from tests.support import training
from tgsh.analysis.similarity import similarity
from tgsh.datasets.base import ImageDataset
from tgsh.execution.local import recorded_backend
from tgsh.settings import Compute
from tgsh.training.state import TaskState
from tgsh.training.trainer import Trainer

FUSED: tuple[Compute, ...] = ("fused", "fused-classes")

NUMBA = "cpu AVX512 numba 0.68.1"
RECORDED = {
    f"{NUMBA} fused": "bb1e065830803a6c31a8a9a8c370b708ee27ca7bc1bf348ace8dbb15307dc98d",
    f"{NUMBA} fused-classes": "9672921e8297c4e6acc343abfc902f0db8bb7849784216e593df761d0c9b7cb8",
}
"""SHA-256 of all that task 7 of `training.small` learns; "fused" as written by version 0.2.0 and before."""


def trained(path: Compute, digits: ImageDataset, *indices: int) -> list[TaskState]:
    spec = training.small()
    return training.train(spec, digits, indices, Trainer(spec, digits, training.CPU, path))


def sha256(state: TaskState) -> str:
    arrays = [state.vectors, *state.parameters.values(), *(state.square_avg or {}).values()]
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()


@pytest.mark.parametrize("path", FUSED)
def test_a_path_gives_the_bytes_that_were_recorded_under_its_name(
    path: Compute, digits: ImageDataset
) -> None:
    compute = Trainer(training.small(), digits, training.CPU, path).compute
    assert compute.endswith(f" {path}")
    if compute not in RECORDED:
        pytest.skip(f"no bytes were recorded for {compute}")
    [state] = trained(path, digits, 7)
    assert sha256(state) == RECORDED[compute]


def test_auto_is_the_path_with_the_fewest_products(digits: ImageDataset) -> None:
    [auto], [fused], [classes] = (trained(path, digits, 7) for path in ("auto", *FUSED))
    assert sha256(auto) == sha256(fused) != sha256(classes)


def test_all_paths_learn_the_same_but_for_the_last_digits(digits: ImageDataset) -> None:
    """Also the oracle of what is left out: the product with one row, whose logit is fixed at zero."""
    results = {path: trained(path, digits, 0, 1, 9) for path in (*FUSED, "torch")}
    for state, classes, torch in zip(*results.values(), strict=True):
        for other in (classes, torch):
            np.testing.assert_allclose(state.vectors, other.vectors, atol=2e-4)
            np.testing.assert_allclose(state.losses, other.losses, rtol=1e-5)
    first, *others = (
        similarity(np.stack([state.vectors[-1] for state in states]), ["a", "b", "c"], [0, 1, 9]).values
        for states in results.values()
    )
    for other in others:
        np.testing.assert_allclose(first, other, atol=1e-4)
    spec = training.small()
    tasks = training.chosen(spec, digits, [0, 1, 9])
    trainers = [Trainer(spec, digits, training.CPU, path) for path in results]
    accuracies = [one.accuracy(tasks, states) for one, states in zip(trainers, results.values(), strict=True)]
    for trainer, states, shares in zip(trainers, results.values(), accuracies, strict=True):
        confusions = trainer.confusion(tasks, states)
        assert confusions.shape == (3, 10, 10)
        for counts, share in zip(confusions, shares, strict=True):
            np.testing.assert_array_equal(counts.sum(axis=1), np.bincount(digits.test_labels))
            assert share == int(np.trace(counts)) / len(digits.test_labels)  # as it was always divided
    np.testing.assert_allclose(accuracies[0], accuracies[1], atol=2e-3)  # two of 1,000 images


def test_a_replay_takes_the_path_that_the_bundle_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TGSH_COMPUTE", raising=False)
    named = {path: f"cpu AVX2 numba 0.68.1 {path}" for path in FUSED}
    for path, compute in named.items():
        assert recorded_backend([compute]) == path
    assert recorded_backend(["cpu AVX2 torch 2.14.1 1 threads"]) == "torch"
    assert recorded_backend(["cuda NVIDIA H200 torch 2.14.1"]) is None
    assert recorded_backend(list(named.values())) is None  # tasks of several paths
    assert recorded_backend([]) is None
    monkeypatch.setenv("TGSH_COMPUTE", "torch")
    assert recorded_backend([named["fused"]]) is None  # who replays has said which
