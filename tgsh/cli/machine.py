"""Commands on this machine: up, run, doctor, backup, restore, version."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tgsh.cli.errors import FAILED, report_error
from tgsh.cli.options import DEFAULT_HOME, Dataset, Home, Json, Spec, Url, Workers
from tgsh.cli.output import message_printer, print_json

if TYPE_CHECKING:
    from tgsh.doctor.services import Finding
    from tgsh.stack.stack import Stack
    from tgsh.store.backup import BackupSummary


File = Annotated[Path, typer.Argument(metavar="FILE", help="A .tar file.")]


def up(
    host: Annotated[
        str, typer.Option(envvar="TGSH_HOST", help="Where the API listens; 0.0.0.0 is everywhere.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(envvar="TGSH_PORT", min=0, max=65535, help="The API's port; 0 takes a free one.")
    ] = 8000,
    home: Home = DEFAULT_HOME,
    workers: Workers = None,
    allow_no_keys: Annotated[
        bool,
        typer.Option(
            "--allow-no-keys", envvar="TGSH_ALLOW_NO_KEYS", help="Let in everybody who reaches --host."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Start Redis, the API and the workers, look after them, and stay until Ctrl-C."""
    from tgsh.stack.processes import Stopped
    from tgsh.stack.stack import Stack

    print_message = message_printer(as_json)
    try:
        with Stack(home, host, port, workers, say=print_message, allow_no_keys=allow_no_keys) as stack:
            (print_json if as_json else print_locations)(locations(stack))
            print_message("Submit something with: tgsh submit demo --watch")
            with announce_stopping():
                stack.supervise(report_error)
    except Stopped as stopped:
        print_message("Everything is stopped.")
        if stopped.number != signal.SIGTERM:  # the regular stop of service managers: exit status 0
            raise


def run(
    spec: Spec,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the results.")],
    dataset: Dataset = None,
    workers: Workers = None,
    as_json: Json = False,
) -> None:
    """Run an experiment here, with no service at all, and leave its results in a folder."""
    from tgsh.cli.experiments import exit_by_status
    from tgsh.cli.options import read_spec
    from tgsh.cli.output import display, print_downloads

    experiment_spec = read_spec(spec, dataset)
    from tgsh.execution import local  # takes long to import: only once the spec is known to be good

    print_downloads(local.fetch_images(experiment_spec))
    for warning in local.spec_warnings(experiment_spec):
        typer.echo(f"Warning: {warning}", err=True)
    with display(experiment_spec.title) as progress_display:
        experiment = local.run(experiment_spec, output, workers, progress_display.update)
    if as_json:
        print_json(experiment)
    exit_by_status(experiment, quiet=as_json)
    if not as_json:
        typer.echo(f"Results are in {output}")


def doctor(
    home: Home = DEFAULT_HOME,
    url: Url = None,
    port: Annotated[
        int, typer.Option(envvar="TGSH_PORT", min=1, max=65535, help="The port that the API would have.")
    ] = 8000,
    as_json: Json = False,
) -> None:
    """Look at Python, torch, Redis, disk, database, data and keys, and say what to do about each.

    Exits with 0 where nothing is wrong (warnings are not), else with 1.
    """
    import os

    from tgsh.doctor.report import run_checks
    from tgsh.settings import StoreSettings

    findings = run_checks(StoreSettings(home=home), url or os.environ.get("TGSH_URL"), port)
    has_problem = any(finding.verdict == "problem" for finding in findings)
    if as_json:
        print_json({"ok": not has_problem, "findings": [asdict(finding) for finding in findings]})
    else:
        _print_findings(findings)
    if has_problem:
        raise typer.Exit(FAILED)


def backup(file: File, home: Home = DEFAULT_HOME, as_json: Json = False) -> None:
    """Copy database, results and API keys to one file, while everything runs. Keep it private."""
    from tgsh.api_keys import KeyFile
    from tgsh.settings import StoreSettings
    from tgsh.store import backup
    from tgsh.store.artifacts import Artifacts
    from tgsh.store.database import Database

    settings = StoreSettings(home=home)
    database = Database(settings.database)
    saved = backup.backup(database, Artifacts(settings.artifacts), KeyFile(settings.keys_file), file)
    database.dispose()
    for key in saved.damaged:
        report_error(f"left out, as it is damaged: {key} (resume its experiment to compute it again)")
    if as_json:
        print_json({"file": file, **asdict(saved)})
    else:
        typer.echo(f"Wrote {file}: {_contents(saved)}")
    if saved.damaged:
        raise typer.Exit(FAILED)


