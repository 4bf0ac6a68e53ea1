"""Reproduce."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tgsh.cli.errors import FAILED
from tgsh.cli.machine import telling
from tgsh.cli.options import DEFAULT_HOME, Home, Json, Workers
from tgsh.errors import InvalidSpec

if TYPE_CHECKING:
    from tgsh.client import Client
    from tgsh.reproduce.claims.base import Run
    from tgsh.reproduce.plan import DatasetChoice
    from tgsh.reproduce.record import Record

FORMATS = ("png", "svg", "pdf")
RECORD = "claims.json"


def reproduce(
    dataset: Annotated[
        str, typer.Option("--dataset", help="mnist5k: minutes; mnist: all of the paper.")
    ] = "mnist5k",
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help=f"Folder for figures and {RECORD}; default: reproduce-DATASET."),
    ] = None,
    home: Home = DEFAULT_HOME,
    workers: Workers = None,
    url: Annotated[
        str | None, typer.Option("--url", help="Use this running service instead of starting one on HOME.")
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option("--against", help=f"Compare with this {RECORD} instead of the folder's earlier one."),
    ] = None,
    figures_format: Annotated[str, typer.Option("--figures-format", help="png, svg or pdf.")] = "png",
    as_json: Json = False,
) -> None:
    """Run the paper's experiments and judge its claims: expected, measured, verdict, figures.

    Exit status 1: a claim that held before does not, or one could not be measured.
    """
    from tgsh.cli.results import write_whole

    chosen = _dataset(dataset)
    if figures_format not in FORMATS:
        raise InvalidSpec("--figures-format", f"{figures_format} is none of {', '.join(FORMATS)}")
    folder = output or Path(f"reproduce-{chosen}")
    records = _records(chosen, against, folder / RECORD)  # before hours of work, should one be unreadable
    with _service(home, workers, url) as client:
        _announce(client, chosen, folder)
        record, runs = _reproduce(client, chosen, records)
        write_whole(folder / RECORD, record.model_dump_json(indent=2).encode())
        _draw(client, runs, folder, figures_format)
    _print(record, folder, as_json)
    if not record.good:
        raise typer.Exit(FAILED)


def _dataset(name: str) -> DatasetChoice:
    from typing import get_args

    from tgsh.reproduce.plan import DatasetChoice

    for choice in get_args(DatasetChoice):
        if name == choice:
            return choice  # type: ignore[no-any-return]
    raise InvalidSpec("--dataset", f"{name} is none of {', '.join(get_args(DatasetChoice))}")


def _records(dataset: str, against: Path | None, earlier: Path) -> dict[str, Record]:
    """What to compare with, by name."""
    from tgsh.reproduce.record import EARLIER, SHIPPED, read_record, shipped_record

    found = {}
    if against is not None or earlier.exists():
        found[EARLIER] = read_record(against or earlier, dataset)
    if (shipped := shipped_record(dataset)) is not None:
        found[SHIPPED] = shipped
    return found


@contextmanager
def _service(home: Path, workers: int | None, url: str | None) -> Iterator[Client]:
    """A client of the service at `url`, else of one that runs on `home` meanwhile."""
    from tgsh.cli.machine import locations, print_locations
    from tgsh.client import Client
    from tgsh.stack.stack import Stack

    if url is not None:
        with Client(url) as client:
            try:
                yield client
            except KeyboardInterrupt:
                _say("The service goes on with what it has; the same command comes back to it.")
                raise
        return
    with Stack(home, workers=workers, say=_say) as stack:
        print_locations(locations(stack), err=True)
        with telling(), Client(stack.url, key=stack.key) as client:
            yield client


def _announce(client: Client, dataset: DatasetChoice, folder: Path) -> None:
    from tgsh.reproduce.execution import paper

    plan = paper(dataset)
    _say(
        f"{len(plan.experiments)} experiments on {dataset} and {len(plan.claims)} claims, at {client.url}; "
        f"figures and {RECORD} go to {folder}"
    )


def _reproduce(
    client: Client, dataset: DatasetChoice, records: dict[str, Record]
) -> tuple[Record, list[Run]]:
    from tgsh.cli.output import follow
    from tgsh.reproduce.execution import paper, reproduce

    return reproduce(client, paper(dataset), records, follow, _say)


def _draw(client: Client, runs: list[Run], folder: Path, format: str) -> None:
    from tgsh.cli.results import write_whole
    from tgsh.reproduce.execution import drawings

    for name, content, reason in drawings(client, runs, format):
        if content is None:
            _say(f"{name} is left out: {reason}")
        else:
            write_whole(folder / name, content)


def _print(record: Record, folder: Path, as_json: bool) -> None:
    if as_json:
        typer.echo(record.model_dump_json(indent=2))
        return
    from rich.console import Console

    from tgsh.reproduce.report import print_report

    print_report(record, Console())
    typer.echo(f"{RECORD} and the figures are in {folder}")


def _say(line: str) -> None:
    """On standard error: standard output is for the result."""
    typer.echo(line, err=True)
