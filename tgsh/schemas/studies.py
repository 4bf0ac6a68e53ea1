"""Schemas of studies: their state, and statistics over replicates."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from tgsh.schemas.base import WARNINGS, ExperimentStatus, Measure, Order, WireModel
from tgsh.schemas.experiments import Estimate, Progress
from tgsh.schemas.study_examples import (
    STUDY,
    STUDY_ACCURACY,
    STUDY_CEILING,
    STUDY_DIFFERENCES,
    STUDY_EFFECTS,
    STUDY_EMBEDDING,
    STUDY_ESTIMATE,
    STUDY_MATRICES,
    STUDY_PAGE,
    STUDY_SIMILARITY,
    STUDY_TREE,
)
from tgsh.specs import ExperimentSpec
from tgsh.specs.base import MAX_TAGS, Name, Notes, Project, Tag

Over = Literal["seeds", "base_seeds", "both"]

Statistic = Literal["mean", "sd", "low", "high"]

CorrelationName = Literal["pearson", "spearman"]

Resampling = Literal["replicates", "jackknife", "bootstrap"]

REPLICATES = "how many completed experiments the numbers are of"
REASON = "why numbers are null, where some are"


class StudyProgress(Progress):
    """How far a study is: sums over its experiments that the caller sees."""

    experiments_total: int = Field(description="experiments of the study")
    experiments_done: int = Field(description="completed ones")
    experiments: dict[str, int] = Field(description="how many by status; missing: deleted or not visible")


class StudyReplicates(WireModel):
    """The seeds of a study; every seed is trained on every base."""

    seeds: list[int]
    base_seeds: list[int]


class StudySummary(WireModel):
    """A study without its experiments, as lists have it."""

    id: str
    name: str
    status: ExperimentStatus = Field(description="running as long as something is to come and some began")
    reason: str | None = Field(None, description="why it failed, or ended without all its experiments")
    progress: StudyProgress
    replicates: StudyReplicates
    grid: dict[str, list[Any]] = Field(description="values by path of the spec")
    spec: ExperimentSpec = Field(description="what its experiments have in common")
    tags: list[str] = Field(default_factory=list)
    notes: str | None = None
    project: str | None = None
    owner: str | None = Field(None, description="the key that made it; null: nobody's, everybody sees it")
    shared: bool = Field(False, description="whether others see it and its experiments, too")
    priority: int = 0
    created_at: datetime
    links: dict[str, str]


class StudyCellExperiments(WireModel):
    """One combination of the grid's values."""

    cell: int = Field(description="its number, from 0")
    values: dict[str, Any] = Field(description="by path of the spec")
    experiments: list[str] = Field(description="ids, base after base, without those that are missing")


class StudyMemberState(WireModel):
    """A replicate of a cell and how far its experiment is."""

    cell: int
    seed: int
    base_seed: int
    experiment: str | None = Field(description="its id; null: it was deleted, or is not visible")
    status: ExperimentStatus | None
    fraction: float | None = None
    mean_accuracy: float | None = None
    reason: str | None = None


class Study(StudySummary):
    """Experiments that differ in seeds and in a grid of values only."""

    model_config = ConfigDict(json_schema_extra={"examples": [STUDY]})

    cells: list[StudyCellExperiments]
    members: list[StudyMemberState]
    warnings: list[str] = Field(default_factory=list, description=WARNINGS)


class StudyPage(WireModel):
    """A page of studies, newest first; `next` is the cursor of the page after, null on the last."""

    model_config = ConfigDict(json_schema_extra={"examples": [STUDY_PAGE]})

    items: list[StudySummary]
    next: str | None = None


class StudyChanges(WireModel):
    """What is to be changed of a study; what is left out stays."""

    model_config = ConfigDict(
        extra="forbid", strict=True, json_schema_extra={"examples": [{"name": "five seeds", "shared": True}]}
    )

    name: Name | None = None
    tags: list[Tag] | None = Field(None, max_length=MAX_TAGS)
    notes: Notes | None = Field(None, description="null or empty removes them")
    project: Project | None = Field(None, description="null removes it")
    shared: bool | None = Field(None, description="whether everybody with a key sees it and its experiments")

    @model_validator(mode="after")
    def _change_something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("changes nothing; send name, tags, notes, project or shared")
        for name in ("name", "tags", "shared"):
            if name in self.model_fields_set and getattr(self, name) is None:
                raise ValueError(f"{name} cannot be null; leave it out to keep it")
        return self


