"""In which order experiments are listed, and where in it a page ends."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, get_args

from sqlalchemy import ColumnElement, Double, cast, func

from tgsh.store.records import ExperimentRecord

Sort = Literal[
    "created", "name", "status", "suite", "dataset", "tasks", "progress", "accuracy", "seconds", "owner",
    "-created", "-name", "-status", "-suite", "-dataset", "-tasks", "-progress", "-accuracy", "-seconds",
    "-owner",
]  # fmt: skip
"""By what; with a minus the greatest first."""

SORTS: tuple[Sort, ...] = get_args(Sort)

Position = Sequence[str | float]
"""Where an experiment stands in an order: its values of the order's key."""

# What is not known comes before everything that is.
_COLUMNS: Mapping[str, ColumnElement[Any]] = MappingProxyType(
    {
        "name": func.lower(ExperimentRecord.name),
        "status": ExperimentRecord.status.expression,
        "suite": ExperimentRecord.suite.expression,
        "dataset": ExperimentRecord.dataset.expression,
        "tasks": cast(ExperimentRecord.tasks_total, Double),
        "progress": cast(ExperimentRecord.epochs_done, Double) / ExperimentRecord.epochs_total,
        "accuracy": func.coalesce(ExperimentRecord.mean_accuracy, -1.0),
        "seconds": func.coalesce(ExperimentRecord.finished_at - ExperimentRecord.started_at, -1.0),
        "owner": func.coalesce(ExperimentRecord.owner, ""),
    }
)
_TEXTS = ("name", "status", "suite", "dataset", "owner")


@dataclass(frozen=True)
class Order:
    """An order of experiments. Among equals the newer one is first where the greatest is, else last."""

    sort: Sort

    @property
    def by(self) -> str:
        """What is compared."""
        return self.sort.removeprefix("-")

    @property
    def descending(self) -> bool:
        """Whether the greatest is first."""
        return self.sort.startswith("-")

    @property
    def key(self) -> tuple[ColumnElement[Any], ...]:
        """What is compared, in SQL; no two experiments have the same."""
        newest = (ExperimentRecord.created_at.expression, ExperimentRecord.id.expression)
        return newest if self.by == "created" else (_COLUMNS[self.by], *newest)

    def is_position(self, values: Sequence[Any]) -> bool:
        """Whether they can be values of `key`."""
        kinds = [float, str] if self.by == "created" else [str if self.by in _TEXTS else float, float, str]
        return [type(value) for value in values] == kinds and all(
            math.isfinite(value) if isinstance(value, float) else "\0" not in value for value in values
        )


NEWEST = Order("-created")
