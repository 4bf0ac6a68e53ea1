"""Colour images are seen as Pillow and torchvision show them, all channels alike; sizes are any."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import functional

from tests.support.uploads import coloured
from tgsh.datasets.base import DatasetInfo
from tgsh.datasets.descriptions import joint_info
from tgsh.datasets.mnist import DATASETS, load_dataset
from tgsh.errors import InvalidSpec
from tgsh.rng import rng_for
from tgsh.specs import AugmentSuite, CustomSuite, DatasetsSuite, PermutationSuite, RotationSuite, ShiftSuite
from tgsh.suites import build
from tgsh.suites.pixel_maps import PixelMap
from tgsh.training.inputs import wiring_of
from tgsh.training.torch_inputs import DeviceInputs

SIZE = (20, 28, 3)
X = coloured(4, 5, SIZE)[0].reshape(20, -1)
INFO = DatasetInfo("c" * 16, "coloured", 20, 28, 4, 16, 4, channels=3)
CPU = torch.device("cpu")


def shown(task: Any, images: np.ndarray, info: DatasetInfo = INFO) -> np.ndarray:
    """What a task's network gets, float32 [n, D] from 0 to 1."""
    inputs = DeviceInputs([torch.from_numpy(images.copy())], info, [task], [rng_for(3, "draw")])
    seen = inputs.batch(torch.arange(len(images))[None])[0].numpy()
    pixels = seen / np.float32(255) if seen.dtype == np.uint8 else seen
    return wiring_of(task, info.pixels).apply(pixels)


def by_pil(do: Any) -> np.ndarray:
    pictures = [np.asarray(do(Image.fromarray(image.reshape(SIZE)))).ravel() for image in X]
    return np.stack(pictures).astype(np.float32) / 255


def test_rotation_about_the_centre() -> None:
    for task in build(RotationSuite(tasks=8, step_degrees=45), INFO):
        wanted = by_pil(lambda image, angle=task.params["angle"]: image.rotate(angle))
        assert np.allclose(shown(task, X), wanted)


def test_shift_over_the_width() -> None:
    tasks = build(ShiftSuite(step_pixels=5), INFO)
    assert [task.params["shift"] for task in tasks] == [0, 5, 10, 15, 20, 25]
    for task in tasks:
        wanted = np.roll(X.reshape(-1, *SIZE), task.params["shift"], axis=2).reshape(len(X), -1)
        assert np.allclose(shown(task, X), wanted / np.float32(255))


def test_permutation_moves_whole_pixels() -> None:
    one = build(PermutationSuite(tasks=2), INFO)[1]
    moved = shown(one, X).reshape(len(X), -1, 3)
    for before, after in zip(X.reshape(len(X), -1, 3) / np.float32(255), moved, strict=True):
        assert {tuple(pixel) for pixel in before} == {tuple(pixel) for pixel in after}
    grey = DatasetInfo("g", "", 20, 28, 4, 16, 4)
    assert (build(PermutationSuite(tasks=2), grey)[1].transform.of_channels(3).source
            == one.transform.source).all()  # type: ignore[union-attr]  # fmt: skip


def test_augment_treats_channels_alike() -> None:
    tasks = build(AugmentSuite(), INFO)
    planes = X.reshape(len(X), -1, 3)
    grey = DatasetInfo("g", "", 20, 28, 4, 16, 4)
    for task, plain in zip(tasks, build(AugmentSuite(), grey), strict=True):
        seen = shown(task, X).reshape(len(X), -1, 3)
        for channel in range(3):  # the same is drawn for an image of one channel
            wanted = shown(plain, np.ascontiguousarray(planes[..., channel]), grey)
            np.testing.assert_allclose(seen[..., channel], wanted, atol=1e-6)
    tensor = torch.from_numpy(X).view(-1, *SIZE).permute(0, 3, 1, 2).float() / 255
    blurred = functional.gaussian_blur(tensor, [5, 5], [2.0, 2.0]).permute(0, 2, 3, 1).flatten(1)
    np.testing.assert_allclose(shown(tasks[3], X), blurred.numpy(), atol=1e-5)
    np.testing.assert_allclose(shown(tasks[6], X), 1 - X / np.float32(255), atol=1e-6)


def test_chains_of_moves_and_changes() -> None:
    steps = [{"kind": "rotate", "degrees": 90}, {"kind": "horizontal-flip"}, {"kind": "invert"},
             {"kind": "shift", "right": 3, "down": 2}]  # fmt: skip
    suite = CustomSuite.model_validate(
        {"tasks": [{"label": str(n), "transforms": steps[:n]} for n in (2, 4)]}
    )
    moved, changed = build(suite, INFO)
    assert isinstance(moved.transform, PixelMap)

    def as_pil(image: Image.Image) -> Image.Image:
        return functional.hflip(image.rotate(90))

    assert np.allclose(shown(moved, X), by_pil(as_pil))
    inverted = 1 - by_pil(as_pil).reshape(-1, *SIZE)
    wanted = np.roll(inverted, (2, 3), axis=(1, 2)).reshape(len(X), -1)
    np.testing.assert_allclose(shown(changed, X), wanted, atol=1e-6)


def test_each_dataset_is_a_task() -> None:
    mnist = DATASETS["mnist5k"]
    own = DatasetInfo("a" * 16, "digits", 28, 28, 26, 500, 100)
    same = DatasetInfo("b" * 16, "digits", 28, 28, 4, 300, 50)
    info = joint_info([mnist, own, same])
    assert (info.classes, len(info.common_outputs), info.train_images, info.test_images) == (26, 4, 300, 50)
    tasks = build(DatasetsSuite(datasets=("mnist5k", own.name, same.name)), info)
    assert [task.label for task in tasks] == ["mnist5k", f"digits ({own.name})", f"digits ({same.name})"]
    assert [task.params["dataset"] for task in tasks] == ["mnist5k", own.name, same.name]
    digits = load_dataset("mnist5k", Path("unused")).test_images[:3]
    assert all((task.transform.apply(digits) == digits).all() for task in tasks)  # type: ignore[union-attr]
    for other in (INFO, DatasetInfo("d" * 16, "", 28, 28, 10, 9, 9, channels=3)):
        with pytest.raises(InvalidSpec, match=r"suite\.datasets\.1: .* images of one size"):
            joint_info([mnist, other])