class StudyExperimentEvent(WireModel):
    """Data of an `experiment` event: one of a study's experiments has changed."""

    experiment: str
    cell: int
    seed: int
    base_seed: int
    status: ExperimentStatus
    fraction: float


class StudyProgressEvent(WireModel):
    """Data of a `progress` event of a study."""

    progress: StudyProgress


class StudyEstimate(WireModel):
    """What a study would cost on today's workers. `cells` are estimates of one experiment each."""

    model_config = ConfigDict(json_schema_extra={"examples": [STUDY_ESTIMATE]})

    experiments: int = Field(description="of the whole study")
    stored: int = Field(description="of these, computed before: they cost nothing")
    tasks: int = Field(description="tasks to train")
    task_epochs: int
    seconds: float | None = Field(None, description="with all workers to itself; null where there is none")
    queue_seconds: float | None = Field(None, description="longer, as workers are shared with what waits")
    workers: int
    cells: list[Estimate]


# --- answers


class StudyAnswer(WireModel):
    """What all answers about one cell of a study tell."""

    study_id: str
    cell: int
    cell_values: dict[str, Any] = Field(description="of the grid, by path of the spec")
    stage: str
    measure: Measure
    layer: str | None = Field(None, description="the layer whose part it is of; null: the whole vectors")
    replicates: int = Field(description=REPLICATES)
    complete: bool = Field(description="whether all experiments of the cell are completed")
    tasks: list[int]
    labels: list[str]
    reason: str | None = Field(None, description=REASON)
    warnings: list[str] = Field(default_factory=list, description=WARNINGS)


class StudySimilarity(StudyAnswer):
    """A statistic of the similarities of every two tasks over replicates."""

    model_config = ConfigDict(json_schema_extra={"examples": [STUDY_SIMILARITY]})

    statistic: Statistic = Field(description="low and high: ends of the t interval of the mean")
    level: float
    over: Over = Field(description="what the interval generalises over")
    order: Order
    values: list[list[float | None]]


class StudyCellMatrices(WireModel):
    """Similarities of every two tasks of one cell over its replicates."""

    cell: int
    values: dict[str, Any] = Field(description="of the grid, by path of the spec")
    replicates: int = Field(description=REPLICATES)
    over: Over = Field(description="what the intervals generalise over")
    tasks: list[int]
    labels: list[str]
    mean: list[list[float | None]]
    sd: list[list[float | None]]
    low: list[list[float | None]] = Field(description="lower ends of the t intervals of the means")
    high: list[list[float | None]]
    reason: str | None = Field(None, description=REASON)


class StudyMatrices(WireModel):
    """Similarities of all cells side by side; cells without a completed experiment are left out."""

    model_config = ConfigDict(json_schema_extra={"examples": [STUDY_MATRICES]})

    study_id: str
    stage: str
    measure: Measure
    layer: str | None = Field(None, description="the layer whose part it is of; null: the whole vectors")
    level: float
    complete: bool = Field(description="whether all experiments of the study are completed")
    cells: list[StudyCellMatrices]
    warnings: list[str] = Field(default_factory=list, description=WARNINGS)


class NoiseCeilingValues(WireModel):
    """Agreement that the best possible matrix could have with single replicates."""

    over: Over = Field(description="what the replicates that are compared differ in")
    measure: CorrelationName = Field(description="how the entries above the diagonals are compared")
    lower: float | None = Field(description="mean agreement of a replicate with the pooled others")
    upper: float | None = Field(description="mean agreement of a replicate with all pooled")
    between: float | None = Field(description="mean agreement of two single replicates")
    replicates: int
    tasks: int
    reason: str | None = Field(None, description=REASON)


class StudyCeiling(StudyAnswer):
    """Noise ceilings over seeds, over random bases, and over both."""

    model_config = ConfigDict(json_schema_extra={"examples": [STUDY_CEILING]})

    ceilings: list[NoiseCeilingValues]


