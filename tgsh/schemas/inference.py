"""Schemas of task inference, mixed contexts, transfer, scenarios and hash codes."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field

from tgsh.schemas.base import WARNINGS, Measure, WireModel
from tgsh.schemas.comparison import MantelTest
from tgsh.schemas.measurements import Interval

InferenceRule = Literal["margin", "entropy", "infomax", "blind-hash"]
LogitRule = Literal["margin", "entropy", "infomax"]
HashKind = Literal["simhash", "top-share"]

_ABOUT: dict[str, Any] = {
    "experiment_id": "0123456789abcdef",
    "base_id": "3b6a2f0c5d1e4b7898a7c6d5e4f30211aabbccddeeff00112233445566778899",
    "stage": "after",
}


class InferredTask(WireModel):
    task: int
    label: str
    score: float = Field(description="by the rule; the larger, the likelier")
    probability: float | None = Field(
        None, description="softmax of the scores over a temperature that was fitted at the finish, or null"
    )


class InferenceCalibration(WireModel):
    """Errors of the probabilities, on test images that neither training nor the fit has seen."""

    temperature: float = Field(description="that logits of classes are divided by")
    error: float = Field(description="expected calibration error of the classes' probabilities with it")
    error_before: float = Field(description="the same without it")
    fitted: int = Field(description="images behind the fit")
    measured: int = Field(description="images behind the errors")
    images: int | None = Field(None, description="a batch, of the size nearest to yours that was measured")
    task_right: float | None = Field(None, description="share of such batches whose task was named")
    task_error: float | None = Field(
        None, description="expected calibration error of the first task's probability"
    )
    batches: int | None = Field(None, description="behind both")


class TaskInference(WireModel):
    """Which task unlabelled images come from, and their classes without the task's number."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    **_ABOUT,
                    "rule": "margin",
                    "images": 2,
                    "tasks": [
                        {"task": 9, "label": "90°", "score": 2.41, "probability": 0.81},
                        {"task": 10, "label": "100°", "score": 2.2, "probability": 0.15},
                    ],
                    "classes": ["7", "2"],
                    "confidence": [0.98, 0.91],
                    "calibration": {
                        "temperature": 1.003,
                        "error": 0.005,
                        "error_before": 0.005,
                        "fitted": 3600,
                        "measured": 7200,
                        "images": 1,
                        "task_right": 0.164,
                        "task_error": 0.046,
                        "batches": 7200,
                    },
                    "reason": None,
                    "sentence": "Your 2 images are most likely from 90° (probability 0.81). Of batches of 1 "
                    "image the right task came first in 16 %.",
                }
            ]
        }
    )

    experiment_id: str
    base_id: str
    stage: str = Field(description='"before", "after" or the number of an epoch')
    rule: InferenceRule
    images: int = Field(description="taken as one batch: all from one task")
    tasks: list[InferredTask] = Field(description="the likeliest first")
    classes: list[str] = Field(description="of each image, under the context of the first task")
    confidence: list[float] = Field(description="probability of each of these classes under that context")
    calibration: InferenceCalibration | None = Field(None, description="null as `reason` says")
    reason: str | None = Field(None, description="why probabilities or calibration are missing, or null")
    sentence: str = Field("", description="the answer in words")
    warnings: list[str] = Field(default_factory=list, description=WARNINGS)


class ContextWeight(WireModel):
    task: int
    label: str
    weight: float = Field(description="0 to 1; all sum to 1")


class MixedPredictions(WireModel):
    """Classes under a weighted mean of context vectors."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    **_ABOUT,
                    "weights": [
                        {"task": 8, "label": "80°", "weight": 0.5},
                        {"task": 10, "label": "100°", "weight": 0.5},
                    ],
                    "classes": [7],
                    "class_names": ["7"],
                    "probabilities": [[0.01, 0.0, 0.02, 0.03, 0.0, 0.01, 0.0, 0.9, 0.01, 0.02]],
                }
            ]
        }
    )

    experiment_id: str
    base_id: str
    stage: str
    weights: list[ContextWeight] = Field(description="as they were used: divided by their sum")
    classes: list[int] = Field(description="the most probable class of each image")
    class_names: list[str] = Field(description="of these classes, as the heaviest task names them")
    probabilities: list[list[float]] = Field(description="softmax of the logits, a row an image: n×K")


class ContextAccuracy(WireModel):
    task: int
    label: str
    accuracy: float
    low: float
    high: float


class ContextMixture(WireModel):
    """The best mix of contexts for labelled images: fitted on one half, measured on the other."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    **_ABOUT,
                    "weights": "8:0.54,10:0.46",
                    "tasks": [
                        {"task": 8, "label": "80°", "weight": 0.54},
                        {"task": 10, "label": "100°", "weight": 0.46},
                    ],
                    "loss": 0.035,
                    "fitted": 50,
                    "measured": 50,
                    "accuracy": 0.94,
                    "low": 0.86,
                    "high": 1.0,
                    "single": {"task": 8, "label": "80°", "accuracy": 0.9, "low": 0.82, "high": 0.98},
                    "uniform": {"low": 0.3, "high": 0.56},
                    "uniform_accuracy": 0.42,
                    "seed": 0,
                }
            ]
        }
    )

    experiment_id: str
    base_id: str
    stage: str
    weights: str = Field(description="for POST …/predictions?weights=")
    tasks: list[ContextWeight] = Field(description="the heaviest first")
    loss: float = Field(description="mean cross-entropy of the images of the fit, nats")
    fitted: int = Field(description="images of the fit")
    measured: int = Field(description="other images, behind the accuracies")
    accuracy: float = Field(description="of the mix")
    low: float = Field(description="lower end of its bootstrap interval over images, 95 %")
    high: float = Field(description="upper end")
    single: ContextAccuracy = Field(
        description="of the one context with the lowest loss on the images of the fit"
    )
    uniform: Interval = Field(description="interval of the mean of all contexts")
    uniform_accuracy: float = Field(description="of the mean of all contexts")
    seed: int = Field(description="decides the halves")


