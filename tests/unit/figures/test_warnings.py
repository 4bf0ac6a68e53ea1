"""Warnings below figures: all of them can be read, and nothing that was there moves under them."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from tests.unit.figures.test_embedding import ring
from tgsh.figures import (
    accuracy_figure,
    add_warnings,
    confusion_figure,
    embedding_figure,
    geometry_figure,
    similarity_figure,
)
from tgsh.schemas import Geometry, GeometrySample, GeometryStage

LONG = "every task has a random base of its own, so that numbers of two tasks are of other things " * 2


def drawn(kind: str) -> Figure:
    labels = ["a", "b", "c"]
    match kind:
        case "embedding":
            return embedding_figure(ring(5), title="t")
        case "similarity":
            return similarity_figure(np.eye(3), labels, title="t", measure="cosine")
        case "geometry":
            counts = [1, 2, 3]
            stage = GeometryStage(
                intra=counts, inter=counts, intra_mean=0.4, inter_mean=0.1, overlap=0.3,
                p_intra_greater=0.9, task_accuracy=1.0, parameter_r2=None,
            )  # fmt: skip
            document = Geometry(
                experiment_id="",
                base_id="",
                network="gsh",
                sample=GeometrySample(tasks=[0, 1], classes=2, images=6),
                edges=[-1.0, 0.0, 0.5, 1.0],
                before=stage,
                after=stage,
            )
            return geometry_figure(document, title="t")
        case "confusion":
            return confusion_figure(np.diag([5, 0, 2]), labels, title="t")
    return accuracy_figure([0.98, 0.97, 0.98], labels, title="t", balanced=[0.5] * 3, chance=[0.98] * 3)


def parts(figure: Figure) -> list[Artist]:
    """What the figure was made of."""
    return [*figure.axes, *figure.legends]


@pytest.mark.parametrize("kind", ["embedding", "similarity", "geometry", "confusion", "accuracy"])
def test_they_stand_below_and_cover_nothing(kind: str) -> None:
    plain, warned = drawn(kind), drawn(kind)
    add_warnings(plain, [])
    add_warnings(warned, [LONG, "$another$"])
    heights = [figure.get_size_inches()[1] for figure in (plain, warned)]
    assert heights[0] == drawn(kind).get_size_inches()[1] < heights[1]
    canvas = FigureCanvasAgg(warned)
    canvas.draw()
    note = warned.texts[-1]
    assert " ".join(note.get_text().split()) == f"! {LONG.strip()} ! $another$"
    box = note.get_window_extent(canvas.get_renderer())
    assert 0 <= box.x0 < box.x1 <= warned.bbox.width
    assert box.y0 >= 0
    FigureCanvasAgg(plain).draw()
    above = warned.bbox.height - plain.bbox.height
    for part, same in zip(parts(warned), parts(plain), strict=True):
        content, before = (each.get_tightbbox(canvas.get_renderer()) for each in (part, same))
        assert content is not None
        assert before is not None
        assert content.y0 >= box.y1 - 1
        np.testing.assert_allclose(content.bounds, before.translated(0, above).bounds, atol=1.5)  # pixels


def test_balanced_accuracy_is_drawn_and_chance_where_it_is_near() -> None:
    def marks(chance: float) -> list[str]:
        figure = accuracy_figure([0.9], ["a"], title="t", balanced=[0.5], chance=[chance])
        return [str(line.get_marker()) for line in figure.axes[0].lines if line.get_marker() != "None"]

    assert set(marks(0.98)) == {"D", "_", "o"}
    assert set(marks(0.1)) == {"D", "o"}
    figure = accuracy_figure([0.9], ["a"], title="t", balanced=[0.5], chance=[0.1])
    written = figure.axes[0].texts[0].get_text()
    assert "balanced 50.0 %" in written
    assert "chance 10.0 %" in written
