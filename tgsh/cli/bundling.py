"""`tgsh bundle` and `tgsh replay`: an experiment in one file, and the same bytes out of it again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tgsh.cli.connecting import connect, resolve
from tgsh.cli.documents import print_json
from tgsh.cli.failing import FAILED, complain
from tgsh.cli.options import Id, Json, Url, Workers
from tgsh.errors import InvalidSpec

if TYPE_CHECKING:
    from tgsh.replay import Replayed

SHOWN = 8
"""Tasks that are told of; there may be 10,000."""

File = Annotated[Path, typer.Argument(metavar="BUNDLE", help="A .zip file, by `tgsh bundle`.")]


def bundle(
    experiment_id: Id,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file to write; default: tgsh-ID.zip.")
    ] = None,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Write an experiment with all its results to one file, which `tgsh replay` checks."""
    with connect(url) as client:
        found = resolve(client, experiment_id)
        target = output or Path(f"tgsh-{found}.zip")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            path = client.bundle(found, target)
        except OSError as error:
            raise InvalidSpec(str(target), f"cannot be written: {error.strerror}") from error
    size = path.stat().st_size
    if as_json:
        print_json({"file": path, "bytes": size})
    else:
        typer.echo(f"{path} ({size:,} bytes). Train it again any time: tgsh replay {path}")


def replay(
    file: File,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="An empty folder for the results; default: they are not kept."),
    ] = None,
    home: Annotated[
        Path | None, typer.Option("--home", help="Where datasets are, below data/; default: TGSH_HOME.")
    ] = None,
    workers: Workers = None,
    as_json: Json = False,
) -> None:
    """Check a bundle's hashes, train it anew in this shell, and compare all vectors byte by byte.

    Exit status 0: the same bytes. 1: others, or it could not be trained. 2: the file cannot be trusted.
    """
    import os

    from tgsh.bundles.reading import read
    from tgsh.cli.experiments import conclude
    from tgsh.cli.progress import display

    found = read(file)
    from tgsh.replay import replay  # brings torch: only once the file is known to be whole

    if home is not None:
        os.environ["TGSH_HOME"] = str(home)
    with _folder(output) as folder, display(found.spec.title) as shown:
        ended, replayed = replay(found, folder, workers, shown.update)
    if replayed is None:
        conclude(ended)
        return
    if as_json:
        print_json(replayed)
    else:
        _print(replayed)
    if not replayed.same:
        raise typer.Exit(FAILED)


@contextmanager
def _folder(output: Path | None) -> Iterator[Path]:
    import tempfile

    if output is not None:
        yield output
        return
    with tempfile.TemporaryDirectory(prefix="tgsh-replay-") as name:
        yield Path(name)


def _print(replayed: Replayed) -> None:
    what = f"vectors of {replayed.tasks} tasks, before training and after each of {replayed.epochs} epoch(s)"
    if replayed.same:
        typer.echo(f"The same bytes: {what}")
    else:
        complain(f"Other bytes: {what}")
        for task in replayed.others[:SHOWN]:
            where = f"task {task.index} ({task.label})"
            typer.echo(f"  {where}: from epoch {task.epoch} on, by {task.largest:.2g} at most")
        if len(replayed.others) > SHOWN:
            typer.echo(f"  … and {len(replayed.others) - SHOWN} more tasks")
        typer.echo(_why(replayed))
    for name, difference in replayed.differs.items():
        if name == "images":
            typer.echo("  images: their SHA-256 are others, or were not recorded")
        else:
            typer.echo(f"  {name}: {_told(difference.bundle)} in the bundle, {_told(difference.here)} here")


def _why(replayed: Replayed) -> str:
    if replayed.differs:
        return "Bytes depend on these, which are not the same here:"
    return (
        "Versions, compute path, machine and images are those of the bundle, so its vectors are not what its "
        "spec gives: they were changed, or trained with other code"
    )


def _told(value: object) -> str:
    if isinstance(value, list):
        return "; ".join(map(str, value)) or "none"
    return "none" if value is None else str(value)
