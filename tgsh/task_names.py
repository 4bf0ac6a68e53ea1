"""Names of tasks: shortened to a line, and told apart by number where several tasks have one label."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

MAX_NAME = 24
"""Characters of a task's name beside an axis, on pages and in print."""


def shortened(line: str, longest: int = MAX_NAME) -> str:
    """Shorten a text to one line.

    Parameters
    ----------
    line : str
        Any text; line breaks and runs of spaces become one space.
    longest : int, default=MAX_NAME
        Most characters; a longer line ends in an ellipsis.

    Returns
    -------
    str
        The line.
    """
    line = " ".join(line.split())
    return line if len(line) <= longest else line[: longest - 1].rstrip() + "…"


def told_apart(labels: Sequence[str], tasks: Sequence[int], longest: int | None = None) -> list[str]:
    """Name tasks so that no two names are equal.

    A label that another task has, too, gets the task's number in the suite: "0° #3". All other names are the
    labels as they are.

    Parameters
    ----------
    labels : Sequence[str]
        T labels, of which several may be equal, or empty.
    tasks : Sequence[int]
        T different numbers of the tasks in their suite.
    longest : int | None, default=None
        Characters that are shown of a name: labels that differ only beyond are told apart, too. None: all.

    Returns
    -------
    list[str]
        T names; those with a number are no longer than `longest`.
    """

    def seen(name: str) -> str:
        return name if longest is None else shortened(name, longest)

    numbered: set[int] = set()
    while True:
        names = [
            _numbered(label, task, longest) if place in numbered else label
            for place, (label, task) in enumerate(zip(labels, tasks, strict=True))
        ]
        counts = Counter(map(seen, names))
        more = {place for place, name in enumerate(names) if counts[seen(name)] > 1 or not seen(name)}
        if more <= numbered:
            return names
        numbered |= more


def _numbered(label: str, task: int, longest: int | None) -> str:
    end = f" #{task}"
    return ((label if longest is None else shortened(label, longest - len(end))) + end).strip()
