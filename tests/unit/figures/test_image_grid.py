"""Sheets of images and pairs of histograms."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

from tests.support.documents import geometry, stage
from tgsh.figures import Panel, distributions_figure, geometry_figure, image_grid, render


def test_every_image_is_where_its_labels_say() -> None:
    images = np.zeros((2, 3, 4, 4))
    images[1, 2, 0, 0] = 1  # one bright pixel in the last image
    figure = image_grid(images, ["0°", "10°"], ["a", "b", "c"], title="t", across="class")
    [picture] = figure.axes[0].get_images()
    mosaic = np.asarray(picture.get_array())
    assert mosaic.shape == (2 * 6, 3 * 6)
    inside = mosaic.reshape(2, 6, 3, 6)[:, 1:5, :, 1:5]
    assert inside[1, 0, 2, 0] == 1
    assert inside.sum() == 1
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["0°", "10°"]


def test_a_common_scale_leaves_pixels_as_they_are() -> None:
    images = np.linspace(0.2, 0.5, 2 * 4 * 4).reshape(1, 2, 4, 4)
    drawn = {}
    for scale in (None, (0, 1)):
        figure = image_grid(images, ["a"], ["b", "c"], title="t", across="class", scale=scale)
        [picture] = figure.axes[0].get_images()
        drawn[scale] = np.asarray(picture.get_array()).reshape(6, 2, 6)[1:5, :, 1:5].transpose(1, 0, 2)
    np.testing.assert_allclose(drawn[0, 1], images[0], rtol=1e-6)
    assert drawn[None].min(axis=(1, 2)).tolist() == [0, 0]
    assert drawn[None].max(axis=(1, 2)).tolist() == [1, 1]


@pytest.mark.parametrize("shape", [(1, 1, 28, 28), (36, 10, 28, 28), (200, 2, 8, 8)])
def test_sheets_of_any_size_can_be_drawn(shape: tuple[int, ...]) -> None:
    images = np.random.default_rng(0).standard_normal(shape)
    rows, columns = [f"${row}°" for row in range(shape[0])], [str(column) for column in range(shape[1])]
    assert render(image_grid(images, rows, columns, title="$x", across="class"), "png").startswith(b"\x89PNG")


def test_a_sheet_needs_its_labels() -> None:
    with pytest.raises(ValueError, match="no 1 × 2 sheet"):
        image_grid(np.zeros((1, 3, 4, 4)), ["a"], ["b", "c"], title="t", across="class")


def test_histograms_are_densities() -> None:
    edges = np.linspace(-1, 1, 5)
    panel = Panel("after", ([0, 2, 6, 0], [1, 1, 0, 0]), (0.2, -0.5), 0.9)
    empty = Panel("before", ([0] * 4, [0] * 4), (None, None), None)

    def drawn() -> Figure:
        names = ("intra x", "inter y")
        return distributions_figure([empty, panel], edges.tolist(), names, title="t", across="c")

    figure = drawn()
    heights = figure.axes[1].patches[0].get_data().values
    assert (np.asarray(heights) * np.diff(edges)).sum() == pytest.approx(1)
    note = figure.axes[1].get_title(loc="left")
    assert note == "after\nmean intra 0.20, mean inter −0.50, P(intra > inter) = 0.90"
    assert render(figure, "svg") == render(drawn(), "svg")


def test_a_geometry_tells_what_is_read_of_tasks_left_out() -> None:
    read = {"r2": 0.9865, "median_error": 1.924, "unit": "degrees", "reason": None}
    before, after = stage(0.4, 0.0), stage(0.36, 0.08) | {"left_out": read}
    counts = {"intra": [0, 1], "inter": [1, 0]}
    document = geometry(before | counts, after | counts).model_copy(update={"edges": [-1, 0, 1]})
    first, second = (axes.get_title(loc="left") for axes in geometry_figure(document, title="t").axes)
    assert second.endswith("\nγ of a task left out: R² 0.99, median error 1.92 degrees")
    assert "left out" not in first, "an older experiment has no numbers"


def test_histograms_in_columns() -> None:
    panels = [Panel(name, ([1, 0], [0, 1]), (0.2, 0.1), 0.9) for name in "abcdef"]
    figure = distributions_figure(panels, [0, 1, 2], ("x", "y"), title="t", across="c", columns=2)
    assert [axes.get_title(loc="left").split("\n")[0] for axes in figure.axes] == list("abcdef")
    places = [axes.get_subplotspec() for axes in figure.axes]
    assert [(place.rowspan.start, place.colspan.start) for place in places if place] == [
        (row, column) for row in range(3) for column in range(2)
    ]
    for wrong in (panels[:5], []):
        with pytest.raises(ValueError, match="do not fill"):
            distributions_figure(wrong, [0, 1, 2], ("x", "y"), title="t", across="c", columns=2)
