"""The manifold suite: points on spheres, an analytic map, and a truth that can be found again."""

from __future__ import annotations

import numpy as np
import pytest

from tgsh.datasets.descriptions import info_of
from tgsh.rng import rng_for
from tgsh.specs import ExperimentSpec, ManifoldSuite
from tgsh.suites import build
from tgsh.suites.manifold import (
    CONTRAST,
    GAIN,
    HIDDEN,
    AnalyticMap,
    ManifoldImages,
    class_identifiers,
    perturbations,
    task_identifier,
)
from tgsh.suites.task_identity import task_parameters

SUITE = ManifoldSuite(tasks=5, side=8, train_images=600, test_images=100)
INFO = info_of(ExperimentSpec(suite=SUITE))


def test_all_identifiers_lie_on_unit_spheres_and_are_spread_over_them() -> None:
    found = {
        "tasks": np.stack([task_identifier(SUITE, index) for index in range(400)]),
        "classes": class_identifiers(SUITE.model_copy(update={"classes": 400})),
        "perturbations": perturbations(SUITE, "train", 400),
    }
    for points in found.values():
        np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1)
        assert np.linalg.norm(points.mean(axis=0)) < 0.15
        np.testing.assert_allclose(
            points.T @ points / 400, np.eye(points.shape[1]) / points.shape[1], atol=0.06
        )


def test_tasks_tell_the_truth_and_do_not_depend_on_how_many_there_are() -> None:
    tasks, longer = build(SUITE, INFO), build(SUITE.model_copy(update={"tasks": 9}), INFO)
    assert [task.label for task in tasks] == ["γ0", "γ1", "γ2", "γ3", "γ4"]
    for task, other in zip(tasks, longer, strict=False):
        assert task.params == other.params
        assert task.params["gamma"] == tuple(task_identifier(SUITE, task.index))
    truth = task_parameters(SUITE, tasks, INFO)
    assert truth is not None
    assert truth.tolist() == [list(task.params["gamma"]) for task in tasks]  # type: ignore[arg-type]
    assert task_identifier(SUITE, 0).round(6).tolist() == PINNED  # on every machine and numpy


PINNED = [-0.689853, -0.52676, -0.496615]


def test_images_are_what_the_definition_says() -> None:
    source = ManifoldImages(SUITE)
    task, example = 3, 417
    own = source.of(task)
    label = own.train_labels[example]
    theta = SUITE.perturbation * perturbations(SUITE, "train", 600)[example]
    z = np.concatenate([task_identifier(SUITE, task), class_identifiers(SUITE)[label], theta])
    m1 = rng_for(0, "manifold", "M1").standard_normal((HIDDEN, z.size))
    m2 = rng_for(0, "manifold", "M2").standard_normal((64, HIDDEN))
    for pixel in (0, 17, 63):
        total = sum(m2[pixel, h] * np.tanh(GAIN * (m1[h] @ z)) for h in range(HIDDEN))
        expected = 255 / (1 + np.exp(-CONTRAST * total / np.sqrt(HIDDEN)))
        assert own.train_images[example, pixel] == round(float(expected))


def test_tasks_share_classes_and_perturbations_but_no_image() -> None:
    source = ManifoldImages(SUITE)
    one, other = source.of(0), source.of(1)
    assert source.of(0) is one
    assert (one.train_labels == other.train_labels).all()
    assert np.bincount(one.train_labels).tolist() == [60] * 10
    assert (one.train_images != other.train_images).any(axis=1).all()
    assert (one.train_images[:100] != one.test_images).any(axis=1).all()
    assert source.info == INFO
    assert (INFO.height, INFO.width, INFO.classes, INFO.train_images) == (8, 8, 10, 600)
    with pytest.raises(ValueError, match="read-only"):
        one.test_images[0, 0] = 1


def test_the_map_is_smooth_and_images_use_the_whole_range() -> None:
    f = AnalyticMap(SUITE)
    z = rng_for(1, "z").standard_normal((1, 19))
    step = rng_for(2, "step").standard_normal((1, 19))
    near = [np.abs(f(z).astype(int) - f(z + size * step)).mean() for size in (0.01, 0.02, 0.04)]
    assert near[0] < near[1] < near[2] < 8
    pixels = ManifoldImages(SUITE).of(0).train_images
    assert pixels.min() < 10
    assert pixels.max() > 245


def test_another_seed_is_another_world() -> None:
    other = SUITE.model_copy(update={"manifold_seed": 1})
    assert not np.allclose(task_identifier(SUITE, 0), task_identifier(other, 0))
    same = (ManifoldImages(SUITE).of(0).test_images == ManifoldImages(other).of(0).test_images).mean()
    assert same < 0.1


def test_images_made_in_blocks_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = ManifoldImages(SUITE).of(2)
    monkeypatch.setattr("tgsh.suites.manifold.IMAGES_PER_BLOCK", 7)
    assert (ManifoldImages(SUITE).of(2).train_images == whole.train_images).all()
