"""Several experiments side by side: what differs in their specs, and whether their similarities agree."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field

from tgsh.schemas import examples
from tgsh.schemas.wire import Measure, Wire

Alternative = Literal["greater", "less", "two-sided"]


class ComparedExperiment(Wire):
    id: str
    name: str
    status: str
    base_id: str
    digest: str
    mean_accuracy: float | None = None
    complete: bool = Field(description="whether every task has a vector at this stage")
    tasks: list[int] = Field(description="the numbers that the common tasks have in this experiment")


class SpecDifference(Wire):
    """A field of the specs that is not the same in all; names and tags are none of these."""

    field: str = Field(description='dotted path, such as "training.epochs"')
    values: list[Any] = Field(description="in the order of the experiments; null where it is not there")


class MantelTest(Wire):
    """Mantel's test: do the matrices agree more than they would if the tasks of one were shuffled?"""

    statistic: float = Field(description="Pearson's correlation of the entries above the diagonals")
    p_value: float = Field(description="(1 + count as extreme)/(1 + permutations)")
    permutations: int = Field(description="other orders that were tried; for few tasks all there are: exact")
    alternative: Alternative = Field(
        description="greater, less: one-sided; two-sided: twice the smaller of both"
    )
    seed: int


class SameTask(Wire):
    """The similarity of a task's vector in one experiment with its vector in another, over the same base."""

    mean: float
    values: list[float] = Field(description="in the order of `tasks`")


class ComparedPair(Wire):
    """Two of the experiments. Numbers are null where a matrix is constant off its diagonal."""

    a: str
    b: str
    tasks: int
    pearson: float | None
    spearman: float | None
    mantel: MantelTest | None
    same_base: bool = Field(description="whether vectors of the one may be compared with those of the other")
    same_task: SameTask | None = Field(description="null where the bases differ")


class Comparison(Wire):
    """The similarity matrices of the tasks that all experiments have, in the order of the first."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.COMPARISON]})

    stage: str
    measure: Measure
    layer: str | None = None
    experiments: list[ComparedExperiment]
    differences: list[SpecDifference]
    tasks: list[str] = Field(description="labels of the common tasks")
    matrices: list[list[list[float]]] = Field(description="one an experiment, in the order of `tasks`")
    pairs: list[ComparedPair]
    same_base: bool = Field(description="whether all have one random base, so that vectors are comparable")
