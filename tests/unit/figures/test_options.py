"""Options of figures in Python: `plot` takes what the service takes, and obeys matplotlib's rcParams."""

from __future__ import annotations

import io
import itertools
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.text import Text

from tgsh.client import plotting, results
from tgsh.errors import InvalidSpec
from tgsh.figures import render
from tgsh.specs.figure_options import COLOUR_MAPS, read_figure_options

LABELS = [f"{angle}°" for angle in range(0, 360, 10)]


@pytest.fixture
def similarity() -> results.Similarity:
    angles = np.radians(np.arange(0, 360, 10))
    return results.Similarity.model_validate(
        {
            "experiment_id": "0" * 16,
            "base_id": "base",
            "stage": "after",
            "measure": "cosine",
            "order": "task",
            "complete": True,
            "tasks": list(range(36)),
            "labels": LABELS,
            "values": (0.3 * np.cos(angles[:, None] - angles) + 0.7 * np.eye(36)).tolist(),
        }
    )


def sizes(figure: Figure) -> set[float]:
    """Of all text that can be seen, typographic points."""
    shown: list[Any] = figure.findobj(Text)
    return {text.get_fontsize() for text in shown if text.get_text() and text.get_visible()}


def test_a_plot_as_options_say(similarity: results.Similarity) -> None:
    figure = similarity.plot(
        width=85, font=8, title=False, labels="some", range=(-0.5, 0.5), diagonal="mask", cmap="PuOr"
    )
    assert figure.get_size_inches()[0] * 25.4 == pytest.approx(85)
    assert sizes(figure) == {8}
    axes, bar = figure.axes
    image: Any = axes.images[0].get_array()
    cells = image.reshape(36, image.shape[0] // 36, 36, -1, 4)[:, 0, :, 0, 3]
    assert (cells == 0).tolist() == np.eye(36, dtype=bool).tolist()
    assert bar.get_ylim() == pytest.approx((-0.5, 0.5))
    assert axes.get_title(loc="left") == ""
    boxes = [text.get_window_extent() for text in axes.get_yticklabels()]
    assert 10 < len(boxes) < 36
    assert all(above.y0 >= below.y1 - 2 for above, below in itertools.pairwise(boxes))
    everything = similarity.plot(labels="all").axes[0]
    assert [text.get_text() for text in everything.get_yticklabels()] == LABELS
    assert not similarity.plot(labels="off").axes[0].get_yticklabels()
    saved = io.BytesIO()
    similarity.plot(svg_text="text").savefig(saved, format="svg")
    assert b"<text" in saved.getvalue()


def test_a_plot_as_rc_params_say(similarity: results.Similarity) -> None:
    designed = render(plotting.warned_figure(similarity), "png")
    assert render(similarity.plot(), "png") == designed
    with matplotlib.rc_context({"font.size": 20, "font.family": ["serif"], "figure.figsize": (9, 7)}):
        figure = similarity.plot()
    assert tuple(figure.get_size_inches()) == (9, 7)
    assert min(sizes(figure)) >= 12
    assert {text.get_fontfamily()[0] for text in figure.axes[0].get_yticklabels()} == {"serif"}


def test_axes_of_ones_own(similarity: results.Similarity) -> None:
    axes = Figure(figsize=(3, 3)).subplots()
    assert similarity.plot(axes, diagonal="mask", font=6, labels="some") is axes
    assert {text.get_fontsize() for text in axes.get_yticklabels()} == {6}
    with pytest.raises(InvalidSpec, match="leave ax out") as caught:
        similarity.plot(axes, width=85, title="mine")
    assert [name for name, _ in caught.value.fields] == ["width", "title"]


def test_what_a_plot_cannot_use_is_refused() -> None:
    accuracy = results.Accuracy.model_validate(
        {"experiment_id": "0" * 16, "tasks": [], "mean": None, "min": None, "max": None, "complete": False}
    )
    with pytest.raises(InvalidSpec, match="no such option") as caught:
        accuracy.plot(widht=85, font=1, dpi="x")
    assert [name for name, _ in caught.value.fields] == ["widht", "font", "dpi"]


def test_every_colour_map_is_matplotlibs() -> None:
    assert set(COLOUR_MAPS) <= set(colormaps)
    with pytest.raises(InvalidSpec, match="none of"):
        read_figure_options({"cmap": "jet"}, {"cmap"})
