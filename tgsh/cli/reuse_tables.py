"""Tables of inferred tasks, transfer, scenarios and hash codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer
from rich.console import Console

from tgsh.cli.tables import Column, Row, decimals, print_table

if TYPE_CHECKING:  # what these import is heavy, and `tgsh --help` must be quick
    from tgsh.schemas import ContextTransfer, HashProperties, ScenarioEstimate, Scenarios, TaskInference

SHOWN_CLASSES = 20


def print_inference(found: TaskInference, shown: int) -> None:
    """Print the likeliest tasks, how sure that is, and the classes."""
    columns = (Column("task"), Column("label", wraps=True), Column("score"), Column("probability"))
    rows: list[Row] = [
        (str(each.task), each.label, f"{each.score:.3f}", decimals(each.probability))
        for each in found.tasks[:shown]
    ]
    typer.echo(found.sentence)
    print_table(Console(), columns, rows)
    if len(found.tasks) > shown:
        typer.echo(f"… and {len(found.tasks) - shown} more tasks (--json has all)")
    if found.reason is not None:
        typer.echo(f"Not calibrated: {found.reason}")
    classes = ", ".join(found.classes[:SHOWN_CLASSES])
    typer.echo(f"Classes: {classes}{' …' if len(found.classes) > SHOWN_CLASSES else ''}")


def print_transfer(found: ContextTransfer) -> None:
    """Print correlations, means, and a sentence a task."""
    for source in found.sources:
        typer.echo(source.sentence)
    typer.echo()
    typer.echo(
        f"Similarity and accuracy: Pearson {decimals(found.pearson)}, Spearman {decimals(found.spearman)}"
        + ("" if found.mantel is None else f", Mantel's p {found.mantel.p_value:.3g}")
    )
    typer.echo(
        f"Mean accuracy under the chosen context {found.mean_chosen:.3f}, the best {found.mean_best:.3f}, "
        f"a random one {found.mean_random:.3f}"
    )
    if found.reason is not None:
        typer.echo(f"No expected accuracies: {found.reason}")


def print_scenarios(found: Scenarios) -> None:
    """Print accuracies by images a batch, and chance."""
    columns = tuple(Column(title) for title in ("images", "task known", "domain", "class", "task found"))
    rows: list[Row] = [
        (str(row.images), *(_estimate(each) for each in (row.task_known, row.domain, row.class_, row.task)))
        for row in found.rows
    ]
    guesses = found.chance
    chances = (guesses.task_known, guesses.domain, guesses.class_, guesses.task)
    rows.append(("chance", *(f"{each:.3f}" for each in chances)))
    print_table(Console(), columns, rows)
    for row in found.rows:
        if row.reason is not None:
            typer.echo(f"{row.images}: {row.reason}")
    typer.echo(
        "domain: the task is inferred, the class within it counts; class: the task and the class count. "
        "Intervals (95 %) are over tasks"
    )


def print_hashing(found: HashProperties) -> None:
    """Print what codes retrieve, and how near they are to the theory."""
    columns = (
        Column("codes", wraps=True),
        *(Column(title) for title in ("same task", "same class", "same class within")),
    )
    rows: list[Row] = [
        (each.name, *map(decimals, (each.same_task, each.same_class, each.same_class_within)))
        for each in (*found.retrieval, found.chance)
    ]
    print_table(Console(), columns, rows)
    for curve in found.curves:
        deviation = "" if curve.deviation is None else f", {curve.deviation:.3f} from 1 − θ/π"
        typer.echo(
            f"{curve.pairs_of} tasks, {curve.stage} training: mean cosine {decimals(curve.mean_cosine)}, "
            f"agreement {decimals(curve.mean_agreement)}{deviation}"
        )
    typer.echo(found.note)


def _estimate(each: ScenarioEstimate | None) -> str:
    if each is None:
        return "–"
    interval = "" if each.low is None else f" ({each.low:.3f}–{each.high:.3f})"
    return f"{each.value:.3f}{interval}"
