"""Map of the tasks of many experiments."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tgsh.figures.options import frame_side, margin, set_following_height, titled
from tgsh.figures.options import points as font_points
from tgsh.figures.style import (
    FAINT,
    INK,
    NotebookFigure,
    legend_font,
    paper,
    printable,
    style_ticks,
    text,
    thin_frame,
)

SIDE, LEGEND = 5.4, 2.2  # inches of the frame and of the names beside it
LEFT, BELOW, ABOVE = 0.75, 0.6, 0.7
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#B8A800", "#5B3A8E")
"""Of Okabe and Ito, the yellow darker: distinguishable for the colour-blind."""
MOST_GROUPS = len(COLOURS)
OTHERS = "others"


def main_groups(groups: Sequence[str], most: int = MOST_GROUPS) -> list[str]:
    """Groups with a colour of their own.

    Parameters
    ----------
    groups : Sequence[str]
        Group of each point.
    most : int, default=MOST_GROUPS
        Number of colours.

    Returns
    -------
    list[str]
        The largest groups, of equals the first in the alphabet.
    """
    counted = Counter(groups)
    return sorted(counted, key=lambda name: (-counted[name], name))[:most]


def atlas_figure(
    points: np.ndarray,
    groups: Sequence[str],
    *,
    title: str,
    summary: str,
    axes: Sequence[str] = ("", ""),
) -> Figure:
    """Plot tasks as points, coloured by group; the largest groups have colours and names.

    Parameters
    ----------
    points : np.ndarray
        float [N, 2].
    groups : Sequence[str]
        Group of each point, such as its dataset.
    title : str
        Title, taken literally.
    summary : str
        Line below the title.
    axes : Sequence[str], default=('', '')
        Names of the two axes.

    Returns
    -------
    Figure
        New figure.

    Raises
    ------
    ValueError
        If there is no point.
    """
    left, below, above, beside = margin(LEFT), margin(BELOW), margin(ABOVE), margin(LEGEND)
    figure = NotebookFigure(figsize=(left + SIDE + beside, below + SIDE + above))
    set_following_height(figure, below + figure.get_size_inches()[0] - left - beside + above)
    width, height = figure.get_size_inches()
    side = frame_side(width - left - beside, height - below - above)
    frame = (left / width, below / height, side / width, side / height)
    draw_atlas(figure.add_axes(frame, facecolor=paper()), points, groups, axes=axes)
    top: dict[str, Any] = {"x": left / width, "ha": "left", "va": "baseline"}
    if shown := titled(title):
        letters = int(12 * (width - left) * 8 / font_points(8))
        figure.text(y=1 - margin(0.3) / height, s=printable(shown, letters), **top, **text(10))
        line = printable(summary, min(120, int(1.25 * letters)))
        figure.text(y=1 - margin(0.52) / height, s=line, **top, **text(8, FAINT))
    return figure


def draw_atlas(
    ax: Axes, points: np.ndarray, groups: Sequence[str], *, axes: Sequence[str] = ("", "")
) -> None:
    """Plot tasks into axes.

    Parameters
    ----------
    ax : Axes
        Axes of a figure.
    points : np.ndarray
        float [N, 2].
    groups : Sequence[str]
        Group of each point.
    axes : Sequence[str], default=('', '')
        Names of the two axes.

    Raises
    ------
    ValueError
        If there is no point.
    """
    if not len(points):
        raise ValueError("there is no point to draw")
    named = main_groups(groups)
    size = 26.0 if len(points) < 500 else 9.0
    of_each = np.array([named.index(group) if group in named else len(named) for group in groups])
    for number in range(len(named), -1, -1):
        here = of_each == number
        if here.any():
            is_other = number == len(named)
            name = OTHERS if is_other else printable(named[number], 34)
            colour = FAINT if is_other else COLOURS[number]
            ax.scatter(
                points[here, 0],
                points[here, 1],
                s=size,
                c=colour,
                edgecolors=INK,
                linewidths=0.25,
                label=f"{name} ({int(here.sum()):,})",
                zorder=2 + len(named) - number,
            )
    handles, labels = ax.get_legend_handles_labels()
    legend = ax.legend(
        handles[::-1],
        labels[::-1],
        loc="upper left",
        bbox_to_anchor=(1.02, 1.0),
        frameon=False,
        prop=legend_font(8),
        borderaxespad=0,
        handletextpad=0.3,
    )
    for line in legend.get_texts():
        line.set_parse_math(False)
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    reach = float(np.ptp(points, axis=0).max()) * 0.54 or 1.0
    ax.set_xlim(middle[0] - reach, middle[0] + reach)
    ax.set_ylim(middle[1] - reach, middle[1] + reach)
    for axis, name in ((ax.xaxis, axes[0]), (ax.yaxis, axes[1])):
        axis.set_label_text(name, **text(9))
        axis.set_major_locator(MaxNLocator(5))
    thin_frame(ax)
    style_ticks(ax)
