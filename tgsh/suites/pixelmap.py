"""A transform that moves pixels without mixing them: a table that says where each pixel comes from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class PixelMap:
    """Pixel d of the result is pixel source[d] of the image, or zero where that is D. source: int32 [D]."""

    source: np.ndarray

    def __post_init__(self) -> None:
        source = np.array(self.source, np.int32)
        if source.ndim != 1 or source.min(initial=0) < 0 or source.max(initial=0) > source.size:
            raise ValueError(f"a pixel map of shape {source.shape} must hold values from 0 to {source.size}")
        source.flags.writeable = False
        object.__setattr__(self, "source", source)

    @classmethod
    def identity(cls, pixels: int) -> PixelMap:
        """The map that changes nothing."""
        return cls(np.arange(pixels, dtype=np.int32))

    def apply(self, images: np.ndarray) -> np.ndarray:
        """Transformed copies of images [N, D], of the same type."""
        if images.ndim != 2 or images.shape[1] != self.source.size:
            raise ValueError(f"images of shape {images.shape} do not have {self.source.size} pixels")
        outside = self.source == self.source.size
        moved = images[:, np.where(outside, 0, self.source)]
        moved[:, outside] = 0
        return moved

    def then(self, other: PixelMap) -> PixelMap:
        """This map first, the other on its result."""
        if other.source.size != self.source.size:
            raise ValueError("maps of different sizes cannot be composed")
        return PixelMap(np.append(self.source, self.source.size)[other.source])

    def of_channels(self, channels: int) -> PixelMap:
        """The map of images with so many numbers a pixel, which move together: int32 [D·channels]."""
        if channels == 1:
            return self
        numbers = self.source[:, None] * np.int32(channels) + np.arange(channels, dtype=np.int32)
        outside = self.source[:, None] == self.source.size
        return PixelMap(np.where(outside, self.source.size * channels, numbers).ravel())


def numbered(height: int, width: int) -> np.ndarray:
    """An image [height, width] of pixel numbers from 1, int32, for a transform to move; 0 means outside."""
    return np.arange(1, height * width + 1, dtype=np.int32).reshape(height, width)


def from_numbered(moved: object) -> PixelMap:
    """The map that moved a numbered image (an array, or an image of PIL)."""
    numbers = np.asarray(moved).ravel()
    return PixelMap(np.where(numbers == 0, numbers.size, numbers - 1))
