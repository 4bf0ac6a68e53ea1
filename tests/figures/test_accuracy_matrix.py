"""Accuracies of contexts on tasks, where they belong and in one scale."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from tests.figures.test_similarity import FORMATS, MAGIC
from tgsh.figures import FigureFormat, accuracy_matrix_figure, render


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("tasks", [1, 3, 36])
def test_any_number_of_tasks_in_any_format(tasks: int, format: FigureFormat) -> None:
    labels = [f"${k}°" for k in range(tasks)]
    values = np.random.default_rng(0).random((tasks, tasks))
    bodies = {render(accuracy_matrix_figure(values, labels, title="$t"), format) for _ in range(2)}
    assert len(bodies) == 1
    assert bodies.pop().startswith(MAGIC[format])


def test_rows_are_contexts_and_columns_data() -> None:
    figure = accuracy_matrix_figure([[1.0, 0.5], [0.0, 0.25]], ["a", "b"], title="t")
    axes, bar = figure.axes
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("context of", "data of")
    assert bar.get_ylabel() == "test accuracy (%)"
    written = {text.get_position(): text.get_text() for text in axes.texts}
    assert written == {(0, 0): "100", (1, 0): "50", (0, 1): "0", (1, 1): "25"}
    [picture] = axes.get_images()
    pixels = np.asarray(picture.get_array())
    half = len(pixels) // 2
    luma = pixels[..., :3] @ [0.299, 0.587, 0.114]
    corners = luma[0, 0], luma[0, half], luma[half, half], luma[half, 0]
    assert list(corners) == sorted(corners, reverse=True)  # the better, the brighter


def test_numbers_can_be_read_on_their_cells() -> None:
    figure = accuracy_matrix_figure([[1.0, 0.0], [0.1, 0.9]], ["a", "b"], title="t")
    for text in figure.axes[0].texts:
        on_bright = int(text.get_text()) > 50
        assert (sum(to_rgb(text.get_color())) < 1.5) == on_bright, text.get_text()


def test_values_that_do_not_fit_the_labels_are_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        accuracy_matrix_figure([[0.5]], ["a", "b"], title="t")
