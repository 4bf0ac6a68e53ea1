"""Groups of experiments by a project, a study, a tag or any key of the spec, with their summaries."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import select, true
from sqlalchemy.orm import Session

from tgsh.specs.paths import later_default
from tgsh.store.configurations import place_of
from tgsh.store.database import Database
from tgsh.store.group_queries import LABELS, MANY, MEASURED, NAMES, Asked, asked, rows, studies_shown
from tgsh.store.models import ConfigurationRecord, ExperimentRecord, StudyRecord
from tgsh.store.queries import Filters

Value = str | int | float | bool | None

BATCH = 500

MOST_BATCHES = 4
"""Of configurations; more are read all together."""


@dataclass(frozen=True)
class Summary:
    """The values of one column in a group.

    count: experiments that have one. distinct: how many different values; None: not counted, as they are
    measured. value: the one that they all have. mean, deviation: of numbers; the deviation is that of a
    sample, and there is none of fewer than two. least, greatest: of numbers.
    """

    count: int
    distinct: int | None = None
    value: Value = None
    mean: float | None = None
    deviation: float | None = None
    least: float | None = None
    greatest: float | None = None


@dataclass(frozen=True)
class Group:
    """Experiments with one value; None: those without any. name: of a study."""

    value: Value
    experiments: int
    completed: int
    columns: Mapping[str, Summary]
    name: str | None = None


@dataclass
class _Sums:
    """Sums of measured numbers, as they are added up over parts of a group."""

    count: int = 0
    total: float = 0.0
    squares: float = 0.0
    least: float = math.inf
    greatest: float = -math.inf

    def add(self, count: int, total: float, squares: float, least: float, greatest: float) -> None:
        self.count += count
        self.total += total
        self.squares += squares
        self.least, self.greatest = min(self.least, least), max(self.greatest, greatest)

    def summary(self) -> Summary:
        if not self.count:
            return Summary(0)
        if self.least == self.greatest:
            deviation = 0.0 if self.count > 1 else None
            return Summary(self.count, None, None, self.least, deviation, self.least, self.greatest)
        mean = self.total / self.count
        variance = max(self.squares - self.count * mean * mean, 0.0) / (self.count - 1)
        return Summary(self.count, None, None, mean, math.sqrt(variance), self.least, self.greatest)


@dataclass
class _Part:
    experiments: int = 0
    completed: int = 0
    sums: dict[str, _Sums] = field(default_factory=lambda: defaultdict(_Sums))
    values: dict[str, Counter[Value]] = field(default_factory=lambda: defaultdict(Counter))
    counted: dict[str, Summary] = field(default_factory=dict)


def is_path(name: str) -> bool:
    """True for a dotted path of the spec, that is, for what is no column or link of an experiment."""
    return name not in MEASURED and name not in LABELS and name not in MANY


class GroupPage(NamedTuple):
    """The first groups, and how many there are."""

    groups: Sequence[Group]
    total: int


def groups(
    database: Database, filters: Filters, by: str, columns: Sequence[str], most: int | None = None
) -> GroupPage:
    """Experiments that the filters select, by the values of `by`; numbers in order, then texts, then None.

    by, columns: names of LABELS, paths of the spec, of `by` also MANY, of columns also MEASURED. most: groups
    that are wanted; None: all.
    """
    paths = [name for name in dict.fromkeys((by, *columns)) if is_path(name)]
    labels = [name for name in dict.fromkeys((by, *columns)) if name in LABELS]
    measured = [name for name in dict.fromkeys(columns) if name in MEASURED]
    parts: dict[Value, _Part] = defaultdict(_Part)
    with database.survey() as session:
        studies = studies_shown(session, filters, most) if by == "study" else None
        for key, spec in _sources(session, paths):
            what = asked(session, by, key, labels, measured)
            found = rows(session, filters, what, studies)
            specs = _specs(session, spec, paths, {row[0] for row in found} if paths else ())
            for row in found:
                _add(parts, row, what, columns, paths, specs)
        shown = sorted(parts.items(), key=lambda item: _order(item[0]))[:most]
        names = {} if studies is None else _study_names(session, (value for value, _ in shown))
    page = [
        Group(
            value,
            part.experiments,
            part.completed,
            {name: _summary(name, part) for name in columns},
            names.get(value),
        )
        for value, part in shown
    ]
    return GroupPage(page, len(parts) if studies is None else studies.total)


def _sources(session: Session, paths: Sequence[str]) -> list[tuple[Any, Any]]:
    """Keys of specs and the tables that have them: configurations, and experiments for rows without one."""
    configured: tuple[Any, Any] = (ExperimentRecord.configuration_id, ConfigurationRecord)
    if not paths:
        return [(None, None)]
    lacking = select(ExperimentRecord.id).where(ExperimentRecord.configuration_id.is_(None)).limit(1)
    if session.scalar(lacking) is None:
        return [configured]
    return [configured, (ExperimentRecord.id, ExperimentRecord)]


def _specs(session: Session, source: Any, paths: Sequence[str], ids: Iterable[str]) -> dict[str, list[Value]]:
    """Values at the paths of the specs with these ids."""
    if not paths:
        return {}
    wanted, found = sorted(ids), {}
    values = [source.spec[place_of(path)] for path in paths]
    defaults = [later_default(path) for path in paths]
    chosen = [source.id.in_(wanted[start : start + BATCH]) for start in range(0, len(wanted), BATCH)]
    if source is ConfigurationRecord and len(chosen) > MOST_BATCHES:
        chosen = [true()]  # most of them, if not all
    for condition in chosen:
        for id, *some in session.execute(select(source.id, *values).where(condition)):
            found[id] = [_plain(value, default) for value, default in zip(some, defaults, strict=True)]
    return found


def _plain(value: Any, default: str | None) -> Value:
    """A value of a spec as one word or number; what was no key yet has its default."""
    if value is None:
        return None if default == "None" else default
    return value if isinstance(value, str | int | float | bool) else _text(value)


def _text(value: Any) -> str:
    return " ".join(_text(each) if isinstance(each, list) else str(each) for each in value)


def _add(
    parts: dict[Value, _Part],
    row: Sequence[Any],
    what: Asked,
    columns: Sequence[str],
    paths: Sequence[str],
    specs: Mapping[str, list[Value]],
) -> None:
    """Add a row of `rows` to its group."""
    key, many = row[:2]
    said: dict[str, Value] = dict(zip(what.labels, row[2:], strict=False))
    at = 2 + len(what.labels)
    experiments, completed = row[at : at + 2]
    if specs:
        said |= zip(paths, specs.get(key) or [None] * len(paths), strict=True)
    part = parts[many if what.by in MANY else said[what.by]]
    part.experiments += experiments
    part.completed += completed
    at += 2
    for name in what.aggregated:
        count, different, least = row[at : at + 3]
        if specs:
            part.values[name][least] += count
        else:
            part.counted[name] = Summary(count, different, least if different == 1 else None)
        at += 3
    for name in what.measured:
        if row[at]:
            part.sums[name].add(*row[at : at + 5])
        at += 5
    for name in columns:
        if (value := said.get(name)) is not None:
            part.values[name][value] += experiments


def _summary(name: str, part: _Part) -> Summary:
    if name in MEASURED:
        return part.sums[name].summary()
    if name in part.counted:
        return part.counted[name]
    values = part.values[name]
    count, distinct = sum(values.values()), len(values)
    only = next(iter(values)) if distinct == 1 else None
    is_number = name not in NAMES and all(type(value) in (int, float) for value in values)
    if not is_number or not count:
        return Summary(count, distinct, only)
    numbers = [(float(value), times) for value, times in values.items()]  # type: ignore[arg-type]
    mean = math.fsum(value * times for value, times in numbers) / count
    squares = math.fsum((value - mean) ** 2 * times for value, times in numbers)
    deviation = math.sqrt(squares / (count - 1)) if count > 1 else None
    least, greatest = min(numbers)[0], max(numbers)[0]
    return Summary(count, distinct, only, mean, deviation, least, greatest)


def _order(value: Value) -> tuple[int, float, str]:
    if value is None:
        return 2, 0.0, ""
    if isinstance(value, str):
        return 1, 0.0, value.lower()
    return 0, float(value), ""


def _study_names(session: Session, ids: Iterable[Value]) -> dict[Value, str]:
    wanted = [id for id in ids if id is not None]
    names: dict[Value, str] = {}
    for start in range(0, len(wanted), BATCH):
        chunk = wanted[start : start + BATCH]
        query = select(StudyRecord.id, StudyRecord.name).where(StudyRecord.id.in_(chunk))
        names |= {id: name for id, name in session.execute(query)}  # noqa: C416 - rows are no tuples to mypy
    return names
