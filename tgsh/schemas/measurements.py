"""Schemas of accuracy, geometry, reconstructions, samples, predictions and representations."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field

from tgsh.schemas import examples
from tgsh.schemas.base import WARNINGS, WireModel


class TaskAccuracy(WireModel):
    index: int
    label: str
    accuracy: float
    balanced: float | None = Field(
        None, description="mean over the classes of the share of its test images that are recognised"
    )
    chance: float | None = Field(
        None, description="share of the commonest class in the test images: the accuracy of always saying it"
    )
    low: float | None = Field(
        None, description="lower end of the interval of `accuracy` over test images; null as `reason` says"
    )
    high: float | None = Field(None, description="upper end")
    balanced_low: float | None = Field(None, description="lower end of the interval of `balanced`")
    balanced_high: float | None = Field(None, description="upper end")


class Transfers(WireModel):
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


class Accuracy(WireModel):
    """Test accuracy of the tasks that are done."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.ACCURACY]})

    experiment_id: str
    complete: bool
    mean: float | None = None
    min: float | None = None
    max: float | None = None
    tasks: list[TaskAccuracy]
    class_names: list[str] | None = Field(None, description="of the columns of `per_class`, K")
    per_class: list[list[float | None]] | None = Field(
        None,
        description="share of the test images of each class that are recognised, a row for each of `tasks`: "
        "T×K; null where a class has no test image",
    )
    level: float = Field(0.95, description="confidence of the intervals `low` to `high` of `tasks`")
    resamples: int = Field(2_000, description="of the test images, behind the intervals")
    reason: str | None = Field(
        None, description="why `balanced`, `chance`, `per_class` or ends of intervals are null"
    )
    matrix: AccuracyMatrixSummary | None = Field(
        None, description="of every context on every task; null before the finish, or where not asked for"
    )
    warnings: list[str] = Field(default_factory=list, description=WARNINGS)


class Confusion(WireModel):
    """Test images of one task by their class (rows) and the class that was recognised (columns), K×K."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.CONFUSION]})

    experiment_id: str
    task: int
    label: str
    class_names: list[str]
    counts: list[list[int]] = Field(description="counts[i][j]: images of class i that were taken for class j")
    accuracy: float
    balanced: float = Field(description="mean over the classes of the share that is recognised")
    chance: float = Field(description="share of the commonest class: the accuracy of always saying it")
    warnings: list[str] = Field(default_factory=list, description=WARNINGS)


class AccuracyMatrix(Transfers):
    """Test accuracies once all tasks are learned: values[i][j] of the context of task i on the data of j."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.ACCURACY_MATRIX]})

    experiment_id: str
    tasks: list[int]
    labels: list[str]
    values: list[list[float]]
    untrained: list[float] = Field(description="of each task's context before training, on its own data")


ReconstructionMethod = Literal["pinv", "ridge"]


class Interval(WireModel):
    """Values that other test images of the same kind would give."""

    low: float
    high: float


class ReconstructionScore(WireModel):
    """Reconstructions against mean images of class and task, over the tasks and classes asked for."""

    correlation: float = Field(description="mean class-centred correlation with the mean image")
    right_class: float | None = Field(description="share whose own class, of these classes, fits best")
    right_task: float | None = Field(description="share whose own task, of these tasks, fits best")
    interval: Interval | None = Field(
        None, description="over test images, of the correlation; null: they are not kept, as `reason` says"
    )
    reason: str | None = Field(None, description="why there is no interval, or null")


class Reconstructions(WireModel):
    """x̂ = A⁺(v_t ⊙ w_k + ε): images[task][class][sample][row][column], in units of the network's input.

    In colour, a pixel is three numbers."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.RECONSTRUCTIONS]})

    experiment_id: str
    base_id: str
    stage: str
    method: ReconstructionMethod
    ridge: float = Field(description="λ; 0 is the pseudo-inverse")
    seed: int
    tasks: list[int]
    labels: list[str]
    classes: list[int]
    class_names: list[str] = Field(default_factory=list, description="of these classes")
    score: ReconstructionScore | None = Field(description="of the mean over samples; null before the finish")
    images: list[list[list[list[list[float]]]]] | list[list[list[list[list[list[float]]]]]]


class Samples(WireModel):
    """The same test images as each task shows them: images[task][image][row][column], 0 black to 1 white.

    In colour, a pixel is three numbers: red, green, blue. Where each task is a dataset, its images are shown.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [examples.SAMPLES]})

    experiment_id: str
    tasks: list[int]
    labels: list[str] = Field(description="of the tasks")
    classes: list[int] = Field(description="of the images")
    class_names: list[str] = Field(default_factory=list, description="of the images")
    task_classes: list[list[str]] | None = Field(
        None, description="where no class is in all tasks, each shows its own: these; else null"
    )
    images: list[list[list[list[float]]]] | list[list[list[list[list[float]]]]]


