"""Colours: the stops that pages draw between are the maps that print draws in."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib import colormaps
from matplotlib.colors import to_rgb

from tgsh import colours

SEEN = 6 / 255
"""A step of a colour that nobody sees beside another."""


@pytest.mark.parametrize("name", colours.STOPS)
def test_stops_are_matplotlibs_map(name: str) -> None:
    stops = np.array([to_rgb(stop) for stop in colours.STOPS[name]])
    places = np.linspace(0, 1, 256)
    between = np.stack(
        [np.interp(places, np.linspace(0, 1, len(stops)), channel) for channel in stops.T], axis=1
    )
    assert np.abs(between - colormaps[name](places)[:, :3]).max() < SEEN


def test_every_map_has_stops_and_the_cyclic_one_closes() -> None:
    used = {colours.DIVERGING, colours.SHARES, colours.SEQUENTIAL, colours.CYCLIC}
    assert used == set(colours.STOPS)
    around = colours.STOPS[colours.CYCLIC]
    assert around[0] == around[-1]
    gaps = np.abs(np.diff([to_rgb(stop) for stop in around], axis=0)).max(axis=1)
    assert gaps[-1] <= gaps.max()  # the step over the end is one like the others


def test_ends_hold_the_values_and_stay_centred() -> None:
    matrix = np.array([[1.0, -0.031, np.nan], [0.0123, 1.0, 0.02], [0.01, 0.02, 1.0]])
    seen = colours.off_diagonal(matrix)
    assert sorted(seen) == [-0.031, 0.01, 0.0123, 0.02, 0.02]
    assert colours.rounded_ends(seen, (-1, 1)) == pytest.approx((-0.031, 0.031))
    assert colours.rounded_ends(seen, (0, 100)) == pytest.approx((-0.031, 0.02))
    assert colours.rounded_ends(np.array([]), (-1, 1)) == (-1, 1)
