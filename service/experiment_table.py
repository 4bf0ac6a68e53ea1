"""The table of experiments: its filters as query parameters, and its columns as CSV."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Annotated, Any

from fastapi import Depends, Query, Request

from service.dependencies import PARAMETER_PREFIXES, CallerDep
from tgsh.arrays import table_csv
from tgsh.errors import InvalidSpec
from tgsh.schemas import Experiment, ExperimentStatus
from tgsh.specs.base import WITHOUT_NUL
from tgsh.specs.paths import require_field
from tgsh.store.queries import Filters

SPEC_PREFIX = "spec."

SPEC_PARAMETERS: dict[str, Any] = {PARAMETER_PREFIXES: [SPEC_PREFIX]}
"""openapi_extra of routes that take any field of a spec as a filter, such as spec.training.epochs=3."""

MAX_SPEC_FILTERS = 8

MOST_EXPORTED = 10_000
"""Experiments in one CSV."""

FILTER = Query(max_length=64, pattern=WITHOUT_NUL)


def _filters(
    request: Request,
    caller: CallerDep,
    status: ExperimentStatus | None = None,
    suite: Annotated[str | None, FILTER] = None,
    dataset: Annotated[str | None, FILTER] = None,
    network: Annotated[str | None, FILTER] = None,
    tag: Annotated[str | None, FILTER] = None,
    study: Annotated[
        str | None,
        Query(max_length=64, pattern=WITHOUT_NUL, description="id of a study that they belong to"),
    ] = None,
    project: Annotated[str | None, FILTER] = None,
    owner: Annotated[str | None, FILTER] = None,
    created_after: Annotated[
        datetime | None, Query(description="a date or a time; in UTC where it names no zone")
    ] = None,
    created_before: Annotated[datetime | None, Query(description="likewise")] = None,
    q: Annotated[
        str | None,
        Query(
            max_length=200,
            pattern=WITHOUT_NUL,
            description="looked for in name, tags, notes and project, and at the beginning of the id",
        ),
    ] = None,
) -> Filters:
    return Filters(
        status=status,
        suite=suite,
        dataset=dataset,
        tag=tag,
        text=q,
        visible_to=caller.visible_to,
        network=network,
        project=project,
        owner=owner,
        study=study,
        created_after=_seconds(created_after),
        created_before=_seconds(created_before),
        spec=_spec_filters(request),
    )


FiltersDep = Annotated[Filters, Depends(_filters)]
"""The filters that a request asks for, as the caller may see experiments."""


def _seconds(moment: datetime | None) -> float | None:
    if moment is None:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _spec_filters(request: Request) -> tuple[tuple[str, str], ...]:
    """Parameters such as spec.training.epochs=3. Raises InvalidSpec for fields that no spec has."""
    found = [
        (name, value) for name, value in request.query_params.multi_items() if name.startswith(SPEC_PREFIX)
    ]
    if len(found) > MAX_SPEC_FILTERS:
        raise InvalidSpec(found[-1][0], f"at most {MAX_SPEC_FILTERS} fields of the spec at a time")
    for name, value in found:
        if len(value) > 200 or "\0" in value or len(name) > 200 or "\0" in name:
            raise InvalidSpec(name[:80], "is longer than 200 characters, or has the character NUL")
        require_field(name.removeprefix(SPEC_PREFIX), name)
    return tuple((name.removeprefix(SPEC_PREFIX), value) for name, value in found)


COLUMNS: Mapping[str, Callable[[Experiment], object]] = MappingProxyType(
    {
        "id": lambda e: e.id,
        "name": lambda e: e.name,
        "status": lambda e: e.status,
        "accuracy": lambda e: e.mean_accuracy,
        "suite": lambda e: e.spec.suite.kind,
        "dataset": lambda e: e.spec.dataset_key,
        "network": lambda e: e.spec.network.kind,
        "epochs": lambda e: e.spec.training.epochs,
        "seed": lambda e: e.spec.seed,
        "base_seed": lambda e: e.spec.base_seed,
        "tasks": lambda e: e.progress.tasks_total,
        "tasks_done": lambda e: e.progress.tasks_done,
        "project": lambda e: e.project,
        "tags": lambda e: " ".join(e.spec.tags),
        "created": lambda e: e.timings.created_at.isoformat(),
        "seconds": lambda e: e.timings.seconds,
        "owner": lambda e: e.owner,
        "notes": lambda e: e.notes,
        "reason": lambda e: e.reason,
        "shared": lambda e: e.shared,
        "priority": lambda e: e.priority,
        "digest": lambda e: e.digest,
        "base_id": lambda e: e.base_id,
        "finished": lambda e: e.timings.finished_at and e.timings.finished_at.isoformat(),
    }
)
"""What a column shows; beside these, any field of the spec by its path, such as training.learning_rate."""

DEFAULT_COLUMNS = tuple(COLUMNS)[:18]

MAX_COLUMNS = 64


def parse_columns(text: str | None) -> tuple[str, ...]:
    """The names of columns in a list with commas; None: the usual ones. Raises InvalidSpec."""
    if text is None:
        return DEFAULT_COLUMNS
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if not names or len(names) > MAX_COLUMNS:
        raise InvalidSpec("columns", f"names 1 to {MAX_COLUMNS} columns: {', '.join(COLUMNS)}")
    for name in names:
        if name not in COLUMNS:
            require_field(name, "columns")
    return names


def as_csv(experiments: Sequence[Experiment], columns: Sequence[str]) -> bytes:
    """A row for each experiment; text is safe in spreadsheets."""
    return table_csv(columns, ([_cell(each, name) for name in columns] for each in experiments))


def _cell(experiment: Experiment, column: str) -> object:
    if column in COLUMNS:
        return COLUMNS[column](experiment)
    found: Any = experiment.spec.model_dump(mode="json")
    for part in column.split("."):
        if isinstance(found, dict):
            found = found.get(part)
        elif isinstance(found, list) and part.isdigit() and int(part) < len(found):
            found = found[int(part)]
        else:
            return None
    return found if found is None or isinstance(found, int | float | str) else str(found)
