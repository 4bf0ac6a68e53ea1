"""Colour jitter and fills against torchvision's and Pillow's, noise against its distribution."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import functional
from torchvision.transforms.functional import InterpolationMode

from tests.support import training
from tgsh.datasets.base import DATASETS, DatasetInfo, ImageDataset
from tgsh.specs import CustomSuite, ExperimentSpec
from tgsh.specs import transforms as named
from tgsh.suites import build
from tgsh.suites.pipeline import ImageTransform, compose_transforms
from tgsh.suites.pixel_maps import PixelMap
from tgsh.training.colours import Jittered, Jitters, jitters
from tgsh.training.inputs import TaskTransforms, wiring_of
from tgsh.training.noise import noise_bits, uniform_pair
from tgsh.training.trainer import Trainer
from tgsh.training.transforms import drawn

CPU = torch.device("cpu")
RNG = np.random.default_rng(0)
PHOTOS = torch.tensor(RNG.random((12, 3, 9, 7)), dtype=torch.float32)


def planes(images: torch.Tensor) -> torch.Tensor:
    """[B, C, H, W] as the first channel's images, the second's, …"""
    return images.transpose(0, 1).reshape(-1, *images.shape[2:])


def theirs(image: torch.Tensor, factors: np.ndarray, order: np.ndarray) -> torch.Tensor:
    adjust = (
        *(functional.adjust_brightness, functional.adjust_contrast),
        *(functional.adjust_saturation, functional.adjust_hue),
    )
    for kind in order:
        image = adjust[kind](image, float(factors[kind]))
    return image


@pytest.mark.parametrize("channels", [1, 3])
def test_colour_jitter_is_torchvisions(channels: int) -> None:
    images = PHOTOS[:, :channels]
    step = named.ColorJitter(brightness=0.6, contrast=0.7, saturation=0.9, hue=0.4)
    parameters = jitters(np.random.default_rng(1), 12, step)
    places = torch.arange(12).repeat(channels)
    found = Jittered(parameters, channels, CPU)(planes(images), places)
    expected = torch.stack(
        [
            theirs(image, own, order)
            for image, own, order in zip(images, parameters.factors, parameters.order, strict=True)
        ]
    )
    torch.testing.assert_close(found, planes(expected), atol=2e-5, rtol=0)


def test_jitter_is_within_its_ranges_and_no_jitter_is_none() -> None:
    factors, order = jitters(np.random.default_rng(0), 2_000, named.ColorJitter(brightness=1, hue=0.25))
    assert factors.min(axis=0) == pytest.approx([0, 0.6, 0.6, -0.25], abs=0.01)
    assert factors.max(axis=0) == pytest.approx([2, 1.4, 1.4, 0.25], abs=0.01)
    assert {tuple(each) for each in np.sort(order, axis=1).tolist()} == {(0, 1, 2, 3)}
    assert np.bincount(order[:, 0]).min() > 400
    same = Jitters(np.tile([1.0, 1.0, 1.0, 0.0], (12, 1)), order[:12])
    found = Jittered(same, 3, CPU)(planes(PHOTOS), torch.arange(12).repeat(3))
    torch.testing.assert_close(found, planes(PHOTOS), atol=1e-6, rtol=0)


def test_bits_are_splitmix64s() -> None:
    def mixed(z: int) -> int:
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ z >> 27) * 0x94D049BB133111EB % 2**64
        return z ^ z >> 31

    found = noise_bits(12345, torch.tensor([3, 70_000]), 5)
    for row, image in zip(found.tolist(), (3, 70_000), strict=True):
        places = [(image << 32) + place for place in range(5)]
        expected = [mixed((place * 0x9E3779B97F4A7C15 + 12345) % 2**64) for place in places]
        assert [each % 2**64 for each in row] == expected
    first, second = uniform_pair(noise_bits(1, torch.arange(1_000), 100))
    for uniform in (first, second):
        assert uniform.mean().item() == pytest.approx(0.5, abs=0.003)
        assert uniform.std().item() == pytest.approx(12**-0.5, abs=0.002)
    assert first.min() > 0
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.01


def noisy(step: named.TransformSpec, chosen: list[int], channels: int = 1, seed: int = 0) -> torch.Tensor:
    transform = compose_transforms([step], 20, 20)
    assert isinstance(transform, ImageTransform)
    operation = drawn(transform, 100, (20, 20), np.random.default_rng(seed), CPU, channels)
    images = torch.full((len(chosen) * channels, 20, 20), 0.5)
    return operation(images, torch.tensor(chosen).repeat(channels))


def test_noise_has_its_strength_and_is_an_images_own() -> None:
    step = named.GaussianNoise(deviation=0.1)
    everything = noisy(step, list(range(100)))
    assert (everything - 0.5).std().item() == pytest.approx(0.1, rel=0.02)
    assert everything.mean().item() == pytest.approx(0.5, abs=0.002)
    torch.testing.assert_close(noisy(step, [7, 3, 7]), everything[[7, 3, 7]], atol=0, rtol=0)
    assert not torch.equal(noisy(step, [7], seed=1), everything[[7]])
    coloured = noisy(step, [4, 5], channels=3)
    assert len({tuple(plane.ravel().tolist()) for plane in coloured}) == 6
    assert torch.equal(noisy(step, [5], channels=3), coloured[[1, 3, 5]])

    salted = noisy(named.ImpulseNoise(share=0.2), list(range(100)))
    assert (salted == 0).float().mean().item() == pytest.approx(0.1, abs=0.01)
    assert (salted == 1).float().mean().item() == pytest.approx(0.1, abs=0.01)
    assert torch.equal(noisy(named.ImpulseNoise(share=0), [1]), torch.full((1, 20, 20), 0.5))


def test_moved_pixels_are_filled_as_pillow_does() -> None:
    images = RNG.integers(0, 256, (5, 28 * 28), np.uint8)
    for fill, level in ((0.0, 0), (0.25, 64), (1.0, 255)):
        rotated = compose_transforms([named.Rotate(degrees=33.0, fill=fill)], 28, 28)
        affine = named.Affine(degrees=20.0, scale=0.7, interpolation="nearest", fill=fill)
        moved = compose_transforms([affine], 28, 28)
        assert isinstance(rotated, PixelMap)
        assert isinstance(moved, PixelMap)
        assert (rotated.fills, moved.fills) == (level > 0, level > 0)
        for image, one, other in zip(images, rotated.apply(images), moved.apply(images), strict=True):
            picture = Image.fromarray(image.reshape(28, 28))
            np.testing.assert_array_equal(one, np.asarray(picture.rotate(33.0, fillcolor=level)).ravel())
            expected = functional.affine(
                picture, 20.0, [0, 0], 0.7, [0.0, 0.0], InterpolationMode.NEAREST, level
            )
            np.testing.assert_array_equal(other, np.asarray(expected).ravel())
        floats = rotated.apply(images / 255)
        np.testing.assert_allclose(floats, rotated.apply(images) / 255)


def test_fills_are_composed_and_go_into_every_channel() -> None:
    steps: list[named.TransformSpec] = [
        named.Rotate(degrees=45.0, fill=1.0), named.Shift(right=3), named.Rotate(degrees=45.0, fill=0.5)
    ]  # fmt: skip
    whole = compose_transforms(steps, 12, 12, 3)
    assert isinstance(whole, PixelMap)
    images = RNG.integers(1, 100, (4, 12 * 12 * 3), np.uint8)
    seen = images
    for step in steps:
        one = compose_transforms([step], 12, 12, 3)
        assert isinstance(one, PixelMap)
        seen = one.apply(seen)
    np.testing.assert_array_equal(whole.apply(images), seen)
    assert {255, 128} < set(np.unique(seen).tolist())


@pytest.mark.parametrize("fill", [0.0, 0.4])
def test_interpolated_transforms_are_filled_as_torchvision_does(fill: float) -> None:
    images = PHOTOS[:, 0]
    step = named.Affine(degrees=25.0, translate=(1, 2), scale=0.8, shear=(5.0, 0.0), fill=fill)
    transform = compose_transforms([step], 9, 7)
    assert isinstance(transform, ImageTransform)
    found = drawn(transform, 12, (9, 7), np.random.default_rng(0), CPU)(images, torch.arange(12))
    expected = functional.affine(
        images.unsqueeze(1),
        25.0,
        [1, 2],
        0.8,
        [5.0, 0.0],
        InterpolationMode.BILINEAR,
        [fill] if fill else None,
    ).squeeze(1)
    torch.testing.assert_close(found, expected, atol=2e-5, rtol=0)

    transform = compose_transforms([named.RandomPerspective(fill=fill)], 9, 7)
    assert isinstance(transform, ImageTransform)
    found = drawn(transform, 12, (9, 7), np.random.default_rng(5), CPU)(images, torch.arange(12))
    from tgsh.training.random_places import corners

    start = [[0, 0], [6, 0], [6, 8], [0, 8]]
    ends = corners(np.random.default_rng(5), 12, (9, 7), 0.5)
    for image, own, mine in zip(images, ends.tolist(), found, strict=True):
        expected = functional.perspective(image[None], start, own, InterpolationMode.BILINEAR, [fill])
        torch.testing.assert_close(mine, expected[0], atol=1e-4, rtol=0)


FILLED: list[dict[str, Any]] = [
    {"label": "black", "transforms": [{"kind": "rotate", "degrees": 45}]},
    {"label": "grey", "transforms": [{"kind": "rotate", "degrees": 45, "fill": 0.5}]},
]


def filled_spec(**changes: Any) -> ExperimentSpec:
    return training.small(epochs=1).model_copy(
        update={"suite": CustomSuite.model_validate({"tasks": FILLED}), **changes}
    )


def patterns() -> ImageDataset:
    info = DatasetInfo("0" * 16, "patterns", 12, 10, 4, 400, 40)
    labels = np.arange(440) % 4
    images = (RNG.integers(0, 200, (4, 120))[labels] + RNG.integers(0, 56, (440, 120))).astype(np.uint8)
    return ImageDataset(info, images[:400], labels[:400], images[400:], labels[400:])


@pytest.mark.parametrize("compute", ["torch", "fused"])
def test_a_filled_task_is_what_training_on_filled_images_is(compute: Any) -> None:
    data = patterns()
    spec = filled_spec()
    trainer, tasks = Trainer(spec, data, training.CPU, compute), build(spec.suite, data.info)
    grey = tasks[1]
    assert isinstance(grey.transform, PixelMap)
    assert (wiring_of(grey, 120).source == np.arange(120)).all()
    ready = ImageDataset(
        data.info, np.ascontiguousarray(grey.transform.apply(data.train_images)), data.train_labels,
        np.ascontiguousarray(grey.transform.apply(data.test_images)), data.test_labels,
    )  # fmt: skip
    plain = CustomSuite.model_validate({"tasks": [{"label": "a"}, {"label": "b"}]})
    other = Trainer(spec.model_copy(update={"suite": plain}), ready, training.CPU, compute)
    identity = build(plain, data.info)[1]
    [one] = trainer.epoch([grey], [trainer.fresh(1)], training.never)
    [two] = other.epoch([identity], [other.fresh(1)], training.never)
    np.testing.assert_allclose(one.vectors, two.vectors, rtol=2e-5, atol=1e-7)
    assert trainer.accuracy([grey], [one]) == other.accuracy([identity], [two])
    seen = TaskTransforms(data, 0, "cpu").apply(grey, data.test_images)
    np.testing.assert_allclose(seen * 255, ready.test_images, atol=1e-4)


def test_both_backends_learn_the_same_of_filled_images() -> None:
    data, spec = patterns(), filled_spec()
    tasks = build(spec.suite, data.info)
    vectors = []
    for compute in ("torch", "fused"):
        trainer = Trainer(spec, data, training.CPU, compute)  # type: ignore[arg-type]
        states = trainer.epoch(tasks, [trainer.fresh(task.index) for task in tasks], training.never)
        vectors.append(np.stack([state.vectors[-1] for state in states]))
    np.testing.assert_allclose(vectors[0], vectors[1], rtol=1e-3, atol=1e-4)


def test_a_fill_of_zero_is_what_was_before_there_was_one() -> None:
    body = {"suite": {"kind": "custom", "tasks": [
        {"label": "a", "transforms": [{"kind": "rotate", "degrees": 30}, {"kind": "random-perspective"},
                                      {"kind": "affine", "degrees": 10, "interpolation": "nearest"}]},
        {"label": "b"}]}}  # fmt: skip
    spec = ExperimentSpec.model_validate(body)
    stored = ExperimentSpec.model_validate(spec.model_dump(mode="json"))
    assert {spec.digest(), stored.digest()} == {
        "de5c6c30ad449cc8b5a0b6d77088ceada79f3d997197c11e8d5c8f7042c730ce"
    }
    [task, _] = build(spec.suite, DATASETS["mnist"])
    assert not any("fill" in name for name in task.params)
    body["suite"]["tasks"][0]["transforms"][0]["fill"] = 0.5  # type: ignore[index]
    filled = ExperimentSpec.model_validate(body)
    assert filled.digest() != spec.digest()
    assert build(filled.suite, DATASETS["mnist"])[0].params["0.rotate.fill"] == 0.5
