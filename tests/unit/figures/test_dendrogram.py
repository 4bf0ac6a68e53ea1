"""The tree beside its matrix: leaves level with their rows."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.cluster import hierarchy

from tests.unit.figures.test_heatmaps import FORMATS, MAGIC
from tgsh.analysis.clustering import dendrogram
from tgsh.analysis.similarity import SimilarityMatrix, similarity
from tgsh.figures import FigureFormat, dendrogram_figure, render
from tgsh.rng import rng_for


def matrix_of(tasks: int, label: str = "{}°") -> SimilarityMatrix:
    vectors = rng_for(4, "tree").standard_normal((tasks, 20))
    return similarity(vectors, [label.format(10 * k) for k in range(tasks)], range(tasks))


@pytest.mark.slow
@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("tasks", [1, 2, 36])
def test_any_number_of_tasks_in_any_format(tasks: int, format: FigureFormat) -> None:
    matrix = matrix_of(tasks)
    bodies = {render(dendrogram_figure(dendrogram(matrix), matrix, title="t"), format) for _ in range(2)}
    assert len(bodies) == 1
    assert bodies.pop().startswith(MAGIC[format])


def test_the_tree_is_scipys_and_level_with_its_rows() -> None:
    matrix = matrix_of(7)
    tree = dendrogram(matrix)
    figure = dendrogram_figure(tree, matrix, title="t")
    render(figure, "png")
    heatmap = figure.axes[0]
    [beside] = heatmap.child_axes
    rows = [label.get_text() for label in heatmap.get_yticklabels()]
    assert rows == [matrix.labels[place] for place in tree.leaves]
    drawn = {tuple(np.round(line[:, 1], 9)) for line in beside.collections[0].get_segments()}
    wanted = hierarchy.dendrogram(tree.linkage, no_plot=True)["icoord"]
    assert drawn == {tuple(np.round((np.array(line) - 5) / 10, 9)) for line in wanted}
    boxes = [axes.get_window_extent() for axes in (heatmap, beside)]
    assert [box.y0 for box in boxes] == pytest.approx([boxes[0].y0] * 2)
    assert [box.y1 for box in boxes] == pytest.approx([boxes[0].y1] * 2)
    assert beside.get_ylim() == heatmap.get_ylim()


@pytest.mark.parametrize("label", ["$x_{}$", "日本{}", "W" * 500 + "{}"])
def test_labels_are_taken_literally(label: str) -> None:
    matrix = matrix_of(36, label)
    assert render(dendrogram_figure(dendrogram(matrix), matrix, title=label), "png")
