"""Specs of studies: replicates, grids over paths of a spec, and their expansion into experiments."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, StringConstraints, ValidationError, WithJsonSchema
from pydantic_core import PydanticCustomError

from tgsh.errors import InvalidSpec
from tgsh.specs.base import ID_PATTERN, MAX_NAME, WITHOUT_NUL, Frozen, Name, Notes, Project, Tag
from tgsh.specs.experiment import MEASURED_BESIDES, ExperimentSpec
from tgsh.specs.presets import Priority, Submission, Webhook, override
from tgsh.specs.validation import sentence_of

MAX_MEMBERS = 1_000
"""Experiments of one study."""

MAX_PATHS = 16
"""Paths of one grid."""

MAX_NAMED = 5
"""Cells that one error names."""

MAX_ERRORS = 100

SEED_END = 2**63

UNCOMPARED = ("name", "tags", "seed", "base_seed", *MEASURED_BESIDES)
"""Fields in which experiments of one cell may differ."""

NO_GRID = {
    "seed": "is what replicates are for: replicates.seeds",
    "base_seed": "is what replicates are for: replicates.base_seeds",
    "name": "decides nothing that is learned",
    "tags": "decides nothing that is learned",
    "preset": 'is no field of a spec; name the fields that differ, such as "suite.kind"',
    "shared": "is no field of a spec; share the study",
    "priority": "is no field of a spec; give the study a priority",
    "notes": "is no field of a spec; give the study notes",
    "project": "is no field of a spec; give the study a project",
}
"""Paths that a grid cannot have, and why."""

Errors = list[tuple[str, str]]

Check = Callable[[ExperimentSpec], object]
"""Raises InvalidSpec for a spec that is valid by itself and cannot be run."""


def no_check(_spec: ExperimentSpec) -> None:
    """Check nothing more than the spec itself."""


def _levels(value: Any) -> Any:
    """A number of seeds, or the seeds themselves."""
    if type(value) is int:
        if not 1 <= value <= MAX_MEMBERS:
            raise PydanticCustomError("levels", f"must be 1 to {MAX_MEMBERS:,}, is {value:,}")
        return value
    if not isinstance(value, list | tuple):
        raise PydanticCustomError("levels", "must be how many there are, or a list of seeds", {})
    if not 1 <= len(value) <= MAX_MEMBERS:
        raise PydanticCustomError("levels", f"must be 1 to {MAX_MEMBERS:,} seeds, has {len(value):,}")
    if not all(type(each) is int and 0 <= each < SEED_END for each in value):
        raise PydanticCustomError("levels", "must be whole numbers from 0 to 2⁶³ − 1", {})
    if len(set(value)) < len(value):
        raise PydanticCustomError("levels", "names a seed twice, and that were one replicate", {})
    return tuple(value)


_LEVELS_SCHEMA = {
    "anyOf": [
        {"type": "integer", "minimum": 1, "maximum": MAX_MEMBERS},
        {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1, "maxItems": MAX_MEMBERS},
    ]
}

Levels = Annotated[int | tuple[int, ...], BeforeValidator(_levels), WithJsonSchema(_LEVELS_SCHEMA)]
"""A number of seeds, or the seeds themselves."""


def _grid(value: Any) -> Any:
    """Values by path; of a list of paths, no values."""
    if isinstance(value, list | tuple) and all(isinstance(path, str) for path in value):
        value = {path: [] for path in value}
    if not isinstance(value, dict):
        raise PydanticCustomError("grid", 'must be an object such as {"training.epochs": [1, 3]}')
    return value


Grid = Annotated[
    dict[Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=WITHOUT_NUL)], list[Any]],
    BeforeValidator(_grid),
    Field(max_length=MAX_PATHS),
]
"""Values by dotted path into the spec."""

ExperimentKey = Annotated[str, StringConstraints(pattern=ID_PATTERN)]


class ReplicateSpec(Frozen):
    """Seeds of training and of the random base; every seed is trained on every base."""

    seeds: Levels = Field(1, description="how many, from the spec's seed on, or a list of them")
    base_seeds: Levels = Field(1, description="how many, from the spec's base_seed on, or a list of them")


class StudySubmission(Frozen):
    """The body of POST /studies: one spec with replicates and a grid, or experiments that there are."""

    name: Name = Field("", description="for people; has no influence on the result")
    spec: Submission | None = Field(None, description='the common spec, such as {"preset": "demo"}')
    experiments: tuple[ExperimentKey, ...] | None = Field(
        None,
        strict=False,
        description="ids of experiments that become a study; their specs differ in seeds and grid keys only",
    )
    replicates: ReplicateSpec | None = Field(None, description="of a spec; by default its own two seeds")
    grid: Grid = Field(
        default_factory=dict,
        description="values of fields of the spec, by dotted path; each combination is a cell. With "
        "experiments, the paths alone are enough",
    )
    tags: tuple[Tag, ...] = Field((), max_length=32, strict=False, description="words to find it by")
    notes: Notes | None = Field(None, description="Markdown; what is to be remembered of it")
    project: Project | None = Field(None, description="what it belongs to, for lists")
    shared: bool = Field(False, description="whether everybody with a key sees it and its experiments")
    priority: Priority = Field(0, description="of its experiments among those of their owner")
    webhook: Webhook | None = Field(None, description="URL that is told when all have ended")


class StudyExtension(Frozen):
    """The body of POST /studies/{id}/extend: more replicates, in every cell."""

    seeds: Levels | None = Field(None, description="how many more, or a list of further seeds")
    base_seeds: Levels | None = Field(
        None, description="how many more, or a list of further seeds of the base"
    )


@dataclass(frozen=True)
class StudyCell:
    """One combination of a grid's values, by path, and the spec that they make of the study's."""

    values: Mapping[str, Any]
    spec: ExperimentSpec

    @property
    def title(self) -> str:
        """Its values in words; "" where there is no grid."""
        return ", ".join(f"{path}={_text(value)}" for path, value in self.values.items())

    def member(self, seed: int, base_seed: int, name: str = "") -> ExperimentSpec:
        """The spec of one replicate.

        Parameters
        ----------
        seed : int
            Seed of training.
        base_seed : int
            Seed of the random base.
        name : str, default=""
            Name of the study; the spec's own where there is none.

        Returns
        -------
        ExperimentSpec
            Its name tells study, cell and seeds.
        """
        own = ", ".join(filter(None, (self.title, f"seed {seed}", f"base {base_seed}")))
        words = f"{name or self.spec.title}: "[: MAX_NAME - min(len(own), MAX_NAME)]
        changes = {"seed": seed, "base_seed": base_seed, "name": f"{words}{own}"[:MAX_NAME]}
        return self.spec.model_copy(update=changes)


@dataclass(frozen=True)
class StudyExpansion:
    """The cells and replicates of a study."""

    template: ExperimentSpec
    seeds: tuple[int, ...]
    base_seeds: tuple[int, ...]
    grid: Mapping[str, Sequence[Any]]
    cells: tuple[StudyCell, ...]

    @property
    def members(self) -> int:
        """Number of experiments."""
        return len(self.cells) * len(self.seeds) * len(self.base_seeds)


def expand(submission: StudySubmission, check: Check = no_check) -> StudyExpansion:
    """Expand a spec, its replicates and its grid.

    Parameters
    ----------
    submission : StudySubmission
        One that has a spec.
    check : Check
        Further check of each cell.

    Returns
    -------
    StudyExpansion
        Cells in the order of the grid, the last path varying fastest.

    Raises
    ------
    InvalidSpec
        If a path or a value does not fit: all of them, with their cells.
    """
    if submission.spec is None:
        raise InvalidSpec("spec", 'is missing; send one, such as {"preset": "demo"}, or experiments')
    template = submission.spec.spec()
    replicates = submission.replicates or ReplicateSpec()
    seeds, errors = _seeds(replicates.seeds, template.seed, "replicates.seeds")
    bases, more = _seeds(replicates.base_seeds, template.base_seed, "replicates.base_seeds")
    errors += more + _grid_errors(submission.grid)
    cells = prod(len(values) for values in submission.grid.values())
    if (members := cells * len(seeds) * len(bases)) > MAX_MEMBERS:
        errors.append(
            (
                "replicates",
                f"{len(seeds)} seeds × {len(bases)} bases × {cells} cells are {members:,} experiments, and "
                f"{MAX_MEMBERS:,} are the most; make several studies, or leave values out",
            )
        )
    if errors:
        raise _refused(errors)
    combinations = [
        dict(zip(submission.grid, values, strict=True)) for values in product(*submission.grid.values())
    ]
    return StudyExpansion(template, seeds, bases, submission.grid, cells_of(template, combinations, check))


def cells_of(
    template: ExperimentSpec, combinations: Sequence[Mapping[str, Any]], check: Check = no_check
) -> tuple[StudyCell, ...]:
    """Make the cells of a study.

    Parameters
    ----------
    template : ExperimentSpec
        The spec that they have in common.
    combinations : Sequence[Mapping[str, Any]]
        Values of each cell by path.
    check : Check
        Further check of each cell.

    Returns
    -------
    tuple[StudyCell, ...]
        A valid spec each.

    Raises
    ------
    InvalidSpec
        If values do not fit, or two cells have the same spec: all errors, with their cells.
    """
    body = template.model_dump(mode="json")
    cells, found = [], CellErrors(combinations)
    for place, values in enumerate(combinations):
        try:
            spec = Submission.model_validate(_with_values(body, values)).spec()
            check(spec)
        except ValidationError as error:
            for each in error.errors():
                found.add(place, ".".join(map(str, each["loc"])), sentence_of(each))
        except InvalidSpec as error:
            for field, message in error.fields:
                found.add(place, field, message)
        else:
            cells.append(StudyCell(dict(values), spec))
    found.raise_any()
    seen: dict[str, int] = {}
    for place, cell in enumerate(cells):
        first = seen.setdefault(cell.spec.model_dump_json(), place)
        if first != place:
            message = f"cells {first} and {place} have the same spec ({cell.title}); leave one out"
            raise InvalidSpec(f"grid.{next(iter(cell.values))}" if cell.values else "grid", message)
    return tuple(cells)


class CellErrors:
    """Mistakes in the specs of cells: the same mistake once, with the cells that make it."""

    def __init__(self, combinations: Sequence[Mapping[str, Any]]) -> None:
        self._combinations = combinations
        self._found: dict[tuple[str, str], list[int]] = {}

    def add(self, place: int, field: str, message: str) -> None:
        """Note a mistake in the spec of a cell."""
        self._found.setdefault((field, message), []).append(place)

    def raise_any(self) -> None:
        """Raise InvalidSpec if there are any."""
        errors = []
        for (field, message), places in list(self._found.items())[:MAX_ERRORS]:
            grid = [path for path in self._combinations[places[0]] if _covers(path, field)]
            where = f"grid.{grid[0]}" if grid else f"spec.{field}" if field else "spec"
            errors.append((where, f"{self._named(places)}{message}"))
        if errors:
            raise _refused(errors)

    def _named(self, places: list[int]) -> str:
        if not self._combinations[places[0]]:
            return ""
        named = ", ".join(str(place) for place in places[:MAX_NAMED])
        more = f" and {len(places) - MAX_NAMED} more" if len(places) > MAX_NAMED else ""
        cell = "cell" if len(places) == 1 else "cells"
        values = StudyCell(self._combinations[places[0]], ExperimentSpec()).title if len(places) == 1 else ""
        return f"{cell} {named}{more}{f' ({values})' if values else ''}: "


@dataclass(frozen=True)
class StudyMember:
    """Place of an experiment in a study."""

    cell: int
    seed: int
    base_seed: int
    experiment_id: str


def gather(
    specs: Mapping[str, ExperimentSpec], grid: Mapping[str, Sequence[Any]]
) -> tuple[StudyExpansion, tuple[StudyMember, ...]]:
    """Make a study of experiments that there are.

    Parameters
    ----------
    specs : Mapping[str, ExperimentSpec]
        Specs by id of the experiment.
    grid : Mapping[str, Sequence[Any]]
        Paths in which they may differ besides seeds; values decide the order of cells, where there are any.

    Returns
    -------
    tuple[StudyExpansion, tuple[StudyMember, ...]]
        The study and the places of the experiments.

    Raises
    ------
    InvalidSpec
        If they differ in other fields, which it names, or two of them are one replicate.
    """
    bodies = {id: spec.model_dump(mode="json", exclude=set(UNCOMPARED)) for id, spec in specs.items()}
    errors = [(f"grid.{path}", why) for path in grid if (why := NO_GRID.get(path))]
    flat = {id: dict(flattened(body)) for id, body in bodies.items()}
    there = {key for each in flat.values() for key in each}
    errors += [
        (f"grid.{path}", "no experiment's spec has that; check the path")
        for path in grid
        if path not in NO_GRID and not any(_covers(path, key) for key in there)
    ]
    if errors:
        raise _refused(errors)
    values = {id: _values_at(body, grid) for id, body in bodies.items()}
    keys = {id: _canonical(each) for id, each in values.items()}
    order = {
        _canonical(values[id]): values[id] for id in sorted(specs, key=lambda id: _rank(values[id], grid))
    }
    places = {key: place for place, key in enumerate(order)}
    template = next(iter(specs.values()))
    cells = cells_of(template, list(order.values()))
    _require_equal(flat, {id: cells[places[key]] for id, key in keys.items()})
    members: dict[tuple[int, int, int], str] = {}
    for id, spec in specs.items():
        replicate = (places[keys[id]], spec.seed, spec.base_seed)
        if replicate in members:
            twice = f"{members[replicate]} and {id} have the same seeds and values: they are one replicate"
            errors.append(("experiments", f"{twice}; leave one out"))
        members.setdefault(replicate, id)
    if errors:
        raise _refused(errors)
    found = {path: [each[path] for each in order.values() if path in each] for path in grid}
    unique = {path: [*{_canonical(v): v for v in each}.values()] for path, each in found.items()}
    seeds = tuple(sorted({spec.seed for spec in specs.values()}))
    bases = tuple(sorted({spec.base_seed for spec in specs.values()}))
    made = StudyExpansion(template, seeds, bases, unique, cells)
    return made, tuple(StudyMember(*place, id) for place, id in sorted(members.items()))


def _require_equal(flat: Mapping[str, Mapping[str, Any]], cells: Mapping[str, StudyCell]) -> None:
    """Raise InvalidSpec where flattened specs are not those of their cells."""
    differing: dict[str, None] = {}
    for id, own in flat.items():
        body = cells[id].spec.model_dump(mode="json", exclude=set(UNCOMPARED))
        made = dict(flattened(body))
        differing |= dict.fromkeys(key for key in {**made, **own} if made.get(key) != own.get(key))
    errors = []
    for field in differing:
        distinct = {_canonical(each.get(field)): each.get(field) for each in flat.values()}
        shown = ", ".join(_text(value) for value in list(distinct.values())[:MAX_NAMED])
        message = f"{field} differs ({shown}); name it in grid, or leave out experiments that have another"
        errors.append(("experiments", message))
    if errors:
        raise _refused(errors)


def _seeds(levels: Any, first: int, field: str) -> tuple[tuple[int, ...], Errors]:
    if not isinstance(levels, int):
        return tuple(levels), []
    if first + levels > SEED_END:
        return (first,), [(field, f"{levels} seeds from {first} on are beyond 2⁶³ − 1; list them")]
    return tuple(range(first, first + levels)), []


def further_seeds(levels: int | tuple[int, ...] | None, known: Sequence[int], field: str) -> tuple[int, ...]:
    """Seeds that a study gains.

    Parameters
    ----------
    levels : int | tuple[int, ...] | None
        How many more, or the seeds themselves; None for none.
    known : Sequence[int]
        Those that it has.
    field : str
        What an error names.

    Returns
    -------
    tuple[int, ...]
        New seeds; of a number, those after the greatest.

    Raises
    ------
    InvalidSpec
        If one is there already, or there are none left.
    """
    if levels is None:
        return ()
    seeds, errors = _seeds(levels, max(known) + 1, field)
    if there := [seed for seed in seeds if seed in known]:
        errors.append(
            (field, f"{', '.join(map(str, there[:MAX_NAMED]))} is there already; name further ones")
        )
    if errors:
        raise _refused(errors)
    return seeds


def _grid_errors(grid: Mapping[str, Sequence[Any]]) -> Errors:
    errors: Errors = []
    for path, values in grid.items():
        field = f"grid.{path}"
        root = path.split(".")[0]
        if why := NO_GRID.get(root):
            errors.append((field, why))
        elif not values:
            errors.append((field, "has no values; list them, such as [1, 3]"))
        elif len(values) > MAX_MEMBERS:
            errors.append((field, f"has {len(values):,} values, and {MAX_MEMBERS:,} are the most"))
        elif len({_canonical(value) for value in values}) < len(values):
            errors.append((field, "has a value twice, and that were the same cell; leave one out"))
        if inner := [other for other in grid if other.startswith(f"{path}.")]:
            errors.append((field, f"holds {', '.join(inner)}; name either the whole or its parts"))
    return errors


def _with_values(body: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """A spec's body with other values; another `kind` brings its own defaults. Raises InvalidSpec."""
    made: dict[str, Any] = copy.deepcopy(dict(body))
    for path in sorted(values, key=lambda path: (not path.endswith("kind"), path.count("."))):
        *above, last = path.split(".")
        container: Any = made
        for part in above:
            container = _inner(container, part, path)
        value = values[path]
        if isinstance(container, list):
            container[_index(container, last, path)] = value
        elif not isinstance(container, dict):
            raise InvalidSpec(path, "there is no such field; check the path against GET /catalog")
        elif last == "kind" and container.get("kind") != value:
            container.clear()
            container["kind"] = value
        elif isinstance(value, Mapping) and isinstance(container.get(last), dict):
            container[last] = override({last: container[last]}, {last: value})[last]
        else:
            container[last] = value
    return made


