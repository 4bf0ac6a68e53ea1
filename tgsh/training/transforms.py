"""Torchvision's transforms that change values of pixels, in batches, with random parameters drawn once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from tgsh.specs.transforms import (
    Affine,
    ColorJitter,
    GaussianBlur,
    GaussianNoise,
    ImpulseNoise,
    Invert,
    RandomErasing,
    RandomPerspective,
    RandomResizedCrop,
)
from tgsh.suites.pipeline import ImageTransform, PipelineStep
from tgsh.suites.pixel_maps import WHITE, PixelMap, inverse_matrix
from tgsh.training.colours import Jittered, jitters
from tgsh.training.noise import GaussianNoised, ImpulseNoised, noise_key
from tgsh.training.random_places import corners, crops, erasures


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
    """torchvision.transforms.functional.affine on a tensor, bilinear.

    Parameters
    ----------
    step : Affine
        Degrees, translation, scale, shear and fill.
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
        self._fill = step.fill
        self._mask = sample(torch.ones(1, 1, height, width, device=device), self._grid.unsqueeze(0)).squeeze()

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
        moved = sample(images.unsqueeze(1), self._grid.expand(len(images), -1, -1, -1)).squeeze(1)
        # With a fill, and only then, torchvision fades the image with a mask where it ends.
        return moved * self._mask + (1 - self._mask) * self._fill if self._fill else moved


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
        outside = pixel_map.source >= pixel_map.source.size
        levels = np.where(outside, pixel_map.source - pixel_map.source.size, 0)
        self._greys = (
            torch.tensor(levels / WHITE, dtype=torch.float32, device=device) if levels.any() else None
        )
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
        moved = images.flatten(1)[:, self._source] * self._inside
        return (moved if self._greys is None else moved.add_(self._greys)).view_as(images)


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
    """torchvision.transforms.functional.perspective, bilinear.

    Parameters
    ----------
    corners : np.ndarray
        int64 [N, 4, 2], of every image.
    size : tuple[int, int]
        Height and width of an image, in pixels.
    device : torch.device
        Where it is computed.
    fill : float, default=0.0
        Grey outside, from 0 to 1.
    """

    def __init__(
        self, corners: np.ndarray, size: tuple[int, int], device: torch.device, fill: float = 0.0
    ) -> None:
        self._fill = fill
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
        seen = faded[:, 0] * faded[:, 1]
        return seen + (1 - faded[:, 1]) * self._fill if self._fill else seen


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
    channels: int = 1,
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
    channels : int, default=1
        Channels of a pixel, which come as so many images, all of the first channel before the second's.

    Returns
    -------
    Operation
        Callable with images float32 [B, H, W] and their numbers int64 [B].
    """
    operations = [_operation(step, count, size, rng, device, channels) for step in transform.steps]

    def carry_out(images: Tensor, chosen: Tensor) -> Tensor:
        for operation in operations:
            images = operation(images, chosen)
        return images

    return carry_out


def _operation(
    step: PipelineStep,
    count: int,
    size: tuple[int, int],
    rng: np.random.Generator,
    device: torch.device,
    channels: int,
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
        case RandomPerspective(distortion_scale=distortion, fill=fill):
            return Perspective(corners(rng, count, size, distortion), size, device, fill)
        case RandomErasing(scale=scale, ratio=ratio, value=value):
            return Erasing(erasures(rng, count, size, scale, ratio), value, size, device)
        case RandomResizedCrop(scale=scale, ratio=ratio):
            return ResizedCrop(crops(rng, count, size, scale, ratio), size, device)
        case ColorJitter():
            return Jittered(jitters(rng, count, step), channels, device)
        case GaussianNoise(deviation=deviation):
            return GaussianNoised(deviation, noise_key(rng), channels)
        case ImpulseNoise(share=share):
            return ImpulseNoised(share, noise_key(rng), channels)
