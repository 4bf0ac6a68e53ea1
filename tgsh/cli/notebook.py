"""Commands on the notebook: edit, history, share, delete, deleted, undelete."""

from __future__ import annotations

from typing import Annotated

import typer

from tgsh.cli.errors import FAILED
from tgsh.cli.options import Id, Json, Url, connect
from tgsh.cli.output import print_json


def edit(
    experiment_id: Id,
    name: Annotated[str | None, typer.Option(help="Its name.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="Has this tag from now on; may be repeated.")] = None,
    untag: Annotated[list[str] | None, typer.Option(help="Has it no longer; may be repeated.")] = None,
    notes: Annotated[str | None, typer.Option(help='Markdown; "" removes them, - reads them.')] = None,
    project: Annotated[str | None, typer.Option(help='What it belongs to; "" takes it out.')] = None,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Change the name, tags, notes or project of an experiment."""
    import sys

    if notes == "-":
        notes = sys.stdin.read()
    with connect(url) as client:
        experiment = client.get(experiment_id)
        tags = None
        if tag or untag:
            kept = [each for each in experiment.spec.tags if each not in (untag or ())]
            tags = [*kept, *(each for each in tag or () if each not in kept)]
        if all(value is None for value in (name, tags, notes, project)):
            raise typer.BadParameter("give --name, --tag, --untag, --notes or --project")
        experiment = client.update(experiment.id, name=name, tags=tags, notes=notes, project=project)
    if as_json:
        print_json(experiment)
        return
    said = [f"“{experiment.name}”"]
    if experiment.project:
        said.append(f"project {experiment.project}")
    if experiment.spec.tags:
        said.append(f"tags {', '.join(experiment.spec.tags)}")
    typer.echo(f"{experiment.id} is now {', '.join(said)}")


def history(experiment_id: Id, as_json: Json = False, url: Url = None) -> None:
    """Show who changed what is said of an experiment."""
    with connect(url) as client:
        changes = client.history(experiment_id)
    if as_json:
        print_json([change.model_dump(mode="json") for change in changes])
    elif not changes:
        typer.echo("Nothing was changed since it was submitted.")
    for change in [] if as_json else changes:
        who = f" by {change.changed_by}" if change.changed_by else ""
        typer.echo(
            f"{change.changed_at.astimezone():%Y-%m-%d %H:%M}{who}: {change.field} "
            f"from {_shown(change.before)} to {_shown(change.after)}"
        )


def share(
    experiment_id: Id,
    off: Annotated[bool, typer.Option("--off", help="Let its owner alone see it again.")] = False,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Let everybody with a key see an experiment."""
    with connect(url) as client:
        experiment = client.share(experiment_id, not off)
    if as_json:
        print_json(experiment)
        return
    typer.echo(f"{experiment.id} is seen by " + ("its owner alone" if off else "everybody with a key"))


def delete(
    experiment_id: Id,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    forever: Annotated[bool, typer.Option("--forever", help="At once: nothing brings it back.")] = False,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Delete an experiment and all its results; for seven days `tgsh undelete` brings it back."""
    with connect(url) as client:
        experiment = client.get(experiment_id)
        lasts = " for ever" if forever else ""
        question = f"Delete {experiment.id} ({experiment.name}) and its results{lasts}?"
        if not yes and not typer.confirm(question, err=True):
            raise typer.Exit(FAILED)
        client.delete(experiment.id, forever=forever)
    if as_json:
        print_json({"id": experiment.id, "deleted": True, "forever": forever})
        return
    back = "" if forever else f"; tgsh undelete {experiment.id} brings it back within seven days"
    typer.echo(f"Deleted {experiment.id}{back}")


def deleted(as_json: Json = False, url: Url = None) -> None:
    """List deleted experiments that can be brought back."""
    with connect(url) as client:
        found = list(client.deleted())
    if as_json:
        print_json([each.model_dump(mode="json") for each in found])
    elif not found:
        typer.echo("Nothing was deleted within seven days.")
    for each in [] if as_json else found:
        typer.echo(
            f"{each.id}  {each.name}, {each.tasks} tasks, deleted "
            f"{each.deleted_at.astimezone():%Y-%m-%d %H:%M}, kept until "
            f"{each.kept_until.astimezone():%Y-%m-%d}"
        )


def undelete(
    experiment_id: Annotated[str, typer.Argument(metavar="ID", help="As `tgsh deleted` lists it.")],
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Bring a deleted experiment back, with all its results."""
    with connect(url) as client:
        if len(experiment_id) < 16:
            fitting = [each.id for each in client.deleted() if each.id.startswith(experiment_id)]
            if len(fitting) == 1:
                [experiment_id] = fitting
        experiment = client.undelete(experiment_id)
    if as_json:
        print_json(experiment)
        return
    typer.echo(f"{experiment.id} is back: {experiment.name}, {experiment.status}")


def _shown(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "nothing"
    return "nothing" if value in (None, "") else f"{value}"
