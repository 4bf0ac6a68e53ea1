"""Named transforms -> one ImageTransform, a single pixel map where possible."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tgsh.datasets.base import DatasetInfo
from tgsh.errors import InvalidSpec
from tgsh.specs.transforms import (
    Affine,
    ChangesValues,
    GaussianBlur,
    HorizontalFlip,
    MovesPixels,
    Permutation,
    Rotate,
    Shift,
    TransformSpec,
    VerticalFlip,
)
from tgsh.suites.pixel_maps import PixelMap, affine_map, flip_map, permutation_map, roll_map, rotation_map

PipelineStep = PixelMap | ChangesValues | Affine


@dataclass(frozen=True, eq=False)
class ImageTransform:
    """Steps one after the other on float images [height, width], at least one of which changes values.

    Channels are images to which the same happens.

    What is random in them is drawn anew for every image and epoch, by whoever carries them out.
    """

    steps: tuple[PipelineStep, ...]


Transform = PixelMap | ImageTransform
"""How a task sees an image. A pixel map can become part of a network's wiring; the rest is computed."""


def compose_transforms(
    transforms: Sequence[TransformSpec], height: int, width: int, channels: int = 1
) -> Transform:
    """The transforms one after the other; neighbours that move pixels become one map."""
    merged: list[PipelineStep] = []
    for transform in transforms:
        step = _pipeline_step(transform, height, width)
        if isinstance(step, PixelMap) and merged and isinstance(last := merged[-1], PixelMap):
            merged[-1] = last.then(step)
        else:
            merged.append(step)
    match merged:
        case []:
            return PixelMap.identity(height * width * channels)
        case [PixelMap() as only]:
            return only.of_channels(channels)
    return ImageTransform(tuple(merged))


def check_fits(transforms: Sequence[TransformSpec], info: DatasetInfo, field: str) -> None:
    """Raises InvalidSpec, under that field, for a blur that reaches beyond the reflected image."""
    for place, transform in enumerate(transforms):
        if isinstance(transform, GaussianBlur):
            size, side = transform.kernel_size, min(info.height, info.width)
            if size % 2 == 0 or size // 2 >= side:
                raise InvalidSpec(f"{field}.{place}.kernel_size", f"must be odd and less than {2 * side}")


def _pipeline_step(transform: TransformSpec, height: int, width: int) -> PipelineStep:
    if isinstance(transform, MovesPixels):
        return _as_pixel_map(transform, height, width)
    if isinstance(transform, Affine) and transform.interpolation == "nearest":
        return affine_map(transform, height, width)
    return transform


def _as_pixel_map(transform: MovesPixels, height: int, width: int) -> PixelMap:
    match transform:
        case Rotate(degrees=degrees):
            return rotation_map(degrees, height, width)
        case Shift(right=right, down=down):
            return roll_map(right, down, height, width)
        case HorizontalFlip():
            return flip_map(1, height, width)
        case VerticalFlip():
            return flip_map(0, height, width)
        case Permutation(number=number, permutation_seed=seed):
            return permutation_map(seed, number, height * width)
