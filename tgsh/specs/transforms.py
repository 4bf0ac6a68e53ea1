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
KIND = Field(description="which transform this is; the other fields are those of this one alone")
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

    kind: Annotated[Literal["rotate"], KIND] = "rotate"
    degrees: float = Field(ge=-36_000, le=36_000, description="angle, degrees counter-clockwise")
    fill: Fill = 0.0


class Shift(Frozen):
    """Rolled to the right and down; what leaves comes back on the other side."""

    kind: Annotated[Literal["shift"], KIND] = "shift"
    right: Pixels = Field(0, description="pixels to the right; to the left where negative")
    down: Pixels = Field(0, description="pixels down; up where negative")


class HorizontalFlip(Frozen):
    """Left becomes right: RandomHorizontalFlip(p=1)."""

    kind: Annotated[Literal["horizontal-flip"], KIND] = "horizontal-flip"


class VerticalFlip(Frozen):
    """Up becomes down: RandomVerticalFlip(p=1)."""

    kind: Annotated[Literal["vertical-flip"], KIND] = "vertical-flip"


class Permutation(Frozen):
    """A fixed random permutation of the pixels; number 0 is the identity."""

    kind: Annotated[Literal["permutation"], KIND] = "permutation"
    number: int = Field(
        ge=0,
        le=1_000_000,
        description="which permutation of this seed: that of this task of a permutation suite",
    )
    permutation_seed: Seed = Field(0, description="decides the permutations, and nothing else")


class Invert(Frozen):
    """1 − x: RandomInvert(p=1)."""

    kind: Annotated[Literal["invert"], KIND] = "invert"


class GaussianBlur(Frozen):
    """GaussianBlur(kernel_size, sigma), reflected at the border."""

    kind: Annotated[Literal["gaussian-blur"], KIND] = "gaussian-blur"
    kernel_size: int = Field(
        5, ge=1, le=99, description="pixels, odd; at most twice the image's side less one"
    )
    sigma: float = Field(2.0, ge=0.01, le=100, description="standard deviation of the blur, pixels")


class Affine(Frozen):
    """functional.affine(degrees, translate, scale, shear), clockwise about the centre."""

    kind: Annotated[Literal["affine"], KIND] = "affine"
    degrees: float = Field(0.0, ge=-36_000, le=36_000, description="angle, degrees clockwise")
    translate: Annotated[tuple[Pixels, Pixels], Field(strict=False)] = Field(
        (0, 0), description="[right, down], pixels"
    )
    scale: float = Field(1.0, ge=0.01, le=100, description="factor of the image's size; 1 leaves it")
    shear: Annotated[tuple[Shear, Shear], Field(strict=False)] = Field(
        (0.0, 0.0), description="[along x, along y], degrees"
    )
    interpolation: Literal["nearest", "bilinear"] = Field(
        "bilinear",
        description="a pixel between others: the nearest of them, or their weighted mean (bilinear)",
    )
    fill: Fill = 0.0


class RandomPerspective(Frozen):
    """RandomPerspective(distortion_scale, p=1), bilinear; drawn for every image and epoch."""

    kind: Annotated[Literal["random-perspective"], KIND] = "random-perspective"
    # Beyond 0.6 three corners can come to lie on one line, where there is no such perspective.
    distortion_scale: float = Field(
        0.5, ge=0, le=0.6, description="how far corners move at most: a share of half the image's sides"
    )
    fill: Fill = 0.0


class RandomErasing(Frozen):
    """RandomErasing(p=1, scale, ratio, value): a rectangle drawn for every image and epoch."""

    kind: Annotated[Literal["random-erasing"], KIND] = "random-erasing"
    scale: Shares = Field((0.02, 0.33), description="[least, most] area, as a share of the image's")
    ratio: Ratios = Field((0.3, 3.3), description="[least, most] height of it, as a multiple of its width")
    value: float = Field(0.0, ge=0, le=1, description="of the pixels that are erased: 0 black, 1 white")


class RandomResizedCrop(Frozen):
    """RandomResizedCrop(size of the image, scale, ratio), bilinear; drawn for every image and epoch."""

    kind: Annotated[Literal["random-resized-crop"], KIND] = "random-resized-crop"
    scale: Shares = Field((0.08, 1.0), description="[least, most] area that is kept, a share of the image's")
    ratio: Ratios = Field(
        (3 / 4, 4 / 3), description="[least, most] width of it, as a multiple of its height"
    )


class ColorJitter(Frozen):
    """ColorJitter(brightness, contrast, saturation, hue), drawn for every image and epoch, in random order.

    Factors are drawn from 1 − x to 1 + x, the hue's turn from −x to x. Grey images have neither saturation
    nor hue, and keep them.
    """

    kind: Annotated[Literal["color-jitter"], KIND] = "color-jitter"
    brightness: float = Field(0.4, ge=0, le=1, description="x of its factor, drawn from 1 − x to 1 + x")
    contrast: float = Field(0.4, ge=0, le=1, description="x of its factor, drawn from 1 − x to 1 + x")
    saturation: float = Field(0.4, ge=0, le=1, description="x of its factor, drawn from 1 − x to 1 + x")
    hue: float = Field(0.1, ge=0, le=0.5, description="most that hues turn, as a share of a whole turn")


class GaussianNoise(Frozen):
    """x + deviation·N(0, 1), cut to 0 … 1; drawn for every number of every image, anew every epoch."""

    kind: Annotated[Literal["gaussian-noise"], KIND] = "gaussian-noise"
    deviation: float = Field(0.1, ge=0, le=10, description="where pixels go from 0 to 1")


class ImpulseNoise(Frozen):
    """Salt and pepper: a share of all numbers becomes 0 or 1, each half of it; drawn anew every epoch."""

    kind: Annotated[Literal["impulse-noise"], KIND] = "impulse-noise"
    share: float = Field(0.05, ge=0, le=1, description="of all numbers of an image, 0 none and 1 all")


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
