"""Command `tgsh reproduce`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tgsh.cli.errors import FAILED
from tgsh.cli.machine import announce_stopping
from tgsh.cli.options import DEFAULT_HOME, Home, Json, Workers
from tgsh.errors import InvalidSpec

if TYPE_CHECKING:
    from tgsh.client import Client, Study
    from tgsh.reproduce.claims.base import ExperimentRun
    from tgsh.reproduce.execution import ReproductionPlan
    from tgsh.reproduce.plan import DatasetChoice
    from tgsh.reproduce.record import ReproductionRecord
    from tgsh.schemas import Experiment

FORMATS = ("png", "svg", "pdf")
RECORD_FILE = "claims.json"


def reproduce(
    dataset: Annotated[
        str, typer.Option("--dataset", help="mnist5k: minutes; mnist: all of the paper.")
    ] = "mnist5k",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help=f"Folder for figures and {RECORD_FILE}; default: reproduce-DATASET."
        ),
    ] = None,
    home: Home = DEFAULT_HOME,
    workers: Workers = None,
    url: Annotated[
        str | None, typer.Option("--url", help="Use this running service instead of starting one on HOME.")
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(
            "--against", help=f"Compare with this {RECORD_FILE} instead of the folder's earlier one."
        ),
    ] = None,
    seeds: Annotated[
        int, typer.Option("--seeds", min=1, max=20, help="Seeds of training of each experiment.")
    ] = 2,
    base_seeds: Annotated[
        int, typer.Option("--base-seeds", min=1, max=20, help="Random bases; every seed is trained on each.")
    ] = 3,
    quick: Annotated[
        bool,
        typer.Option("--quick", help="One run of each experiment: verdicts are of points, not of intervals."),
    ] = False,
    figures_format: Annotated[str, typer.Option("--figures-format", help="png, svg or pdf.")] = "png",
    as_json: Json = False,
) -> None:
    """Run the paper's experiments and judge its claims: expected, measured, verdict, figures.

    Each experiment is a study over seeds and random bases, so that verdicts are of intervals.

    Exit status 1: a claim that held before does not, or one could not be measured.
    """
    from tgsh.cli.results import write_atomically

    choice = _parse_dataset(dataset)
    if figures_format not in FORMATS:
        raise InvalidSpec("--figures-format", f"{figures_format} is none of {', '.join(FORMATS)}")
    folder = output or Path(f"reproduce-{choice}")
    records = _read_records(
        choice, against, folder / RECORD_FILE
    )  # before hours of work: one may be unreadable
    if url is None:
        _fetch_images(choice, home)  # before anything is started
    with _service_client(home, workers, url) as client:
        plan = _plan(choice, 1 if quick else seeds, 1 if quick else base_seeds)
        _announce(client, plan, folder)
        record, runs = _reproduce(client, plan, records)
        write_atomically(folder / RECORD_FILE, record.model_dump_json(indent=2).encode())
        _write_figures(client, runs, folder, figures_format)
    _print_record(record, folder, as_json)
    if not record.passed:
        raise typer.Exit(FAILED)


def _parse_dataset(name: str) -> DatasetChoice:
    from typing import get_args

    from tgsh.reproduce.plan import DatasetChoice

    for choice in get_args(DatasetChoice):
        if name == choice:
            return choice  # type: ignore[no-any-return]
    raise InvalidSpec("--dataset", f"{name} is none of {', '.join(get_args(DatasetChoice))}")


def _read_records(dataset: str, against: Path | None, earlier: Path) -> dict[str, ReproductionRecord]:
    """Records to compare with, by name."""
    from tgsh.reproduce.record import EARLIER, SHIPPED, read_record, shipped_record

    records = {}
    if against is not None or earlier.exists():
        records[EARLIER] = read_record(against or earlier, dataset)
    if (shipped := shipped_record(dataset)) is not None:
        records[SHIPPED] = shipped
    return records


def _fetch_images(dataset: DatasetChoice, home: Path) -> None:
    """Download the dataset if it is not here. Raises: DatasetUnavailable."""
    from tgsh.cli.output import print_downloads
    from tgsh.datasets.downloads import fetch_missing
    from tgsh.settings import StoreSettings

    print_downloads(fetch_missing([dataset], StoreSettings(home=home).data))


@contextmanager
def _service_client(home: Path, workers: int | None, url: str | None) -> Iterator[Client]:
    """Client of the service at `url`, else of a stack that runs on `home` for as long as the block."""
    from tgsh.cli.machine import locations, print_locations
    from tgsh.client import Client
    from tgsh.stack.stack import Stack

    if url is not None:
        with Client(url) as client:
            try:
                yield client
            except KeyboardInterrupt:
                _print_message("The service goes on with what it has; the same command comes back to it.")
                raise
        return
    with Stack(home, workers=workers, say=_print_message) as stack:
        print_locations(locations(stack), err=True)
        with announce_stopping(), Client(stack.url, key=stack.key) as client:
            yield client


def _plan(dataset: DatasetChoice, seeds: int, base_seeds: int) -> ReproductionPlan:
    from tgsh.reproduce.execution import paper_plan
    from tgsh.reproduce.plan import ReplicateCounts

    return paper_plan(dataset, ReplicateCounts(seeds, base_seeds))


def _announce(client: Client, plan: ReproductionPlan, folder: Path) -> None:
    replicates = plan.replicates
    runs = (
        "one run each (--seeds and --base-seeds make more, and intervals)"
        if replicates.total == 1
        else f"{replicates.total} runs each ({replicates.seeds} seeds on {replicates.base_seeds} bases; "
        "--quick makes one)"
    )
    _print_message(
        f"{len(plan.experiments)} experiments on {plan.dataset}, {runs}, and {len(plan.claims)} claims, at "
        f"{client.url}; figures and {RECORD_FILE} go to {folder}"
    )


def _reproduce(
    client: Client, plan: ReproductionPlan, records: dict[str, ReproductionRecord]
) -> tuple[ReproductionRecord, list[ExperimentRun]]:
    from tgsh.reproduce.execution import reproduce

    return reproduce(client, plan, records, _follow, _print_message)


def _follow(client: Client, subject: Experiment | Study) -> None:
    from tgsh.cli.output import follow, follow_study
    from tgsh.schemas import Experiment

    if isinstance(subject, Experiment):
        follow(client, subject)
    else:
        follow_study(client, subject)


def _write_figures(client: Client, runs: list[ExperimentRun], folder: Path, format: str) -> None:
    from tgsh.cli.results import write_atomically
    from tgsh.reproduce.execution import fetch_figures

    for name, content, reason in fetch_figures(client, runs, format):
        if content is None:
            _print_message(f"{name} is left out: {reason}")
        else:
            write_atomically(folder / name, content)


def _print_record(record: ReproductionRecord, folder: Path, as_json: bool) -> None:
    if as_json:
        typer.echo(record.model_dump_json(indent=2))
        return
    from rich.console import Console

    from tgsh.reproduce.report import print_report

    print_report(record, Console())
    typer.echo(f"{RECORD_FILE} and the figures are in {folder}")


def _print_message(message: str) -> None:
    """Print on standard error: standard output is for the record."""
    typer.echo(message, err=True)
