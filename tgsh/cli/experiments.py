"""Commands about experiments: submit, watch, list, show, cancel, resume, delete; and the catalog."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tgsh.cli.connecting import connect, resolve
from tgsh.cli.documents import print_json
from tgsh.cli.failing import FAILED, WorkFailed
from tgsh.cli.options import Id, Json, Spec, Url

if TYPE_CHECKING:
    from tgsh.client import Client
    from tgsh.schemas import Experiment


def submit(
    spec: Spec,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Stay and show progress to the end.")] = False,
    shared: Annotated[bool, typer.Option("--shared", help="Let everybody with a key see it.")] = False,
    anew: Annotated[bool, typer.Option("--anew", help="Train it though it was computed before.")] = False,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Submit an experiment: a spec file, - for standard input, or a preset."""
    from tgsh.cli.spec_source import read_body

    body = read_body(spec)
    with connect(url) as client:
        experiment = client.submit(body, shared=shared or None, anew=anew)
        if experiment.stored_answer:
            typer.echo(_already(experiment), err=as_json)
        elif watch:
            typer.echo(f"Submitted {experiment.id}", err=as_json)
        if watch:
            _watch(client, experiment, as_json)
        elif as_json:
            print_json(experiment)
        elif not experiment.stored_answer:
            tasks = experiment.progress.tasks_total
            typer.echo(f"Submitted {experiment.id}: {experiment.spec.title}, {tasks} tasks")
            typer.echo(f"Follow it with: tgsh watch {experiment.id[:6]}, or tgsh open {experiment.id[:6]}")


def _already(experiment: Experiment) -> str:
    ended = experiment.timings.finished_at
    when = f" on {ended.astimezone():%Y-%m-%d at %H:%M}" if ended else ""
    return f"Already computed{when} as {experiment.id}; --anew trains it again"


def watch(experiment_id: Id, as_json: Json = False, url: Url = None) -> None:
    """Show the progress of an experiment to its end."""
    with connect(url) as client:
        _watch(client, client.get(resolve(client, experiment_id)), as_json)


def list_(
    status: Annotated[
        str | None, typer.Option(help="queued, running, completed, failed or cancelled.")
    ] = None,
    suite: Annotated[str | None, typer.Option(help="Such as rotation.")] = None,
    dataset: Annotated[str | None, typer.Option(help="Such as mnist.")] = None,
    tag: Annotated[str | None, typer.Option(help="Has this tag.")] = None,
    q: Annotated[str | None, typer.Option("--search", "-q", help="Looked for in the name.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Show at most this many.")] = 50,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """List experiments, newest first."""
    from itertools import islice

    from tgsh.cli.tables import print_experiments

    with connect(url) as client:
        filters = {"status": status, "suite": suite, "dataset": dataset, "tag": tag, "q": q}
        every = client.experiments(**filters)  # type: ignore[arg-type]  # the service judges the status
        found = list(islice(every, limit + 1))
    if as_json:
        print_json([experiment.model_dump(mode="json") for experiment in found[:limit]])
    elif found:
        print_experiments(found[:limit])
        if len(found) > limit:
            typer.echo(f"There are more: --limit {limit * 2}", err=True)
    elif any(filters.values()):
        typer.echo("No experiment fits. Without filters, `tgsh list` shows them all.")
    else:
        typer.echo("No experiments yet. Submit the first one with: tgsh submit demo --watch")


def show(experiment_id: Id, as_json: Json = False, url: Url = None) -> None:
    """Show an experiment and its tasks."""
    from tgsh.cli.tables import print_experiment

    with connect(url) as client:
        experiment = client.get(resolve(client, experiment_id))
        if as_json:
            print_json(experiment)
        else:
            print_experiment(experiment, client.tasks(experiment.id))


def cancel(experiment_id: Id, as_json: Json = False, url: Url = None) -> None:
    """Cancel an experiment; what was learned is kept."""
    with connect(url) as client:
        experiment = client.cancel(resolve(client, experiment_id))
    if as_json:
        print_json(experiment)
        return
    typer.echo(f"Cancelling {experiment.id}. Go on with it any time: tgsh resume {experiment.id[:6]}")


def resume(experiment_id: Id, as_json: Json = False, url: Url = None) -> None:
    """Train what is missing of a failed or cancelled experiment."""
    with connect(url) as client:
        experiment = client.resume(resolve(client, experiment_id))
    if as_json:
        print_json(experiment)
        return
    typer.echo(f"Resumed {experiment.id}. Follow it with: tgsh watch {experiment.id[:6]}")


def share(
    experiment_id: Id,
    off: Annotated[bool, typer.Option("--off", help="Let its owner alone see it again.")] = False,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Let everybody with a key see an experiment."""
    with connect(url) as client:
        experiment = client.share(resolve(client, experiment_id), not off)
    if as_json:
        print_json(experiment)
        return
    typer.echo(f"{experiment.id} is seen by " + ("its owner alone" if off else "everybody with a key"))


def delete(
    experiment_id: Id,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Delete an experiment and all its results."""
    with connect(url) as client:
        experiment = client.get(resolve(client, experiment_id))
        question = f"Delete {experiment.id} ({experiment.spec.title}) and its results?"
        if not yes and not typer.confirm(question, err=True):
            raise typer.Exit(FAILED)
        client.delete(experiment.id)
    if as_json:
        print_json({"id": experiment.id, "deleted": True})
        return
    typer.echo(f"Deleted {experiment.id}")


def catalog(as_json: Json = False, url: Url = None) -> None:
    """Show what can be asked for: datasets, suites, networks, presets."""
    from tgsh.cli.tables import print_catalog

    with connect(url) as client:
        entries = client.catalog()
    if as_json:
        print_json(entries)
    else:
        print_catalog(entries)


def _watch(client: Client, experiment: Experiment, as_json: bool) -> None:
    from tgsh.cli.progress import follow

    try:
        ended = follow(client, experiment)
    except KeyboardInterrupt:
        typer.echo(f"The experiment goes on; watch it again with: tgsh watch {experiment.id[:6]}", err=True)
        raise
    if as_json:
        print_json(ended)
    conclude(ended, quiet=as_json)


def conclude(ended: Experiment, quiet: bool = False) -> None:
    """Say how an experiment ended. Raises: WorkFailed unless it was completed."""
    if ended.status != "completed":
        raise WorkFailed(f"{ended.id} {ended.status}" + (f": {ended.reason}" if ended.reason else ""))
    if not quiet:
        accuracy = "" if ended.mean_accuracy is None else f"Mean test accuracy {ended.mean_accuracy:.3f}"
        typer.echo(accuracy or f"{ended.id} completed")
