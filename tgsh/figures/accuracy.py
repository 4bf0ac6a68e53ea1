"""How well each task was learned, as a row of points."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from tgsh.figures.rendering import DPI, Picture
from tgsh.figures.text import FAINT, name_columns, number, open_frame, text, write_title

BLUE = "#0072B2"
WIDTHS = (3.4, 6.4)  # inches, of few and of many tasks
HEIGHT = 3.0
MOST_MARKED_TASKS = 200  # tasks; beyond, points touch and are drawn smaller


def accuracy_figure(values: ArrayLike, labels: Sequence[str], *, title: str) -> Figure:
    """Draw the test accuracy of T tasks, with a line at the mean and a band from the least to the greatest.

    values: shares of test images classified right, 0…1. The axis spans the range, not 0 to 100 %: points,
    unlike bars, are read by where they are. Raises ValueError where values and labels do not fit.
    """
    shares = np.asarray(values, dtype=np.float64)
    if shares.shape != (len(labels),) or not len(labels):
        raise ValueError(f"accuracies of shape {shares.shape} do not fit {len(labels)} labels")
    width = min(WIDTHS[1], max(WIDTHS[0], 1.6 + 0.14 * len(labels)))
    longest = max(map(len, labels))
    figure = Picture(figsize=(width, HEIGHT + min(0.06 * longest, 1.4)), dpi=DPI, facecolor="white")
    figure.set_layout_engine("constrained", w_pad=0.07, h_pad=0.07)
    axes = figure.add_subplot(facecolor="white")
    draw_accuracy(axes, shares, labels)
    write_title(axes, title, width - 0.6)
    return figure


def draw_accuracy(axes: Axes, shares: np.ndarray, labels: Sequence[str]) -> None:
    """The same into axes."""
    _draw(axes, 100 * shares)
    open_frame(axes)
    name_columns(axes, labels)
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    axes.set_ylabel("test accuracy (%)", **text(9))


def _draw(axes: Axes, percent: np.ndarray) -> None:
    low, mean, high = percent.min(), percent.mean(), percent.max()
    axes.axhspan(low, high, color=BLUE, alpha=0.08, linewidth=0)
    axes.axhline(mean, color=FAINT, linewidth=0.8)
    size = 4 if len(percent) <= MOST_MARKED_TASKS else 1
    axes.plot(percent, linestyle="", marker="o", markersize=size, color=BLUE, clip_on=False)
    pad = max(0.12 * (high - low), 0.5)
    axes.set_ylim(max(low - pad, 0), high + 2.2 * pad)
    axes.set_xlim(-0.6, len(percent) - 0.4)
    summary = f"mean {number(mean, 1)} %, from {number(low, 1)} to {number(high, 1)} %"
    axes.text(0.99, 0.97, summary, transform=axes.transAxes, ha="right", va="top", **text(8))