NOT_MEASURED_THEN = (
    "measured by a version of tgsh that did not know it; train the same spec again to get it: "
    "`tgsh submit --anew`, or POST /experiments?anew=true"
)
"""Of fields that older experiments lack."""


class LeftOutReadout(WireModel):
    """Angle, shift or γ of a task, read by a ridge map that was fitted on all other tasks."""

    r2: float | None = Field(None, description="share of its variance that is read, 1 at most")
    median_error: float | None = Field(None, description="median distance from the truth, around the circle")
    unit: str | None = Field(None, description="of the error: degrees, pixels or Euclidean distance")
    reason: str | None = Field(NOT_MEASURED_THEN, description="why there are no numbers, or null")


class GeometryIntervals(WireModel):
    """Intervals over test images, drawn anew in all tasks at once; null where the measure is."""

    intra_mean: Interval | None = None
    inter_mean: Interval | None = None
    overlap: Interval | None = None
    p_intra_greater: Interval | None = None
    neighbour_mean: Interval | None = None
    level: float = Field(0.95, description="confidence")
    resamples: int = Field(2_000, description="of the test images, within each class")
    reason: str | None = Field(NOT_MEASURED_THEN, description="why there are none, or null")


class GeometryStage(WireModel):
    """Cosines of representations: intra (one task, different classes), inter (one class, different tasks)."""

    intra: list[int] = Field(description="pairs in each bin")
    inter: list[int] = Field(description="pairs in each bin")
    intra_mean: float | None
    inter_mean: float | None
    overlap: float | None = Field(description="shared area of the two distributions, 0 to 1")
    p_intra_greater: float | None = Field(description="P(intra > inter) of two random pairs")
    task_accuracy: float = Field(description="how well a ridge map names the task, on images it never saw")
    parameter_r2: float | None = Field(
        description="share of the variance of the task's angle or shift (as cosine and sine) that it reads, "
        "where all tasks are in the fit: untrained contexts reach 0.8, so that left_out is what tells"
    )
    neighbour_mean: float | None = Field(
        None, description="mean inter cosine of tasks that follow one another; null in older experiments"
    )
    left_out: LeftOutReadout = Field(
        default_factory=lambda: LeftOutReadout(), description="of tasks that are not in the fit"
    )
    intervals: GeometryIntervals = Field(
        default_factory=lambda: GeometryIntervals(), description="of the measures above, over test images"
    )


class GeometrySample(WireModel):
    """What was measured on: these tasks, so many classes, so many test images a class."""

    tasks: list[int]
    classes: int
    images: int


class GeometryBaseline(WireModel):
    """The same measured on the same tasks and images, with the contexts of another experiment."""

    experiment_id: str
    name: str
    network: str = Field(description="kind of its network")
    before: GeometryStage
    after: GeometryStage


class Geometry(WireModel):
    """Definition 1 measured, with untrained and with trained contexts."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.GEOMETRY]})

    experiment_id: str
    base_id: str
    network: str = Field(description="kind of the network")
    sample: GeometrySample
    edges: list[float] = Field(description="of the bins; one more than there are bins")
    before: GeometryStage
    after: GeometryStage
    baseline: GeometryBaseline | None = Field(None, description="of the experiment that was asked for")
    warnings: list[str] = Field(default_factory=list, description=WARNINGS)


_ABOUT: dict[str, Any] = {
    "experiment_id": "0123456789abcdef",
    "base_id": "3b6a2f0c5d1e4b7898a7c6d5e4f30211aabbccddeeff00112233445566778899",
    "stage": "after",
    "task": 9,
    "label": "90°",
}


class Predictions(WireModel):
    """Of every image the class that the network sees in it, and the probabilities of all K classes."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    **_ABOUT,
                    "classes": [7],
                    "class_names": ["7"],
                    "probabilities": [[0.01, 0.0, 0.02, 0.03, 0.0, 0.01, 0.0, 0.9, 0.01, 0.02]],
                }
            ]
        }
    )

    experiment_id: str
    base_id: str
    stage: str = Field(description='"before", "after" or the number of an epoch')
    task: int
    label: str
    classes: list[int] = Field(description="the most probable class of each image")
    class_names: list[str] = Field(default_factory=list, description="of these classes")
    probabilities: list[list[float]] = Field(description="softmax of the logits, a row an image: n×K")


class Representations(WireModel):
    """r_t(x) of every image, what the readout makes logits of: a row an image, n×R."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{**_ABOUT, "values": [[0.0, 0.12, -0.05, 0.0, 0.31]]}]}
    )

    experiment_id: str
    base_id: str
    stage: str = Field(description='"before", "after" or the number of an epoch')
    task: int
    label: str
    values: list[list[float]]
