"""Rotation tasks against torchvision on real digits, bit for bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torchvision.transforms import functional

from tgsh.datasets.base import DATASETS, DatasetInfo
from tgsh.datasets.mnist import load_dataset
from tgsh.specs import RotationSuite
from tgsh.suites import Task, build

DIGITS = load_dataset("mnist5k", Path("unused")).test_images[:50]


def _rotated(images: np.ndarray, height: int, width: int, angle: float) -> np.ndarray:
    pictures = [Image.fromarray(image.reshape(height, width)) for image in images]
    return np.stack([np.asarray(functional.rotate(picture, angle)).ravel() for picture in pictures])


def test_all_tasks_of_the_paper_rotate_like_torchvision() -> None:
    tasks = build(RotationSuite(), DATASETS["mnist5k"])
    assert len(tasks) == 36
    for task in tasks:
        assert (task.transform.apply(DIGITS) == _rotated(DIGITS, 28, 28, task.index * 10)).all()


@pytest.mark.parametrize("step", [7.5, -33.3, 90.0, 180.0, 359.0, 0.0])
def test_other_steps_rotate_like_torchvision(step: float) -> None:
    for task in build(RotationSuite(tasks=5, step_degrees=step), DATASETS["mnist"]):
        assert (task.transform.apply(DIGITS) == _rotated(DIGITS, 28, 28, task.index * step)).all()


@pytest.mark.parametrize(("height", "width"), [(20, 28), (5, 9)])
def test_images_need_not_be_square(height: int, width: int) -> None:
    info = DatasetInfo("oblong", "", height, width, 10, 50, 50)
    images = DIGITS[:, : height * width]
    for task in build(RotationSuite(tasks=8, step_degrees=45.0), info):
        wanted = _rotated(images, height, width, task.index * 45.0)
        assert (task.transform.apply(images) == wanted).all()


def test_tasks_say_what_they_are() -> None:
    tasks = build(RotationSuite(tasks=4, step_degrees=7.5), DATASETS["mnist"])
    assert [task.index for task in tasks] == [0, 1, 2, 3]
    assert [task.label for task in tasks] == ["0°", "7.5°", "15°", "22.5°"]
    assert [task.params for task in tasks] == [{"angle": angle} for angle in (0.0, 7.5, 15.0, 22.5)]


def test_labels_hide_binary_fractions_and_negative_zero() -> None:
    labels = [task.label for task in build(RotationSuite(tasks=4, step_degrees=-0.1), DATASETS["mnist"])]
    assert labels == ["0°", "-0.1°", "-0.2°", "-0.3°"]


def test_labels_of_the_largest_suite_differ() -> None:
    tasks = build(RotationSuite(tasks=10_000, step_degrees=7.25), DATASETS["mnist"])
    assert len({task.label for task in tasks}) == 10_000


def test_a_transform_is_rendered_once_and_only_when_used() -> None:
    rendered: list[str] = []

    def render():  # type: ignore[no-untyped-def]
        rendered.append("now")
        return build(RotationSuite(), DATASETS["mnist"])[1].transform

    task = Task(0, "counted", {}, render)
    assert rendered == []
    assert task.transform is task.transform
    assert rendered == ["now"]


def test_building_ten_thousand_tasks_renders_none() -> None:
    tasks = build(RotationSuite(tasks=10_000, step_degrees=0.036), DATASETS["mnist"])
    assert not any("transform" in vars(task) for task in tasks)
    assert tasks[1].transform.source.shape == (784,)
    assert "transform" in vars(tasks[1])
