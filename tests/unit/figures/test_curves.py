"""Lines over the epochs, each named at its end."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from tests.unit.figures.test_heatmaps import FORMATS, MAGIC
from tgsh.analysis.similarity import Trajectory
from tgsh.figures import FigureFormat, accuracy_figure, render, trajectories_figure
from tgsh.figures.curves import COLOURS, MAX_LINES, STYLES
from tgsh.rng import rng_for


def trajectories(count: int, epochs: int = 5, label: str = "{}°") -> list[Trajectory]:
    values = rng_for(12, "lines").uniform(-0.2, 1, (count, epochs + 1))
    return [Trajectory((0, k), (label.format(0), label.format(k)), values[k].copy()) for k in range(count)]


@pytest.mark.slow
@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(("count", "epochs"), [(1, 1), (4, 3), (MAX_LINES, 1000)])
def test_any_number_of_lines_in_any_format(count: int, epochs: int, format: FigureFormat) -> None:
    figures = [
        trajectories_figure(trajectories(count, epochs), title="t", measure="cosine") for _ in range(2)
    ]
    bodies = {render(figure, format) for figure in figures}
    assert len(bodies) == 1
    assert bodies.pop().startswith(MAGIC[format])


@pytest.mark.parametrize("label", ["{}°", "W" * 30 + "{}", "$x_{}$", "_{}"])
@pytest.mark.parametrize("count", [2, 7, MAX_LINES])
def test_names_cover_neither_each_other_nor_the_edge(count: int, label: str) -> None:
    figure = trajectories_figure(trajectories(count, label=label), title="t", measure="cosine")
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    boxes = [text.get_window_extent(canvas.get_renderer()) for text in figure.axes[0].texts]
    assert len(boxes) == count
    for place, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[place + 1 :])
        assert box.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= box.y0 < box.y1 <= figure.bbox.y1


def test_names_are_in_the_order_of_the_ends() -> None:
    found = trajectories(9)
    texts = trajectories_figure(found, title="t", measure="cosine").axes[0].texts
    heights = [text.get_position()[1] for text in texts]
    assert (
        np.argsort(heights).tolist() == np.argsort([trajectory.values[-1] for trajectory in found]).tolist()
    )


def test_no_two_lines_look_alike() -> None:
    assert len(set(COLOURS)) == len(COLOURS)
    assert len(set(STYLES)) == len(STYLES)
    lines = trajectories_figure(trajectories(MAX_LINES), title="t", measure="cosine").axes[0].lines
    drawn = [line for line in lines if line.get_marker() == "o"]
    assert len({(line.get_color(), line.get_linestyle()) for line in drawn}) == MAX_LINES


def test_gaps_stay_gaps_and_what_has_no_value_is_left_out() -> None:
    part = Trajectory((0, 1), ("a", "b"), np.array([0.1, 0.2, np.nan]))
    none = Trajectory((0, 2), ("a", "c"), np.full(3, np.nan))
    axes = trajectories_figure([none, part], title="t", measure="cosine").axes[0]
    assert [text.get_text() for text in axes.texts] == ["a · b"]


@pytest.mark.parametrize(
    "found", [[], trajectories(MAX_LINES + 1), [Trajectory((0, 1), ("a", "b"), np.array([np.nan]))]]
)
def test_what_cannot_be_drawn(found: list[Trajectory]) -> None:
    with pytest.raises(ValueError, match=r"no trajectory|told apart"):
        trajectories_figure(found, title="t", measure="cosine")


def shares(tasks: int) -> np.ndarray:
    return 0.9 + 0.02 * np.sin(np.arange(tasks))


@pytest.mark.slow
@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("tasks", [1, 2, 36, 1000])
def test_any_number_of_tasks_in_any_format(tasks: int, format: FigureFormat) -> None:
    labels = [f"{10 * k}°" for k in range(tasks)]
    bodies = {render(accuracy_figure(shares(tasks), labels, title="t"), format) for _ in range(2)}
    assert len(bodies) == 1
    assert bodies.pop().startswith(MAGIC[format])


def test_points_mean_and_range() -> None:
    axes = accuracy_figure([0.5, 1.0, 0.9], ["a", "b", "c"], title="t").axes[0]
    mean, points = axes.lines
    assert mean.get_ydata() == pytest.approx([80, 80])
    np.testing.assert_allclose(points.get_xydata(), [[0, 50], [1, 100], [2, 90]])
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["a", "b", "c"]
    assert axes.texts[0].get_text() == "mean 80.0 %, from 50.0 to 100.0 %"


@pytest.mark.parametrize("label", ["$x_{}$", "日本{}", "W" * 100 + "{}", ""])
def test_labels_are_taken_literally(label: str) -> None:
    labels = [label.format(k) for k in range(36)]
    assert render(accuracy_figure(shares(36), labels, title=label), "png").startswith(MAGIC["png"])


@pytest.mark.parametrize(("values", "labels"), [([0.5], []), ([], []), ([[0.5]], ["a"])])
def test_values_that_do_not_fit_the_labels_are_refused(values: object, labels: list[str]) -> None:
    with pytest.raises(ValueError, match="do not fit"):
        accuracy_figure(np.asarray(values), labels, title="t")
