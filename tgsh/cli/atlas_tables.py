"""Tables of the commands about random bases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console

from tgsh.cli.tables import Column, Row, print_table

if TYPE_CHECKING:  # what these import is heavy, and `tgsh --help` must be quick
    from tgsh.schemas import NearestElsewhere, RandomBaseSummary

SHOWN = 12
"""Digits of a base's id; a beginning will do wherever one is asked for."""


def print_bases(bases: Sequence[RandomBaseSummary]) -> None:
    """Print random bases and how much was learned on each."""
    columns = (
        *(Column(title) for title in ("base", "network", "seed", "numbers", "experiments", "tasks")),
        Column("datasets", wraps=True),
        Column("suites", wraps=True),
    )
    rows: list[Row] = [
        (
            each.base_id[:SHOWN],
            str(each.network.get("kind", "")),
            str(each.base_seed),
            "" if each.width is None else f"{each.width:,}",
            f"{each.experiments:,}",
            f"{each.tasks:,}",
            ", ".join(each.datasets),
            ", ".join(each.suites),
        )
        for each in bases
    ]
    print_table(Console(), columns, rows)


def print_nearest(found: NearestElsewhere) -> None:
    """Print the tasks most like one, most alike first."""
    console = Console()
    columns = (
        *(Column(title) for title in ("similarity", "label", "experiment", "task", "dataset", "suite")),
        Column("name", wraps=True),
    )
    rows: list[Row] = [
        (
            f"{near.similarity:.3f}",
            near.label,
            near.experiment,
            "placed" if near.task is None else str(near.task),
            near.dataset,
            near.suite or "",
            near.name,
        )
        for near in found.nearest
    ]
    if rows:
        print_table(console, columns, rows)
    counts = f"{found.compared - found.placements:,} tasks of {found.experiments:,} experiments"
    if found.placements:
        counts += f" and {found.placements:,} placements"
    line = f"Most like {found.label} (task {found.task}) among {counts}"
    console.print(line, markup=False, highlight=False)
