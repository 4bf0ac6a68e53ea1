"""A record as a person reads it: claims by verdict, experiments, what has changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tgsh.reproduce.record import ClaimResult, ExperimentResult, Record, Verdict, changes

COLOURS: dict[Verdict, str] = {"holds": "green", "does not hold": "yellow", "not measured": "magenta"}
WIDTHS = {"of": 21, "expected": 14, "measured": 19, "verdict": 13}
EARLIER_MARK = "*"


def print_report(record: Record, console: Console) -> None:
    """The table of claims, the table of experiments, changes, and one line that sums up."""
    console.print(_claims(record))
    console.print(_experiments(record.experiments))
    for each in record.experiments:
        if each.reason:
            console.print(Text(f"{each.name} has no results: {each.reason}", style="red"))
    if any(experiment.earlier for experiment in record.experiments):
        console.print(f"{EARLIER_MARK} trained by an earlier run on the same home", style="dim")
    for line in changed(record):
        console.print(line)
    console.print(summary(record))


def changed(record: Record) -> list[Text]:
    """A line for every verdict that is not what it was; red where a claim was lost."""
    lines = []
    for change in changes(record):
        lost = change.was == "holds"
        what = f"{change.claim.id}: {change.claim.verdict}, but {change.was} in the {change.record}"
        lines.append(Text(f"CHANGED {what}", style="bold red" if lost else "cyan"))
    return lines


def summary(record: Record) -> Text:
    """How many claims have which verdict."""
    counts = Counter(claim.verdict for claim in record.claims)
    said = ", ".join(f"{verdict}: {counts[verdict]}" for verdict in COLOURS)
    return Text(f"{len(record.claims)} claims on {record.dataset}. {said}", "bold")


def _claims(record: Record) -> Table:
    """A row a claim; within it, a line or more for every experiment that it is about."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_lines=True, padding=(0, 1))
    table.add_column("claim, and where in the paper", ratio=1)
    header = _columns()
    header.add_row(*(Text(name, style="bold") for name in WIDTHS))
    table.add_column(header, width=sum(WIDTHS.values()) + len(WIDTHS) - 1)
    without = {experiment.name for experiment in record.experiments if experiment.reason}
    for family in _families(record.claims):
        rows = _columns()
        for claim in family:
            rows.add_row(*_row(claim, without))
        table.add_row(Text.assemble(family[0].text, "\n", (family[0].where, "dim")), rows)
    return table


def _row(claim: ClaimResult, without: set[str]) -> tuple[Text, ...]:
    """without: names of experiments that have no results; their reasons are told once, elsewhere."""
    subject = "\n".join(_broken(each, claim.earlier) for each in claim.subject.split("; "))
    lacking = [f"{name} has no results" for name in claim.experiments if name in without]
    shown = Text("\n".join(lacking) or claim.reason or claim.shown, style="dim" if claim.reason else "")
    colour = "bold red" if claim.lost else COLOURS[claim.verdict]
    return Text(subject), Text(claim.expected), shown, Text(claim.verdict, style=colour)


def _broken(subject: str, earlier: bool) -> str:
    """The network on a line of its own, with the mark."""
    network, comma, rest = subject.partition(", ")
    return f"{network}{comma.strip()}{f' {EARLIER_MARK}' if earlier else ''}\n{rest}".rstrip()


def _columns() -> Table:
    grid = Table.grid(padding=(0, 1, 0, 0), pad_edge=False)
    for width in WIDTHS.values():
        grid.add_column(width=width, overflow="fold")
    return grid


def _families(claims: Iterable[ClaimResult]) -> list[list[ClaimResult]]:
    """Claims with the same text, together."""
    found: dict[str, list[ClaimResult]] = {}
    for claim in claims:
        found.setdefault(claim.text, []).append(claim)
    return list(found.values())


def _experiments(experiments: Sequence[ExperimentResult]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("experiment", "status", "accuracy", "epochs", "seconds", "id"):
        table.add_column(name, justify="right" if name in {"accuracy", "epochs", "seconds"} else "left")
    for each in experiments:
        table.add_row(
            each.name + (f" {EARLIER_MARK}" if each.earlier else ""),
            each.status or "refused",
            "" if each.mean_accuracy is None else f"{each.mean_accuracy:.3f}",
            str(each.epochs),
            "" if each.seconds is None else f"{each.seconds:.0f}",
            each.id or "",
        )
    return table