def _inner(container: Any, part: str, path: str) -> Any:
    if isinstance(container, list):
        return container[_index(container, part, path)]
    if not isinstance(container, dict) or part not in container:
        raise InvalidSpec(path, "there is no such field; check the path against GET /catalog")
    return container[part]


def _index(container: list[Any], part: str, path: str) -> int:
    if not (part.isascii() and part.isdecimal() and len(part) < 6 and int(part) < len(container)):
        raise InvalidSpec(path, f"{part!r} is no place in a list of {len(container)}")
    return int(part)


def _values_at(body: Mapping[str, Any], grid: Mapping[str, Any]) -> dict[str, Any]:
    """Values of the grid's paths in a spec's body, where it has them."""
    found = {}
    for path in grid:
        container: Any = body
        for part in path.split("."):
            if isinstance(container, dict) and part in container:
                container = container[part]
            elif isinstance(container, list) and part.isdecimal() and int(part) < len(container):
                container = container[int(part)]
            else:
                break
        else:
            found[path] = container
    return found


def _rank(values: Mapping[str, Any], grid: Mapping[str, Sequence[Any]]) -> tuple[int, ...]:
    """Place of a cell in the order of the values that a grid lists; others come last."""
    ranks = []
    for path, listed in grid.items():
        known = [_canonical(value) for value in listed]
        value = _canonical(values.get(path))
        ranks.append(known.index(value) if value in known else len(known))
    return tuple(ranks)


def flattened(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Flatten a spec's body.

    Parameters
    ----------
    value : Any
        JSON value.
    path : str, default=""
        Its own path.

    Yields
    ------
    tuple[str, Any]
        Dotted path and value of everything that is no object, and no list of objects.
    """
    members: Any = ()
    if isinstance(value, Mapping):
        members = value.items()
    elif isinstance(value, list) and any(isinstance(member, Mapping) for member in value):
        members = enumerate(value)
    elif path:
        yield path, value
    for name, member in members:
        yield from flattened(member, f"{path}.{name}" if path else str(name))


def _covers(path: str, field: str) -> bool:
    return field == path or field.startswith(f"{path}.")


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _refused(errors: Errors) -> InvalidSpec:
    (field, message), *others = errors[:MAX_ERRORS]
    return InvalidSpec(field, message, others)
