"""Schemas of comparisons: experiments and studies beside one another."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field

from tgsh.schemas import examples
from tgsh.schemas.base import WARNINGS, Measure, WireModel
from tgsh.schemas.similarity import Alternative
from tgsh.schemas.studies import REASON, REPLICATES, NoiseCeilingValues, Over
from tgsh.schemas.study_examples import STUDY_COMPARISON

ComparisonPart = Literal["matrices", "correlations", "difference", "specs"]
"""What a table or a picture of a comparison has of it."""


class ComparedExperiment(WireModel):
    id: str = Field(description="of the experiment; of the study, with :CELL where it has several cells")
    name: str
    status: str
    base_id: str | None = Field(None, description="null for a study of several bases")
    digest: str | None = Field(None, description="null for a study")
    mean_accuracy: float | None = None
    complete: bool = Field(description="whether every task has a vector at this stage")
    tasks: list[int] = Field(description="the numbers that the common tasks have in this experiment")
    note: str | None = Field(
        None, description="why it is left out of matrices and pairs; null for one that is not"
    )


class ComparedStudy(ComparedExperiment):
    """A cell of a study: the mean matrix of its completed experiments."""

    kind: Literal["study"]
    study_id: str
    cell: int
    cell_values: dict[str, Any] = Field(description="of the grid, by path of the spec")
    replicates: int = Field(description=REPLICATES)
    experiments: list[str] = Field(description="ids of these")
    ceilings: list[NoiseCeilingValues] = Field(
        description="over what varies, of the common tasks; empty where it is left out"
    )


class SpecDifference(WireModel):
    """A field of the specs that is not the same in all; names and tags are none of these."""

    field: str = Field(description='dotted path, such as "training.epochs"')
    values: list[Any] = Field(
        description="in the order of `experiments`; null where it is not there, a list of a study's seeds"
    )


class MantelTest(WireModel):
    """Mantel's test: do the matrices agree more than they would if the tasks of one were shuffled?"""

    statistic: float = Field(description="Pearson's correlation of the entries above the diagonals")
    p_value: float = Field(description="(1 + count as extreme)/(1 + permutations)")
    permutations: int = Field(description="other orders that were tried; for few tasks all there are: exact")
    alternative: Alternative = Field(
        description="greater, less: one-sided; two-sided: twice the smaller of both"
    )
    seed: int


class SameTask(WireModel):
    """The similarity of a task's vector in one experiment with its vector in another, over the same base."""

    mean: float
    values: list[float] = Field(description="in the order of `tasks`")


class ComparedPair(WireModel):
    """Two of the experiments. Numbers are null where a matrix is constant off its diagonal.

    Mantel's test is null, too, where tasks of one of them share no random base: the matrix then compares
    unrelated numbers, and p would be read as evidence.
    """

    a: str
    b: str
    tasks: int
    pearson: float | None
    spearman: float | None
    mantel: MantelTest | None
    same_base: bool = Field(description="whether vectors of the one may be compared with those of the other")
    same_task: SameTask | None = Field(None, description="null where the bases differ, and for studies")


class ReplicateComparison(WireModel):
    """Whether two differ more than replicates do, where one of them or both are studies.

    Random bases are exchanged between the two where either has several, each with the mean of its seeds, and
    seeds otherwise; a base that both have is exchanged with itself only. An experiment is one replicate.
    """

    verdict: str = Field(description="in words: as alike as replicates are, less alike, or not to be told")
    as_alike: bool | None = Field(
        description="whether p is above 1 − level; null where no p could be below, as `reason` says"
    )
    level: float
    p: float | None = Field(description="that replicates of both differ no more than those of one")
    least_p: float | None = Field(description="smallest p that so few replicates can give")
    permutations: int = Field(description="other assignments that were tried; all there are where few: exact")
    agreement: float | None = Field(description="of the two pooled matrices (Pearson)")
    a_with_b: float | None = Field(
        description="mean agreement of the replicates of a with the pooled matrix of b: to be read against "
        "the ceiling of a"
    )
    b_with_a: float | None = Field(description="likewise, against the ceiling of b")
    between: float | None = Field(description="mean agreement of replicates of different ones")
    within: float | None = Field(description="mean agreement of replicates of the same one")
    over: Over = Field(description="what is exchanged: seeds or base_seeds")
    reason: str | None = Field(None, description=REASON)


class ComparedStudyPair(ComparedPair):
    """A pair of which one or both are studies. Correlations and Mantel's test are of mean matrices."""

    replicates: ReplicateComparison


class Comparison(WireModel):
    """The similarity matrices of the tasks that all experiments have, in the order of the first.

    What cannot be aligned with the others is left out, as its `note` says; its spec and its accuracy are
    compared all the same. Of studies it has the mean matrices.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [examples.COMPARISON, STUDY_COMPARISON]})

    stage: str
    measure: Measure
    layer: str | None = None
    experiments: list[ComparedStudy | ComparedExperiment]
    differences: list[SpecDifference]
    tasks: list[str] = Field(description="labels of the common tasks")
    matrices: list[list[list[float]]] = Field(
        description="one an experiment, in the order of `tasks`; empty for one that is left out, and where "
        "they are too large for text"
    )
    pairs: list[ComparedStudyPair | ComparedPair]
    same_base: bool = Field(description="whether all have one random base, so that vectors are comparable")
    notes: list[str] = Field(default_factory=list, description="what was left out, and how to get it")
    warnings: list[str] = Field(default_factory=list, description=WARNINGS)
