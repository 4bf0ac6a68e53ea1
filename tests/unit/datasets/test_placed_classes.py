"""Classes of new images and outputs of a network: by name, by a map, by images."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tgsh.datasets.base import DATASETS
from tgsh.datasets.placed_classes import NONE, outputs_mapped, outputs_named, outputs_nearest
from tgsh.errors import InvalidSpec

INFO = replace(DATASETS["mnist5k"], classes=3, class_names=("oak", "beech", "birke\u0301"))


def test_names_that_are_the_same_when_composed_are_the_same() -> None:
    assert outputs_named(["birk\u00e9", "pine", "oak"], INFO).tolist() == [2, NONE, 0]


def test_fewer_than_two_equal_names_are_refused_with_the_remedies() -> None:
    with pytest.raises(InvalidSpec, match="nearest") as refused:
        outputs_named(["pine", "oak"], INFO)
    assert refused.value.field == "classes"
    assert "oak, beech" in refused.value.message


def test_a_map_says_all_that_is_wrong_at_once() -> None:
    assert outputs_mapped(["a", "b", "c"], {"a": "beech", "c": "oak"}, INFO).tolist() == [1, NONE, 0]
    with pytest.raises(InvalidSpec) as refused:
        outputs_mapped(["a", "b"], {"x": "oak", "a": "beach", "b": "oak"}, INFO)
    fields = dict(refused.value.fields)
    assert set(fields) == {"classes.x", "classes.a"}
    assert "'beech' meant" in fields["classes.a"]
    with pytest.raises(InvalidSpec, match="two classes for the same"):
        outputs_mapped(["a", "b"], {"a": "oak", "b": "oak"}, INFO)
    with pytest.raises(InvalidSpec, match="fewer than two"):
        outputs_mapped(["a", "b"], {"a": "oak"}, INFO)


def test_classes_are_matched_with_the_task_that_fits_best_whatever_their_brightness() -> None:
    rng = np.random.default_rng(0)
    means = rng.uniform(0, 1, (2, 3, 50))
    order = [2, 0, 1]
    labels = np.repeat(np.arange(3), 30)
    clean = means[1][order][labels]
    images = np.clip(60 + 120 * clean + rng.normal(0, 10, (90, 50)), 0, 255).astype(np.uint8)
    outputs, task = outputs_nearest(images, labels, 3, means)
    assert (outputs.tolist(), task) == (order, 1)


def test_classes_that_a_task_lacks_take_none_and_more_classes_than_outputs_are_left_over() -> None:
    rng = np.random.default_rng(1)
    means = rng.uniform(0, 1, (1, 3, 40))
    means[0, 1] = np.nan
    labels = np.repeat(np.arange(3), 20)
    patterns = np.stack([means[0, 0], rng.uniform(0, 1, 40), means[0, 2]])
    images = np.clip(255 * patterns[labels] + rng.normal(0, 5, (60, 40)), 0, 255).astype(np.uint8)
    outputs, _ = outputs_nearest(images, labels, 3, means)
    assert outputs.tolist() == [0, NONE, 2]
