"""Schemas of the agreement of similarities with a geometry that is stated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidatorFunctionWrapHandler, WrapValidator

from tgsh.schemas.base import WARNINGS, Measure, WireModel
from tgsh.schemas.similarity import Alternative
from tgsh.schemas.studies import REPLICATES, Over
from tgsh.specs import Seed
from tgsh.specs.base import Frozen

AgreementCorrelation = Literal["pearson", "spearman", "kendall", "cosine"]

GeometryMatrix = list[list[float | None]]

LONGEST_FORMULA = 200


class GeometryOfExperiment(Frozen):
    """The similarities of another experiment, of the tasks that both have."""

    experiment: str = Field(pattern="^[0-9a-f]{16}$", description="its id")


_MATRIX: TypeAdapter[GeometryMatrix] = TypeAdapter(GeometryMatrix, config=ConfigDict(allow_inf_nan=False))


def _matrix_formula_or_experiment(value: Any, otherwise: ValidatorFunctionWrapHandler) -> Any:
    """One of the three by its type: errors are then of that one alone."""
    if isinstance(value, list):
        return _MATRIX.validate_python(value, strict=True)
    if isinstance(value, Mapping):
        return GeometryOfExperiment.model_validate(value)
    if isinstance(value, str) and len(value) > LONGEST_FORMULA:
        raise ValueError(f"a formula has {LONGEST_FORMULA} characters at most")
    if isinstance(value, str | GeometryOfExperiment):
        return otherwise(value)
    raise ValueError('write a matrix of all tasks, a formula such as circular(angle), or {"experiment": id}')


StatedGeometry = Annotated[
    GeometryMatrix | str | GeometryOfExperiment,
    WrapValidator(_matrix_formula_or_experiment),
]
"""Similarities that tasks should have: a matrix, a formula over their parameters, or another experiment."""


class AgreementQuestion(Frozen):
    """A geometry, and how the similarities of an experiment are compared with it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"geometry": "circular(angle)"},
                {"geometry": [[1, 0.5, 0], [0.5, 1, 0.5], [0, 0.5, 1]], "correlation": "spearman"},
                {"geometry": "circular(angle)", "partial": {"experiment": "9326c31d29f87427"}},
            ]
        }
    )

    geometry: StatedGeometry = Field(
        description="a matrix of similarities, T×T in the order of the tasks (null for tasks that have no "
        "place in it; of distances send −d); circular(angle), circular(hour, 24), abs(shift) or "
        'same(transform) of a parameter of the tasks, or of index; or {"experiment": id}'
    )
    partial: StatedGeometry | None = Field(
        None, description="another geometry, which is held constant: the partial correlation is told as well"
    )
    stage: str = Field("after", max_length=8, description='"before", "after" or the number of an epoch')
    measure: Measure = "cosine"
    layer: str | None = Field(None, max_length=32, description="the layer whose part is compared")
    correlation: AgreementCorrelation = Field(
        "pearson", description="of the entries above the diagonals; kendall is τ-b"
    )
    permutations: int = Field(
        9_999, ge=99, le=9_999, description="of the tasks, behind p; kendall takes 999 at most"
    )
    alternative: Alternative = Field("greater", description="agrees more than by chance, less, or either")
    seed: Seed = Field(0, description="decides the permutations")


class AgreementCeiling(WireModel):
    """Noise ceiling of replicates: what the best possible geometry could have (Nili et al. 2014)."""

    over: Over
    lower: float | None = None
    upper: float | None = None
    between: float | None = Field(None, description="mean agreement of two replicates")
    replicates: int
    reason: str | None = Field(None, description="why there is none, or null")


class Agreement(WireModel):
    """Agreement of similarities with a stated geometry: representational similarity analysis.

    Numbers are null where they are not defined, as `reason` says.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "experiments": ["47341124ceace8e6"],
                    "stage": "after",
                    "measure": "cosine",
                    "correlation": "pearson",
                    "tasks": [0, 1, 2, 3],
                    "labels": ["0°", "90°", "180°", "270°"],
                    "agreement": 0.87,
                    "partial": None,
                    "low": None,
                    "high": None,
                    "values": [0.87],
                    "p": 0.0417,
                    "permutations": 23,
                    "alternative": "greater",
                    "seed": 0,
                    "ceiling": {
                        "over": "seeds",
                        "lower": None,
                        "upper": None,
                        "between": None,
                        "replicates": 1,
                        "reason": "one replicate has no spread",
                    },
                    "within_ceiling": None,
                    "reason": "one replicate has no spread",
                }
            ]
        }
    )

    experiments: list[str] = Field(description="whose similarities: one, or the replicates of a study")
    stage: str
    measure: Measure
    layer: str | None = None
    correlation: AgreementCorrelation
    tasks: list[int] = Field(
        description="that were compared: those with similarities and a place in geometries"
    )
    labels: list[str] = Field(description="of these tasks")
    agreement: float | None = Field(None, description="correlation with the geometry; of replicates the mean")
    partial: float | None = Field(
        None, description="the same, the other geometry held constant; null without one"
    )
    low: float | None = Field(
        None, description="lower end of the interval over replicates, of `partial` where there is one"
    )
    high: float | None = Field(None, description="upper end")
    values: list[float] = Field(description="what the interval is of, replicate by replicate")
    p: float | None = Field(
        None, description="of the same, by permuting the tasks: (1 + count)/(1 + permutations)"
    )
    permutations: int = Field(
        description="other orders that were tried; for few tasks all there are: p is exact"
    )
    alternative: Alternative
    seed: int
    ceiling: AgreementCeiling
    within_ceiling: bool | None = Field(
        None, description="whether `agreement` reaches the lower end of the ceiling"
    )
    reason: str | None = Field(None, description="why numbers are missing, or null")
    warnings: list[str] = Field(default_factory=list, description=WARNINGS)


class StudyGeometryAgreement(Agreement):
    """Agreement of the replicates of a study's cell with a stated geometry, against their noise ceiling."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "experiments": ["47341124ceace8e6", "9326c31d29f87427", "0f8fad5bd9cb469f"],
                    "stage": "after",
                    "measure": "cosine",
                    "correlation": "pearson",
                    "tasks": [0, 1, 2, 3],
                    "labels": ["0°", "90°", "180°", "270°"],
                    "agreement": 0.87,
                    "partial": None,
                    "low": 0.81,
                    "high": 0.93,
                    "values": [0.85, 0.87, 0.89],
                    "p": 0.0417,
                    "permutations": 23,
                    "alternative": "greater",
                    "seed": 0,
                    "ceiling": {
                        "over": "seeds",
                        "lower": 0.96,
                        "upper": 0.98,
                        "between": 0.94,
                        "replicates": 3,
                        "reason": None,
                    },
                    "within_ceiling": False,
                    "reason": None,
                    "study_id": "6a1f0c5e2b7d4893",
                    "cell": 0,
                    "cell_values": {},
                    "replicates": 3,
                    "complete": True,
                    "level": 0.95,
                    "over": "seeds",
                }
            ]
        }
    )

    study_id: str
    cell: int
    cell_values: dict[str, Any] = Field(description="of the grid, by path of the spec")
    replicates: int = Field(description=REPLICATES)
    complete: bool = Field(description="whether all experiments of the cell are completed")
    level: float = Field(description="confidence of the interval")
    over: Over = Field(description="what interval and ceiling generalise over")
