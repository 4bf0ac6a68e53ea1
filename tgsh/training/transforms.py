"""Torchvision's transforms that change values of pixels, in batches, with random parameters drawn once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from tgsh.specs.transforms import (
    Affine,
    GaussianBlur,
    Invert,
    RandomErasing,
    RandomPerspective,
    RandomResizedCrop,
)
from tgsh.suites.pipeline import ImageTransform, PipelineStep
from tgsh.suites.pixel_maps import PixelMap, inverse_matrix

ATTEMPTS = 10
"""Rectangles that torchvision draws at most until one fits."""


def crops(
    rng: np.random.Generator,
    count: int,
    size: tuple[int, int],
    scale: tuple[float, float],
    ratio: tuple[float, float],
) -> np.ndarray:
    """Rectangles of torchvision's RandomResizedCrop.

    Parameters
    ----------
    rng : np.random.Generator
        Generator of the parameters.
    count : int
        N, images.
    size : tuple[int, int]
        Height and width of an image, in pixels.
    scale : tuple[float, float]
        Lowest and highest share of the image's area.
    ratio : tuple[float, float]
        Lowest and highest width/height.

    Returns
    -------
    np.ndarray
        int64 [N, 4]: top, left, height, width, in pixels.
    """
    height, width = size
    w, h = _sides(rng, count, height * width, scale, ratio)
    fits, h, w = _first(h, w, (h > 0) & (h <= height) & (w > 0) & (w <= width))
    h, w = (np.where(fits, side, whole) for side, whole in zip((h, w), _central(size, ratio), strict=True))
    top = np.where(fits, rng.integers(0, height - h + 1), (height - h) // 2)
    left = np.where(fits, rng.integers(0, width - w + 1), (width - w) // 2)
    return np.stack([top, left, h, w], axis=1)


def erasures(
    rng: np.random.Generator,
    count: int,
    size: tuple[int, int],
    scale: tuple[float, float],
    ratio: tuple[float, float],
) -> np.ndarray:
    """Rectangles of torchvision's RandomErasing; empty where none would fit.

    Parameters
    ----------
    rng : np.random.Generator
        Generator of the parameters.
    count : int
        N, images.
    size : tuple[int, int]
        Height and width of an image, in pixels.
    scale : tuple[float, float]
        Lowest and highest share of the image's area.
    ratio : tuple[float, float]
        Lowest and highest width/height.

    Returns
    -------
    np.ndarray
        int64 [N, 4]: top, left, height, width, in pixels.
    """
    height, width = size
    h, w = _sides(rng, count, height * width, scale, ratio)
    fits, h, w = _first(h, w, (h < height) & (w < width))
    h, w = np.where(fits, h, 0), np.where(fits, w, 0)
    return np.stack([rng.integers(0, height - h + 1), rng.integers(0, width - w + 1), h, w], axis=1)


def corners(rng: np.random.Generator, count: int, size: tuple[int, int], distortion: float) -> np.ndarray:
    """End points of torchvision's RandomPerspective.

    Parameters
    ----------
    rng : np.random.Generator
        Generator of the parameters.
    count : int
        N, images.
    size : tuple[int, int]
        Height and width of an image, in pixels.
    distortion : float
        Share of half the image that a corner moves at most.

    Returns
    -------
    np.ndarray
        int64 [N, 4, 2]: x and y, from the top left corner clockwise, in pixels.
    """
    height, width = size
    across, down = int(distortion * (width // 2)), int(distortion * (height // 2))
    x, y = rng.integers(0, across + 1, (count, 4)), rng.integers(0, down + 1, (count, 4))
    # torchvision's low ends are width − across − 1 and height − down − 1: the mirror image of the others.
    x[:, 1:3] += width - across - 1
    y[:, 2:4] += height - down - 1
    return np.stack([x, y], axis=2)


def _sides(
    rng: np.random.Generator, count: int, area: int, scale: tuple[float, float], ratio: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """√(area·aspect) and √(area/aspect), rounded to even as Python does: int64 [N, ATTEMPTS] each."""
    areas = area * rng.uniform(*scale, (count, ATTEMPTS))
    aspects = np.exp(rng.uniform(np.log(ratio[0]), np.log(ratio[1]), (count, ATTEMPTS)))
    return (
        np.rint(np.sqrt(areas * aspects)).astype(np.int64),
        np.rint(np.sqrt(areas / aspects)).astype(np.int64),
    )


def _first(h: np.ndarray, w: np.ndarray, fits: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """True where an attempt fits, and the sides of the first that does."""
    rows, first = np.arange(len(fits)), fits.argmax(axis=1)
    return np.any(fits, axis=1), h[rows, first], w[rows, first]


def _central(size: tuple[int, int], ratio: tuple[float, float]) -> tuple[int, int]:
    """The crop of last resort: as much as the aspect ratio allows; (height, width)."""
    height, width = size
    if width / height < ratio[0]:
        return round(width / ratio[0]), width
    if width / height > ratio[1]:
        return height, round(height * ratio[1])
    return height, width


def sample(images: Tensor, grid: Tensor) -> Tensor:
    """Bilinear samples of images, zero outside.

    Parameters
    ----------
    images : Tensor
        float32 [B, C, H, W].
    grid : Tensor
        float32 [B, H, W, 2], x and y from −1 to 1 over the image.

    Returns
    -------
    Tensor
        float32 [B, C, H, W].
    """
    return grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def centres(length: int, device: torch.device) -> Tensor:
    """Centres of pixels: 0.5, 1.5, …

    Parameters
    ----------
    length : int
        Pixels of a side.
    device : torch.device
        Where the tensor lies.

    Returns
    -------
    Tensor
        float32 [length], in pixels from the image's edge.
    """
    return torch.arange(length, dtype=torch.float32, device=device) + 0.5


class Blurred:
    """torchvision.transforms.functional.gaussian_blur: a product with a matrix on either side.

    Parameters
    ----------
    step : GaussianBlur
        Kernel size in pixels, and σ.
    size : tuple[int, int]
        Height and width of an image, in pixels.
    device : torch.device
        Where it is computed.
    """

    def __init__(self, step: GaussianBlur, size: tuple[int, int], device: torch.device) -> None:
        self._down, self._across = (
            torch.tensor(_blur_matrix(step, side), dtype=torch.float32, device=device) for side in size
        )

    def __call__(self, images: Tensor, _: Tensor) -> Tensor:
        """Transform images.

        Parameters
        ----------
        images : Tensor
            float32 [B, H, W], pixels from 0 to 1.

        Returns
        -------
        Tensor
            float32 [B, H, W].
        """
        return self._down @ (images @ self._across.T)


def _blur_matrix(step: GaussianBlur, side: int) -> np.ndarray:
    """Matrix that blurs a row of pixels, reflected at its ends: float64 [side, side]."""
    reach = step.kernel_size // 2
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / step.sigma) ** 2)
    sources = np.pad(np.arange(side), reach, mode="reflect")
    matrix = np.zeros((side, side))
    for tap, weight in enumerate(kernel / kernel.sum()):
        np.add.at(matrix, (np.arange(side), sources[tap : tap + side]), weight)
    return matrix


class AffineMoved:
    """torchvision.transforms.functional.affine on a tensor, bilinear, zero outside.

    Parameters
    ----------
    step : Affine
        Degrees, translation, scale and shear.
    size : tuple[int, int]
        Height and width of an image, in pixels.
    device : torch.device
        Where it is computed.
    """

    def __init__(self, step: Affine, size: tuple[int, int], device: torch.device) -> None:
        height, width = size
        a, b, x0, c, d, y0 = inverse_matrix(step, (0.0, 0.0))
        v, u = torch.meshgrid(
            centres(height, device) - height / 2, centres(width, device) - width / 2, indexing="ij"
        )
        x, y = a * u + b * v + x0, c * u + d * v + y0
        self._grid = torch.stack([x * (2 / width), y * (2 / height)], dim=2)

    def __call__(self, images: Tensor, _: Tensor) -> Tensor:
        """Transform images.

        Parameters
        ----------
        images : Tensor
            float32 [B, H, W], pixels from 0 to 1.

        Returns
        -------
        Tensor
            float32 [B, H, W].
        """
        return sample(images.unsqueeze(1), self._grid.expand(len(images), -1, -1, -1)).squeeze(1)


class Inverted:
    """torchvision.transforms.functional.invert."""

    def __call__(self, images: Tensor, _: Tensor) -> Tensor:
        """Transform images.

        Parameters
        ----------
        images : Tensor
            float32 [B, H, W], pixels from 0 to 1.

        Returns
        -------
        Tensor
            float32 [B, H, W].
        """
        return 1 - images


class Moved:
    """A pixel map on float images: what `PixelMap.apply` does.

    Parameters
    ----------
    pixel_map : PixelMap
        The map.
    device : torch.device
        Where it is computed.
    """

    def __init__(self, pixel_map: PixelMap, device: torch.device) -> None:
        outside = pixel_map.source == pixel_map.source.size
        self._source = torch.tensor(np.where(outside, 0, pixel_map.source), dtype=torch.int64, device=device)
        self._inside = torch.tensor(~outside, dtype=torch.float32, device=device)

    def __call__(self, images: Tensor, _: Tensor) -> Tensor:
        """Transform images.

        Parameters
        ----------
        images : Tensor
            float32 [B, H, W], pixels from 0 to 1.

        Returns
        -------
        Tensor
            float32 [B, H, W].
        """
        return (images.flatten(1)[:, self._source] * self._inside).view_as(images)


BEYOND = 2.0
"""A place outside the image, in grid_sample's coordinates."""


