"""Shift tasks against numpy.roll on real digits, bit for bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tgsh.datasets.base import DATASETS, DatasetInfo
from tgsh.datasets.mnist import load_dataset
from tgsh.errors import InvalidSpec
from tgsh.specs import ShiftSuite
from tgsh.suites import build
from tgsh.suites.pixel_maps import roll_map

DIGITS = load_dataset("mnist5k", Path("unused")).test_images[:50]
MNIST = DATASETS["mnist"]


@pytest.mark.parametrize(("step", "tasks"), [(1, 28), (2, 14), (3, 10), (27, 2)])
def test_as_many_tasks_as_fit_and_each_rolls_like_numpy(step: int, tasks: int) -> None:
    built = build(ShiftSuite(step_pixels=step), MNIST)
    assert len(built) == tasks
    for task in built:
        wanted = np.roll(DIGITS.reshape(-1, 28, 28), task.index * step, axis=2).reshape(-1, 784)
        assert (task.transform.apply(DIGITS) == wanted).all()
        assert (task.label, dict(task.params)) == (f"{task.index * step} px", {"shift": task.index * step})


def test_every_second_task_of_one_pixel_is_a_task_of_two() -> None:
    ones, twos = (build(ShiftSuite(step_pixels=step), MNIST) for step in (1, 2))
    for one, two in zip(ones[::2], twos, strict=True):
        assert (one.transform.source == two.transform.source).all()
        assert one.label == two.label


def test_images_need_not_be_square() -> None:
    info = DatasetInfo("oblong", "", 20, 28, 10, 50, 50)
    images = DIGITS[:, : 20 * 28]
    for task in build(ShiftSuite(step_pixels=5), info):
        wanted = np.roll(images.reshape(-1, 20, 28), task.index * 5, axis=2).reshape(len(images), -1)
        assert (task.transform.apply(images) == wanted).all()


def test_rolls_go_down_too() -> None:
    wanted = np.roll(DIGITS.reshape(-1, 28, 28), (3, -2), axis=(1, 2)).reshape(-1, 784)
    assert (roll_map(-2, 3, 28, 28).apply(DIGITS) == wanted).all()


def test_a_number_of_tasks_may_be_asked_for() -> None:
    assert [task.label for task in build(ShiftSuite(step_pixels=9, tasks=3), MNIST)] == [
        "0 px",
        "9 px",
        "18 px",
    ]


@pytest.mark.parametrize("step", [28, 500])
def test_a_step_round_the_image_is_refused_by_field(step: int) -> None:
    with pytest.raises(InvalidSpec) as refusal:
        build(ShiftSuite(step_pixels=step), MNIST)
    assert refusal.value.field == "suite.step_pixels"
