"""Count of the steps of work that this process has done, for whoever watches that it gets on.

A step is a batch that was trained, a measurement, a piece of a file that arrived: something that cannot
happen over and over in a process that hangs.
"""

from __future__ import annotations


class _Counter:
    def __init__(self) -> None:
        self.memory = memoryview(bytearray(8)).cast("Q")
        self.holds = False


_counter = _Counter()


def step() -> None:
    """Count a step."""
    if not _counter.holds:
        _counter.memory[0] += 1


def steps() -> int:
    """Number of steps so far.

    Returns
    -------
    int
        It never decreases.
    """
    return _counter.memory[0]


def hold(on: bool) -> None:
    """Count no steps while `on`: this process was asked to stop, and what it does now is no progress.

    Parameters
    ----------
    on : bool
        Whether it was asked to.
    """
    _counter.holds = on


def count_in(memory: memoryview) -> None:
    """Count in memory that others can read.

    Parameters
    ----------
    memory : memoryview
        One unsigned integer of 64 bits.
    """
    _counter.memory = memory
