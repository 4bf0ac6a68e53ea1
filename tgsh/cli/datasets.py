"""Command group `tgsh datasets`: uploaded datasets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tgsh.cli.errors import FAILED
from tgsh.cli.options import Json, Url, connect
from tgsh.cli.output import print_json, print_warnings
from tgsh.errors import InvalidSpec

if TYPE_CHECKING:
    from tgsh.schemas import Dataset

app = typer.Typer(no_args_is_help=True, help="Images of your own: an .npz, or a .zip of class folders.")

DatasetId = Annotated[
    str, typer.Argument(metavar="ID", help="The dataset's id, the beginning of it, or its name.")
]


@app.command()
def add(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An .npz with x and y, or a .zip of folders.")],
    name: Annotated[str | None, typer.Option(help="What to call it; default: the file's name.")] = None,
    size: Annotated[str | None, typer.Option(help="Resize a zip's images to HEIGHTxWIDTH.")] = None,
    channels: Annotated[int | None, typer.Option(help="Make them grey (1) or colour (3).")] = None,
    shared: Annotated[bool, typer.Option("--shared", help="Let everybody with a key see it.")] = False,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Upload a dataset."""
    with connect(url) as client:
        added = client.upload(
            file, name=name, size=_parse_size(size), channels=channels, shared=shared or None
        )
    if added.report is not None:
        print_warnings(added.report.sentences)
    if as_json:
        print_json(added)
        return
    typer.echo(
        f"{added.id}: {added.name}, {added.images:,} images of {_size_text(added)}, {added.classes} classes"
    )
    typer.echo(f'Use it in a spec: {{"dataset": {{"id": "{added.id}"}}, "suite": {{"kind": "rotation"}}}}')


@app.command("list")
def list_(as_json: Json = False, url: Url = None) -> None:
    """List uploaded datasets, newest first."""
    from tgsh.cli.tables import print_datasets

    with connect(url) as client:
        datasets = list(client.datasets())
    if as_json:
        print_json([dataset.model_dump(mode="json") for dataset in datasets])
    elif datasets:
        print_datasets(datasets)
    else:
        typer.echo("No datasets yet. Upload the first one with: tgsh datasets add FILE.npz")


@app.command()
def show(
    dataset: DatasetId,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Draw its images into this .png, .svg or .pdf.")
    ] = None,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Show a dataset."""
    from tgsh.cli.tables import print_dataset

    with connect(url) as client:
        details = client.dataset(dataset)
        if output is not None:
            output.write_bytes(client.dataset_samples(details.id, output.suffix.removeprefix(".") or "png"))
    if as_json:
        print_json(details)
    else:
        print_dataset(details)


@app.command()
def share(
    dataset: DatasetId,
    off: Annotated[bool, typer.Option("--off", help="Let its owner alone see it again.")] = False,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Let everybody with a key see and use a dataset."""
    with connect(url) as client:
        changed = client.share_dataset(dataset, not off)
    if as_json:
        print_json(changed)
    else:
        typer.echo(f"{changed.id} is seen by " + ("its owner alone" if off else "everybody with a key"))


@app.command()
def delete(
    dataset: DatasetId,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Delete a dataset that no experiment uses."""
    with connect(url) as client:
        details = client.dataset(dataset)
        if not yes and not typer.confirm(f"Delete {details.id} ({details.name})?", err=True):
            raise typer.Exit(FAILED)
        client.delete_dataset(details.id)
    typer.echo(json.dumps({"deleted": details.id}) if as_json else f"Deleted {details.id}")


def _parse_size(size: str | None) -> tuple[int, int] | None:
    """Height and width of "32x32". Raises: InvalidSpec."""
    if size is None:
        return None
    height, _, width = size.lower().partition("x")
    if not (height.isdecimal() and width.isdecimal()):
        raise InvalidSpec("--size", f"{size!r} is no HEIGHTxWIDTH, such as 32x32")
    return int(height), int(width)


def _size_text(dataset: Dataset) -> str:
    colour = "" if dataset.channels == 1 else " in colour"
    return f"{dataset.height} × {dataset.width}{colour}"
