"""Plots against what they are of: SciPy's tree, the matrix, the counts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.cluster.hierarchy

from service.dashboard.map_traces import map_plot
from service.dashboard.matrix_traces import matrix_plot, means_plot
from service.dashboard.traces import (
    MAX_LINES,
    Plot,
    accuracy_plot,
    geometry_plot,
    loss_plot,
    names,
    number,
    tree_plot,
)
from tgsh.analysis.clustering import dendrogram
from tgsh.analysis.embedding import classical_mds
from tgsh.analysis.similarity import SimilarityMatrix, similarity
from tgsh.schemas import GeometryStage, LeftOutReadout
from tgsh.specs.figure_options import FigureOptions
from tgsh.store.models import TaskRecord
from tgsh.task_names import MAX_NAME


def matrix_of(tasks: int) -> SimilarityMatrix:
    vectors = np.random.default_rng(tasks).standard_normal((tasks, 6))
    return similarity(vectors, [f"{10 * task}°" for task in range(tasks)], range(tasks))


def task_of(index: int, losses: list[float], accuracy: float | None = None) -> TaskRecord:
    status = "queued" if accuracy is None else "completed"
    return TaskRecord(index=index, label=f"task {index}", losses=losses, accuracy=accuracy, status=status)


def test_summary_names_the_most_and_the_least_alike() -> None:
    matrix = matrix_of(7)
    summary = matrix_plot(matrix, matrix.labels, matrix.tasks, "cosine").summary
    off = matrix.values + np.where(np.eye(7), np.nan, 0)
    for extreme in (np.nanargmax(off), np.nanargmin(off)):
        a, b = sorted(int(place) for place in np.unravel_index(extreme, off.shape))
        assert f"{matrix.labels[a]} and {matrix.labels[b]} ({number(off[a, b])})" in summary
    assert number(float(np.nanmean(off))) in summary


def test_matrix_has_the_range_and_the_diagonal_that_are_asked_for() -> None:
    values = np.array([[1, 0.02, -0.031], [0.02, 1, 0.0], [-0.031, 0.0, 1]])
    matrix = SimilarityMatrix(values, ("a", "b", "c"), (0, 1, 2), "cosine")

    def drawn(**colours: Any) -> Plot:
        return matrix_plot(matrix, matrix.labels, matrix.tasks, "cosine", FigureOptions(**colours))

    plain = drawn()
    assert "coloraxis" not in plain.layout  # from −1 to 1, as plots.js has it
    assert "All pairs lie within ±0.03" in plain.summary
    masked = drawn(range="auto", diagonal="mask")
    ends = [masked.layout["coloraxis"][end] for end in ("cmin", "cmax")]
    assert ends == pytest.approx([-0.031, 0.031])
    assert [masked.data[0]["z"][row][row] for row in range(3)] == [None] * 3
    assert masked.data[0]["z"][0][1] == 0.02
    assert drawn(range=(-0.5, 0.5)).layout["coloraxis"]["cmax"] == 0.5


def test_tree_is_scipys() -> None:
    tree = dendrogram(matrix_of(9))
    lines, marks = tree_plot(tree).data
    known = scipy.cluster.hierarchy.dendrogram(tree.linkage, no_plot=True)
    assert known["leaves"] == list(tree.leaves)

    def brackets(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Four corners each, the lower arm first, by where they stand."""
        found = np.stack([x, y], axis=2)
        found = np.where((found[:, :1, 1:] > found[:, -1:, 1:]), found[:, ::-1], found)
        return found[np.lexsort((found[:, 1, 0], found[:, 0, 1]))]

    drawn = (np.reshape([value for value in lines[axis] if value is not None], (-1, 4)) for axis in "xy")
    expected = np.array(known["dcoord"]), (np.array(known["icoord"]) - 5) / 10
    assert np.allclose(brackets(*drawn), brackets(*expected), atol=1e-4)
    assert sorted(marks["customdata"]) == sorted(tree.linkage[:, 3])


