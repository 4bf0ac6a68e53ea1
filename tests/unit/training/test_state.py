"""Checkpoints give back what was put in, and refuse everything else by name."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from safetensors.numpy import load, save

from tests.support import training
from tgsh.datasets.base import ImageDataset
from tgsh.errors import ArtifactCorrupt
from tgsh.training.state import TaskState, from_tensors, to_tensors
from tgsh.training.trainer import Trainer

SPEC = training.small(epochs=2, train_limit=64)
Parts = tuple[dict[str, np.ndarray], dict[str, str]]


@pytest.fixture(scope="module")
def halfway(digits: ImageDataset) -> TaskState:
    trainer = Trainer(SPEC, digits, training.CPU)
    [state] = trainer.epoch(training.chosen(SPEC, digits, [6]), [trainer.fresh(6)], training.never)
    return state


def test_round_trip_through_safetensors_is_exact(halfway: TaskState) -> None:
    tensors, metadata = to_tensors(halfway, SPEC, keep_optimiser=True)
    back = from_tensors(load(save(tensors, metadata)), metadata, SPEC, 6)
    assert training.digest(back) == training.digest(halfway)
    assert (back.index, back.epoch) == (6, 1)


def test_a_finished_task_needs_no_optimiser(digits: ImageDataset) -> None:
    [done] = training.train(SPEC, digits, [6])
    tensors, metadata = to_tensors(done, SPEC, keep_optimiser=False)
    assert set(tensors) == {"c", "g", "vectors"}
    assert from_tensors(tensors, metadata, SPEC, 6).square_avg is None


def test_names_and_tags_do_not_matter(halfway: TaskState) -> None:
    parts = to_tensors(halfway, SPEC, keep_optimiser=True)
    renamed = SPEC.model_copy(update={"name": "other", "tags": ("x",)})
    assert from_tensors(*parts, renamed, 6).epoch == 1


def _without(name: str) -> Callable[[Parts], object]:
    return lambda parts: (parts[0] if name in parts[0] else parts[1]).pop(name)


def _with(name: str, value: object) -> Callable[[Parts], object]:
    return lambda parts: (parts[1] if isinstance(value, str) else parts[0]).update({name: value})  # type: ignore[arg-type,dict-item]


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (_without("c"), "'c' is missing"),
        (_without("vectors"), "'vectors' is missing"),
        (_without("squares.c"), "'squares.c' is missing"),
        (_without("squares.g"), "'squares.g' is missing"),
        (_with("extra", np.zeros(1, np.float32)), "'extra'"),
        (_with("c", np.zeros(1567, np.float32)), "'c' is float32"),
        (_with("g", np.zeros(1)), "'g' is float64"),
        (_with("vectors", np.zeros((3, 1568), np.float32)), "'vectors' is float32"),
        (_with("squares.g", np.full(1, np.nan, np.float32)), "'squares.g' holds"),
        (_without("format"), "format is None"),
        (_with("spec", "0" * 64), "spec is"),
        (_with("task", "5"), "task is '5'"),
        (_with("epoch", "3"), "epoch '3'"),
        (_with("epoch", "-1"), "epoch '-1'"),
        (_without("epoch"), "epoch ''"),
        (_with("losses", "[1.0, 2.0]"), "losses"),
        (_with("losses", "[NaN]"), "losses"),
        (_with("losses", "[true]"), "losses"),
        (_with("losses", "{"), "losses"),
        (_without("losses"), "losses"),
    ],
)
def test_damage_is_refused_by_name(halfway: TaskState, damage: Callable[[Parts], object], named: str) -> None:
    parts = to_tensors(halfway, SPEC, keep_optimiser=True)
    damage(parts)
    with pytest.raises(ArtifactCorrupt, match=named.replace("[", r"\[")):
        from_tensors(*parts, SPEC, 6)
