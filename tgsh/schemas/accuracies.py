"""How well tasks were learned, and what the context of each does on the images of the others."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from tgsh.schemas import examples
from tgsh.schemas.wire import Wire


class TaskAccuracy(Wire):
    index: int
    label: str
    accuracy: float


class Transfers(Wire):
    """What learning a task did to the others; differences of accuracies, −1 to 1."""

    forgetting: list[float] = Field(
        description="of each task: its accuracy right after it was learned minus that after all were"
    )
    mean_forgetting: float
    forward_transfer: float | None = Field(
        description="mean gain of a task's accuracy over an untrained context by the context of the task "
        "before it (Lopez-Paz & Ranzato, 2017); null for one task"
    )


class AccuracyMatrixSummary(Transfers):
    """What the accuracy matrix says, and where it is."""

    link: str


class Accuracy(Wire):
    """Test accuracy of the tasks that are done."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.ACCURACY]})

    experiment_id: str
    complete: bool
    mean: float | None = None
    min: float | None = None
    max: float | None = None
    tasks: list[TaskAccuracy]
    matrix: AccuracyMatrixSummary | None = Field(
        None, description="of every context on every task; null before the finish, or where not asked for"
    )


class AccuracyMatrix(Transfers):
    """Test accuracies once all tasks are learned: values[i][j] of the context of task i on the data of j."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.ACCURACY_MATRIX]})

    experiment_id: str
    tasks: list[int]
    labels: list[str]
    values: list[list[float]]
    untrained: list[float] = Field(description="of each task's context before training, on its own data")
