"""`tgsh backup` and `tgsh restore`: everything in one file, and back."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from tgsh.cli.connecting import DEFAULT_HOME
from tgsh.cli.documents import print_json
from tgsh.cli.failing import complain
from tgsh.cli.options import Home, Json

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
        complain(f"left out, as it is damaged: {key} (resume its experiment to compute it again)")
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
