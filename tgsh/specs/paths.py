"""Dotted paths to the fields of a spec, such as training.epochs, and the text of values there."""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Iterator
from functools import cache
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel

from tgsh.errors import InvalidSpec
from tgsh.specs.experiment import LATER_KEYS, ExperimentSpec


@cache
def field_paths() -> tuple[str, ...]:
    """Paths of all fields that a spec may have, of every kind of suite and network; no numbers of lists.

    Returns
    -------
    tuple[str, ...]
        Such as "suite.kind" and "training.epochs", sorted.
    """
    return tuple(sorted(set(_paths(ExperimentSpec, ""))))


def require_field(path: str, field: str) -> None:
    """Refuse a path that no spec has.

    Parameters
    ----------
    path : str
        Dotted; numbers are places in lists.
    field : str
        Where it was given, for the error.

    Raises
    ------
    InvalidSpec
        With the fields that there are.
    """
    named = ".".join(part for part in path.split(".") if not part.isdigit())
    known = field_paths()
    if named in known or any(each.startswith(f"{named}.") for each in known):
        return
    beside = [each for each in known if each.rpartition(".")[2] == named.rpartition(".")[2]]
    meant = f"; meant is perhaps {' or '.join(beside)}" if beside else ", such as training.epochs"
    raise InvalidSpec(field, f"a spec has no field {path}{meant}")


def texts_of(value: str) -> frozenset[str]:
    """Texts by which the databases know a value of a spec that a person has typed.

    Parameters
    ----------
    value : str
        Such as "3", "0.01", "true" or "flynet".

    Returns
    -------
    frozenset[str]
        SQLite's and PostgreSQL's texts of the JSON value, and the text itself.
    """
    texts = {value}
    try:
        parsed = json.loads(value)
    except ValueError:
        return frozenset(texts)
    if isinstance(parsed, bool):
        texts |= {str(parsed).lower(), str(int(parsed))}
    elif isinstance(parsed, int | float):
        texts |= {json.dumps(parsed), _sqlite_text(float(parsed))}
        if float(parsed).is_integer():
            texts |= {str(int(parsed)), f"{int(parsed)}.0"}
    return frozenset(texts)


def later_default(path: str) -> str | None:
    """The value of a key that specs of earlier versions lack, as text; None for other keys."""
    found: Any = LATER_KEYS
    for part in path.split("."):
        if part.isdigit():
            continue
        if not isinstance(found, typing.Mapping) or part not in found:
            return None
        found = found[part]
    return None if isinstance(found, typing.Mapping) else str(found)


def _paths(model: type[BaseModel], above: str) -> Iterator[str]:
    for name, info in model.model_fields.items():
        yield above + name
        for inner in _models(info.annotation):
            yield from _paths(inner, f"{above}{name}.")


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models inside an annotation: of unions, lists and Annotated."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) in (Union, types.UnionType, tuple, list, typing.Annotated):
        for inner in get_args(annotation):
            if not isinstance(inner, str):
                yield from _models(inner)


def _sqlite_text(value: float) -> str:
    """A number as SQLite writes it: 15 digits, always with a point."""
    text = f"{value:.15g}"
    mantissa, e, exponent = text.partition("e")
    return text if "." in mantissa else f"{mantissa}.0{e}{exponent}"
