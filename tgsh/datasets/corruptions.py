"""Corruptions of images: those of MNIST-C and of CIFAR-10-C, in NumPy and SciPy, a batch at a time.

Mu & Gilmer (2019), MNIST-C: a robustness benchmark for computer vision; Hendrycks & Dietterich (2019),
Benchmarking neural network robustness to common corruptions and perturbations. Kinds and strengths are
theirs: of MNIST-C for grey images, of CIFAR-10-C for coloured ones. Written anew, with random numbers of our
own, so that images are like theirs and not the same. Left out is frost, which is made of photographs. Motion
blur is a one-sided Gaussian along a line, and the water of spatter is the stain of its mud in another colour.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from io import BytesIO
from types import MappingProxyType
from typing import Any, Literal, get_args

import numpy as np
from PIL import Image
from scipy import ndimage
from scipy.signal import fftconvolve

from tgsh.datasets.geometry_warps import affine_coordinates, centred_affine, warped
from tgsh.specs.suites import WITHOUT_SEVERITY, CorruptionName

Levels = tuple[Any, Any, Any, Any, Any]
Batch = Any
"""float32 [n, height, width, channels], pixels from 0 to 1."""

LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""Weights of red, green and blue in a grey (ITU-R 601)."""

GREY: Mapping[str, Levels] = MappingProxyType(
    {
        "gaussian-noise": (0.08, 0.12, 0.18, 0.26, 0.38),
        "shot-noise": (60, 25, 12, 5, 3),
        "impulse-noise": (0.03, 0.06, 0.09, 0.17, 0.27),
        "speckle-noise": (0.15, 0.2, 0.35, 0.45, 0.6),
        "gaussian-blur": (1, 2, 3, 4, 6),
        "defocus-blur": (3, 4, 6, 8, 10),
        "glass-blur": ((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2)),
        "motion-blur": ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)),
        "zoom-blur": ((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03)),
        "snow": ((0.1, 0.3, 3, 0.5, 10, 4, 0.8), (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
                 (0.55, 0.3, 4, 0.9, 12, 8, 0.7), (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
                 (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55)),
        "fog": ((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4)),
        "spatter": ((0.65, 0.3, 4, 0.69, 0.6, 0), (0.65, 0.3, 3, 0.68, 0.6, 0), (0.65, 0.3, 2, 0.68, 0.5, 0),
                    (0.65, 0.3, 1, 0.65, 1.5, 1), (0.67, 0.4, 1, 0.65, 1.5, 1)),
        "brightness": (0.1, 0.2, 0.3, 0.4, 0.5),
        "contrast": (0.4, 0.3, 0.2, 0.1, 0.05),
        "elastic": ((2, 0.7, 0.1), (2, 0.08, 0.2), (0.05, 0.01, 0.02), (0.07, 0.01, 0.02),
                    (0.12, 0.01, 0.02)),
        "pixelate": (0.6, 0.5, 0.4, 0.3, 0.25),
        "jpeg": (25, 18, 15, 10, 7),
    }
)  # fmt: skip
COLOUR: Mapping[str, Levels] = MappingProxyType(
    {
        "gaussian-noise": (0.04, 0.06, 0.08, 0.09, 0.10),
        "shot-noise": (500, 250, 100, 75, 50),
        "impulse-noise": (0.01, 0.02, 0.03, 0.05, 0.07),
        "speckle-noise": (0.06, 0.1, 0.12, 0.16, 0.2),
        "gaussian-blur": (0.4, 0.6, 0.7, 0.8, 1),
        "defocus-blur": (0.3, 0.4, 0.5, 1, 1.5),
        "glass-blur": ((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2)),
        "motion-blur": ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)),
        "zoom-blur": ((1.06, 0.01), (1.11, 0.01), (1.16, 0.01), (1.21, 0.01), (1.26, 0.01)),
        "snow": ((0.1, 0.2, 1, 0.6, 8, 3, 0.95), (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
                 (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9), (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
                 (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8)),
        "fog": ((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75)),
        "spatter": ((0.62, 0.1, 0.7, 0.7, 0.5, 0), (0.65, 0.1, 0.8, 0.7, 0.5, 0),
                    (0.65, 0.3, 1, 0.69, 0.5, 0),
                    (0.65, 0.1, 0.7, 0.69, 0.6, 1), (0.65, 0.1, 0.5, 0.68, 0.6, 1)),
        "brightness": (0.05, 0.1, 0.15, 0.2, 0.3),
        "contrast": (0.75, 0.5, 0.4, 0.3, 0.15),
        "saturate": ((0.3, 0), (0.1, 0), (1.5, 0), (2, 0.1), (2.5, 0.2)),
        "elastic": ((0, 0, 0.08), (0.05, 0.2, 0.07), (0.08, 0.06, 0.06), (0.1, 0.04, 0.05),
                    (0.1, 0.03, 0.03)),
        "pixelate": (0.95, 0.9, 0.85, 0.75, 0.65),
        "jpeg": (80, 65, 58, 50, 40),
    }
)  # fmt: skip
EITHER: Mapping[str, Levels] = MappingProxyType(
    {
        "shear": (0.2, 0.4, 0.6, 0.8, 1.0),
        "scale": (1 / 0.9, 1 / 0.8, 1 / 0.7, 1 / 0.6, 1 / 0.5),
        "rotate": (0.2, 0.4, 0.6, 0.8, 1.0),
        "translate": (1, 2, 3, 4, 5),
    }
)
"""MNIST-C's, for grey and coloured images."""


