"""Tables of the commands about studies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console

from tgsh.cli.tables import Column, Row, decimals, print_fields, print_table, status_text

if TYPE_CHECKING:  # what these import is heavy, and `tgsh --help` must be quick
    from tgsh.schemas import Study, StudyDifferences, StudySummary

MAX_LISTED = 60
"""Experiments of one study that are listed."""


def print_studies(studies: Sequence[StudySummary]) -> None:
    """Print studies and how far they are."""
    columns = (
        *(Column(title) for title in ("id", "status", "done", "experiments", "submitted")),
        Column("name", wraps=True),
    )
    rows: list[Row] = [
        (
            each.id,
            status_text(each.status),
            f"{each.progress.fraction:.0%}",
            f"{each.progress.experiments_done}/{each.progress.experiments_total}",
            f"{each.created_at.astimezone():%y-%m-%d %H:%M}",
            each.name,
        )
        for each in studies
    ]
    print_table(Console(), columns, rows)


def print_study(study: Study) -> None:
    """Print the fields of a study, and its experiments."""
    console = Console()
    progress = study.progress
    fields = {
        "id": study.id,
        "name": study.name,
        "status": study.status,
        "reason": study.reason or "",
        "progress": f"{progress.fraction:.0%}, {progress.experiments_done} of {progress.experiments_total}",
        "seeds": ", ".join(map(str, study.replicates.seeds)),
        "base seeds": ", ".join(map(str, study.replicates.base_seeds)),
        **{path: ", ".join(map(str, values)) for path, values in study.grid.items()},
        "tags": ", ".join(study.tags),
        "project": study.project or "",
        "notes": study.notes or "",
    }
    print_fields(console, {name: value for name, value in fields.items() if value})
    console.print()
    cells = {
        cell.cell: ", ".join(f"{path}={value}" for path, value in cell.values.items()) for cell in study.cells
    }
    columns = (
        Column("cell"),
        Column("values", wraps=True),
        *(Column(title) for title in ("seed", "base", "experiment", "status", "done", "acc.")),
    )
    rows: list[Row] = [
        (
            str(each.cell),
            cells[each.cell],
            str(each.seed),
            str(each.base_seed),
            each.experiment or "",
            status_text(each.status) if each.status else "missing",
            "" if each.fraction is None else f"{each.fraction:.0%}",
            decimals(each.mean_accuracy),
        )
        for each in study.members[:MAX_LISTED]
    ]
    print_table(console, columns, rows)
    if len(study.members) > MAX_LISTED:
        console.print(f"and {len(study.members) - MAX_LISTED} more: --json has them all", style="dim")


def print_differences(found: StudyDifferences) -> None:
    """Print differences of similarities with their intervals."""
    titles = ("difference", "low", "high", "p", "p Holm", "distinguishable")
    columns = (Column("pairs", wraps=True), *(Column(title) for title in titles))
    words = {True: "yes", False: "no", None: "unknown"}
    rows: list[Row] = [
        (
            " less ".join(" and ".join(pair) for pair in each.labels),
            *(decimals(number) for number in (each.difference, each.low, each.high, each.p, each.p_holm)),
            words[each.distinguishable],
        )
        for each in found.differences
    ]
    console = Console()
    print_table(console, columns, rows)
    console.print(f"{found.replicates} replicates, over {found.over.replace('_', ' ')}", style="dim")
    if found.reason:
        console.print(found.reason, style="dim", markup=False)
