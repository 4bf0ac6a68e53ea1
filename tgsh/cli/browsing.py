"""`tgsh open`: an experiment's page in a browser."""

from __future__ import annotations

from typing import Annotated

import typer

from tgsh.cli.completing import experiments
from tgsh.cli.connecting import connect, resolve
from tgsh.cli.documents import print_json
from tgsh.cli.options import Json, Url


def open_(
    experiment_id: Annotated[
        str | None,
        typer.Argument(
            metavar="[ID]",
            help="The experiment's id, or the beginning of it; default: the dashboard.",
            autocompletion=experiments,
        ),
    ] = None,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Open the dashboard, or an experiment's page, in a browser; where there is none, print its URL."""
    import webbrowser

    with connect(url) as client:
        page = f"{client.url}/"
        if experiment_id is None:
            client.ready()  # a page that nobody serves need not be opened
        else:
            page = client.get(resolve(client, experiment_id)).url
    opened = webbrowser.open(page)
    if as_json:
        print_json({"url": page, "opened": opened})
    else:
        typer.echo(page)
