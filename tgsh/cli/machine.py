"""Up, demo, run, doctor, backup, restore, version."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tgsh.cli.errors import report_error
from tgsh.cli.options import DEFAULT_HOME, Home, Json, Spec, Url, Workers
from tgsh.cli.output import message_printer, print_json

if TYPE_CHECKING:
    from tgsh.client import Client
    from tgsh.schemas import Experiment, Similarity
    from tgsh.stack.stack import Stack


def demo(
    home: Home = DEFAULT_HOME,
    workers: Workers = None,
    output: Annotated[
        Path, typer.Option("--output", help="Folder for similarity.png and similarity.csv.")
    ] = Path(),
    as_json: Json = False,
) -> None:
    """Do all of it once, on real digits: start, train 36 rotations, write their similarities, stop."""
    from tgsh.cli.experiments import exit_by_status
    from tgsh.cli.output import follow
    from tgsh.client import Client
    from tgsh.stack.stack import Stack

    say = message_printer(as_json)
    with Stack(home, workers=workers, say=say) as stack:
        _started(stack, say)
        with telling(), Client(stack.url, key=stack.key) as client:
            ended = follow(client, _demo_experiment(client, say))
            exit_by_status(ended, quiet=as_json)
            found = _report(client, ended, output, say)
    say(f"Everything is stopped. To look around: tgsh up --home {home}")
    if as_json:
        print_json(found)


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

    say = message_printer(as_json)
    try:
        with Stack(home, host, port, workers, say=say, allow_no_keys=allow_no_keys) as stack:
            _show(stack, as_json)
            say("Submit something with: tgsh submit demo --watch")
            with telling():
                stack.supervise(report_error)
    except Stopped as stopped:
        say("Everything is stopped.")
        if stopped.number != signal.SIGTERM:  # which is how service managers say thank you
            raise


@contextmanager
def telling() -> Iterator[None]:
    """Says that Ctrl-C was heard: stopping takes a moment."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo("Stopping … (Ctrl-C again to hurry)", err=True)
        raise


def _started(stack: Stack, say: Callable[[str], None]) -> None:
    say(f"Ready, with all data in {stack.home.path}")
    say(f"Dashboard: {stack.url}/ (while it runs)")


def _show(stack: Stack, as_json: bool) -> None:

    (print_json if as_json else print_locations)(locations(stack))


def _demo_experiment(client: Client, say: Callable[[str], None]) -> Experiment:
    """The demo that an earlier, interrupted run left unfinished, else a new one."""
    from tgsh.schemas import TERMINAL
    from tgsh.specs.presets import PRESETS

    digest = PRESETS["demo"].digest()
    for experiment in client.experiments(tag="demo"):
        if experiment.digest == digest and experiment.status not in TERMINAL:
            say(f"Going on with the demo that was stopped at {experiment.progress.fraction:.0%}")
            return experiment
    return client.submit("demo", anew=True)  # it shows that this machine can, each time


def _report(
    client: Client, experiment: Experiment, output: Path, say: Callable[[str], None]
) -> dict[str, Any]:
    """Write the similarities and say what is in them; the same as a document."""
    from tgsh.cli.results import write_whole

    matrix = client.similarity(experiment.id)
    near, total = _with_neighbour(matrix), len(matrix.tasks)
    say(f"The most similar other task is a neighbour (±10°) for {near} of {total} rotations")
    files = [output / f"similarity.{ending}" for ending in ("png", "csv")]
    for path in files:
        write_whole(path, client.fetch(experiment.id, "similarity", format=path.suffix[1:]))
        say(f"Wrote {path}")
    whole = experiment.model_dump(mode="json")
    return {"experiment": whole, "neighbours": near, "tasks": total, "files": [str(path) for path in files]}


def _with_neighbour(matrix: Similarity) -> int:
    """How many tasks have the one before or after, around the circle, as their most similar other task."""
    count = len(matrix.values)
    near = 0
    for row, values in enumerate(matrix.values):
        others = [column for column in range(count) if column != row]
        best = max(others, key=lambda column: values[column], default=row)
        near += (best - row) % count in {1, count - 1}
    return near


def run(
    spec: Spec,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the results.")],
    workers: Workers = None,
    as_json: Json = False,
) -> None:
    """Run an experiment here, with no service at all, and leave its results in a folder."""
    from tgsh.cli.experiments import exit_by_status
    from tgsh.cli.options import read_spec
    from tgsh.cli.output import display

    experiment = read_spec(spec)
    from tgsh.execution import local  # brings torch: only once the spec is known to be good

    with display(experiment.title) as shown:
        ended = local.run(experiment, output, workers, shown.update)
    if as_json:
        print_json(ended)
    exit_by_status(ended, quiet=as_json)
    if not as_json:
        typer.echo(f"Results are in {output}")


