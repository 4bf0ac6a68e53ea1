"""Matplotlib figures of results, without pyplot: a figure of documents or arrays, and its file's bytes."""

from tgsh.figures.confusion import confusion_figure
from tgsh.figures.curves import accuracy_figure, trajectories_figure
from tgsh.figures.dendrogram import dendrogram_figure, tree_figure
from tgsh.figures.embedding import embedding_figure
from tgsh.figures.heatmaps import (
    accuracy_matrix_figure,
    before_after_figure,
    similarity_figure,
    vectors_figure,
)
from tgsh.figures.histograms import Panel, distributions_figure, geometry_figure
from tgsh.figures.image_grid import image_grid
from tgsh.figures.style import FigureFormat, render
from tgsh.figures.warnings import add_warnings

__all__ = [
    "FigureFormat",
    "Panel",
    "accuracy_figure",
    "accuracy_matrix_figure",
    "add_warnings",
    "before_after_figure",
    "confusion_figure",
    "dendrogram_figure",
    "distributions_figure",
    "embedding_figure",
    "geometry_figure",
    "image_grid",
    "render",
    "similarity_figure",
    "trajectories_figure",
    "tree_figure",
    "vectors_figure",
]
