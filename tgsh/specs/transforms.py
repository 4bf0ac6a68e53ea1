"""Specs of the named image transforms that custom suites are composed of."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from tgsh.specs.base import Frozen, Seed, tagged


def _ascending(pair: tuple[float, float]) -> tuple[float, float]:
    if pair[0] > pair[1]:
        raise ValueError("the first must not be greater than the second")
    return pair


Pixels = Annotated[int, Field(ge=-10_000, le=10_000)]
Share = Annotated[float, Field(gt=0, le=1)]
Ratio = Annotated[float, Field(ge=0.01, le=100)]
Shear = Annotated[float, Field(gt=-90, lt=90)]
# A list becomes a tuple: JSON has no tuples.
Shares = Annotated[tuple[Share, Share], Field(strict=False), AfterValidator(_ascending)]
Ratios = Annotated[tuple[Ratio, Ratio], Field(strict=False), AfterValidator(_ascending)]


Fill = Annotated[
    float,
    Field(
        ge=0,
        le=1,
        description="of pixels that nothing of the image comes to, 0 black and 1 white; the nearest of 256 "
        "greys where pixels are only moved",
    ),
]


class Rotate(Frozen):
    """Counter-clockwise about the centre, nearest neighbour."""

    kind: Literal["rotate"] = "rotate"
    degrees: float = Field(ge=-36_000, le=36_000)
    fill: Fill = 0.0


class Shift(Frozen):
    """Rolled to the right and down; what leaves comes back on the other side."""

    kind: Literal["shift"] = "shift"
    right: Pixels = 0
    down: Pixels = 0


class HorizontalFlip(Frozen):
    """Left becomes right: RandomHorizontalFlip(p=1)."""

    kind: Literal["horizontal-flip"] = "horizontal-flip"


class VerticalFlip(Frozen):
    """Up becomes down: RandomVerticalFlip(p=1)."""

    kind: Literal["vertical-flip"] = "vertical-flip"


class Permutation(Frozen):
    """A fixed random permutation of the pixels; number 0 is the identity."""

    kind: Literal["permutation"] = "permutation"
    number: int = Field(ge=0, le=1_000_000)
    permutation_seed: Seed = 0


class Invert(Frozen):
    """1 − x: RandomInvert(p=1)."""

    kind: Literal["invert"] = "invert"


class GaussianBlur(Frozen):
    """GaussianBlur(kernel_size, sigma), reflected at the border."""

    kind: Literal["gaussian-blur"] = "gaussian-blur"
    kernel_size: int = Field(5, ge=1, le=99, description="odd; at most twice the image's side less one")
    sigma: float = Field(2.0, ge=0.01, le=100)


class Affine(Frozen):
    """functional.affine(degrees, translate, scale, shear), clockwise about the centre."""

    kind: Literal["affine"] = "affine"
    degrees: float = Field(0.0, ge=-36_000, le=36_000)
    translate: Annotated[tuple[Pixels, Pixels], Field(strict=False)] = (0, 0)
    scale: float = Field(1.0, ge=0.01, le=100)
    shear: Annotated[tuple[Shear, Shear], Field(strict=False)] = (0.0, 0.0)
    interpolation: Literal["nearest", "bilinear"] = "bilinear"
    fill: Fill = 0.0


class RandomPerspective(Frozen):
    """RandomPerspective(distortion_scale, p=1), bilinear; drawn for every image and epoch."""

    kind: Literal["random-perspective"] = "random-perspective"
    # Beyond 0.6 three corners can come to lie on one line, where there is no such perspective.
    distortion_scale: float = Field(0.5, ge=0, le=0.6)
    fill: Fill = 0.0


class RandomErasing(Frozen):
    """RandomErasing(p=1, scale, ratio, value): a rectangle drawn for every image and epoch."""

    kind: Literal["random-erasing"] = "random-erasing"
    scale: Shares = (0.02, 0.33)
    ratio: Ratios = (0.3, 3.3)
    value: float = Field(0.0, ge=0, le=1)


class RandomResizedCrop(Frozen):
    """RandomResizedCrop(size of the image, scale, ratio), bilinear; drawn for every image and epoch."""

    kind: Literal["random-resized-crop"] = "random-resized-crop"
    scale: Shares = (0.08, 1.0)
    ratio: Ratios = (3 / 4, 4 / 3)


class ColorJitter(Frozen):
    """ColorJitter(brightness, contrast, saturation, hue), drawn for every image and epoch, in random order.

    Factors are drawn from 1 − x to 1 + x, the hue's turn from −x to x. Grey images have neither saturation
    nor hue, and keep them.
    """

    kind: Literal["color-jitter"] = "color-jitter"
    brightness: float = Field(0.4, ge=0, le=1)
    contrast: float = Field(0.4, ge=0, le=1)
    saturation: float = Field(0.4, ge=0, le=1)
    hue: float = Field(0.1, ge=0, le=0.5, description="of a whole turn")


class GaussianNoise(Frozen):
    """x + deviation·N(0, 1), cut to 0 … 1; drawn for every number of every image, anew every epoch."""

    kind: Literal["gaussian-noise"] = "gaussian-noise"
    deviation: float = Field(0.1, ge=0, le=10, description="where pixels go from 0 to 1")


class ImpulseNoise(Frozen):
    """Salt and pepper: a share of all numbers becomes 0 or 1, each half of it; drawn anew every epoch."""

    kind: Literal["impulse-noise"] = "impulse-noise"
    share: float = Field(0.05, ge=0, le=1)


MovesPixels = Rotate | Shift | HorizontalFlip | VerticalFlip | Permutation
ChangesValues = (
    Invert
    | GaussianBlur
    | RandomPerspective
    | RandomErasing
    | RandomResizedCrop
    | ColorJitter
    | GaussianNoise
    | ImpulseNoise
)
_Transforms = MovesPixels | ChangesValues | Affine
TransformSpec = Annotated[_Transforms, Field(discriminator="kind"), tagged(_Transforms)]
