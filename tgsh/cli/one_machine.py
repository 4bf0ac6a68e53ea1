"""`tgsh demo` and `tgsh up`: Redis, the API and the workers on this machine."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tgsh.cli.failing import complain
from tgsh.cli.options import DEFAULT_HOME, Home, Workers

if TYPE_CHECKING:
    from tgsh.client import Client
    from tgsh.embedded.stack import Stack
    from tgsh.schemas import Experiment, Similarity


def demo(
    home: Home = DEFAULT_HOME,
    workers: Workers = None,
    output: Annotated[
        Path, typer.Option("--output", help="Folder for similarity.png and similarity.csv.")
    ] = Path(),
) -> None:
    """Do all of it once, on real digits: start, train 36 rotations, write their similarities, stop."""
    from tgsh.cli.experiments import conclude
    from tgsh.cli.progress import follow
    from tgsh.client import Client
    from tgsh.embedded.stack import Stack

    with Stack(home, workers=workers, say=typer.echo) as stack:
        _started(stack)
        with telling(), Client(stack.url, key=stack.key) as client:
            ended = follow(client, _demo_experiment(client))
            conclude(ended)
            _report(client, ended, output)
    typer.echo(f"Everything is stopped. To look around: tgsh up --home {home}")


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
) -> None:
    """Start Redis, the API and the workers, look after them, and stay until Ctrl-C."""
    from tgsh.embedded.signals import Stopped
    from tgsh.embedded.stack import Stack

    try:
        with Stack(home, host, port, workers, say=typer.echo, allow_no_keys=allow_no_keys) as stack:
            _started(stack)
            typer.echo("Submit something with: tgsh submit demo --watch. Stop with Ctrl-C.")
            with telling():
                stack.supervise(complain)
    except Stopped as stopped:
        typer.echo("Everything is stopped.")
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


def _started(stack: Stack) -> None:
    typer.echo(f"Ready, with all data in {stack.home.path}")
    typer.echo(f"API: {stack.url} (try it at {stack.url}/docs)")
    if stack.needs_key():
        typer.echo("It asks for a key: set TGSH_API_KEY. `tgsh keys add NAME` makes one.")


def _demo_experiment(client: Client) -> Experiment:
    """The demo that an earlier, interrupted run left unfinished, else a new one."""
    from tgsh.presets import PRESETS
    from tgsh.schemas import TERMINAL

    digest = PRESETS["demo"].digest()
    for experiment in client.experiments(tag="demo"):
        if experiment.digest == digest and experiment.status not in TERMINAL:
            typer.echo(f"Going on with the demo that was stopped at {experiment.progress.fraction:.0%}")
            return experiment
    return client.submit("demo", anew=True)  # it shows that this machine can, each time


def _report(client: Client, experiment: Experiment, output: Path) -> None:
    from tgsh.cli.fetching import write_whole

    matrix = client.similarity(experiment.id)
    near, total = _with_neighbour(matrix), len(matrix.tasks)
    typer.echo(f"The most similar other task is a neighbour (±10°) for {near} of {total} rotations")
    for ending in ("png", "csv"):
        path = output / f"similarity.{ending}"
        write_whole(path, client.fetch(experiment.id, "similarity", format=ending))
        typer.echo(f"Wrote {path}")


def _with_neighbour(matrix: Similarity) -> int:
    """How many tasks have the one before or after, around the circle, as their most similar other task."""
    count = len(matrix.values)
    near = 0
    for row, values in enumerate(matrix.values):
        others = [column for column in range(count) if column != row]
        best = max(others, key=lambda column: values[column], default=row)
        near += (best - row) % count in {1, count - 1}
    return near
