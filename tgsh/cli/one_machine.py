"""`tgsh demo` and `tgsh up`: Redis, the API and the workers on this machine."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tgsh.cli.connecting import DEFAULT_HOME
from tgsh.cli.documents import print_json, sayer
from tgsh.cli.failing import complain
from tgsh.cli.options import Home, Json, Workers

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
    as_json: Json = False,
) -> None:
    """Do all of it once, on real digits: start, train 36 rotations, write their similarities, stop."""
    from tgsh.cli.experiments import conclude
    from tgsh.cli.progress import follow
    from tgsh.client import Client
    from tgsh.embedded.stack import Stack

    say = sayer(as_json)
    with Stack(home, workers=workers, say=say) as stack:
        _started(stack, say)
        with telling(), Client(stack.url, key=stack.key) as client:
            ended = follow(client, _demo_experiment(client, say))
            conclude(ended, quiet=as_json)
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
    from tgsh.embedded.signals import Stopped
    from tgsh.embedded.stack import Stack

    say = sayer(as_json)
    try:
        with Stack(home, host, port, workers, say=say, allow_no_keys=allow_no_keys) as stack:
            _show(stack, as_json)
            say("Submit something with: tgsh submit demo --watch")
            with telling():
                stack.supervise(complain)
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
    from tgsh.cli.whereabouts import print_whereabouts, whereabouts

    (print_json if as_json else print_whereabouts)(whereabouts(stack))


def _demo_experiment(client: Client, say: Callable[[str], None]) -> Experiment:
    """The demo that an earlier, interrupted run left unfinished, else a new one."""
    from tgsh.presets import PRESETS
    from tgsh.schemas import TERMINAL

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
    from tgsh.cli.fetching import write_whole

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