class SimilarityDifference(WireModel):
    """Similarity of one pair of tasks less that of another, over replicates."""

    pairs: tuple[tuple[int, int], tuple[int, int]]
    labels: tuple[tuple[str, str], tuple[str, str]]
    difference: float | None
    low: float | None
    high: float | None
    p: float | None = Field(description="two-sided t test that there is no difference")
    p_holm: float | None = Field(description="corrected for the number of differences that were asked for")
    distinguishable: bool | None = Field(description="whether p_holm is at most 1 − level")
    replicates: int
    reason: str | None = Field(None, description=REASON)


class StudyDifferences(StudyAnswer):
    """Differences of similarities, with Holm's correction."""

    model_config = ConfigDict(json_schema_extra={"examples": [STUDY_DIFFERENCES]})

    level: float
    over: Over
    differences: list[SimilarityDifference]


class StudyDendrogram(StudyAnswer):
    """The tree of the mean similarities, and the share of replicates that have each of its groups."""

    model_config = ConfigDict(json_schema_extra={"examples": [STUDY_TREE]})

    method: str
    resampling: Resampling
    trees: int = Field(description="trees that were compared")
    linkage: list[tuple[int, int, float, int]] = Field(description="SciPy's")
    support: list[float | None] = Field(description="a share for each row of the linkage")
    leaves: list[int]
    leaf_labels: list[str]
    cophenetic_correlation: float | None
    newick: str = Field(description="with support as labels of the groups")


class StudyEmbedding(StudyAnswer):
    """Tasks as points: mean of the replicates' embeddings after Procrustes alignment, and their spread."""

    model_config = ConfigDict(json_schema_extra={"examples": [STUDY_EMBEDDING]})

    dimensions: int
    values: list[list[float]]
    spread: list[float | None] = Field(
        description="root of the trace of the covariance of each task's points"
    )
    covariances: list[list[list[float | None]]] = Field(description="of each task's points over replicates")


class AccuracyEstimate(WireModel):
    """An accuracy over replicates."""

    mean: float | None
    sd: float | None
    low: float | None
    high: float | None
    replicates: int


class StudyTaskAccuracy(AccuracyEstimate):
    """The accuracy of one task."""

    index: int
    label: str


class CellAccuracy(WireModel):
    """Accuracies of one cell: mean over tasks, and of each task."""

    cell: int
    values: dict[str, Any]
    replicates: int = Field(description=REPLICATES)
    overall: AccuracyEstimate = Field(description="of the mean over the tasks of each experiment")
    tasks: list[StudyTaskAccuracy]
    reason: str | None = Field(None, description=REASON)


class StudyAccuracy(WireModel):
    """Mean, sd and interval of the test accuracy, a cell and a task."""

    model_config = ConfigDict(json_schema_extra={"examples": [STUDY_ACCURACY]})

    study_id: str
    level: float
    over: Over | None = Field(description="null: what varies in each cell")
    complete: bool
    cells: list[CellAccuracy]
    warnings: list[str] = Field(default_factory=list, description=WARNINGS)


class EffectRow(WireModel):
    """One task of one experiment: a row of the long table."""

    cell: int
    values: dict[str, Any]
    seed: int
    base_seed: int
    experiment: str
    task: int
    label: str
    accuracy: float | None
    similarity: list[float | None] = Field(description="mean similarity with the tasks 1, 2, … places away")


class CellDifference(WireModel):
    """A quantity in one cell less that in the reference cell, replicate by replicate."""

    cell: int
    reference: int
    quantity: str
    difference: float | None
    low: float | None
    high: float | None
    p: float | None
    p_holm: float | None
    distinguishable: bool | None
    replicates: int
    reason: str | None = None


class StudyEffects(WireModel):
    """Accuracies and similarities of all tasks of all experiments, and what cells differ in."""

    model_config = ConfigDict(json_schema_extra={"examples": [STUDY_EFFECTS]})

    study_id: str
    stage: str
    measure: Measure
    level: float
    over: Over | None
    complete: bool
    rows: list[EffectRow]
    effects: list[CellDifference] = Field(description="of mean accuracy and mean similarities, of each cell")
    warnings: list[str] = Field(default_factory=list, description=WARNINGS)
