"""Arguments and options that several commands share, and the connection they lead to."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tgsh.cli import completing
from tgsh.errors import NotFound

if TYPE_CHECKING:
    from tgsh.client import Client

ID_LENGTH = 16
SHOWN_CANDIDATES = 8

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

DEFAULT_HOME = Path("tgsh-home")


def connect(url: str | None, timeout: float = 30.0) -> Client:
    """A client of the service that is meant: --url, TGSH_URL, the stack on TGSH_HOME, port 8000."""
    from tgsh.client import Client
    from tgsh.embedded.home import running_url

    home = Path(os.environ.get("TGSH_HOME") or DEFAULT_HOME)
    return Client(url or os.environ.get("TGSH_URL") or running_url(home), timeout=timeout)


def resolve(client: Client, prefix: str) -> str:
    """The id that begins with `prefix`. Raises: NotFound for none and for several, naming them."""
    wanted = prefix.strip().lower()
    if len(wanted) >= ID_LENGTH:
        return wanted
    found = [experiment for experiment in client.experiments() if experiment.id.startswith(wanted)]
    if len(found) == 1:
        return found[0].id
    if not found:
        raise NotFound(f"no experiment's id begins with {prefix!r}; `tgsh list` shows them all")
    lines = [f"{experiment.id}  {experiment.status:9}  {experiment.name}" for experiment in found]
    if len(lines) > SHOWN_CANDIDATES:
        lines[SHOWN_CANDIDATES:] = [f"… and {len(lines) - SHOWN_CANDIDATES} more"]
    raise NotFound("\n  ".join([f"{prefix!r} is the beginning of {len(found)} ids:", *lines]))
