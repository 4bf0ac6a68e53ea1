"""The table of experiments: its filters as query parameters, its columns, its groups, and all as CSV."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Annotated, Any

from fastapi import Depends, Query, Request

from service.dependencies import PARAMETER_PREFIXES, CallerDep
from tgsh.arrays import table_csv
from tgsh.errors import InvalidSpec
from tgsh.schemas import Experiment, ExperimentStatus, ExperimentTable
from tgsh.schemas.experiments import TableCell
from tgsh.specs.base import WITHOUT_NUL
from tgsh.specs.paths import require_field
from tgsh.store.configurations import OWN_FIELDS
from tgsh.store.database import Database
from tgsh.store.group_queries import LABELS, MANY, MEASURED
from tgsh.store.groups import Group, GroupPage, Summary, is_path
from tgsh.store.queries import Filters
from tgsh.store.studies import names_by_experiment

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


Row = tuple[Experiment, Sequence[str]]
"""An experiment, and the names of the studies that it belongs to."""

COLUMNS: Mapping[str, Callable[[Experiment], TableCell]] = MappingProxyType(
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
        "finished": lambda e: None if (at := e.timings.finished_at) is None else at.isoformat(),
        "balanced": lambda e: e.mean_balanced,
        "progress": lambda e: e.progress.fraction,
    }
)
"""What a column shows; beside these `study`, and any field of the spec by its path."""

SHORT: Mapping[str, str] = MappingProxyType(
    {
        "network": "network.kind",
        "epochs": "training.epochs",
        "learning_rate": "training.learning_rate",
        "expansion": "network.expansion",
    }
)
"""Short names of fields of the spec."""

STUDY = "study"

DEFAULT_COLUMNS = tuple(COLUMNS)[:18]

MAX_COLUMNS = 64

MOST_GROUPS = 1_000
"""Groups in one answer."""

DEFAULT_SUMMARISED = ("accuracy", "balanced", "seconds")
"""Columns of groups, where none are asked for."""

GROUPABLE = "project, study, tag, status, suite, dataset, network, owner, seed, or a field of the spec"


def parse_columns(text: str | None, default: Sequence[str] = DEFAULT_COLUMNS) -> tuple[str, ...]:
    """The names of columns in a list with commas; None: the usual ones. Raises InvalidSpec."""
    if text is None:
        return tuple(default)
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if not names or len(names) > MAX_COLUMNS:
        known = ", ".join((*COLUMNS, STUDY, *SHORT))
        raise InvalidSpec("columns", f"names 1 to {MAX_COLUMNS} columns: {known}")
    wrong = [found for name in names if (found := _mistake(name)) is not None]
    if wrong:
        raise InvalidSpec("columns", wrong[0], [("columns", each) for each in wrong[1:]])
    return names


def is_column(name: str) -> bool:
    """True for a column, a short name or a field of a spec."""
    return _mistake(name) is None


def _mistake(name: str) -> str | None:
    """The mistake in the name of a column; None for a right one."""
    if name in COLUMNS or name in SHORT or name == STUDY:
        return None
    try:
        require_field(name, "columns")
    except InvalidSpec as error:
        return error.fields[0][1]
    return None


def with_studies(
    database: Database, experiments: Sequence[Experiment], columns: Sequence[str], visible_to: str | None
) -> list[Row]:
    """The experiments with the names of their studies, where there is a column of them."""
    found = {}
    if STUDY in columns:
        found = names_by_experiment(database, [each.id for each in experiments], visible_to)
    return [(each, [name or id for id, name in found.get(each.id, ())]) for each in experiments]


def as_csv(rows: Sequence[Row], columns: Sequence[str]) -> bytes:
    """A row for each experiment; text is safe in spreadsheets."""
    return table_csv(columns, cells(rows, columns))


def cells(rows: Sequence[Row], columns: Sequence[str]) -> list[list[TableCell]]:
    """The cells of experiments under these columns."""
    table = []
    for experiment, studies in rows:
        spec = experiment.spec.model_dump(mode="json")
        table.append([_cell(experiment, studies, spec, name) for name in columns])
    return table


def _cell(experiment: Experiment, studies: Sequence[str], spec: Any, column: str) -> TableCell:
    if column in COLUMNS:
        return COLUMNS[column](experiment)
    return ", ".join(studies) or None if column == STUDY else spec_value(spec, column)


def spec_value(spec: Any, column: str) -> TableCell:
    """The value at a path of a spec, or at its short name; None where this kind has no such field."""
    found = spec
    for part in SHORT.get(column, column).split("."):
        if isinstance(found, dict):
            found = found.get(part)
        elif isinstance(found, list) and part.isdigit() and int(part) < len(found):
            found = found[int(part)]
        else:
            return None
    return found if found is None or isinstance(found, int | float | str) else str(found)


def parse_group_by(name: str, field: str = "group_by") -> str:
    """The name in the store of what experiments are grouped by. Raises InvalidSpec."""
    name = SHORT.get(name, name)
    if name in LABELS or name in MANY:
        return name
    if name in COLUMNS or name in OWN_FIELDS:
        raise InvalidSpec(field, f"{name} is of each experiment alone; group by {GROUPABLE}")
    try:
        require_field(name, field)
    except InvalidSpec as error:
        raise InvalidSpec(field, f"{error.fields[0][1]}; or group by {GROUPABLE}") from error
    return name


def summarised(columns: Sequence[str]) -> dict[str, str]:
    """Those columns that groups have, with their names in the store."""
    found = {}
    for name in columns:
        path = SHORT.get(name, name)
        if path in MEASURED or path in LABELS or (path not in COLUMNS and is_path(path) and _is_common(path)):
            found[name] = path
    return found


def _is_common(path: str) -> bool:
    """True for a field of the configuration."""
    return path.split(".")[0] not in OWN_FIELDS


def numeric_columns(found: Sequence[Group], columns: Sequence[str]) -> dict[str, bool]:
    """Columns of groups, True for those with means: of what is measured, and of fields that are numbers."""
    return {
        name: path in MEASURED or any(each.columns[path].mean is not None for each in found)
        for name, path in summarised(columns).items()
    }


def group_table(by: str, found: GroupPage, columns: Sequence[str]) -> ExperimentTable:
    """Groups as a table: their value and number, then mean and deviation of numbers, and other values."""
    numeric, paths = numeric_columns(found.groups, columns), summarised(columns)
    heads = [by, "experiments", "completed"]
    for name, is_number in numeric.items():
        heads += [f"{name}_mean", f"{name}_sd"] if is_number else [name]
    rows = []
    for each in found.groups:
        row: list[TableCell] = [each.name or each.value, each.experiments, each.completed]
        for name, path in paths.items():
            summary = each.columns[path]
            row += [summary.mean, summary.deviation] if numeric[name] else [common_value(summary)]
        rows.append(row)
    return ExperimentTable(group_by=by, columns=heads, rows=rows, groups=found.total)


def common_value(summary: Summary) -> TableCell:
    """The value that all of a group have, or how many different ones there are."""
    if summary.distinct is not None and summary.distinct > 1:
        return f"{summary.distinct} different"
    return summary.value
