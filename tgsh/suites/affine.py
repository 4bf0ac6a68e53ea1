"""Affine maps as torchvision has them; those of nearest neighbours are pixel maps."""

from __future__ import annotations

from math import cos, radians, sin, tan

from PIL import Image

from tgsh.spec.transforms import Affine
from tgsh.suites.pixelmap import PixelMap, from_numbered, numbered


def affine_map(step: Affine, height: int, width: int) -> PixelMap:
    """torchvision.transforms.functional.affine on a PIL image, nearest neighbour, zero fill."""
    matrix = inverse_matrix(step, (width * 0.5, height * 0.5))
    picture = Image.fromarray(numbered(height, width))
    moved = picture.transform(
        (width, height), Image.Transform.AFFINE, matrix, Image.Resampling.NEAREST, fillcolor=0
    )
    return from_numbered(moved)


def inverse_matrix(step: Affine, center: tuple[float, float]) -> tuple[float, ...]:
    """From a pixel of the result to one of the image: a, b, c, d, e, f with x = au + bv + c, y = du + ev + f.

    The inverse of T·C·R(angle)·S(scale)·SHy·SHx·C⁻¹, as in torchvision's _get_inverse_affine_matrix.
    """
    rotation, (shear_x, shear_y) = radians(step.degrees), map(radians, step.shear)
    a = cos(rotation - shear_y) / cos(shear_y)
    b = -a * tan(shear_x) - sin(rotation)
    c = sin(rotation - shear_y) / cos(shear_y)
    d = -c * tan(shear_x) + cos(rotation)
    linear = [value / step.scale for value in (d, -b, -c, a)]
    (cx, cy), (tx, ty) = center, step.translate
    x = linear[0] * (-cx - tx) + linear[1] * (-cy - ty) + cx
    y = linear[2] * (-cx - tx) + linear[3] * (-cy - ty) + cy
    return (linear[0], linear[1], x, linear[2], linear[3], y)
