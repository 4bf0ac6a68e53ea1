"""Augment and custom suites: what their tasks are, what is refused, and when a chain is one pixel map."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError
from torchvision.transforms import InterpolationMode, functional

from tgsh.datasets.base import DATASETS
from tgsh.datasets.mnist import load_dataset
from tgsh.errors import InvalidSpec
from tgsh.specs import AugmentSuite, CustomSuite
from tgsh.specs import transforms as named
from tgsh.specs.presets import Submission
from tgsh.suites import build
from tgsh.suites.pipeline import ImageTransform, compose_transforms
from tgsh.suites.pixel_maps import PixelMap

DIGITS = load_dataset("mnist5k", Path("unused")).test_images[:40]
MNIST = DATASETS["mnist"]


def _custom(*transforms: dict[str, Any]) -> CustomSuite:
    return CustomSuite.model_validate({"tasks": [{"label": "a", "transforms": list(transforms)}]})


def _by_pil(images: np.ndarray, do: Any) -> np.ndarray:
    return np.stack([np.asarray(do(Image.fromarray(image.reshape(28, 28)))).ravel() for image in images])


def test_augment_is_table_1_in_its_order() -> None:
    tasks = build(AugmentSuite(), MNIST)
    assert [task.label.split()[0] for task in tasks] == [f"T{number}" for number in range(1, 9)]
    assert [task.params["transform"] for task in tasks] == [
        "identity",
        "RandomHorizontalFlip(p=1)",
        "RandomVerticalFlip(p=1)",
        "GaussianBlur(5, sigma=2)",
        "RandomPerspective(0.5, p=1)",
        "RandomErasing(p=1)",
        "RandomInvert(p=1)",
        "RandomResizedCrop(28)",
    ]
    kinds = [isinstance(task.transform, PixelMap) for task in tasks]
    assert kinds == [True] * 3 + [False] * 5


def test_flips_are_those_of_torchvision() -> None:
    tasks = build(AugmentSuite(), MNIST)
    for index, do in ((0, lambda image: image), (1, functional.hflip), (2, functional.vflip)):
        assert (tasks[index].transform.apply(DIGITS) == _by_pil(DIGITS, do)).all()  # type: ignore[union-attr]


def test_a_chain_of_nearest_neighbours_is_one_pixel_map() -> None:
    steps = [
        named.Rotate(degrees=33.0),
        named.HorizontalFlip(),
        named.Affine(degrees=20.0, translate=(2, 1), scale=0.8, shear=(5.0, -3.0), interpolation="nearest"),
        named.Shift(right=4, down=-2),
        named.Permutation(number=3),
        named.VerticalFlip(),
    ]
    whole = compose_transforms(steps, 28, 28)
    assert isinstance(whole, PixelMap)
    seen = DIGITS
    for step in steps:
        one = compose_transforms([step], 28, 28)
        assert isinstance(one, PixelMap)
        seen = one.apply(seen)
    assert (whole.apply(DIGITS) == seen).all()


@pytest.mark.parametrize(
    "step",
    [
        named.Affine(degrees=25.0, interpolation="nearest"),
        named.Affine(translate=(3, -5), scale=1.3, interpolation="nearest"),
        named.Affine(degrees=-70.0, scale=0.6, shear=(15.0, 8.0), interpolation="nearest"),
    ],
)
def test_nearest_affine_is_that_of_torchvision_on_a_picture(step: named.Affine) -> None:
    def do(image: Image.Image) -> Image.Image:
        moved: Image.Image = functional.affine(
            image, step.degrees, list(step.translate), step.scale, list(step.shear), InterpolationMode.NEAREST
        )
        return moved

    moved = compose_transforms([step], 28, 28)
    assert isinstance(moved, PixelMap)
    assert (moved.apply(DIGITS) == _by_pil(DIGITS, do)).all()


def test_no_transform_is_the_identity() -> None:
    [task] = build(_custom(), MNIST)
    assert (task.transform.source == np.arange(784)).all()  # type: ignore[union-attr]
    assert dict(task.params) == {"transforms": "identity"}


def test_parameters_of_a_task_are_named() -> None:
    [task] = build(_custom({"kind": "rotate", "degrees": 5}, {"kind": "affine", "translate": [1, 2]}), MNIST)
    assert isinstance(task.transform, ImageTransform)
    assert task.params["transforms"] == "rotate, affine"
    assert task.params["0.rotate.degrees"] == 5.0
    assert (task.params["1.affine.translate.0"], task.params["1.affine.translate.1"]) == (1, 2)
    assert task.params["1.affine.interpolation"] == "bilinear"


BAD: list[tuple[Any, str]] = [
    ([], "suite.tasks"),
    ([{"transforms": []}], "suite.tasks.0.label"),
    ([{"label": " "}], "suite.tasks.0.label"),
    ([{"label": "a"}, {"label": "a"}], "suite.tasks"),
    ([{"label": "a", "transforms": [{"kind": "fold"}]}], "suite.tasks.0.transforms.0.kind"),
    ([{"label": "a", "transforms": [{"degrees": 3}]}], "suite.tasks.0.transforms.0.kind"),
    ([{"label": "a", "transforms": [{"kind": "rotate"}]}], "suite.tasks.0.transforms.0.degrees"),
    (
        [{"label": "a", "transforms": [{"kind": "invert"}, {"kind": "gaussian-blur", "sigma": 0}]}],
        "suite.tasks.0.transforms.1.sigma",
    ),
    (
        [{"label": "a", "transforms": [{"kind": "random-erasing", "scale": [0.5, 0.1]}]}],
        "suite.tasks.0.transforms.0.scale",
    ),
    (
        [{"label": "a", "transforms": [{"kind": "affine", "shear": [0.0, 90.0]}]}],
        "suite.tasks.0.transforms.0.shear.1",
    ),
]


@pytest.mark.parametrize(("tasks", "field"), BAD)
def test_errors_name_the_field(tasks: Any, field: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        Submission.model_validate({"suite": {"kind": "custom", "tasks": tasks}})
    assert [".".join(map(str, error["loc"])) for error in refusal.value.errors()] == [field]


@pytest.mark.parametrize("kernel_size", [4, 57])
def test_a_blur_that_does_not_fit_is_refused_by_field(kernel_size: int) -> None:
    with pytest.raises(InvalidSpec) as refusal:
        build(_custom({"kind": "invert"}, {"kind": "gaussian-blur", "kernel_size": kernel_size}), MNIST)
    assert refusal.value.field == "suite.tasks.0.transforms.1.kernel_size"
