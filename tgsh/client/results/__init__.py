"""Results as the client returns them: documents of `tgsh.schemas` with arrays, tables and plots."""

from tgsh.client.results.atlas import AtlasMap, NearestElsewhere
from tgsh.client.results.comparison import Comparison
from tgsh.client.results.experiments import Experiment, ExperimentPage, ExperimentTable
from tgsh.client.results.inference import (
    ContextTransfer,
    HashProperties,
    MixedPredictions,
    Scenarios,
    TaskInference,
)
from tgsh.client.results.measurements import (
    Accuracy,
    AccuracyMatrix,
    Confusion,
    Geometry,
    Predictions,
    Reconstructions,
    Samples,
)
from tgsh.client.results.placements import Placement
from tgsh.client.results.similarity import (
    ContextVectors,
    Dendrogram,
    Embedding,
    NearestTasks,
    Similarity,
    SimilarityBlock,
    SimilarityEpochs,
)
from tgsh.client.results.studies import (
    Study,
    StudyAccuracy,
    StudyCeiling,
    StudyDendrogram,
    StudyDifferences,
    StudyEffects,
    StudyEmbedding,
    StudyMatrices,
    StudyPage,
    StudySimilarity,
    StudySummary,
)

__all__ = [
    "Accuracy",
    "AccuracyMatrix",
    "AtlasMap",
    "Comparison",
    "Confusion",
    "ContextTransfer",
    "ContextVectors",
    "Dendrogram",
    "Embedding",
    "Experiment",
    "ExperimentPage",
    "ExperimentTable",
    "Geometry",
    "HashProperties",
    "MixedPredictions",
    "NearestElsewhere",
    "NearestTasks",
    "Placement",
    "Predictions",
    "Reconstructions",
    "Samples",
    "Scenarios",
    "Similarity",
    "SimilarityBlock",
    "SimilarityEpochs",
    "Study",
    "StudyAccuracy",
    "StudyCeiling",
    "StudyDendrogram",
    "StudyDifferences",
    "StudyEffects",
    "StudyEmbedding",
    "StudyMatrices",
    "StudyPage",
    "StudySimilarity",
    "StudySummary",
    "TaskInference",
]