def version(as_json: Json = False) -> None:
    """Print the version."""
    from importlib.metadata import version as installed

    found = installed("tgsh")
    if as_json:
        print_json({"version": found})
    else:
        typer.echo(f"tgsh {found}")


if TYPE_CHECKING:
    from tgsh.stack.stack import Stack


def locations(stack: Stack) -> dict[str, Any]:
    """What runs where, without any password."""
    import os

    from sqlalchemy.engine import make_url

    from tgsh.settings import StoreSettings
    from tgsh.store.database import Database
    from tgsh.store.leases import live_workers

    settings = StoreSettings(home=stack.home.path)
    database = Database(settings.database)
    workers = [{"name": found.name, "devices": list(found.slots)} for found in live_workers(database)]
    database.dispose()
    return {
        "dashboard": f"{stack.url}/",
        "url": stack.url,
        "docs": f"{stack.url}/docs",
        "needs_key": stack.needs_key(),
        "workers": workers,
        "redis": f"127.0.0.1:{stack.redis_port}",
        "home": str(stack.home.path),
        "database": make_url(settings.database).render_as_string(hide_password=True),
        "artifacts": settings.artifacts,
        "data": str(settings.data),
        "logs": str(stack.home.logs),
        "pid": os.getpid(),
        "stop": f"kill {os.getpid()}",
    }


def print_locations(found: dict[str, Any], *, err: bool = False) -> None:
    """The same for a person; err: on standard error."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    lines = {
        "dashboard": found["dashboard"],
        "API": f"{found['url']} (try it at {found['docs']})",
        "key": "needed: set TGSH_API_KEY; `tgsh keys add NAME` makes one" if found["needs_key"] else "",
        "workers": "; ".join(_worker(worker) for worker in found["workers"]) or "none yet",
        "Redis": f"{found['redis']}, with a password of its own",
        "database": found["database"],
        "artifacts": found["artifacts"],
        "datasets": found["data"],
        "logs": found["logs"],
        "stop": f"Ctrl-C, or {found['stop']}",
    }
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for name, value in lines.items():
        if value:
            table.add_row(name, Text(str(value)))
    Console(stderr=err).print(table)


def _worker(worker: dict[str, Any]) -> str:
    """Its devices, counted."""
    from collections import Counter

    devices = Counter(worker["devices"])
    return ", ".join(f"{count} × {name}" for name, count in devices.items()) + f" ({worker['name']})"


if TYPE_CHECKING:
    from tgsh.doctor.services import Finding


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

    from tgsh.doctor.report import examine
    from tgsh.settings import StoreSettings

    findings = examine(StoreSettings(home=home), url or os.environ.get("TGSH_URL"), port)
    wrong = sum(finding.verdict == "problem" for finding in findings)
    if as_json:
        import json
        from dataclasses import asdict

        typer.echo(json.dumps({"ok": not wrong, "findings": [asdict(found) for found in findings]}, indent=2))
    else:
        _print(findings)
    if wrong:
        raise typer.Exit(1)


def _print(findings: Sequence[Finding]) -> None:
    """One line each, and below it what to do."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, pad_edge=False)
    for style in ("", "bold", ""):
        table.add_column(style=style, overflow="fold")
    for found in findings:
        verdict = Text(found.verdict.upper() if found.verdict == "ok" else found.verdict)
        verdict.stylize({"ok": "green", "warning": "yellow", "problem": "bold red"}[found.verdict])
        table.add_row(verdict, found.subject, Text(found.detail))
        if found.remedy:
            table.add_row("", "", Text(f"→ {found.remedy}"))
    Console().print(table)


File = Annotated[Path, typer.Argument(metavar="FILE", help="A .tar file.")]


def backup(file: File, home: Home = DEFAULT_HOME, as_json: Json = False) -> None:
    """Copy database and results to one file, while everything runs."""
    from tgsh.settings import StoreSettings
    from tgsh.store import backup
    from tgsh.store.artifacts import Artifacts
    from tgsh.store.database import Database

    settings = StoreSettings(home=home)
    database = Database(settings.database)
    saved = backup.backup(database, Artifacts(settings.artifacts), file)
    database.dispose()
    for key in saved.damaged:
        report_error(f"left out, as it is damaged: {key} (resume its experiment to compute it again)")
    if as_json:
        print_json({"file": file, **asdict(saved)})
    else:
        typer.echo(f"Wrote {file}: {saved.experiments} experiments, {saved.files} files of results")
    if saved.damaged:
        raise typer.Exit(1)


def restore(file: File, home: Home = DEFAULT_HOME, as_json: Json = False) -> None:
    """Make a new home of such a file; then: tgsh up --home HOME."""
    from tgsh.store import backup

    saved = backup.restore(file, home)
    if as_json:
        print_json({"home": home, **asdict(saved)})
    else:
        typer.echo(f"Made {home}: {saved.experiments} experiments, {saved.files} files of results")
