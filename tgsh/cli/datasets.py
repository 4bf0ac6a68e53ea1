"""Command group `tgsh datasets`: uploaded datasets."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tgsh.cli.errors import FAILED
from tgsh.cli.options import Json, Url, connect
from tgsh.cli.output import print_json
from tgsh.errors import InvalidSpec

if TYPE_CHECKING:
    from tgsh.schemas import Dataset

app = typer.Typer(no_args_is_help=True, help="Images of your own: folders, archives, arrays.")

DatasetId = Annotated[
    str, typer.Argument(metavar="ID", help="The dataset's id, the beginning of it, or its name.")
]


@app.command()
def add(
    sources: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE|FOLDER...",
            help="A folder of class folders, or a zip, tar, npz, parquet, ... of images; each is a dataset.",
        ),
    ],
    name: Annotated[str | None, typer.Option(help="What to call it; default: the file's name.")] = None,
    size: Annotated[str | None, typer.Option(help="Resize the images to HEIGHTxWIDTH.")] = None,
    channels: Annotated[int | None, typer.Option(help="Make them grey (1) or colour (3).")] = None,
    fit: Annotated[str | None, typer.Option(help="To get another size: squash, crop or pad.")] = None,
    background: Annotated[str | None, typer.Option(help="Colour under transparent pixels.")] = None,
    encoding: Annotated[str | None, typer.Option(help="Of names that are not UTF-8, such as gbk.")] = None,
    on_bad: Annotated[
        str | None, typer.Option(help="Files that cannot be read: refuse the upload, or skip them.")
    ] = None,
    duplicates: Annotated[
        str | None, typer.Option(help="Same images: together on one side of the split, keep, or refuse.")
    ] = None,
    test_share: Annotated[
        float | None, typer.Option(help="Share of each class to test with, if there is no split.")
    ] = None,
    group_pattern: Annotated[
        str | None,
        typer.Option(help="Regular expression: paths that match it in the same text stay together."),
    ] = None,
    shared: Annotated[bool, typer.Option("--shared", help="Let everybody with a key see it.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell what would be done, keep nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Upload datasets.

    In a terminal it tells first what would be made of them, and asks.
    """
    if name is not None and len(sources) > 1:
        raise InvalidSpec("--name", f"is one name, and there are {len(sources)} datasets; leave it out")
    options: dict[str, Any] = {
        "name": name,
        "size": parse_size(size),
        "channels": channels,
        "fit": fit,
        "background": background,
        "encoding": encoding,
        "on_bad": on_bad,
        "duplicates": duplicates,
        "test_share": test_share,
        "group_pattern": group_pattern,
        "shared": shared or None,
    }
    is_asked = not (yes or as_json or dry_run) and sys.stdin.isatty()
    with connect(url) as client:
        for source in sources:
            if is_asked or dry_run:
                seen = client.upload(source, **options, dry_run=True)
                _tell(seen, as_json)
                if dry_run:
                    continue
                if not typer.confirm(f"Keep {seen.name} as a dataset?", default=True, err=True):
                    raise typer.Exit(FAILED)
            added = client.upload(source, **options)
            if as_json:
                print_json(added)
                continue
            if not is_asked:
                _tell(added, as_json)
            _tell_use(added)


def _tell(dataset: Dataset, as_json: bool) -> None:
    """Print the report of an upload: for people on standard error, so that a script reads results alone."""
    if as_json:
        print_json(dataset)
        return
    for sentence in dataset.report.sentences if dataset.report else []:
        typer.echo(f"{sentence}.", err=True)
    if dataset.same_as is not None:
        rename = f"tgsh datasets edit {dataset.id} --name NAME"
        typer.echo(f"You have these images already, as {dataset.same_as}; to rename it: {rename}", err=True)


def _tell_use(dataset: Dataset) -> None:
    typer.echo(
        f"{dataset.id}: {dataset.name}, {dataset.images:,} images of {_size_text(dataset)}, "
        f"{dataset.classes} classes"
    )
    typer.echo(f'Use it in a spec: {{"dataset": {{"id": "{dataset.id}"}}, "suite": {{"kind": "rotation"}}}}')


@app.command()
def edit(
    dataset: DatasetId,
    name: Annotated[str | None, typer.Option(help="What to call it from now on.")] = None,
    notes: Annotated[str | None, typer.Option(help="Words about it; empty removes them.")] = None,
    citation: Annotated[str | None, typer.Option(help="How to cite it.")] = None,
    licence: Annotated[str | None, typer.Option(help="Terms under which it may be used.")] = None,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Rename or describe a dataset."""
    words = {"name": name, "notes": notes, "citation": citation, "licence": licence}
    if all(value is None for value in words.values()):
        raise InvalidSpec("edit", "changes nothing; give --name, --notes, --citation or --licence")
    with connect(url) as client:
        changed = client.change_dataset(dataset, **words)
    if as_json:
        print_json(changed)
    else:
        typer.echo(f"{changed.id}: {changed.name}")


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
        typer.echo("No datasets yet. Upload the first one with: tgsh datasets add FOLDER")


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


def parse_size(size: str | None) -> tuple[int, int] | None:
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
