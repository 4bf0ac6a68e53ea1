"""The command `watch`: progress of experiments and studies to their end, and what is to be done then."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from tgsh.cli.errors import WorkFailed
from tgsh.cli.options import Json, Url, complete_experiments, connect
from tgsh.cli.output import follow, follow_study, print_json

if TYPE_CHECKING:
    from tgsh.client import Client
    from tgsh.client.results import Study
    from tgsh.schemas import Experiment

Then = Annotated[
    str | None,
    typer.Option(
        metavar="COMMAND",
        help="Run by the shell when all have ended, however; it finds their ids in TGSH_EXPERIMENT and "
        "TGSH_STUDY, and how they ended in TGSH_STATUS.",
    ),
]

WORST_FIRST = ("failed", "cancelled", "completed")


def watch(
    references: Annotated[
        list[str],
        typer.Argument(
            metavar="ID",
            help="Experiments or studies: their ids, or the beginnings of them.",
            autocompletion=complete_experiments,
        ),
    ],
    then: Then = None,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Show the progress of experiments and studies to their end, and run a command then (--then)."""
    with connect(url) as client:
        found = [client.experiment_or_study_id(each) for each in references]
        ended = [_follow(client, kind, id) for kind, id in found]
    if as_json:
        documents = [each.model_dump(mode="json") for each in ended]
        print_json(documents if len(documents) > 1 else documents[0])
    failed = [each for each in ended if each.status != "completed"]
    if not as_json:
        for each in ended:
            if each not in failed:
                typer.echo(_summary(each))
    status = 0 if then is None else run_then(then, ended)
    if failed:
        raise WorkFailed("\n".join(_summary(each) for each in failed))
    if status:
        raise WorkFailed(f"the command of --then ended with exit status {status}")


def run_then(command: str, ended: Sequence[Experiment | Study]) -> int:
    """Run the command of --then.

    Parameters
    ----------
    command : str
        Line for the shell.
    ended : Sequence[Experiment | Study]
        What has ended.

    Returns
    -------
    int
        Its exit status, which is also told.
    """
    from tgsh.client.results import Study

    studies = [each.id for each in ended if isinstance(each, Study)]
    experiments = [each.id for each in ended if not isinstance(each, Study)]
    status = next(word for word in WORST_FIRST if any(each.status == word for each in ended))
    environment = {
        "TGSH_EXPERIMENT": " ".join(experiments),
        "TGSH_STUDY": " ".join(studies),
        "TGSH_STATUS": status,
    }
    # the user's own line, for the user's own shell
    done = subprocess.run(command, shell=True, env=os.environ | environment, check=False)
    typer.echo(f"--then: exit status {done.returncode}", err=True)
    return done.returncode


def _follow(client: Client, kind: str, id: str) -> Experiment | Study:
    try:
        if kind == "study":
            return follow_study(client, client.get_study(id))
        return follow(client, client.get(id))
    except KeyboardInterrupt:
        typer.echo(f"The {kind} goes on; watch it again with: tgsh watch {id[:6]}", err=True)
        raise


def _summary(ended: Experiment | Study) -> str:
    """The end of one in a line."""
    if ended.status != "completed":
        return f"{ended.id} {ended.status}" + (f": {ended.reason}" if ended.reason else "")
    accuracy = getattr(ended, "mean_accuracy", None)
    return f"{ended.id} completed" + ("" if accuracy is None else f". Mean test accuracy {accuracy:.3f}")
