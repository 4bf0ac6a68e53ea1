"""Rotation tasks against torchvision on real digits, bit for bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torchvision.transforms import functional

from tgsh.datasets.base import DATASETS, DatasetInfo
from tgsh.datasets.mnist import load_dataset
from tgsh.errors import InvalidSpec
from tgsh.rng import rng_for
from tgsh.specs import PermutationSuite, RotationSuite, ShiftSuite
from tgsh.suites import SuiteTask, build
from tgsh.suites.pixel_maps import PixelMap, roll_map

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

    task = SuiteTask(0, "counted", {}, render)
    assert rendered == []
    assert task.transform is task.transform
    assert rendered == ["now"]


def test_building_ten_thousand_tasks_renders_none() -> None:
    tasks = build(RotationSuite(tasks=10_000, step_degrees=0.036), DATASETS["mnist"])
    assert not any("transform" in vars(task) for task in tasks)
    assert tasks[1].transform.source.shape == (784,)
    assert "transform" in vars(tasks[1])


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


def test_shifted_images_need_not_be_square() -> None:
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


IMAGES = rng_for(1, "images").integers(0, 256, (5, 784), dtype=np.uint8)


def _sources(**changes: int) -> list[np.ndarray]:
    return [task.transform.source for task in build(PermutationSuite(**changes), MNIST)]


def test_the_first_task_is_the_identity_and_the_others_move_every_pixel_once() -> None:
    first, *others = build(PermutationSuite(tasks=6), MNIST)
    assert (first.transform.apply(IMAGES) == IMAGES).all()
    for task in others:
        assert (np.sort(task.transform.apply(IMAGES)) == np.sort(IMAGES)).all()
        assert (task.transform.source == np.arange(784)).mean() < 0.02


def test_permutations_follow_from_their_seed_and_place_alone() -> None:
    short, long, other = _sources(tasks=3), _sources(tasks=8), _sources(tasks=3, permutation_seed=1)
    assert all((a == b).all() for a, b in zip(short, long, strict=False))
    assert not (short[1] == other[1]).all()
    assert len({source.tobytes() for source in [*long, *other[1:]]}) == 10
    assert long[1][:4].tolist() == [470, 679, 704, 309]  # on every machine and numpy


def test_permutations_say_what_they_are() -> None:
    tasks = build(PermutationSuite(tasks=3), MNIST)
    assert [task.label for task in tasks] == ["identity", "permutation 1", "permutation 2"]
    assert [dict(task.params) for task in tasks] == [{"permutation": index} for index in range(3)]


RANDOM_IMAGES = rng_for(1, "images").integers(1, 256, (4, 6), dtype=np.uint8)


def test_identity_changes_nothing() -> None:
    assert (PixelMap.identity(6).apply(RANDOM_IMAGES) == RANDOM_IMAGES).all()


def test_pixels_move_and_what_is_outside_is_zero() -> None:
    moved = PixelMap(np.array([5, 6, 0, 0, 6, 1])).apply(RANDOM_IMAGES)
    assert (moved[:, [0, 2, 3, 5]] == RANDOM_IMAGES[:, [5, 0, 0, 1]]).all()
    assert (moved[:, [1, 4]] == 0).all()
    assert moved.dtype == np.uint8


def test_composition_is_one_after_the_other() -> None:
    rng = rng_for(1, "maps")
    for _ in range(20):
        first, second = (PixelMap(rng.integers(0, 7, 6)) for _ in range(2))
        both = first.then(second).apply(RANDOM_IMAGES)
        assert (both == second.apply(first.apply(RANDOM_IMAGES))).all()


@pytest.mark.parametrize("source", [[-1, 0], [0, 258], [[0, 1], [1, 0]]])
def test_what_is_no_map_is_refused(source: list[object]) -> None:
    with pytest.raises(ValueError, match="pixel map"):
        PixelMap(np.array(source))


def test_sizes_must_fit() -> None:
    with pytest.raises(ValueError, match="do not have 5 pixels"):
        PixelMap.identity(5).apply(RANDOM_IMAGES)
    with pytest.raises(ValueError, match="different sizes"):
        PixelMap.identity(5).then(PixelMap.identity(6))


def test_a_map_cannot_be_changed_from_outside() -> None:
    source = np.arange(6, dtype=np.int32)
    pixel_map = PixelMap(source)
    source[0] = 3
    assert pixel_map.source[0] == 0
    with pytest.raises(ValueError, match="read-only"):
        pixel_map.source[0] = 3
