"""Bytes of the fused FlyNet in code for other processors, as far as this one can run it.

python -m tests.benchmarks processors: 1 is the same bytes, and beside it the largest difference of a number.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from tests.benchmarks.table import Row
from tests.support.processors import WITH_FMA, WITHOUT_FMA, learned_as, runs_here


def rows() -> list[Row]:
    """One a processor; baseline: the same bytes."""
    with TemporaryDirectory() as folder:
        here = learned_as(None, Path(folder))
        found = {
            name: learned_as(name, Path(folder)) for name in (*WITH_FMA, *WITHOUT_FMA) if runs_here(name)
        }
    return [
        row
        for name, numbers in found.items()
        for row in (
            Row(
                f"same bytes as {name}", "", float(numbers.tobytes() == here.tobytes()), 1.0, "this processor"
            ),
            Row(f"largest difference, {name}", "", float(np.abs(numbers - here).max()), None, ""),
        )
    ]
