"""Printed report of a reproduction: tables of claims and experiments, changes, summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from tgsh.reproduce.record import ClaimResult, ExperimentResult, ReproductionRecord, Verdict, changes

COLOURS: dict[Verdict, str] = {
    "holds": "green",
    "does not hold": "yellow",
    "undecided": "cyan",
    "not informative": "blue",
    "not measured": "magenta",
}
RATIOS = (31, 20, 28, 15)
"""Relative widths of the columns: experiment, expected, measured, verdict."""

EARLIER_MARK = "*"


def print_report(record: ReproductionRecord, console: Console) -> None:
    """Print the claims, the experiments, the changes and a summary."""
    console.print(_claims_table(record))
    console.print(_experiments_table(record.experiments))
    for each in record.experiments:
        if each.reason:
            console.print(Text(f"{each.name} has no results: {each.reason}", style="red"))
    if any(experiment.earlier for experiment in record.experiments):
        console.print(f"{EARLIER_MARK} trained by an earlier run on the same home", style="dim")
    for line in change_lines(record):
        console.print(line)
    console.print(replicates_line(record))
    console.print(summary(record))


def change_lines(record: ReproductionRecord) -> list[Text]:
    """A line for every changed verdict, red where a claim was lost."""
    lines = []
    for change in changes(record):
        lost = change.previous == "holds" and change.claim.lost
        text = f"{change.claim.id}: {change.claim.verdict}, but {change.previous} in the {change.record}"
        lines.append(Text(f"CHANGED {text}", style="bold red" if lost else "cyan"))
    return lines


def replicates_line(record: ReproductionRecord) -> str:
    """Sentence about what the verdicts are of: intervals over replicates, or points."""
    first = next((claim for claim in record.claims if claim.replicates > 1), None)
    if first is None:
        return "Single runs: verdicts are of points. --seeds and --base-seeds make replicates and intervals."
    over = {
        "seeds": "seeds",
        "base_seeds": "random bases",
        "both": "seeds and random bases",
        None: "replicates",
    }
    intervals = f"{first.level or 0:.0%} intervals over {over[first.over]}"
    return f"{first.replicates} replicates: verdicts are of {intervals}."


def summary(record: ReproductionRecord) -> Text:
    """Number of claims with each verdict."""
    counts = Counter(claim.verdict for claim in record.claims)
    totals = ", ".join(f"{verdict}: {counts[verdict]}" for verdict in COLOURS)
    return Text(f"{len(record.claims)} claims on {record.dataset}. {totals}", "bold")


def _claims_table(record: ReproductionRecord) -> Table:
    """Each claim with its place in the paper, and below it a row for every experiment that it is about."""
    table = Table.grid(expand=True)
    table.add_row(_rows([[Text(name, style="dim") for name in ("of", "expected", "measured", "verdict")]]))
    without_results = {experiment.name for experiment in record.experiments if experiment.reason}
    for family in _families(record.claims):
        claim = Text.assemble((family[0].text, "bold"), " · ", (family[0].where, "dim"))
        table.add_row(
            Group("", claim, _rows([_row(each, without_results) for each in family]), *_reasons(family))
        )
    return table


def _reasons(family: Sequence[ClaimResult]) -> list[Text]:
    """Lines that say what decides the verdicts and why they are so, each once."""
    texts: dict[tuple[Verdict, str], list[str]] = {}
    for claim in family:
        if claim.why:
            deciding = texts.setdefault((claim.verdict, claim.why), [])
            if claim.decided_by not in deciding:
                deciding.append(claim.decided_by)
    return [
        Text.assemble((verdict, COLOURS[verdict]), (f": {why} Decided by {'; '.join(by)}.", "dim"))
        for (verdict, why), by in texts.items()
    ]


def _row(claim: ClaimResult, without_results: set[str]) -> list[Text]:
    """Cells of a claim. The reason why an experiment has no results is printed once, below the tables."""
    mark = f" {EARLIER_MARK}" if claim.earlier else ""
    subject = "\n".join(f"{each}{mark}" for each in claim.subject.split("; "))
    lacking = [f"{name} has no results" for name in claim.experiments if name in without_results]
    measured = Text("\n".join(lacking) or claim.reason or claim.shown, style="dim" if claim.reason else "")
    colour = "bold red" if claim.lost else COLOURS[claim.verdict]
    return [Text(subject), Text(claim.expected), measured, Text(claim.verdict, style=colour)]


def _rows(rows: Iterable[Iterable[Text]]) -> Table:
    """Grid whose columns are equally wide for every claim."""
    grid = Table.grid(padding=(0, 2, 0, 0), pad_edge=False, expand=True)
    for ratio in RATIOS:
        grid.add_column(ratio=ratio, overflow="fold")
    for row in rows:
        grid.add_row(*row)
    return grid


def _families(claims: Iterable[ClaimResult]) -> list[list[ClaimResult]]:
    """Claims grouped by their text."""
    families: dict[str, list[ClaimResult]] = {}
    for claim in claims:
        families.setdefault(claim.text, []).append(claim)
    return list(families.values())


def _experiments_table(experiments: Sequence[ExperimentResult]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    numbers = {"accuracy", "epochs", "runs", "seconds"}
    for name in ("experiment", "status", "accuracy", "epochs", "runs", "seconds", "id"):
        table.add_column(name, justify="right" if name in numbers else "left")
    for each in experiments:
        table.add_row(
            each.name + (f" {EARLIER_MARK}" if each.earlier else ""),
            each.status or "refused",
            "" if each.mean_accuracy is None else f"{each.mean_accuracy:.3f}",
            str(each.epochs),
            str(len(each.replicates) or 1),
            "" if each.seconds is None else f"{each.seconds:.0f}",
            each.study or each.id or "",
        )
    return table
