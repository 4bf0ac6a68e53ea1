"""Names of classes of several datasets, and the outputs that they have in common."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence

from tgsh.errors import InvalidSpec


def normalised(name: str) -> str:
    """Bring a name into Unicode's composed form (NFC), so that names that look alike are alike.

    Parameters
    ----------
    name : str
        Name of a class.

    Returns
    -------
    str
        The name, composed.
    """
    return unicodedata.normalize("NFC", name)


def outputs_by_name(
    datasets: Sequence[Sequence[str]],
) -> tuple[tuple[str, ...], tuple[tuple[int, ...], ...]]:
    """Give every name one output, in the order in which names first appear.

    Where all datasets have the same names in the same order, class k is output k.

    Parameters
    ----------
    datasets : Sequence[Sequence[str]]
        Names of the classes of every dataset, in the order of their numbers.

    Returns
    -------
    names : tuple[str, ...]
        K names, of the outputs.
    outputs : tuple[tuple[int, ...], ...]
        The output of every class of every dataset.
    """
    names = dict.fromkeys(normalised(name) for own in datasets for name in own)
    place = {name: output for output, name in enumerate(names)}
    return tuple(names), tuple(tuple(place[normalised(name)] for name in own) for own in datasets)


def renamed(names: Sequence[str], changes: Mapping[str, str], field: str) -> tuple[str, ...]:
    """Rename classes; those that are not mentioned keep their names.

    Parameters
    ----------
    names : Sequence[str]
        Names of a dataset's classes.
    changes : Mapping[str, str]
        From a name of these to the name of an output.
    field : str
        Field of the spec that holds the changes, for the error.

    Returns
    -------
    tuple[str, ...]
        As many names.

    Raises
    ------
    InvalidSpec
        If there is no class of such a name, or two classes get one name.
    """
    own = [normalised(name) for name in names]
    new = {normalised(name): normalised(output) for name, output in changes.items()}
    if unknown := sorted(set(new) - set(own)):
        raise InvalidSpec(f"{field}.{unknown[0]}", f"there is no such class; they are {', '.join(own[:20])}")
    result = tuple(new.get(name, name) for name in own)
    if twice := sorted({name for name in result if result.count(name) > 1}):
        raise InvalidSpec(field, f"{', '.join(twice)} would name two classes; each has an output of its own")
    return result
