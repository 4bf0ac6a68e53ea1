"""Dendrograms: a tree of tasks, alone or beside the ordered similarity matrix."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tgsh.analysis.clustering import ClusterTree
from tgsh.analysis.similarity import SimilarityMatrix
from tgsh.figures.heatmaps import add_colour_bar, draw_heatmap, margin_of, side_of, similarity_scale
from tgsh.figures.style import INK, NotebookFigure, label_rows, open_frame, paper, text, write_title
from tgsh.task_names import MAX_NAME, told_apart

WIDTH, TALLEST = 4.6, 12.0  # inches of a tree alone
TREE = 0.42  # the tree's width, of the matrix's


def dendrogram_figure(tree: ClusterTree, matrix: SimilarityMatrix, *, title: str) -> Figure:
    """Draw the matrix in the order of the tree's leaves, and the tree to its left, root outermost.

    The tree's axis is the distance 1 − similarity at which groups were joined; it starts at 0.

    Parameters
    ----------
    tree : ClusterTree
        Tree over T tasks.
    matrix : SimilarityMatrix
        The similarities [T, T] that the tree was made of, in task order.
    title : str
        Title, taken literally.

    Returns
    -------
    Figure
        New figure.

    Raises
    ------
    ValueError
        If shapes do not fit.
    """
    ordered = matrix.reordered(tree.leaves)
    names = told_apart(ordered.labels, ordered.tasks, MAX_NAME)
    side, margin = side_of(len(names)), margin_of(names or [""])
    figure = NotebookFigure(figsize=((1 + TREE) * side + margin + 0.8, side + margin))
    figure.set_layout_engine("compressed", w_pad=0.07, h_pad=0.07)
    axes, scale = (
        figure.add_subplot(facecolor=paper()),
        similarity_scale(matrix.measure).chosen(matrix.values),
    )
    draw_heatmap(axes, ordered.values, names, scale)
    axes.yaxis.tick_right()
    beside = axes.inset_axes((-TREE - 0.02, 0, TREE, 1), sharey=axes)
    draw_tree(beside, tree)
    write_title(beside, title, (1 + TREE) * side)
    add_colour_bar(figure, axes, scale)
    return figure


def tree_figure(tree: ClusterTree, *, title: str) -> Figure:
    """Draw the tree alone, a line a task, root at the left.

    Parameters
    ----------
    tree : ClusterTree
        Tree over T tasks.
    title : str
        Title, taken literally.

    Returns
    -------
    Figure
        New figure.
    """
    height = 0.9 + 0.14 * max(len(tree.tasks), 8)
    figure = NotebookFigure(figsize=(WIDTH, min(height, TALLEST)))
    figure.set_layout_engine("constrained", w_pad=0.07, h_pad=0.07)
    axes = figure.add_subplot(facecolor=paper())
    draw_named_tree(axes, tree)
    write_title(axes, title, WIDTH)
    return figure


def draw_named_tree(axes: Axes, tree: ClusterTree) -> None:
    """Draw the tree with the names of its leaves, the first at the top, into axes of its own.

    Parameters
    ----------
    axes : Axes
        Axes of a figure.
    tree : ClusterTree
        Tree over T tasks.
    """
    draw_tree(axes, tree)
    axes.set_ylim(len(tree.tasks) - 0.5, -0.5)
    axes.yaxis.tick_right()
    names = told_apart(tree.labels, tree.tasks, MAX_NAME)
    label_rows(axes, [names[leaf] for leaf in tree.leaves])
    axes.tick_params(axis="y", left=False, right=False, labelleft=False, labelright=True)


def draw_tree(axes: Axes, tree: ClusterTree) -> None:
    """Draw the tree without names, root at the left; leaf i, in the order of the leaves, stands at height i.

    Parameters
    ----------
    axes : Axes
        Axes of a figure.
    tree : ClusterTree
        Tree over T tasks.
    """
    brackets = brackets_of(tree)
    axes.add_collection(LineCollection(list(brackets), colors=INK, linewidths=0.8, capstyle="projecting"))
    highest = float(tree.linkage[:, 2].max(initial=0)) or 1.0
    axes.set_xlim(1.04 * highest, 0)  # the leaves touch the matrix
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.xaxis.set_major_formatter("{x:g}")  # "0.00" would reach under the matrix
    open_frame(axes)
    axes.tick_params(left=False, labelleft=False)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("1 − similarity", labelpad=4, **text(9))


def brackets_of(tree: ClusterTree) -> np.ndarray:
    """Compute the joints of a tree.

    Parameters
    ----------
    tree : ClusterTree
        Tree over T tasks.

    Returns
    -------
    np.ndarray
        T − 1 open polygons, float64 [T − 1, 4, 2]: (distance, row).
    """
    tasks = len(tree.tasks)
    rows = np.zeros(tasks + len(tree.linkage))
    heights = np.concatenate([np.zeros(tasks), tree.linkage[:, 2]])
    rows[list(tree.leaves)] = np.arange(tasks)
    brackets = np.empty((len(tree.linkage), 4, 2))
    for place, joint in enumerate(tree.linkage):
        left, right = int(joint[0]), int(joint[1])
        node = tasks + place
        rows[node] = (rows[left] + rows[right]) / 2
        brackets[place, :, 0] = heights[left], heights[node], heights[node], heights[right]
        brackets[place, :, 1] = rows[left], rows[left], rows[right], rows[right]
    return brackets
