"""Commands that need no service: `tgsh run`, `tgsh version`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tgsh.cli.documents import print_json
from tgsh.cli.options import Json, Spec, Workers


def run(
    spec: Spec,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the results.")],
    workers: Workers = None,
    as_json: Json = False,
) -> None:
    """Run an experiment here, with no service at all, and leave its results in a folder."""
    from tgsh.cli.experiments import conclude
    from tgsh.cli.progress import display
    from tgsh.cli.spec_source import read_spec

    experiment = read_spec(spec)
    from tgsh import local  # brings torch: only once the spec is known to be good

    with display(experiment.title) as shown:
        ended = local.run(experiment, output, workers, shown.update)
    if as_json:
        print_json(ended)
    conclude(ended, quiet=as_json)
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
