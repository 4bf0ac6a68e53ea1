"""The scatter of tasks: names that cover nothing, lines that follow the suite."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex

from tests.unit.figures.test_heatmaps import FORMATS, MAGIC
from tgsh.analysis.embedding import TaskMap, TaskScale, pca
from tgsh.colours import CYCLIC, STOPS
from tgsh.figures import FigureFormat, embedding_figure, render
from tgsh.figures.embedding import GAP
from tgsh.rng import rng_for


def cloud(tasks: int, dimensions: int = 2, label: str = "{}°") -> TaskMap:
    vectors = rng_for(9, "cloud").standard_normal((tasks, 20))
    return pca(vectors, [label.format(10 * k) for k in range(tasks)], range(tasks), dimensions)


def ring(tasks: int) -> TaskMap:
    angles = 2 * np.pi * np.arange(tasks) / tasks
    points = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return pca(points, [f"{k}" for k in range(tasks)], range(tasks), 2)


@pytest.mark.slow
@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(("tasks", "dimensions"), [(1, 2), (2, 3), (36, 2), (36, 3), (1000, 2)])
def test_any_number_of_tasks_in_any_format(tasks: int, dimensions: int, format: FigureFormat) -> None:
    bodies = {render(embedding_figure(cloud(tasks, dimensions), title="t"), format) for _ in range(2)}
    assert len(bodies) == 1
    assert bodies.pop().startswith(MAGIC[format])


@pytest.mark.parametrize("label", ["{}°", "a rather long name {}", "W{}", "$x_{}$", "日本{}"])
@pytest.mark.parametrize("tasks", [8, 36, 120])
def test_names_cover_neither_names_nor_points_nor_the_frame(tasks: int, label: str) -> None:
    figure = embedding_figure(cloud(tasks, label=label), title="t")
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    [axes] = figure.axes
    boxes = [text.get_window_extent(canvas.get_renderer()) for text in axes.texts]
    assert len(boxes) >= min(tasks, 8)
    frame = axes.get_window_extent()
    points = axes.transData.transform(axes.collections[0].get_offsets())
    for place, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[place + 1 :])
        assert frame.x0 <= box.x0 < box.x1 <= frame.x1
        assert frame.y0 <= box.y0 < box.y1 <= frame.y1
        assert not any(box.contains(*point) for point in points)


def test_a_name_is_beside_its_own_point() -> None:
    axes = embedding_figure(cloud(36), title="t").axes[0]
    points = cloud(36).points
    assert len(axes.texts) > 30
    for text in axes.texts:
        place = int(text.get_text().rstrip("°")) // 10
        assert tuple(text.xy) == tuple(points[place])  # type: ignore[attr-defined]
        assert np.hypot(*text.xyann) < 8 * GAP  # type: ignore[attr-defined]


def test_the_line_follows_the_parameter_and_closes_where_it_goes_round() -> None:
    def line(task_map: TaskMap, scale: TaskScale) -> np.ndarray:
        return embedding_figure(task_map, title="t", scale=scale).axes[0].lines[0].get_xydata()

    whole = ring(12)
    angles = tuple(30.0 * k for k in range(12))
    np.testing.assert_array_equal(
        line(whole, TaskScale(angles, 360)), np.vstack([whole.points, whole.points[:1]])
    )
    np.testing.assert_array_equal(line(whole, TaskScale(angles, None)), whole.points)
    order = [0, 5, 10, 3, 8, 1, 6, 11, 4, 9, 2, 7]  # turned by 150° each
    turned = line(whole, TaskScale(tuple(150.0 * k for k in range(12)), 360))
    np.testing.assert_array_equal(turned, whole.points[[*order, 0]])
    half = TaskScale(angles[:6], 360)  # the others are not done yet
    assert half.path == tuple(range(6))


def test_tasks_in_no_order_have_no_line_and_one_colour() -> None:
    axes = embedding_figure(ring(12), title="t").axes[0]
    assert len(axes.lines) == 0
    assert len(np.unique(axes.collections[0].get_facecolors(), axis=0)) == 1  # type: ignore[attr-defined]


def test_colours_of_a_circle_close_and_are_those_of_the_browser() -> None:
    scale = TaskScale(tuple(11.25 * k for k in range(32)), 360)
    drawn = embedding_figure(ring(32), title="t", scale=scale).axes[0].collections[0]
    colours = [to_hex(colour) for colour in drawn.get_facecolors()]  # type: ignore[attr-defined]
    assert (*colours, colours[0]) == STOPS[CYCLIC]


def test_both_axes_have_one_scale() -> None:
    figure = embedding_figure(cloud(9, 3), title="t")
    assert [axes.get_ylabel()[:6] for axes in figure.axes] == ["axis 2", "axis 3"]
    for axes in figure.axes:
        assert np.diff(axes.get_xlim()) == pytest.approx(np.diff(axes.get_ylim()))


def test_no_task_is_no_figure() -> None:
    with pytest.raises(ValueError, match="no point"):
        embedding_figure(cloud(0), title="t")