class TransferSource(WireModel):
    task: int
    label: str
    chosen: int = Field(description="the most similar other task")
    chosen_label: str
    similarity: float = Field(description="of both")
    accuracy: float = Field(description="on the task's images, under the chosen context")
    best: float = Field(description="under the best other context")
    best_task: int
    random: float = Field(description="under another context at random (expected)")
    own: float = Field(description="under its own context")
    expected: float | None = Field(
        None, description="accuracy that the similarity predicts, by a fit without this task"
    )
    low: float | None = Field(None, description="lower end of its prediction interval")
    high: float | None = Field(None, description="upper end")
    sentence: str


class TransferFit(WireModel):
    """Accuracy under another context by its similarity: isotonic regression over ordered pairs of tasks."""

    similarities: list[float] = Field(description="where the curve bends, ascending")
    expected: list[float]
    low: list[float] = Field(description="of the prediction interval")
    high: list[float]
    level: float = Field(description="of the interval")
    coverage: float = Field(description="share of pairs in an interval that was made without their task")


class ContextTransfer(WireModel):
    """Whether similarity tells which context can be reused, against the measured accuracies."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    **{name: _ABOUT[name] for name in ("experiment_id", "base_id")},
                    "measure": "cosine",
                    "pearson": 0.975,
                    "spearman": 0.879,
                    "mantel": {
                        "statistic": 0.977,
                        "p_value": 0.001,
                        "permutations": 999,
                        "alternative": "greater",
                        "seed": 0,
                    },
                    "sources": [
                        {
                            "task": 0,
                            "label": "0°",
                            "chosen": 35,
                            "chosen_label": "350°",
                            "similarity": 0.743,
                            "accuracy": 0.917,
                            "best": 0.917,
                            "best_task": 35,
                            "random": 0.292,
                            "own": 0.948,
                            "expected": 0.913,
                            "low": 0.894,
                            "high": 0.926,
                            "sentence": "0°: use the context of 350°: expected accuracy 0.91 (0.89 to 0.93)",
                        }
                    ],
                    "mean_chosen": 0.905,
                    "mean_best": 0.908,
                    "mean_random": 0.292,
                    "fit": {
                        "similarities": [0.1, 0.5, 0.7],
                        "expected": [0.207, 0.787, 0.897],
                        "low": [0.155, 0.756, 0.878],
                        "high": [0.25, 0.819, 0.91],
                        "level": 0.95,
                        "coverage": 0.926,
                    },
                    "reason": None,
                }
            ]
        }
    )

    experiment_id: str
    base_id: str
    measure: Measure
    layer: str | None = None
    pearson: float | None = Field(
        description="of similarity and accuracy over ordered pairs of different tasks; null where "
        "one is constant"
    )
    spearman: float | None
    mantel: MantelTest | None = Field(
        description="of the similarities and the mean accuracy of both directions; null for two tasks"
    )
    sources: list[TransferSource] = Field(description="a task each")
    mean_chosen: float
    mean_best: float
    mean_random: float
    fit: TransferFit | None
    reason: str | None = Field(None, description="why there is no fit, or null")
    warnings: list[str] = Field(default_factory=list, description=WARNINGS)


class ScenarioEstimate(WireModel):
    value: float
    low: float | None = Field(None, description="of the interval over tasks; null for one task")
    high: float | None = None


class ScenarioRow(WireModel):
    """Accuracies for batches of one size, each batch from one task; null where too few images were kept."""

    images: int = Field(description="a batch")
    task_known: ScenarioEstimate | None = Field(description="task-incremental: the context is told")
    domain: ScenarioEstimate | None = Field(
        description="domain-incremental: the class within the task, under the context that is inferred"
    )
    class_: ScenarioEstimate | None = Field(
        alias="class", description="class-incremental: task and class inferred among all"
    )
    task: ScenarioEstimate | None = Field(description="share of batches whose task is inferred")
    batches: int
    reason: str | None = None

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True, serialize_by_alias=True)


class ScenarioChance(WireModel):
    """Accuracies of guesses with equal probabilities."""

    task_known: float
    domain: float
    class_: float = Field(alias="class")
    task: float

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True, serialize_by_alias=True)


class ScenarioSample(WireModel):
    """Test images that were measured, and what their logits cost at the finish."""

    tasks: list[int] = Field(description="whose images were run under all contexts")
    images: int = Field(description="of each, which were not used for calibration")


class Scenarios(WireModel):
    """The three settings of continual learning (van de Ven & Tolias 2019), by images a batch."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    **{name: _ABOUT[name] for name in ("experiment_id", "base_id")},
                    "rule": "margin",
                    "rows": [
                        {
                            "images": 10,
                            "task_known": {"value": 0.944, "low": 0.938, "high": 0.949},
                            "domain": {"value": 0.914, "low": 0.903, "high": 0.924},
                            "class": {"value": 0.69, "low": 0.64, "high": 0.74},
                            "task": {"value": 0.73, "low": 0.68, "high": 0.78},
                            "batches": 7200,
                            "reason": None,
                        }
                    ],
                    "chance": {"task_known": 0.1, "domain": 0.1, "class": 0.0028, "task": 0.028},
                    "sample": {"tasks": [0, 9, 18, 27], "images": 200},
                }
            ]
        }
    )

    experiment_id: str
    base_id: str
    rule: LogitRule
    rows: list[ScenarioRow]
    chance: ScenarioChance
    sample: ScenarioSample
    warnings: list[str] = Field(default_factory=list, description=WARNINGS)


