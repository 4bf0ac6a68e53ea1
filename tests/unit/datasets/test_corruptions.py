"""Corruptions: what each does to images, against its definition, and that nothing but the seed decides."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from tgsh.datasets.base import DATASETS
from tgsh.datasets.corruptions import corrupted, level_of
from tgsh.datasets.descriptions import info_of
from tgsh.datasets.geometry_warps import warped
from tgsh.datasets.mnist import load_dataset
from tgsh.errors import InvalidSpec
from tgsh.specs import CorruptionSuite, ExperimentSpec
from tgsh.specs.suites import COLOUR_ALONE, WITHOUT_SEVERITY, CorruptionName
from tgsh.suites import build
from tgsh.suites.corruption import CorruptedDataset, CorruptedImages

NAMES: tuple[CorruptionName, ...] = get_args(CorruptionName)
GREY = (28, 28, 1)
COLOUR = (32, 32, 3)
DIGITS = load_dataset("mnist5k", Path())


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def photos(count: int = 40, shape: tuple[int, int, int] = COLOUR) -> np.ndarray:
    """Smooth coloured images."""
    noise = rng(1).random((count, *shape))
    smooth = ndimage.gaussian_filter(noise, (0, 3, 3, 0))
    low, high = smooth.min(axis=(1, 2), keepdims=True), smooth.max(axis=(1, 2), keepdims=True)
    return (255 * (smooth - low) / (high - low)).astype(np.uint8).reshape(count, -1)


def applied(name: CorruptionName, severity: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Digits before and after, float [n, 28, 28]."""
    before = DIGITS.test_images[:50]
    after = corrupted(before, GREY, name, severity, rng(seed))
    return before.reshape(-1, 28, 28) / 255, after.reshape(-1, 28, 28) / 255


