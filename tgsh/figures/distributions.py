"""Two distributions over each other, panel by panel: intra and inter cosines (Fig. 2a of the paper)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tgsh.figures.rendering import DPI
from tgsh.figures.text import number, open_frame, text, write_title

COLOURS = ("#0072b2", "#d55e00")  # blue and vermilion of Okabe and Ito, told apart by all eyes


@dataclass(frozen=True)
class Panel:
    """One pair of histograms: counts per bin, means, and P(first > second), where they are known."""

    title: str
    counts: tuple[Sequence[int], Sequence[int]]
    means: tuple[float | None, float | None]
    p_greater: float | None


def distributions_figure(
    panels: Sequence[Panel], edges: Sequence[float], names: tuple[str, str], *, title: str, across: str
) -> Figure:
    """Draw panels of two normalised histograms each, one above the other, over the same bins.

    edges: bin edges, in units of `across`; one more than there are counts.
    """
    figure = Figure(figsize=(5.2, 1.0 + 1.7 * len(panels)), dpi=DPI, facecolor="white")
    figure.set_layout_engine("compressed", w_pad=0.07, h_pad=0.09)
    rows = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    for axes, panel in zip(rows, panels, strict=True):
        _draw(axes, panel, np.asarray(edges, float), names)
    write_title(rows[0], title, 5.0)
    rows[0].legend(loc="upper left", frameon=False, prop={"family": text(8)["fontfamily"], "size": 8})
    rows[-1].set_xlabel(across, **text(9))
    return figure


def _draw(axes: Axes, panel: Panel, edges: np.ndarray, names: tuple[str, str]) -> None:
    for counts, mean, name, colour in zip(panel.counts, panel.means, names, COLOURS, strict=True):
        total = max(sum(counts), 1)
        density = np.asarray(counts) / total / np.diff(edges)
        axes.stairs(density, edges, fill=True, color=colour, alpha=0.35, label=name)
        axes.stairs(density, edges, color=colour, linewidth=0.9)
        if mean is not None:
            axes.axvline(mean, color=colour, linewidth=0.9, linestyle=(0, (4, 2)))
    open_frame(axes)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("density", **text(8))
    first, second = (name.split()[0] for name in names)
    means = zip((first, second), panel.means, strict=True)
    known = [f"mean {name} {number(mean)}" for name, mean in means if mean is not None]
    if panel.p_greater is not None:
        known.append(f"P({first} > {second}) = {number(panel.p_greater)}")
    note = "\n".join([panel.title, *known])
    axes.text(0.99, 0.97, note, transform=axes.transAxes, ha="right", va="top", linespacing=1.4, **text(8))