class HashCurve(WireModel):
    """Agreement of codes by the cosine of what was hashed; bins without pairs are left out."""

    pairs_of: Literal["within", "across"] = Field(
        description="within: two images of one task; across: of two tasks, each under its own context"
    )
    stage: Literal["before", "after"]
    cosine: list[float]
    agreement: list[float]
    theory: list[float] | None = Field(description="1 − θ/π of random planes; null for a top share")
    pairs: list[int]
    mean_cosine: float | None
    mean_agreement: float | None
    deviation: float | None = Field(description="mean distance from the theory over pairs")


class HashRetrieval(WireModel):
    """Shares of the nearest codes that are of the query's kind (precision at k), means over queries."""

    name: str
    query: str = Field(description="what is hashed of the query")
    database: str = Field(description="what is hashed of the others")
    same_task: float | None = Field(description="among images of all tasks")
    same_class: float | None = Field(description="among images of all tasks")
    same_class_within: float | None = Field(description="among images of the query's own task")


class HashProperties(WireModel):
    """The network as a hash: collisions against cosine, and what codes retrieve."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    **{name: _ABOUT[name] for name in ("experiment_id", "base_id")},
                    "kind": "simhash",
                    "bits": 256,
                    "count": 10,
                    "tasks": [0, 18],
                    "images": 40,
                    "curves": [
                        {
                            "pairs_of": "within",
                            "stage": "after",
                            "cosine": [0.25, 0.35],
                            "agreement": [0.58, 0.61],
                            "theory": [0.58, 0.614],
                            "pairs": [120, 310],
                            "mean_cosine": 0.36,
                            "mean_agreement": 0.62,
                            "deviation": 0.02,
                        }
                    ],
                    "retrieval": [
                        {
                            "name": "own context",
                            "query": "r_t(x), trained context",
                            "database": "r_t(x), trained contexts",
                            "same_task": 1.0,
                            "same_class": 0.55,
                            "same_class_within": 0.55,
                        }
                    ],
                    "chance": {
                        "name": "chance",
                        "query": "",
                        "database": "",
                        "same_task": 0.494,
                        "same_class": 0.1,
                        "same_class_within": 0.1,
                    },
                    "note": "A context that query and database share gives the task away.",
                }
            ]
        }
    )

    experiment_id: str
    base_id: str
    kind: HashKind
    bits: int
    count: int = Field(description="k, the nearest codes that are looked at")
    tasks: list[int] = Field(description="whose test images were hashed")
    images: int = Field(description="of each task")
    curves: list[HashCurve]
    retrieval: list[HashRetrieval]
    chance: HashRetrieval = Field(description="of a random order of the others")
    note: str
    warnings: list[str] = Field(default_factory=list, description=WARNINGS)


class HashCodes(WireModel):
    """Codes of images under the context of a task, eight bits a byte, as hexadecimal text."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    **_ABOUT,
                    "task": 9,
                    "label": "90°",
                    "kind": "simhash",
                    "bits": 32,
                    "length": 32,
                    "codes": ["a17f0c3e"],
                }
            ]
        }
    )

    experiment_id: str
    base_id: str
    stage: str
    task: int
    label: str
    kind: HashKind
    bits: int = Field(description="of a SimHash; units that are set of a top share")
    length: int = Field(description="bits of a code: `bits`, or all units of a top share")
    codes: list[str] = Field(description="a code an image; the first bit is the highest of the first byte")
