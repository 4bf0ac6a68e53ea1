"""Conversion of images to another size and other channels, by Pillow."""

from __future__ import annotations

from dataclasses import replace
from weakref import WeakKeyDictionary

import numpy as np
from PIL import Image, ImageOps

from tgsh.datasets.base import DatasetInfo, ImageDataset, Normalisation
from tgsh.specs.suites import Fit

BLOCK_BYTES = 16 << 20
"""Of images whose moments are counted at a time."""


def converted_picture(
    picture: Image.Image,
    shape: tuple[int, int, int],
    fit: Fit = "squash",
    margins: tuple[int, int, int] = (0, 0, 0),
) -> Image.Image:
    """Convert one picture: channels first, then its size (bilinear).

    Parameters
    ----------
    picture : Image.Image
        A picture without transparency.
    shape : tuple[int, int, int]
        Height, width and channels; one channel is ITU-R 601 luma, three are grey repeated.
    fit : Fit, default="squash"
        ``"squash"`` stretches; ``"crop"`` scales and cuts margins; ``"pad"`` scales and adds new ones.
    margins : tuple[int, int, int], default=(0, 0, 0)
        Colour of those that are added.

    Returns
    -------
    Image.Image
        Mode L or RGB.
    """
    height, width, channels = shape
    plain = picture.convert("L" if channels == 1 else "RGB")
    if plain.size == (width, height):
        return plain
    match fit:
        case "crop":
            return ImageOps.fit(plain, (width, height), Image.Resampling.BILINEAR)
        case "pad":
            luma = Image.new("RGB", (1, 1), margins).convert("L").tobytes()[0]
            ground = margins if channels == 3 else luma
            return ImageOps.pad(plain, (width, height), Image.Resampling.BILINEAR, color=ground)
        case _:
            return plain.resize((width, height), Image.Resampling.BILINEAR)


def converted_images(images: np.ndarray, before: DatasetInfo, after: DatasetInfo, fit: Fit) -> np.ndarray:
    """Convert images one by one; the same bytes give the same bytes.

    Parameters
    ----------
    images : np.ndarray
        uint8 [N, D].
    before : DatasetInfo
        Their size and channels.
    after : DatasetInfo
        Size and channels that they get.
    fit : Fit
        How they get another size.

    Returns
    -------
    np.ndarray
        uint8 [N, D'].
    """
    shape = (after.height, after.width, after.channels)
    result = np.empty((len(images), after.pixels), np.uint8)
    for place, image in enumerate(images):
        picture = Image.fromarray(np.ascontiguousarray(image).reshape(before.shape))
        result[place] = np.asarray(converted_picture(picture, shape, fit)).ravel()
    return result


def converted_dataset(dataset: ImageDataset, info: DatasetInfo, fit: Fit) -> ImageDataset:
    """Convert a dataset; its normalisation becomes that of the converted training images.

    Parameters
    ----------
    dataset : ImageDataset
        The dataset.
    info : DatasetInfo
        Description with the size and channels that its images get.
    fit : Fit
        How they get another size.

    Returns
    -------
    ImageDataset
        As `info` says, with its moments; the same object as long as the dataset is in use.
    """
    known = _CONVERTED.setdefault(dataset, {})
    key = (info.height, info.width, info.channels, fit)
    if key not in known:
        train, test = (
            converted_images(images, dataset.info, info, fit)
            for images in (dataset.train_images, dataset.test_images)
        )
        described = replace(info, normalisation=moments(train))
        known[key] = replace(dataset, info=described, train_images=train, test_images=test)
    return known[key]


_CONVERTED: WeakKeyDictionary[ImageDataset, dict[tuple[int, int, int, Fit], ImageDataset]] = (
    WeakKeyDictionary()
)


def moments(images: np.ndarray) -> Normalisation:
    """Compute mean and deviation of pixels from 0 to 1, exact whatever their order.

    Parameters
    ----------
    images : np.ndarray
        uint8 [N, D].

    Returns
    -------
    Normalisation
        Mean and deviation; a deviation of 1 where all pixels are the same.
    """
    rows = max(1, BLOCK_BYTES // images.shape[1])
    counts = np.zeros(256, np.int64)
    for start in range(0, len(images), rows):
        counts += np.bincount(images[start : start + rows].ravel(), minlength=256)
    mean, deviation = counted_moments(counts)
    return Normalisation(mean, deviation or 1.0)


def counted_moments(counts: np.ndarray) -> tuple[float, float]:
    """Compute mean and standard deviation of pixels from 0 to 1 from the counts of each byte, exactly.

    Parameters
    ----------
    counts : np.ndarray
        int64 [256], how many pixels have each value.

    Returns
    -------
    tuple[float, float]
        Mean and standard deviation.
    """
    total, values = int(counts.sum()), range(256)
    first = sum(value * int(count) for value, count in zip(values, counts, strict=True))
    second = sum(value**2 * int(count) for value, count in zip(values, counts, strict=True))
    return first / total / 255, float((second * total - first**2) ** 0.5 / total / 255)
