"""Warnings below figures: what a reader must know wherever the picture goes."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from matplotlib.figure import Figure

from tgsh.errors import InvalidSpec
from tgsh.figures import options
from tgsh.figures.style import LINE_HEIGHT, printable, text

SIZE = 7.0  # typographic points
COLOUR = "#8c3b00"
LEFT, PAD = 0.1, 0.06  # inches
LETTER = 0.56  # mean width of a letter, in font sizes
LONGEST = 400  # characters


def add_warnings(figure: Figure, warnings: Sequence[str]) -> None:
    """Write warnings in small type below a figure, which grows by the room that they take.

    Parameters
    ----------
    figure : Figure
        Figure with its content; nothing of it is covered or squeezed.
    warnings : Sequence[str]
        Sentences, taken literally; none leaves the figure as it is.
    """
    if not warnings:
        return
    options.finish(figure)
    if figure.get_layout_engine() is not None:
        figure.draw_without_rendering()  # lays out what is there, in the room that it was made for
        figure.set_layout_engine("none")
    width, height = figure.get_size_inches()
    size = options.points(SIZE)
    letters = max(20, int(72 * (width - 2 * LEFT) / (LETTER * size)))
    lines = [line for each in warnings for line in textwrap.wrap(f"! {printable(each, LONGEST)}", letters)]
    more = len(lines) * LINE_HEIGHT * size / 72 + 2 * PAD
    if options.asked("height") is not None:
        height -= more  # the height that was asked for is the whole one's
        if height < more:
            raise InvalidSpec("height", "leaves no room beside the warnings below; take more")
    share = more / (height + more)
    figure.set_size_inches(width, height + more)
    for axes in figure.axes:
        left, low, across, up = axes.get_position(original=True).bounds
        axes.set_position((left, share + low * (1 - share), across, up * (1 - share)))
    for written in figure.texts:
        written.set_y(share + written.get_position()[1] * (1 - share))
    for legend in figure.legends:
        legend.set_bbox_to_anchor((0, share, 1, 1 - share), transform=figure.transFigure)
    place = {"x": LEFT / width, "y": PAD / (height + more), "ha": "left", "va": "bottom"}
    figure.text(s="\n".join(lines), linespacing=LINE_HEIGHT, **place, **text(SIZE, COLOUR))
