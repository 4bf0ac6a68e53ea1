"""Pixel maps: moving, composing, refusing."""

from __future__ import annotations

import numpy as np
import pytest

from tgsh.rng import rng_for
from tgsh.suites.pixel_maps import PixelMap

IMAGES = rng_for(1, "images").integers(1, 256, (4, 6), dtype=np.uint8)


def test_identity_changes_nothing() -> None:
    assert (PixelMap.identity(6).apply(IMAGES) == IMAGES).all()


def test_pixels_move_and_what_is_outside_is_zero() -> None:
    moved = PixelMap(np.array([5, 6, 0, 0, 6, 1])).apply(IMAGES)
    assert (moved[:, [0, 2, 3, 5]] == IMAGES[:, [5, 0, 0, 1]]).all()
    assert (moved[:, [1, 4]] == 0).all()
    assert moved.dtype == np.uint8


def test_composition_is_one_after_the_other() -> None:
    rng = rng_for(1, "maps")
    for _ in range(20):
        first, second = (PixelMap(rng.integers(0, 7, 6)) for _ in range(2))
        both = first.then(second).apply(IMAGES)
        assert (both == second.apply(first.apply(IMAGES))).all()


@pytest.mark.parametrize("source", [[-1, 0], [0, 3], [[0, 1], [1, 0]]])
def test_what_is_no_map_is_refused(source: list[object]) -> None:
    with pytest.raises(ValueError, match="pixel map"):
        PixelMap(np.array(source))


def test_sizes_must_fit() -> None:
    with pytest.raises(ValueError, match="do not have 5 pixels"):
        PixelMap.identity(5).apply(IMAGES)
    with pytest.raises(ValueError, match="different sizes"):
        PixelMap.identity(5).then(PixelMap.identity(6))


def test_a_map_cannot_be_changed_from_outside() -> None:
    source = np.arange(6, dtype=np.int32)
    pixel_map = PixelMap(source)
    source[0] = 3
    assert pixel_map.source[0] == 0
    with pytest.raises(ValueError, match="read-only"):
        pixel_map.source[0] = 3