def restore(file: File, home: Home = DEFAULT_HOME, as_json: Json = False) -> None:
    """Make a new home of such a file; then: tgsh up --home HOME."""
    from tgsh.api_keys import KeyFile
    from tgsh.settings import StoreSettings
    from tgsh.store import backup

    saved = backup.restore(file, home, KeyFile(StoreSettings(home=home).keys_file))
    if not saved.is_complete:
        report_error(
            "An earlier version made this backup, and left out the API keys: as it is, this home lets in "
            "everybody who reaches it. Put its keys.json there, or make keys with: tgsh keys add NAME"
        )
    if as_json:
        print_json({"home": home, **asdict(saved)})
    else:
        typer.echo(f"Made {home}: {_contents(saved)}")


def _contents(saved: BackupSummary) -> str:
    keys = "no API keys" if saved.keys is None else f"{saved.keys} API keys"
    return f"{saved.experiments} experiments, {saved.files} files of results, {keys}"


def version(as_json: Json = False) -> None:
    """Print the version."""
    from importlib.metadata import version as installed_version

    number = installed_version("tgsh")
    if as_json:
        print_json({"version": number})
    else:
        typer.echo(f"tgsh {number}")


@contextmanager
def announce_stopping() -> Iterator[None]:
    """Print a note on Ctrl-C, as stopping takes a moment."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo("Stopping … (Ctrl-C again to hurry)", err=True)
        raise


def locations(stack: Stack) -> dict[str, Any]:
    """URLs, addresses and folders of a running stack, without any password."""
    import os

    from tgsh.settings import StoreSettings
    from tgsh.store.database import Database
    from tgsh.store.leases import live_workers

    settings = StoreSettings(home=stack.home.path)
    database = Database(settings.database)
    workers = [{"name": worker.name, "devices": list(worker.slots)} for worker in live_workers(database)]
    database.dispose()
    return {
        "dashboard": f"{stack.url}/",
        "url": stack.url,
        "docs": f"{stack.url}/docs",
        "needs_key": stack.needs_key(),
        "workers": workers,
        "redis": f"127.0.0.1:{stack.redis_port}",
        "home": str(stack.home.path),
        "database": database.url.render_as_string(hide_password=True),
        "artifacts": settings.artifacts,
        "data": str(settings.data),
        "logs": str(stack.home.logs),
        "pid": os.getpid(),
        "stop": f"kill {os.getpid()}",
    }


def print_locations(places: dict[str, Any], *, err: bool = False) -> None:
    """Print what `locations` returns as a table; err: on standard error."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    lines = {
        "dashboard": places["dashboard"],
        "API": f"{places['url']} (try it at {places['docs']})",
        "key": "needed: set TGSH_API_KEY; `tgsh keys add NAME` makes one" if places["needs_key"] else "",
        "workers": "; ".join(_worker_text(worker) for worker in places["workers"]) or "none yet",
        "Redis": f"{places['redis']}, with a password of its own",
        "database": places["database"],
        "artifacts": places["artifacts"],
        "datasets": places["data"],
        "logs": places["logs"],
        "stop": f"Ctrl-C, or {places['stop']}",
    }
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for name, value in lines.items():
        if value:
            table.add_row(name, Text(str(value)))
    Console(stderr=err).print(table)


def _worker_text(worker: dict[str, Any]) -> str:
    """The devices of a worker, counted, and its name."""
    from collections import Counter

    devices = Counter(worker["devices"])
    return ", ".join(f"{count} × {name}" for name, count in devices.items()) + f" ({worker['name']})"


def _print_findings(findings: Sequence[Finding]) -> None:
    """Print a line for each finding, and its remedy below it."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, pad_edge=False)
    for style in ("", "bold", ""):
        table.add_column(style=style, overflow="fold")
    for finding in findings:
        verdict = Text(finding.verdict.upper() if finding.verdict == "ok" else finding.verdict)
        verdict.stylize({"ok": "green", "warning": "yellow", "problem": "bold red"}[finding.verdict])
        table.add_row(verdict, finding.subject, Text(finding.detail))
        if finding.remedy:
            table.add_row("", "", Text(f"→ {finding.remedy}"))
    Console().print(table)