def corrupted(
    images: np.ndarray,
    shape: tuple[int, int, int],
    name: CorruptionName,
    severity: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Corrupt images.

    Parameters
    ----------
    images : np.ndarray
        uint8 [n, D].
    shape : tuple[int, int, int]
        Height, width and channels.
    name : CorruptionName
        The corruption.
    severity : int
        1 to 5; nothing for those of one strength.
    rng : np.random.Generator
        Generator of what is random.

    Returns
    -------
    np.ndarray
        uint8 [n, D].
    """
    function, levels = _CORRUPTIONS[name], level_of(name, severity, shape[2])
    pixels = images.reshape(-1, *shape).astype(np.float32) / 255
    changed = function(pixels, levels, rng)
    result: np.ndarray = np.rint(np.clip(changed, 0, 1) * 255).astype(np.uint8).reshape(images.shape)
    return result


def level_of(name: str, severity: int, channels: int) -> Any:
    """Look up the strength of a corruption.

    Parameters
    ----------
    name : str
        The corruption.
    severity : int
        1 to 5.
    channels : int
        1: as MNIST-C has it; 3: as CIFAR-10-C.

    Returns
    -------
    Any
        The parameter or parameters; None where there is one strength.
    """
    if name in WITHOUT_SEVERITY:
        return None
    return ((GREY if channels == 1 else COLOUR).get(name) or EITHER[name])[severity - 1]


def _gaussian_noise(x: Batch, deviation: float, rng: np.random.Generator) -> Batch:
    return x + deviation * rng.standard_normal(x.shape, np.float32)


def _shot_noise(x: Batch, photons: float, rng: np.random.Generator) -> Batch:
    return (rng.poisson(x * photons) / photons).astype(np.float32)


def _impulse_noise(x: Batch, share: float, rng: np.random.Generator) -> Batch:
    drawn = rng.random(x.shape, np.float32)
    return np.where(drawn < share / 2, 0, np.where(drawn < share, 1, x))


def _speckle_noise(x: Batch, deviation: float, rng: np.random.Generator) -> Batch:
    return x + x * deviation * rng.standard_normal(x.shape, np.float32)


def _blurred(x: Batch, sigma: float) -> Batch:
    return np.asarray(ndimage.gaussian_filter(x, (0, sigma, sigma, 0), mode="nearest"))


def _gaussian_blur(x: Batch, sigma: float, _: np.random.Generator) -> Batch:
    return _blurred(x, sigma)


def _defocus_blur(x: Batch, radius: float, _: np.random.Generator) -> Batch:
    reach = int(np.ceil(radius)) + 1
    places = np.arange(-reach, reach + 1)
    disk = (places[:, None] ** 2 + places**2 <= radius**2).astype(np.float64)
    disk = ndimage.gaussian_filter(disk / disk.sum(), 0.5, truncate=2)  # edges of the disk are soft
    wide = np.pad(x, ((0, 0), (reach, reach), (reach, reach), (0, 0)), mode="symmetric")
    kernel = (disk / disk.sum()).astype(np.float32)[None, :, :, None]
    return np.asarray(fftconvolve(wide, kernel, mode="valid", axes=(1, 2)))


def _glass_blur(x: Batch, level: tuple[float, int, int], rng: np.random.Generator) -> Batch:
    """Pixels change places with near ones, between two blurs."""
    sigma, reach, rounds = level
    x, (count, height, width, _) = _blurred(x, sigma).copy(), x.shape
    images = np.arange(count)
    for _round in range(rounds):
        for row in range(height - reach - 1, reach - 1, -1):
            steps = rng.integers(-reach, reach, (width, 2, count))
            for column in range(width - reach - 1, reach - 1, -1):
                rows, columns = row + steps[column, 0], column + steps[column, 1]
                here, there = x[:, row, column].copy(), x[images, rows, columns]
                x[:, row, column], x[images, rows, columns] = there, here
    return _blurred(x, sigma)


def _motion_blur(x: Batch, level: tuple[float, float], rng: np.random.Generator,
                 angles: tuple[float, float] = (-45, 45)) -> Batch:  # fmt: skip
    """Each image along a direction of its own."""
    radius, sigma = level
    count, height, width, _ = x.shape
    angle = np.radians(rng.uniform(*angles, count))
    steps = np.arange(min(2 * int(radius), int(np.ceil(3 * sigma))) + 1)
    weights = np.exp(-(steps**2) / (2 * sigma**2))
    result = np.zeros_like(x)
    images = np.arange(count)[:, None, None]
    for step, weight in zip(steps, weights / weights.sum(), strict=True):
        down = np.rint(step * np.sin(angle)).astype(int)[:, None]
        right = np.rint(step * np.cos(angle)).astype(int)[:, None]
        rows = np.clip(np.arange(height) + down, 0, height - 1)[:, :, None]
        columns = np.clip(np.arange(width) + right, 0, width - 1)[:, None, :]
        result += np.float32(weight) * x[images, rows, columns]
    return result


def _zoom_matrix(side: int, factor: float) -> np.ndarray:
    """Bilinear interpolation along one side, enlarged about the centre: float32 [side, side]."""
    places = np.clip((np.arange(side) - (side - 1) / 2) / factor + (side - 1) / 2, 0, side - 1)
    low = np.minimum(places.astype(int), side - 2)
    matrix = np.zeros((side, side), np.float32)
    matrix[np.arange(side), low] = 1 - (places - low)
    matrix[np.arange(side), low + 1] += places - low
    return matrix


def _zoomed(x: Batch, factor: float) -> Batch:
    rows, columns = (_zoom_matrix(side, factor) for side in x.shape[1:3])
    planes = np.moveaxis(x, 3, 1)
    return np.moveaxis(rows @ planes @ columns.T, 1, 3)


def _zoom_blur(x: Batch, level: tuple[float, float], _: np.random.Generator) -> Batch:
    factors = np.arange(1, *level)
    total = x.copy()
    for factor in factors:
        total += _zoomed(x, factor)
    return total / np.float32(len(factors) + 1)


def _snow(x: Batch, level: tuple[float, ...], rng: np.random.Generator) -> Batch:
    mean, deviation, zoom, threshold, radius, sigma, kept = level
    flakes = mean + deviation * rng.standard_normal((*x.shape[:3], 1), np.float32)
    flakes = _zoomed(flakes, zoom)
    flakes = np.clip(np.where(flakes < threshold, 0, flakes), 0, 1).astype(np.float32)
    flakes = _motion_blur(flakes, (radius, sigma), rng, (-135, -45))
    white = np.maximum(x, _luma(x) * 1.5 + 0.5)
    return kept * x + (1 - kept) * white + flakes + flakes[:, ::-1, ::-1]


def _luma(x: Batch) -> Batch:
    return x if x.shape[3] == 1 else (x @ LUMA)[..., None]


def _plasma(count: int, size: int, decay: float, rng: np.random.Generator) -> np.ndarray:
    """Plasma fractals by the diamond-square algorithm, periodic: float32 [count, size, size] from 0 to 1."""
    field, step, wobble = np.zeros((count, size, size)), size, 100.0

    def middle(total: np.ndarray) -> np.ndarray:
        return total / 4 + wobble * rng.uniform(-wobble, wobble, total.shape)

    while step >= 2:
        half = step // 2
        corners = field[:, ::step, ::step]
        across = corners + np.roll(corners, -1, 1)
        field[:, half::step, half::step] = middle(across + np.roll(across, -1, 2))
        centres, corners = field[:, half::step, half::step], field[:, ::step, ::step]
        field[:, ::step, half::step] = middle(
            centres + np.roll(centres, 1, 1) + corners + np.roll(corners, -1, 2)
        )
        field[:, half::step, ::step] = middle(
            centres + np.roll(centres, 1, 2) + corners + np.roll(corners, -1, 1)
        )
        step, wobble = half, wobble / decay
    field -= field.min(axis=(1, 2), keepdims=True)
    highest = field.max(axis=(1, 2), keepdims=True)
    return np.asarray(field / np.where(highest > 0, highest, 1), np.float32)


def _fog(x: Batch, level: tuple[float, float], rng: np.random.Generator) -> Batch:
    strength, decay = level
    count, height, width, _ = x.shape
    size = 1 << (max(height, width) - 1).bit_length()
    fog = _plasma(count, size, decay, rng)[:, :height, :width, None]
    brightest = x.max(axis=(1, 2, 3), keepdims=True)
    return (x + strength * fog) * brightest / (brightest + strength)


def _spatter(x: Batch, level: tuple[float, ...], rng: np.random.Generator) -> Batch:
    mean, deviation, width, threshold, edge, is_mud = level
    liquid = mean + deviation * rng.standard_normal((*x.shape[:3], 1), np.float32)
    stain = _blurred((_blurred(liquid, width) > threshold).astype(np.float32), edge)
    if x.shape[3] == 1 or is_mud:
        colour = np.array([63, 42, 20] if x.shape[3] == 3 else [63], np.float32) / 255
        stain = np.where(stain < 0.8, 0, stain)
        return x * (1 - stain) + colour * stain
    return x + edge * stain * np.array([175, 238, 238], np.float32) / 255  # pale turquoise


def _brightness(x: Batch, more: float, _: np.random.Generator) -> Batch:
    value = x.max(axis=3, keepdims=True)
    raised = np.clip(value + more, 0, 1)
    return np.where(value > 0, x / np.where(value > 0, value, 1) * raised, raised)


def _contrast(x: Batch, kept: float, _: np.random.Generator) -> Batch:
    mean = x.mean(axis=(1, 2), keepdims=True)
    return (x - mean) * kept + mean


def _saturate(x: Batch, level: tuple[float, float], _: np.random.Generator) -> Batch:
    """Saturation of HSV times and plus a number; greys have hue 0, red."""
    factor, more = level
    value, least = x.max(axis=3, keepdims=True), x.min(axis=3, keepdims=True)
    saturation = np.where(value > 0, (value - least) / np.where(value > 0, value, 1), 0)
    wanted = np.clip(saturation * factor + more, 0, 1)
    scaled = value - (value - x) * wanted / np.where(saturation > 0, saturation, 1)
    red = value * np.concatenate([np.ones_like(wanted), 1 - wanted, 1 - wanted], axis=3)
    return np.where(saturation > 0, scaled, red)


def _elastic(x: Batch, level: tuple[float, float, float], rng: np.random.Generator) -> Batch:
    """A random affine map, and a smooth random field of displacements after it."""
    count, height, width, channels = x.shape
    side = min(height, width)
    strength, smooth, corner = (value * side for value in level)
    centre, reach = np.array([width // 2, height // 2]), side // 3
    before = centre + reach * np.array([[1, 1], [1, -1], [-1, -1]])
    after = before + rng.uniform(-corner, corner, (count, 3, 2))
    ones = np.ones((count, 3, 1))
    # From a pixel of the result to one of the image: the inverse of the map before → after.
    matrix = np.linalg.solve(np.concatenate([after, ones], axis=2), np.broadcast_to(before, after.shape))
    mode: Literal["constant", "reflect"] = "constant" if channels == 1 else "reflect"
    x = warped(x, affine_coordinates(np.swapaxes(matrix, 1, 2), height, width), mode)
    if strength == 0:
        return x
    fields = rng.uniform(-1, 1, (2, count, height, width)).astype(np.float32)
    fields = ndimage.gaussian_filter(fields, (0, 0, smooth, smooth), mode="reflect", truncate=3) * strength
    rows, columns = np.mgrid[:height, :width]
    return warped(x, (rows + fields[0], columns + fields[1]), mode)


def _of_pictures(x: Batch, change: Callable[[Image.Image], Image.Image]) -> Batch:
    """Images one by one, by Pillow."""
    bytes_ = np.rint(x * 255).astype(np.uint8)
    pictures = (Image.fromarray(each[:, :, 0] if each.shape[2] == 1 else each) for each in bytes_)
    changed = [np.asarray(change(picture)).reshape(x.shape[1:]) for picture in pictures]
    return np.stack(changed).astype(np.float32) / 255


def _pixelate(x: Batch, share: float, _: np.random.Generator) -> Batch:
    height, width = x.shape[1:3]
    small = (max(1, int(width * share)), max(1, int(height * share)))
    box = Image.Resampling.BOX
    return _of_pictures(x, lambda picture: picture.resize(small, box).resize((width, height), box))


def _jpeg(x: Batch, quality: int, _: np.random.Generator) -> Batch:
    def packed(picture: Image.Image) -> Image.Image:
        file = BytesIO()
        picture.save(file, "JPEG", quality=quality)
        return Image.open(file)

    return _of_pictures(x, packed)


def _signs(count: int, rng: np.random.Generator) -> np.ndarray:
    return rng.choice([-1.0, 1.0], count)


def _shear(x: Batch, angle: float, rng: np.random.Generator) -> Batch:
    angles = angle * _signs(len(x), rng)
    one, zero = np.ones_like(angles), np.zeros_like(angles)
    return centred_affine(x, np.array([[one, -np.sin(angles)], [zero, np.cos(angles)]]))


def _scale(x: Batch, factor: float, _: np.random.Generator) -> Batch:
    return centred_affine(x, np.broadcast_to(factor * np.eye(2)[:, :, None], (2, 2, len(x))))


def _rotate(x: Batch, angle: float, rng: np.random.Generator) -> Batch:
    angles = angle * _signs(len(x), rng)
    sin, cos = np.sin(angles), np.cos(angles)
    return centred_affine(x, np.array([[cos, -sin], [sin, cos]]))


def _translate(x: Batch, pixels: float, rng: np.random.Generator) -> Batch:
    offset = pixels * np.stack([_signs(len(x), rng), _signs(len(x), rng)])
    return centred_affine(x, np.broadcast_to(np.eye(2)[:, :, None], (2, 2, len(x))), offset)


def _stripe(x: Batch, _level: None, _: np.random.Generator) -> Batch:
    """The outer quarters inverted, so that a stripe is left."""
    quarter = x.shape[2] // 4
    result = 1 - x
    result[:, :, quarter : x.shape[2] - quarter] = x[:, :, quarter : x.shape[2] - quarter]
    return result


def _line(shape: tuple[int, int], ends: np.ndarray) -> np.ndarray:
    """Lines with soft edges: float32 [n, height, width]. ends: [n, 4], column, row, column, row."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    left, top, right, bottom = (ends[:, place, None, None] for place in range(4))
    slope = (bottom - top) / np.where(right == left, 1, right - left)
    distance = np.clip(np.abs(rows - (slope * (columns - left) + top)), 0, 2.3 - 1e-10)
    line = np.clip(np.log(1 - distance / 2.3) + 1, 0, 1)
    return np.where((columns >= np.floor(left)) & (columns < np.ceil(right)), line, 0).astype(np.float32)


def _dotted_line(x: Batch, _level: None, rng: np.random.Generator) -> Batch:
    """From the left edge to the right one, two columns on, two off."""
    count, height, width, _ = x.shape
    rows = rng.integers(0, height - 1, (count, 2))
    ends = np.stack([np.zeros(count), rows[:, 0], np.full(count, width - 1), rows[:, 1]], axis=1)
    dots = np.arange(width) // 2 % 2
    return x + (_line((height, width), ends) * dots)[..., None]


def _zigzag(x: Batch, _level: None, rng: np.random.Generator) -> Batch:
    """Teeth of two pixels along a line that is nearly level."""
    count, height, width, _ = x.shape
    first, last = 2.0, max(6.0, width - 3.0)
    top = rng.integers(0, height - 1, count).astype(float)
    angle = np.arctan(rng.integers(-5, 5, count) / (last - first))
    along = np.arange(0, last - first, 2.0)
    across = np.where(np.arange(len(along)) == 0, 0, np.where(np.arange(len(along)) % 2 == 1, 2.0, -2.0))
    columns = first + along * np.cos(angle)[:, None] - across * np.sin(angle)[:, None]
    rows = top[:, None] + along * np.sin(angle)[:, None] + across * np.cos(angle)[:, None]
    total = np.zeros((count, height, width), np.float32)
    for place in range(len(along) - 1):
        pairs = (columns[:, place], rows[:, place], columns[:, place + 1], rows[:, place + 1])
        total += _line((height, width), np.stack(pairs, axis=1))
    return x + np.clip(total, 0, 1)[..., None]


def _canny_edges(x: Batch, _level: None, _: np.random.Generator) -> Batch:
    """Canny's edges at σ = 1, thresholds 0.1 and 0.2 of the gradient by Sobel: white on black."""
    grey = ndimage.gaussian_filter(_luma(x)[..., 0], (0, 1, 1), mode="constant")
    down, right = ndimage.sobel(grey, axis=1), ndimage.sobel(grey, axis=2)
    steepness = np.hypot(down, right)
    # Along the gradient, in whole pixels: an edge is steeper than its neighbours on both sides.
    direction = np.rint(np.arctan2(down, right) / (np.pi / 4)).astype(int) % 4
    wide = np.pad(steepness, ((0, 0), (1, 1), (1, 1)))
    height, width = grey.shape[1:]
    is_ridge = np.zeros(steepness.shape, bool)
    for sector, (y, x_) in enumerate(((0, 1), (1, 1), (1, 0), (1, -1))):
        ahead = wide[:, 1 + y : 1 + y + height, 1 + x_ : 1 + x_ + width]
        behind = wide[:, 1 - y : 1 - y + height, 1 - x_ : 1 - x_ + width]
        is_ridge |= (direction == sector) & (steepness >= ahead) & (steepness > behind)
    weak = is_ridge & (steepness >= 0.1)
    structure = np.zeros((3, 3, 3), bool)
    structure[1] = True  # neighbours within an image
    lines, _count = ndimage.label(weak, structure)
    strong = np.unique(lines[weak & (steepness >= 0.2)])
    edges = np.isin(lines, strong[strong > 0])
    return np.repeat(edges[..., None], x.shape[3], axis=3).astype(np.float32)


_CORRUPTIONS: Mapping[str, Callable[[Batch, Any, np.random.Generator], Batch]] = MappingProxyType(
    {
        "gaussian-noise": _gaussian_noise,
        "shot-noise": _shot_noise,
        "impulse-noise": _impulse_noise,
        "speckle-noise": _speckle_noise,
        "gaussian-blur": _gaussian_blur,
        "defocus-blur": _defocus_blur,
        "glass-blur": _glass_blur,
        "motion-blur": _motion_blur,
        "zoom-blur": _zoom_blur,
        "snow": _snow,
        "fog": _fog,
        "spatter": _spatter,
        "brightness": _brightness,
        "contrast": _contrast,
        "saturate": _saturate,
        "elastic": _elastic,
        "pixelate": _pixelate,
        "jpeg": _jpeg,
        "shear": _shear,
        "scale": _scale,
        "rotate": _rotate,
        "translate": _translate,
        "stripe": _stripe,
        "dotted-line": _dotted_line,
        "zigzag": _zigzag,
        "canny-edges": _canny_edges,
    }
)
assert set(_CORRUPTIONS) == set(get_args(CorruptionName))
