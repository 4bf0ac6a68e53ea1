"""What a client answers: the documents of tgsh.schemas, with arrays, tables and pictures.

They stay frozen documents, so that what takes a schema takes them. Labels travel with every array.
"""

from tgsh.client.values.experiment import Experiment, ExperimentPage
from tgsh.client.values.images import Reconstructions, Samples
from tgsh.client.values.measures import Accuracy, AccuracyMatrix, Geometry, Predictions
from tgsh.client.values.similarities import NearestTasks, Similarity, SimilarityBlock, SimilarityEpochs
from tgsh.client.values.trees import ContextVectors, Dendrogram, Embedding

__all__ = [
    "Accuracy",
    "AccuracyMatrix",
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
