"""Context vectors as a picture, and figures that show themselves."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

from tests.figures.test_similarity import FORMATS, MAGIC
from tgsh.analysis.clustering import dendrogram
from tgsh.analysis.similarity import similarity
from tgsh.figures import FigureFormat, render, tree_figure, vectors_figure
from tgsh.figures.style import SHOWN, Picture, turn_crowded_names
from tgsh.rng import rng_for


def vectors(tasks: int) -> np.ndarray:
    return rng_for(0, "vectors").standard_normal((tasks, 300))


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("tasks", [1, 100])
def test_equal_vectors_give_equal_bytes(tasks: int, format: FigureFormat) -> None:
    labels = [f"${k}$" for k in range(tasks)]
    first, second = (render(vectors_figure(vectors(tasks), labels, title="t"), format) for _ in range(2))
    assert first == second
    assert first.startswith(MAGIC[format])


def test_colours_are_centred_and_no_outlier_hides_the_rest() -> None:
    values = vectors(3)
    values[0, 0] = 1e6
    (image,) = vectors_figure(values, ["a", "b", "c"], title="t").axes[0].images
    low, high = image.get_clim()
    assert low == -high
    assert 1 < high < 10


def test_vectors_that_do_not_fit_are_refused() -> None:
    for labels in ([], ["a"], ["a"] * 4):
        with pytest.raises(ValueError, match="do not fit"):
            vectors_figure(vectors(3), labels, title="t")


@pytest.mark.parametrize("tasks", [1, 2, 30])
def test_the_tree_alone_names_its_leaves_in_order(tasks: int) -> None:
    tree = dendrogram(similarity(vectors(tasks), [f"task {k}" for k in range(tasks)], range(tasks)))
    (axes,) = tree_figure(tree, title="t").axes
    named = [tick.get_text() for tick in axes.get_yticklabels()]
    assert named == [tree.labels[leaf] for leaf in tree.leaves]
    assert axes.yaxis_inverted()


def test_a_picture_shows_itself_at_its_size() -> None:
    picture = vectors_figure(vectors(3), ["a", "b", "c"], title="t")
    assert isinstance(picture, Picture)
    content, size = picture._repr_png_()
    assert content == render(picture, "png")
    assert size["width"] == round(SHOWN * picture.get_size_inches()[0])


@pytest.mark.parametrize(("width", "rotation"), [(8, 0), (2, 90)])
def test_names_are_turned_where_they_would_touch(width: float, rotation: float) -> None:
    axes = Figure(figsize=(width, 2)).subplots()
    axes.set_xticks(range(12), [f"{30 * k}°" for k in range(12)])
    turn_crowded_names(axes)
    assert {tick.get_rotation() for tick in axes.get_xticklabels()} == {rotation}
