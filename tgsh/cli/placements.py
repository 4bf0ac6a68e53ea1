"""Command `tgsh place`: where new images fall among the tasks of an experiment."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tgsh.cli.errors import FAILED
from tgsh.cli.options import Id, Json, Url, connect
from tgsh.cli.output import print_json, print_warnings
from tgsh.errors import InvalidSpec
from tgsh.task_names import told_apart

if TYPE_CHECKING:
    from tgsh.schemas import Placement

SHOWN = 10
"""Tasks of the ranking that are printed."""


def place(
    experiment: Id,
    source: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE|FOLDER",
            help="Labelled images: a folder of class folders, or a zip, tar, npz, parquet, ... of them.",
        ),
    ] = None,
    dataset: Annotated[
        str | None, typer.Option(help="A dataset in place of a file: its name, or an uploaded one's id.")
    ] = None,
    classes: Annotated[
        str,
        typer.Option(
            help='Which class is taken for which: names, nearest (by their images), or {"oak": "3", ...}.'
        ),
    ] = "names",
    train_limit: Annotated[
        int | None, typer.Option(help="Images that a replicate learns from, at most; default: 200.")
    ] = None,
    replicates: Annotated[int | None, typer.Option(help="Contexts that are learned; default: 5.")] = None,
    seed: Annotated[int | None, typer.Option(help="Decides draws and starts; default: 0.")] = None,
    name: Annotated[str | None, typer.Option(help="What to call it; default: the file's name.")] = None,
    size: Annotated[str | None, typer.Option(help="Resize the images to HEIGHTxWIDTH.")] = None,
    channels: Annotated[int | None, typer.Option(help="Make them grey (1) or colour (3).")] = None,
    fit: Annotated[str | None, typer.Option(help="To get another size: squash, crop or pad.")] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Draw the ranking into this .png, .svg or .pdf; .csv, .npy too."),
    ] = None,
    draw_map: Annotated[
        Path | None, typer.Option("--map", help="Draw the map of the tasks with the new point in it.")
    ] = None,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Tell which task of a completed experiment new images are like, and whether they are like any."""
    from tgsh.cli.datasets import parse_size

    with connect(url) as client:
        placement = client.place(
            experiment,
            source,
            dataset=dataset,
            classes=_parse_classes(classes),
            train_limit=train_limit,
            replicates=replicates,
            seed=seed,
            name=name,
            size=parse_size(size),
            channels=channels,
            fit=fit,
        )
        here = placement.experiment_id, placement.id
        if placement.status == "completed":
            for path, of in ((output, ""), (draw_map, "map")):
                if path is not None:
                    format = path.suffix.removeprefix(".") or "png"
                    path.write_bytes(client.placement_file(*here, format, of))
    if as_json:
        print_json(placement)
    else:
        _print(placement)
    if placement.status == "failed":
        raise typer.Exit(FAILED)


def _parse_classes(text: str) -> str | dict[str, str]:
    if not text.lstrip().startswith("{"):
        return text
    try:
        parsed: dict[str, str] = json.loads(text)
    except ValueError as error:
        raise InvalidSpec("--classes", f"is no JSON: {error}") from error
    return parsed


def _print(placement: Placement) -> None:
    """Print the sentence, what follows from it, and the ranking."""
    from rich.console import Console

    from tgsh.cli.tables import Column, print_table

    if placement.status == "failed":
        typer.echo(f"The placement failed: {placement.reason}", err=True)
        return
    print_warnings(placement.warnings)
    typer.echo(placement.sentence)
    typer.echo("")
    columns = Column("task"), Column("cosine"), Column("95 % interval")
    rows = []
    names = told_apart([row.label for row in placement.tasks], [row.task for row in placement.tasks])
    for name, row in zip(names[:SHOWN], placement.tasks, strict=False):
        ends = "" if row.low is None or row.high is None else f"{row.low:.2f} to {row.high:.2f}"
        rows.append((name, f"{row.similarity:.2f}", ends))
    print_table(Console(), columns, rows)
    if (more := len(placement.tasks) - SHOWN) > 0:
        typer.echo(f"and {more} more")
    if placement.interval_reason:
        typer.echo(f"There are no intervals: {placement.interval_reason}.")
    typer.echo(
        f"{placement.images:,} images, {placement.images_drawn:,} a replicate, "
        f"{placement.replicates} replicate{'s' if placement.replicates > 1 else ''}; "
        f"page: /dashboard/experiments/{placement.experiment_id}/placements"
    )
