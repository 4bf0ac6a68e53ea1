"""Jobs, and the hints in the queue that wake workers. A hint carries nothing; the database is the truth."""

from __future__ import annotations

from dataclasses import dataclass

QUEUE = "tgsh"

HINT_NAME = "tgsh.hint"
"""The one Celery task. It has no arguments: "there is work", and a worker looks what is most due."""

MAX_HINTS = 64
"""Hints that wait at most: they wake idle workers, and a worker that is awake needs none."""


@dataclass(frozen=True)
class Job:
    """One unit of work: a task to train, or (index None) the finish of an experiment."""

    experiment_id: str
    index: int | None = None

    @property
    def task(self) -> int | str:
        """What log lines call it: the number of the task, or "finish"."""
        return "finish" if self.index is None else self.index


@dataclass(frozen=True)
class Preview:
    """Another: to draw what the tasks of a spec look like. It is short, and goes before the rest."""

    key: str


def hints_due(queued: int, waiting: int) -> int:
    """How many hints to publish, with so many jobs queued and so many hints waiting in the queue.

    Whoever takes one of those that wait looks at the database after this moment, so they count. Too many
    cost a look each; should some get lost, the next sweep makes up for them.
    """
    return max(0, min(queued, MAX_HINTS) - waiting)
