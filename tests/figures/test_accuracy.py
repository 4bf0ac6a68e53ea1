"""The accuracy of every task, where it belongs."""

from __future__ import annotations

import numpy as np
import pytest

from tests.figures.test_similarity import FORMATS, MAGIC
from tgsh.figures import FigureFormat, accuracy_figure, render


def shares(tasks: int) -> np.ndarray:
    return 0.9 + 0.02 * np.sin(np.arange(tasks))


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