@pytest.mark.parametrize("shape", [GREY, COLOUR, (7, 5, 1), (9, 12, 3)], ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_every_corruption_of_every_severity_makes_images(
    name: CorruptionName, shape: tuple[int, int, int]
) -> None:
    if name in COLOUR_ALONE and shape[2] == 1:
        return
    images = photos(6, shape)
    results = [corrupted(images, shape, name, severity, rng()) for severity in range(1, 6)]
    for result in results:
        assert (result.shape, result.dtype) == (images.shape, np.uint8)
        assert not np.array_equal(result, images)
    np.testing.assert_array_equal(results[0], corrupted(images, shape, name, 1, rng()))
    if name in WITHOUT_SEVERITY:
        assert all(np.array_equal(result, results[0]) for result in results)


MONOTONE = (
    *("gaussian-noise", "shot-noise", "impulse-noise", "speckle-noise", "gaussian-blur", "defocus-blur"),
    *("brightness", "contrast", "pixelate", "jpeg", "shear", "scale", "rotate", "translate"),
)


@pytest.mark.parametrize("name", MONOTONE)
def test_a_greater_severity_is_farther_from_the_clean_images(name: CorruptionName) -> None:
    for images, shape in ((DIGITS.test_images[:60], GREY), (photos(), COLOUR)):
        distance = [
            np.abs(corrupted(images, shape, name, severity, rng()).astype(int) - images).mean()
            for severity in (1, 3, 5)
        ]
        assert distance == sorted(distance)
        assert distance[0] < distance[2]


def test_noise_has_its_published_strength() -> None:
    grey = np.full((200, 784), 128, np.uint8)
    noisy = corrupted(grey, GREY, "gaussian-noise", 1, rng()) / 255
    assert noisy.std() == pytest.approx(0.08, rel=0.02)
    shot = corrupted(grey, GREY, "shot-noise", 1, rng()) / 255
    assert (shot.mean(), shot.var()) == (
        pytest.approx(128 / 255, rel=0.01),
        pytest.approx(128 / 255 / 60, rel=0.05),
    )
    salted = corrupted(grey, GREY, "impulse-noise", 4, rng())
    assert np.mean(salted == 0) == pytest.approx(0.17 / 2, rel=0.1)
    assert np.mean(salted == 255) == pytest.approx(0.17 / 2, rel=0.1)
    assert level_of("gaussian-noise", 1, 3) == 0.04
    assert level_of("rotate", 5, 3) == 1.0


def test_blur_is_scipys_and_pictures_are_pillows() -> None:
    before, after = applied("gaussian-blur", 2)
    blurred = ndimage.gaussian_filter(before.astype(np.float32), (0, 2, 2), mode="nearest")
    np.testing.assert_allclose(after, blurred, atol=0.51 / 255)
    before, after = applied("pixelate", 1)
    for one, other in zip(before, after, strict=True):
        picture = Image.fromarray(np.rint(one * 255).astype(np.uint8))
        small = picture.resize((16, 16), Image.Resampling.BOX).resize((28, 28), Image.Resampling.BOX)
        np.testing.assert_array_equal(np.rint(other * 255), np.asarray(small))


def test_geometry_is_scipys(monkeypatch: pytest.MonkeyPatch) -> None:
    before, after = applied("scale", 5)  # to half its size, about the centre
    for one, other in zip(before, after, strict=True):
        matrix, centre = np.diag([2.0, 2.0]), np.array([13.5, 13.5])
        expected = ndimage.affine_transform(
            one, matrix, centre - matrix @ centre, order=1, mode="grid-constant"
        )
        np.testing.assert_allclose(other, expected, atol=0.51 / 255)
    before, after = applied("translate", 2)
    moves = [(dy, dx) for dy in (-2, 2) for dx in (-2, 2)]
    for one, other in zip(before, after, strict=True):
        shifted = [ndimage.shift(one, move, order=1, mode="grid-constant") for move in moves]
        assert min(np.abs(other - each).max() for each in shifted) < 0.01
    before, after = applied("rotate", 5)
    angle = np.degrees(1.0)
    for one, other in zip(before, after, strict=True):
        turned = [
            ndimage.rotate(one, sign * angle, reshape=False, order=1, mode="grid-constant")
            for sign in (-1, 1)
        ]
        assert min(np.abs(other - each).max() for each in turned) < 0.01


def test_samples_outside_are_zero_or_mirrored() -> None:
    images = photos(3, (9, 12, 3)).reshape(3, 9, 12, 3).astype(np.float32) / 255
    rows, columns = rng(2).uniform(-20, 30, (2, 3, 9, 12))
    for mode, theirs in (("constant", "grid-constant"), ("reflect", "mirror")):
        found = warped(images, (rows, columns), mode)  # type: ignore[arg-type]
        for number in range(3):
            for channel in range(3):
                expected = ndimage.map_coordinates(
                    images[number, :, :, channel], (rows[number], columns[number]), order=1, mode=theirs
                )
                np.testing.assert_allclose(found[number, :, :, channel], expected, atol=1e-5)


def test_colours() -> None:
    images = photos()
    grey = corrupted(images, COLOUR, "saturate", 2, rng()).reshape(-1, 3).astype(int)
    vivid = corrupted(images, COLOUR, "saturate", 5, rng()).reshape(-1, 3).astype(int)
    spread = np.ptp(images.reshape(-1, 3).astype(int), axis=1)
    assert np.ptp(grey, axis=1).mean() < 0.15 * spread.mean()
    assert np.ptp(vivid, axis=1).mean() > 1.3 * spread.mean()
    np.testing.assert_array_equal(vivid.max(axis=1), images.reshape(-1, 3).max(axis=1))  # brightness stays
    brighter = corrupted(images, COLOUR, "brightness", 5, rng()).reshape(-1, 3)
    expected = np.minimum(images.reshape(-1, 3).max(axis=1) / 255 + 0.3, 1)
    np.testing.assert_allclose(brighter.max(axis=1) / 255, expected, atol=0.51 / 255)
    flat = corrupted(images, COLOUR, "contrast", 5, rng()).reshape(40, -1, 3) / 255
    np.testing.assert_allclose(flat.mean(axis=1), (images / 255).reshape(40, -1, 3).mean(axis=1), atol=0.01)


def test_lines_and_edges() -> None:
    before, after = applied("stripe")
    np.testing.assert_allclose(after[:, :, 7:21], before[:, :, 7:21], atol=1e-9)
    np.testing.assert_allclose(after[:, :, :7], 1 - before[:, :, :7], atol=1e-9)
    for name in ("dotted-line", "zigzag"):
        before, after = applied(name)  # type: ignore[arg-type]
        assert (after >= before - 1e-9).all()
        drawn = (after - before > 0.3).sum(axis=(1, 2))
        assert (drawn > 8).all()
        assert (drawn < 160).all()
    _, edges = applied("canny-edges")
    assert set(np.unique(edges)) == {0.0, 1.0}
    square = np.zeros((1, 28, 28), np.uint8)
    square[0, 8:20, 8:20] = 255
    found = corrupted(square.reshape(1, -1), GREY, "canny-edges", 1, rng()).reshape(28, 28) > 0
    assert 36 <= found.sum() <= 60
    assert not found[11:17, 11:17].any()
    assert not found[:6].any()


def test_glass_keeps_what_an_image_holds() -> None:
    before, after = applied("glass-blur", 1)
    np.testing.assert_allclose(after.mean(), before.mean(), rtol=0.03)


SUITE = CorruptionSuite(names=("fog", "zigzag", "shot-noise"), severities=(5, 1))


def test_the_clean_images_come_first_and_what_has_one_strength_is_one_task() -> None:
    tasks = build(SUITE, DIGITS.info)
    assert [task.label for task in tasks] == [
        "clean",
        "fog 5",
        "fog 1",
        "zigzag",
        "shot-noise 5",
        "shot-noise 1",
    ]
    assert tasks[2].params == {"corruption": "fog", "severity": 1}
    source = CorruptedImages(SUITE, DIGITS)
    assert source.of(0) is DIGITS
    assert source.of(3) is source.of(3)
    assert {source.info_of(task.index) for task in tasks} == {DIGITS.info}


def test_the_seed_decides_and_nothing_else() -> None:
    one, again = CorruptedImages(SUITE, DIGITS), CorruptedImages(SUITE, DIGITS)
    np.testing.assert_array_equal(again.of(1).test_images, one.of(1).test_images)  # test images first
    np.testing.assert_array_equal(again.of(1).train_images, one.of(1).train_images)
    other = CorruptionSuite(names=("shot-noise",), severities=(5,))
    np.testing.assert_array_equal(CorruptedImages(other, DIGITS).of(1).test_images, one.of(4).test_images)
    reseeded = other.model_copy(update={"corruption_seed": 1})
    assert not np.array_equal(CorruptedImages(reseeded, DIGITS).of(1).test_images, one.of(4).test_images)
    digests = CorruptedDataset(DIGITS, "fog", 1, 0).digests
    assert digests["train"] != DIGITS.digests["train"]
    assert not one.of(1).test_images.flags.writeable


def test_colours_of_grey_images_are_refused() -> None:
    suite = CorruptionSuite(names=("fog", "saturate"))
    with pytest.raises(InvalidSpec, match="saturate changes colours, and mnist5k is grey") as refusal:
        build(suite, info_of(ExperimentSpec(dataset="mnist5k", suite=suite)))
    assert refusal.value.field == "suite.names"
    assert len(build(suite, DATASETS["cifar10"])) == 7