@pytest.mark.parametrize("tasks", [0, 1])
def test_one_task_is_no_tree_and_no_map(tasks: int) -> None:
    matrix = matrix_of(tasks)
    assert not tree_plot(dendrogram(matrix)).data
    assert not map_plot(classical_mds(matrix, 2), None).data


def test_means_say_which_tasks_they_are_of() -> None:
    plot = means_plot(np.eye(3), [0, 3, 6], 10, "cosine")
    assert plot.data[0]["x"] == ["tasks 0–2", "tasks 3–5", "tasks 6–9"]


def test_labels_are_short_and_none_is_there_twice() -> None:
    shown = names(["same", "same", "", "x" * 100, "x" * 100 + "y"], [0, 1, 2, 3, 4])
    assert shown[:3] == ["same #0", "same #1", "#2"]
    assert len(set(shown)) == 5
    assert all(len(name) <= MAX_NAME for name in shown)


def test_accuracy_has_a_place_for_every_task() -> None:
    plot = accuracy_plot([task_of(0, [1.0], 0.5), task_of(1, []), task_of(2, [1.0], 0.75)])
    assert plot.data[0]["y"] == [0.5, None, 0.75]
    assert "mean 62.5%, from 50.0% to 75.0%" in plot.summary
    assert not accuracy_plot([task_of(0, [])]).data


def test_balanced_accuracy_is_beside_it_and_chance_where_it_is_near() -> None:
    def names_of(chance: float) -> tuple[list[str], str]:
        task = task_of(0, [1.0], 0.98)
        task.balanced, task.chance = 0.5, chance
        plot = accuracy_plot([task, task_of(1, [])])
        assert plot.data[1]["y"] == [0.5, None]
        return [trace["name"] for trace in plot.data], plot.summary

    assert names_of(0.98)[0] == ["accuracy", "balanced", "chance"]
    names_far, summary = names_of(0.1)
    assert names_far == ["accuracy", "balanced"]
    assert "(balanced): 50.0%; always saying the commonest class (chance): 10.0%" in summary


def test_losses_are_a_line_a_task_and_their_mean() -> None:
    plot = loss_plot([task_of(0, [2.0, 1.0]), task_of(1, [4.0]), task_of(2, [])])
    assert [trace["y"] for trace in plot.data] == [[2.0, 1.0], [4.0], [3.0, 1.0]]
    assert "from 3.000 in the first epoch to 1.000 in epoch 2" in plot.summary


def test_losses_of_many_tasks_are_a_band() -> None:
    tasks = [task_of(index, [float(index)]) for index in range(MAX_LINES + 1)]
    low, high, mean = (trace["y"] for trace in loss_plot(tasks).data)
    assert (low, high, mean) == ([10.0], [90.0], [50.0])


def test_distributions_are_densities() -> None:
    stage = GeometryStage(
        intra=[0, 2, 6], inter=[4, 4, 0], intra_mean=0.4, inter_mean=0.1, overlap=0.3,
        p_intra_greater=0.9, task_accuracy=1.0, parameter_r2=None,
    )  # fmt: skip
    edges = [-1.0, 0.0, 0.5, 1.0]
    plot = geometry_plot(edges, stage, stage)
    for trace in plot.data:
        assert np.sum(np.array(trace["y"][:-1]) * np.diff(edges)) == pytest.approx(1, abs=1e-3)
    assert "P(intra > inter) is 0.900" in plot.summary
    assert "No parameter is read of tasks left out: measured by a version of tgsh that" in plot.summary
    before, after = (
        stage.model_copy(update={"left_out": LeftOutReadout(r2=r2, median_error=e, unit="°", reason=None)})
        for r2, e in ((-0.45, 90.31), (0.9865, 1.92))
    )
    summary = geometry_plot(edges, before, after).summary
    assert "with R² 0.99, median error 1.9 ° (before training R² −0.45, median error 90.3 °)." in summary
