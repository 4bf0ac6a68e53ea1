"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tgsh.cli import completing

Url = Annotated[
    str | None, typer.Option("--url", help="The service; default: TGSH_URL, a running `tgsh up`, port 8000.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document for programs.")]
Id = Annotated[
    str,
    typer.Argument(
        metavar="ID",
        help="The experiment's id, or the beginning of it.",
        autocompletion=completing.experiments,
    ),
]
Spec = Annotated[
    str,
    typer.Argument(
        metavar="SPEC|PRESET",
        help="A .json file, - for standard input, or a preset's name.",
        autocompletion=completing.specs,
    ),
]
Home = Annotated[
    Path, typer.Option("--home", envvar="TGSH_HOME", help="Folder of database, results and logs.")
]
Workers = Annotated[
    int | None, typer.Option("--workers", min=1, help="Worker processes; default: one a core or GPU.")
]
