"""Colours of values, the same on pages and in print: maps, stops, ends of ranges, colours of groups.

Print draws in Matplotlib's maps by their names; pages, where there is no Matplotlib, between the stops.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

DIVERGING = "RdBu_r"
"""Of similarities: centred at 0. Red and blue can be told apart by all eyes."""

SHARES = "cividis"
"""Of shares and deviations, from 0 on: the same to eyes that tell red from green and to those that do not."""

SEQUENTIAL = "cividis"
"""Of tasks along an order."""

CYCLIC = "twilight_shifted"
"""Of tasks whose order goes all the way round: the last colour is the first."""

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
"""Of groups: Okabe and Ito's without yellow, too light for a line on white; distinct for all eyes."""

STOPS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "RdBu_r": (
            "#053061", "#2065ab", "#4393c3", "#90c4dd", "#d1e5f0", "#f7f6f6", "#fddbc7", "#f3a481", "#d6604d",
            "#b1182b", "#67001f",
        ),
        "cividis": (
            "#00224e", "#00285b", "#002e6a", "#053371", "#1a386f", "#273e6e", "#32436d", "#3b496c", "#434e6c",
            "#4b546c", "#535a6d", "#5a5f6e", "#61656f", "#686a71", "#6f7073", "#767676", "#7d7c78", "#848279",
            "#8c8878", "#938e78", "#9b9476", "#a39a74", "#aba072", "#b4a76f", "#bcae6c", "#c4b468", "#cdbb63",
            "#d5c25e", "#dec958", "#e7d150", "#f0d846", "#f9e03a", "#fee838",
        ),
        "twilight_shifted": (
            "#301437", "#381145", "#45135c", "#511b77", "#592a8f", "#5d3da1", "#5e51ad", "#5f64b5", "#6276ba",
            "#6887be", "#7297c1", "#81a6c3", "#95b5c7", "#acc2cc", "#c4ced4", "#d7d7dd", "#e2d9e2", "#dfd4d6",
            "#d8c7be", "#d1b6a3", "#cca389", "#c89073", "#c27c63", "#bb6958", "#b25652", "#a64550", "#983550",
            "#872750", "#741e4f", "#5f174a", "#4a1342", "#3a113a", "#301437",
        ),
    }
)  # fmt: skip
"""Colours of Matplotlib's maps at evenly spaced places from the lower end to the upper one."""


def rounded_ends(values: NDArray[Any], designed: tuple[float, float]) -> tuple[float, float]:
    """Choose ends of a colour scale that follow the values, with two digits around all of them.

    Parameters
    ----------
    values : NDArray[Any]
        float [N], finite.
    designed : tuple[float, float]
        Ends where there is no value; a scale that is designed around 0 stays centred there.

    Returns
    -------
    tuple[float, float]
        The lower and the upper end.
    """
    if not len(values):
        return designed
    low, high = float(values.min()), float(values.max())
    if designed[0] == -designed[1]:
        high = max(abs(low), abs(high))
        low = -high
    step = 10.0 ** (math.floor(math.log10(max(abs(low), abs(high), 1e-6))) - 1)
    low, high = math.floor(low / step) * step, math.ceil(high / step) * step
    return (low, high) if low < high else (low - step, high + step)


def off_diagonal(matrix: NDArray[Any]) -> NDArray[Any]:
    """Select what the colours of a square matrix should tell apart.

    Parameters
    ----------
    matrix : NDArray[Any]
        float [T, T]; NaN where there is no value.

    Returns
    -------
    NDArray[Any]
        Its finite values off the diagonal.
    """
    cells: NDArray[Any] = matrix[~np.eye(len(matrix), dtype=bool) & np.isfinite(matrix)]
    return cells
