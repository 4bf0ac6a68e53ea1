"""Figures of numbers over replicates: what is drawn, nothing over the title, what does not fit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from tgsh.figures import accuracy_intervals_figure, ceilings_figure, render, similarity_figure
from tgsh.figures.heatmaps import MAX_MARKED

NAMES = ("seeds, Pearson", "both, Spearman")
CEILINGS = np.array([[0.8, 0.9, 0.7], [0.82, 0.82, np.nan]])
TITLE = "a study of some rotations, 6 replicates: a long title"


def apart(figure: Figure) -> None:
    """Title and legend do not cover each other, and both are inside."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    axes = figure.axes[0]
    legend = figure.legends[0].get_window_extent()
    titles = [axes.title, axes._left_title]  # type: ignore[attr-defined]  # matplotlib names no other way
    boxes = [title.get_window_extent() for title in titles if title.get_text()]
    assert boxes
    assert not any(box.overlaps(legend) for box in [*boxes, axes.get_window_extent()])
    whole = figure.bbox
    for box in [*boxes, legend]:
        assert whole.x0 <= box.x0
        assert box.x1 <= whole.x1
        assert whole.y0 <= box.y0
        assert box.y1 <= whole.y1


def test_a_legend_covers_no_title() -> None:
    apart(ceilings_figure(CEILINGS, NAMES, title=TITLE, note="Not drawn: base seeds, as there is one."))
    values = [np.full((4, 3), 0.8) for _ in range(4)]
    labels = [f"{10 * task}°" for task in range(4)]
    cells = [f"training.epochs={number}" for number in range(4)]
    apart(accuracy_intervals_figure(values, labels, cells, title=TITLE))


def test_bars_go_from_the_lower_to_the_upper_ceiling() -> None:
    axes = ceilings_figure(CEILINGS, NAMES, title=TITLE).axes[0]
    bars = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in axes.patches]  # type: ignore[attr-defined]
    np.testing.assert_allclose(bars, CEILINGS[:, :2])
    np.testing.assert_array_equal(axes.lines[0].get_xdata(), CEILINGS[:, 2])
    assert render(ceilings_figure(CEILINGS, NAMES, title=TITLE), "pdf").startswith(b"%PDF")


def marked(tasks: int, cells: Sequence[tuple[int, int]]) -> Figure:
    marks = np.zeros((tasks, tasks), bool)
    for cell in cells:
        marks[cell] = True
    labels = [str(task) for task in range(tasks)]
    return similarity_figure(np.eye(tasks), labels, title="t", measure="cosine", marks=marks)


@pytest.mark.parametrize("tasks", [4, 30])
def test_a_dot_lies_in_each_marked_cell(tasks: int) -> None:
    cells = [(0, 1), (1, 0), (3, 2)]
    [dots] = marked(tasks, cells).axes[0].lines
    places = np.stack([dots.get_ydata(), dots.get_xdata()], axis=1)
    np.testing.assert_array_equal(np.rint(np.asarray(places, np.float64)), cells)


def test_of_very_many_tasks_no_cell_is_marked() -> None:
    assert not marked(MAX_MARKED + 1, [(0, 1)]).axes[0].lines


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="do not fit 1 names"):
        ceilings_figure(CEILINGS, ["one"], title=TITLE)
    with pytest.raises(ValueError, match="do not fit 2 labels"):
        similarity_figure(np.eye(2), ["a", "b"], title="t", measure="cosine", marks=np.eye(3, dtype=bool))
