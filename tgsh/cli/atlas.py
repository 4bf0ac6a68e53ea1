"""Commands `tgsh bases` and `tgsh nearest`: what was learned on a random base, across experiments."""

from __future__ import annotations

from itertools import islice
from typing import Annotated

import typer

from tgsh.cli.options import Id, Json, Url, connect
from tgsh.cli.output import print_json, print_warnings


def bases(
    limit: Annotated[int, typer.Option(min=1, help="Show at most this many.")] = 50,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """List random bases: contexts are comparable on one base only."""
    with connect(url) as client:
        found = list(islice(client.bases(), limit + 1))
    if as_json:
        print_json([each.model_dump(mode="json") for each in found[:limit]])
        return
    if not found:
        typer.echo("No random base yet: there is one as soon as an experiment is submitted")
        return
    from tgsh.cli.atlas_tables import print_bases

    print_bases(found[:limit])
    if len(found) > limit:
        typer.echo(f"The {limit} used last; --limit shows more", err=True)


def nearest(
    experiment_id: Id,
    task: Annotated[int, typer.Argument(metavar="TASK", min=0, help="The task's index, from 0.")],
    count: Annotated[int, typer.Option("--count", "-n", min=1, max=100, help="How many tasks.")] = 20,
    other: Annotated[bool, typer.Option("--other", help="Leave out the task's own experiment.")] = False,
    dataset: Annotated[str | None, typer.Option(help="Experiments on this dataset only.")] = None,
    suite: Annotated[str | None, typer.Option(help="Experiments with this suite only.")] = None,
    owner: Annotated[str | None, typer.Option(help="Experiments of this key only.")] = None,
    project: Annotated[str | None, typer.Option(help="Experiments of this project only.")] = None,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Show what a task is most like, among all tasks that were learned on its random base."""
    with connect(url) as client:
        found = client.atlas_nearest(
            experiment_id,
            task,
            count,
            other=other,
            dataset=dataset,
            suite=suite,
            owner=owner,
            project=project,
        )
    if as_json:
        print_json(found)
        return
    from tgsh.cli.atlas_tables import print_nearest

    print_nearest(found)
    print_warnings(
        f"{gap.tasks:,} tasks{f' of {gap.experiment}' if gap.experiment else ''} are left out: {gap.reason}"
        for gap in found.left_out
    )
