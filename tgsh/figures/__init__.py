"""Results drawn as matplotlib figures: no pyplot, no files, the same bytes for the same values.

Figures may be made in threads, so nothing here touches a global style: fonts and sizes are given to every
text, and the few options that matplotlib reads only from its global table are set under a lock, in `render`.
"""

from tgsh.figures.accuracy import accuracy_figure
from tgsh.figures.accuracy_matrix import accuracy_matrix_figure
from tgsh.figures.courses import courses_figure
from tgsh.figures.dendrogram import dendrogram_figure, tree_figure
from tgsh.figures.distributions import Panel, distributions_figure
from tgsh.figures.embedding import embedding_figure
from tgsh.figures.geometry import geometry_figure
from tgsh.figures.rendering import FigureFormat, render
from tgsh.figures.sheet import image_sheet
from tgsh.figures.similarity import before_after_figure, similarity_figure
from tgsh.figures.vectors import vectors_figure

__all__ = [
    "FigureFormat",
    "Panel",
    "accuracy_figure",
    "accuracy_matrix_figure",
    "before_after_figure",
    "courses_figure",
    "dendrogram_figure",
    "distributions_figure",
    "embedding_figure",
    "geometry_figure",
    "image_sheet",
    "render",
    "similarity_figure",
    "tree_figure",
    "vectors_figure",
]
