"""Results as the client returns them: documents of `tgsh.schemas` with arrays, tables and plots."""

from tgsh.client.results.experiments import Experiment, ExperimentPage
from tgsh.client.results.measurements import (
    Accuracy,
    AccuracyMatrix,
    Confusion,
    Geometry,
    Predictions,
    Reconstructions,
    Samples,
)
from tgsh.client.results.similarity import (
    ContextVectors,
    Dendrogram,
    Embedding,
    NearestTasks,
    Similarity,
    SimilarityBlock,
    SimilarityEpochs,
)

__all__ = [
    "Accuracy",
    "AccuracyMatrix",
    "Confusion",
    "ContextVectors",
    "Dendrogram",
    "Embedding",
    "Experiment",
    "ExperimentPage",
    "Geometry",
    "NearestTasks",
    "Predictions",
    "Reconstructions",
    "Samples",
    "Similarity",
    "SimilarityBlock",
    "SimilarityEpochs",
]
