"""Names beside points: never over another name, never over a point."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tgsh.figures.text import width_of

HEIGHT = 1.2  # of a line, in font sizes
TURNS = (0, 1, -1, 2, -2, 3, -3, 4)  # eighths of a full turn from where a name should be, best first
REACHES = (1.0, 2.2)  # how far away from its point, in gaps
MOST_NAMED = 400  # beyond, points are too many for names, and trying takes long


@dataclass(frozen=True)
class Place:
    """Where a name is written: its centre relative to its point, in typographic points."""

    index: int
    right: float
    up: float


def place_names(
    points: np.ndarray, names: Sequence[str], side: float, size: float, gap: float
) -> list[Place]:
    """Places for as many names as there is room for, in a square frame.

    points: [T, 2], from the frame's lower left corner; these, the frame's side, the font's size and the gap
    between a point and its name are in typographic points (1/72 inch). Names lie outward, seen from the
    middle of all points, where they can; one that would cover another, a point or the frame is left out.
    """
    if len(points) > MOST_NAMED:
        return []
    outward = points - points.mean(axis=0)
    taken = np.column_stack([points - gap / 2, points + gap / 2])  # boxes: left, low, right, high
    placed: list[Place] = []
    for index, name in enumerate(names):
        half = ((width_of(name, size) + size / 4) / 2, HEIGHT * size / 2)
        for right, up in _candidates(outward[index], half, gap):
            centre = points[index] + (right, up)
            box = np.concatenate([centre - half, centre + half])
            others = np.delete(taken, index, axis=0)
            if box.min() >= 0 and box.max() <= side and not _overlaps(box, others):
                taken = np.vstack([taken, box])
                placed.append(Place(index, right, up))
                break
    return placed


def _candidates(outward: np.ndarray, half: tuple[float, float], gap: float) -> list[tuple[float, float]]:
    best = math.atan2(outward[1], outward[0])
    angles = [best + turn * math.pi / 4 for turn in TURNS]
    return [
        (math.cos(angle) * (gap * reach + half[0]), math.sin(angle) * (gap * reach + half[1]))
        for reach in REACHES
        for angle in angles
    ]


def _overlaps(box: np.ndarray, others: np.ndarray) -> bool:
    return bool(
        np.any(
            (box[0] < others[:, 2])
            & (others[:, 0] < box[2])
            & (box[1] < others[:, 3])
            & (others[:, 1] < box[3])
        )
    )