def coefficients(corners: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Maps from the result to the image that take each quadrilateral to the image's rectangle.

    Entry (2, 2) is 1, as in torchvision, which solves least squares for each; here it is the adjugate of
    the map from the unit square (Heckbert 1989, 2.2.3).

    Parameters
    ----------
    corners : np.ndarray
        [N, 4, 2], as `corners` draws them.
    size : tuple[int, int]
        Height and width of an image, in pixels.

    Returns
    -------
    np.ndarray
        float64 [N, 3, 3].
    """
    x, y = corners[..., 0].astype(float), corners[..., 1].astype(float)
    dx1, dx2 = x[:, 1] - x[:, 2], x[:, 3] - x[:, 2]
    dy1, dy2 = y[:, 1] - y[:, 2], y[:, 3] - y[:, 2]
    sx, sy = (c[:, 0] - c[:, 1] + c[:, 2] - c[:, 3] for c in (x, y))
    area = dx1 * dy2 - dx2 * dy1
    g, h = (sx * dy2 - dx2 * sy) / area, (dx1 * sy - sx * dy1) / area
    a, b, c = x[:, 1] - x[:, 0] + g * x[:, 1], x[:, 3] - x[:, 0] + h * x[:, 3], x[:, 0]
    d, e, f = y[:, 1] - y[:, 0] + g * y[:, 1], y[:, 3] - y[:, 0] + h * y[:, 3], y[:, 0]
    inverse = np.stack(
        [
            np.stack([e - f * h, c * h - b, b * f - c * e], axis=1) * (size[1] - 1),
            np.stack([f * g - d, a - c * g, c * d - a * f], axis=1) * (size[0] - 1),
            np.stack([d * h - e * g, b * g - a * h, a * e - b * d], axis=1),
        ],
        axis=1,
    )
    return inverse / inverse[:, 2:, 2:]  # type: ignore[no-any-return]


class Perspective:
    """torchvision.transforms.functional.perspective, bilinear, fill 0.

    Parameters
    ----------
    corners : np.ndarray
        int64 [N, 4, 2], of every image.
    size : tuple[int, int]
        Height and width of an image, in pixels.
    device : torch.device
        Where it is computed.
    """

    def __init__(self, corners: np.ndarray, size: tuple[int, int], device: torch.device) -> None:
        height, width = size
        maps = coefficients(corners, size)
        # Pixels to grid_sample's [−1, 1]; the −1 that is missing is taken off after the division.
        maps[:, :2] *= np.array([2 / width, 2 / height])[:, None]
        self._maps = torch.tensor(maps, dtype=torch.float32, device=device)
        y, x = torch.meshgrid(centres(height, device), centres(width, device), indexing="ij")
        self._places = torch.stack([x, y, torch.ones_like(x)]).view(3, -1)

    def __call__(self, images: Tensor, chosen: Tensor) -> Tensor:
        """Transform images.

        Parameters
        ----------
        images : Tensor
            float32 [B, H, W], pixels from 0 to 1.
        chosen : Tensor
            int64 [B], rows of `corners`.

        Returns
        -------
        Tensor
            float32 [B, H, W].
        """
        batch, height, width = images.shape
        mapped = (self._maps[chosen].view(-1, 3) @ self._places).view(batch, 3, -1)
        grid = (mapped[:, :2] / mapped[:, 2:]).sub_(1).view(batch, 2, height, width).permute(0, 2, 3, 1)
        # A pixel whose centre lies on the horizon, where the divisor is 0, shows nothing of the image.
        grid = grid.nan_to_num_(nan=BEYOND, posinf=BEYOND, neginf=-BEYOND)
        # torchvision samples a mask too, and fades the image with it where it ends.
        faded = sample(torch.stack([images, torch.ones_like(images)], dim=1), grid)
        return faded[:, 0] * faded[:, 1]


class Erasing:
    """torchvision.transforms.functional.erase.

    Parameters
    ----------
    rectangles : np.ndarray
        int64 [N, 4]: top, left, height, width of every image.
    value : float
        From 0 to 1.
    size : tuple[int, int]
        Height and width of an image, in pixels.
    device : torch.device
        Where it is computed.
    """

    def __init__(
        self, rectangles: np.ndarray, value: float, size: tuple[int, int], device: torch.device
    ) -> None:
        self._rows = _within(rectangles[:, 0], rectangles[:, 2], size[0], device)
        self._columns = _within(rectangles[:, 1], rectangles[:, 3], size[1], device)
        self._value = value

    def __call__(self, images: Tensor, chosen: Tensor) -> Tensor:
        """Transform images.

        Parameters
        ----------
        images : Tensor
            float32 [B, H, W], pixels from 0 to 1.
        chosen : Tensor
            int64 [B], rows of `rectangles`.

        Returns
        -------
        Tensor
            float32 [B, H, W].
        """
        inside = self._rows[chosen].unsqueeze(2) & self._columns[chosen].unsqueeze(1)
        return images.masked_fill(inside, self._value)


class ResizedCrop:
    """torchvision.transforms.functional.resized_crop to the image's own size, bilinear.

    A crop is never larger than the image, so it is only ever enlarged and needs no antialiasing; beyond its
    edge the outermost pixel goes on, which is the same as dropping a tap and normalising the rest.

    Parameters
    ----------
    rectangles : np.ndarray
        int64 [N, 4]: top, left, height, width of every image.
    size : tuple[int, int]
        Height and width of an image, in pixels.
    device : torch.device
        Where it is computed.
    """

    def __init__(self, rectangles: np.ndarray, size: tuple[int, int], device: torch.device) -> None:
        height, width = size
        self._y = _enlarged(rectangles[:, 0], rectangles[:, 2], height, device)
        self._x = _enlarged(rectangles[:, 1], rectangles[:, 3], width, device)

    def __call__(self, images: Tensor, chosen: Tensor) -> Tensor:
        """Transform images.

        Parameters
        ----------
        images : Tensor
            float32 [B, H, W], pixels from 0 to 1.
        chosen : Tensor
            int64 [B], rows of `rectangles`.

        Returns
        -------
        Tensor
            float32 [B, H, W].
        """
        batch, height, width = images.shape
        grid = torch.empty(batch, height, width, 2, device=images.device)
        grid[..., 0] = self._x[chosen].unsqueeze(1)
        grid[..., 1] = self._y[chosen].unsqueeze(2)
        return sample(images.unsqueeze(1), grid).squeeze(1)


def _within(starts: np.ndarray, lengths: np.ndarray, size: int, device: torch.device) -> Tensor:
    """Mask of the `size` places that lie in each interval: bool [N, size]."""
    places = np.arange(size)
    inside = (places >= starts[:, None]) & (places < (starts + lengths)[:, None])
    return torch.from_numpy(inside).to(device)


def _enlarged(starts: np.ndarray, lengths: np.ndarray, size: int, device: torch.device) -> Tensor:
    """Coordinates from which `size` pixels are read, −1 to 1 over the image: float32 [N, size]."""
    first, length = (
        torch.tensor(values, dtype=torch.float32, device=device).unsqueeze(1) for values in (starts, lengths)
    )
    offset = (centres(size, device) * (length / size) - 0.5).clamp_(min=0)
    place = first + torch.minimum(offset, length - 1)
    return (place + 0.5) * (2 / size) - 1


Operation = Callable[[Tensor, Tensor], Tensor]
"""(images float32 [B, H, W] in [0, 1], int64 [B] which images they are) → what is seen of them, [B, H, W]."""


def drawn(
    transform: ImageTransform,
    count: int,
    size: tuple[int, int],
    rng: np.random.Generator,
    device: torch.device,
) -> Operation:
    """A transform with its random parameters drawn.

    Parameters are drawn once for all images, so that what happens to an image depends neither on batches
    nor on the order in which images are taken.

    Parameters
    ----------
    transform : ImageTransform
        Steps, one after the other.
    count : int
        N, images.
    size : tuple[int, int]
        Height and width of an image, in pixels.
    rng : np.random.Generator
        Generator of the parameters.
    device : torch.device
        Where it is computed.

    Returns
    -------
    Operation
        Callable with images float32 [B, H, W] and their numbers int64 [B].
    """
    operations = [_operation(step, count, size, rng, device) for step in transform.steps]

    def carry_out(images: Tensor, chosen: Tensor) -> Tensor:
        for operation in operations:
            images = operation(images, chosen)
        return images

    return carry_out


def _operation(
    step: PipelineStep, count: int, size: tuple[int, int], rng: np.random.Generator, device: torch.device
) -> Operation:
    match step:
        case PixelMap():
            return Moved(step, device)
        case Invert():
            return Inverted()
        case GaussianBlur():
            return Blurred(step, size, device)
        case Affine():
            return AffineMoved(step, size, device)
        case RandomPerspective(distortion_scale=distortion):
            return Perspective(corners(rng, count, size, distortion), size, device)
        case RandomErasing(scale=scale, ratio=ratio, value=value):
            return Erasing(erasures(rng, count, size, scale, ratio), value, size, device)
        case RandomResizedCrop(scale=scale, ratio=ratio):
            return ResizedCrop(crops(rng, count, size, scale, ratio), size, device)
