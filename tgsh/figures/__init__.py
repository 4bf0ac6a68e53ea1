"""Matplotlib figures of results, without pyplot: a figure of documents or arrays, and its file's bytes."""

from tgsh.figures.atlas import atlas_figure
from tgsh.figures.comparison import difference_figure, matrices_figure
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
from tgsh.figures.options import draw_figure
from tgsh.figures.replicates import (
    accuracy_intervals_figure,
    ceilings_figure,
    intervals_figure,
    spread_figure,
    spread_map_figure,
    supported_tree_figure,
)
from tgsh.figures.reuse import hash_figure, scenarios_figure, sources_figure, transfer_figure
from tgsh.figures.style import FigureFormat, render
from tgsh.figures.warnings import add_warnings

__all__ = [
    "FigureFormat",
    "Panel",
    "accuracy_figure",
    "accuracy_intervals_figure",
    "accuracy_matrix_figure",
    "add_warnings",
    "atlas_figure",
    "before_after_figure",
    "ceilings_figure",
    "confusion_figure",
    "dendrogram_figure",
    "difference_figure",
    "distributions_figure",
    "draw_figure",
    "embedding_figure",
    "geometry_figure",
    "hash_figure",
    "image_grid",
    "intervals_figure",
    "matrices_figure",
    "render",
    "scenarios_figure",
    "similarity_figure",
    "sources_figure",
    "spread_figure",
    "spread_map_figure",
    "supported_tree_figure",
    "trajectories_figure",
    "transfer_figure",
    "tree_figure",
    "vectors_figure",
]
