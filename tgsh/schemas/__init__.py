"""Schemas of the HTTP API's documents, shared by service and client.

Times are ISO 8601 in UTC; durations are seconds.
"""

from __future__ import annotations

from tgsh.schemas.base import TERMINAL as TERMINAL
from tgsh.schemas.base import EmbeddingMethod as EmbeddingMethod
from tgsh.schemas.base import ExperimentStatus as ExperimentStatus
from tgsh.schemas.base import FieldError as FieldError
from tgsh.schemas.base import Measure as Measure
from tgsh.schemas.base import Order as Order
from tgsh.schemas.base import Problem as Problem
from tgsh.schemas.base import TaskStatus as TaskStatus
from tgsh.schemas.base import WireModel as WireModel
from tgsh.schemas.experiments import Estimate as Estimate
from tgsh.schemas.experiments import Experiment as Experiment
from tgsh.schemas.experiments import ExperimentPage as ExperimentPage
from tgsh.schemas.experiments import Preview as Preview
from tgsh.schemas.experiments import PreviewStatus as PreviewStatus
from tgsh.schemas.experiments import Progress as Progress
from tgsh.schemas.experiments import ProgressEvent as ProgressEvent
from tgsh.schemas.experiments import Sharing as Sharing
from tgsh.schemas.experiments import StatusEvent as StatusEvent
from tgsh.schemas.experiments import Task as Task
from tgsh.schemas.experiments import TaskEvent as TaskEvent
from tgsh.schemas.experiments import TaskList as TaskList
from tgsh.schemas.experiments import Timings as Timings
from tgsh.schemas.measurements import Accuracy as Accuracy
from tgsh.schemas.measurements import AccuracyMatrix as AccuracyMatrix
from tgsh.schemas.measurements import AccuracyMatrixSummary as AccuracyMatrixSummary
from tgsh.schemas.measurements import Confusion as Confusion
from tgsh.schemas.measurements import Geometry as Geometry
from tgsh.schemas.measurements import GeometryBaseline as GeometryBaseline
from tgsh.schemas.measurements import GeometrySample as GeometrySample
from tgsh.schemas.measurements import GeometryStage as GeometryStage
from tgsh.schemas.measurements import LeftOutReadout as LeftOutReadout
from tgsh.schemas.measurements import Predictions as Predictions
from tgsh.schemas.measurements import ReconstructionMethod as ReconstructionMethod
from tgsh.schemas.measurements import Reconstructions as Reconstructions
from tgsh.schemas.measurements import ReconstructionScore as ReconstructionScore
from tgsh.schemas.measurements import Representations as Representations
from tgsh.schemas.measurements import Samples as Samples
from tgsh.schemas.measurements import TaskAccuracy as TaskAccuracy
from tgsh.schemas.measurements import Transfers as Transfers
from tgsh.schemas.service import Catalog as Catalog
from tgsh.schemas.service import CatalogEntry as CatalogEntry
from tgsh.schemas.service import Check as Check
from tgsh.schemas.service import Dataset as Dataset
from tgsh.schemas.service import DatasetPage as DatasetPage
from tgsh.schemas.service import DatasetReport as DatasetReport
from tgsh.schemas.service import DatasetSamples as DatasetSamples
from tgsh.schemas.service import Pictures as Pictures
from tgsh.schemas.service import Queue as Queue
from tgsh.schemas.service import QueuedExperiment as QueuedExperiment
from tgsh.schemas.service import Readiness as Readiness
from tgsh.schemas.service import Worker as Worker
from tgsh.schemas.service import Workers as Workers
from tgsh.schemas.service import WorkingOn as WorkingOn
from tgsh.schemas.similarity import Alternative as Alternative
from tgsh.schemas.similarity import ClassOverlap as ClassOverlap
from tgsh.schemas.similarity import ComparedExperiment as ComparedExperiment
from tgsh.schemas.similarity import ComparedPair as ComparedPair
from tgsh.schemas.similarity import Comparison as Comparison
from tgsh.schemas.similarity import ContextVectors as ContextVectors
from tgsh.schemas.similarity import Dendrogram as Dendrogram
from tgsh.schemas.similarity import Embedding as Embedding
from tgsh.schemas.similarity import MantelTest as MantelTest
from tgsh.schemas.similarity import NearestTasks as NearestTasks
from tgsh.schemas.similarity import NullRange as NullRange
from tgsh.schemas.similarity import SameTask as SameTask
from tgsh.schemas.similarity import Similarity as Similarity
from tgsh.schemas.similarity import SimilarityBlock as SimilarityBlock
from tgsh.schemas.similarity import SimilarityCourse as SimilarityCourse
from tgsh.schemas.similarity import SimilarityEpochs as SimilarityEpochs
from tgsh.schemas.similarity import SpecDifference as SpecDifference
