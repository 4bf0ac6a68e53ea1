"""Pipelines of named transforms, composed into a single pixel map where possible."""

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
"""A step of an image transform: pixels that move, a change of values, or an interpolated affine map."""


@dataclass(frozen=True, eq=False)
class ImageTransform:
    """Steps one after the other on float images [height, width], at least one of which changes values.

    The same happens to every channel. Random parameters are sampled anew for every image and epoch, by
    `tgsh.training.transforms`.

    Attributes
    ----------
    steps : tuple[PipelineStep, ...]
        One or more steps, in order.
    """

    steps: tuple[PipelineStep, ...]


Transform = PixelMap | ImageTransform
"""Transform of a task's images. A pixel map can become part of a network's wiring; the rest is computed."""


def compose_transforms(
    transforms: Sequence[TransformSpec], height: int, width: int, channels: int = 1
) -> Transform:
    """Compose transforms one after the other; neighbours that move pixels become one map.

    Parameters
    ----------
    transforms : Sequence[TransformSpec]
        Transforms in order; none is the identity.
    height : int
        Pixels of an image.
    width : int
        Pixels of an image.
    channels : int, default=1
        1 or 3.

    Returns
    -------
    Transform
        A pixel map if all of them move pixels, else an image transform.
    """
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


def value_change(transforms: Sequence[TransformSpec]) -> TransformSpec | None:
    """The first transform that computes new values of pixels, which is done by torch.

    Parameters
    ----------
    transforms : Sequence[TransformSpec]
        Transforms in order.

    Returns
    -------
    TransformSpec | None
        None where all of them move pixels, so that they compose into a pixel map.
    """
    return next((each for each in transforms if not _moves_pixels(each)), None)


def _moves_pixels(transform: TransformSpec) -> bool:
    if isinstance(transform, Affine):
        return transform.interpolation == "nearest"
    return isinstance(transform, MovesPixels)


def check_fits(transforms: Sequence[TransformSpec], info: DatasetInfo, field: str) -> None:
    """Check that every blur stays within the reflected image.

    Parameters
    ----------
    transforms : Sequence[TransformSpec]
        Transforms in order.
    info : DatasetInfo
        Size of the images.
    field : str
        Field of the spec that holds the transforms, for the error.

    Raises
    ------
    InvalidSpec
        If a kernel is even or reaches beyond the reflected image.
    """
    for place, transform in enumerate(transforms):
        if isinstance(transform, GaussianBlur):
            size, side = transform.kernel_size, min(info.height, info.width)
            if size % 2 == 0 or size // 2 >= side:
                raise InvalidSpec(f"{field}.{place}.kernel_size", f"must be odd and less than {2 * side}")


def _pipeline_step(transform: TransformSpec, height: int, width: int) -> PipelineStep:
    if isinstance(transform, MovesPixels):
        return _as_pixel_map(transform, height, width)
    if isinstance(transform, Affine) and _moves_pixels(transform):
        return affine_map(transform, height, width)
    return transform


def _as_pixel_map(transform: MovesPixels, height: int, width: int) -> PixelMap:
    match transform:
        case Rotate(degrees=degrees, fill=fill):
            return rotation_map(degrees, height, width, fill=fill)
        case Shift(right=right, down=down):
            return roll_map(right, down, height, width)
        case HorizontalFlip():
            return flip_map(1, height, width)
        case VerticalFlip():
            return flip_map(0, height, width)
        case Permutation(number=number, permutation_seed=seed):
            return permutation_map(seed, number, height * width)
