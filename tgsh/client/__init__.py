"""Python client of the REST API: `Client`, `AsyncClient` and the results that they return."""

from tgsh.client._async.client import AsyncClient
from tgsh.client._sync.client import Client
from tgsh.client.results import (
    Accuracy,
    AccuracyMatrix,
    ContextVectors,
    Dendrogram,
    Embedding,
    Experiment,
    ExperimentPage,
    Geometry,
    NearestTasks,
    Predictions,
    Reconstructions,
    Samples,
    Similarity,
    SimilarityBlock,
    SimilarityEpochs,
)

__all__ = [
    "Accuracy",
    "AccuracyMatrix",
    "AsyncClient",
    "Client",
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
