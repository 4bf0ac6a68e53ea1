"""Commands on reports: pages of chosen figures and text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tgsh.cli.options import Json, Url, connect
from tgsh.cli.output import print_json
from tgsh.errors import InvalidSpec

app = typer.Typer(no_args_is_help=True, help="Make, list, export and share reports.")

ReportId = Annotated[str, typer.Argument(metavar="REPORT", help="The report's id, or the beginning of it.")]


@app.command()
def new(
    title: Annotated[str, typer.Argument(help="Its title.")],
    text: Annotated[str | None, typer.Option(help="Its first part, Markdown.")] = None,
    shared: Annotated[bool, typer.Option("--shared", help="Let everybody with a key see it.")] = False,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Make a report."""
    with connect(url) as client:
        made = client.create_report(title, [] if text is None else [text], shared=shared)
    if as_json:
        print_json(made)
    else:
        typer.echo(made.id)


@app.command()
def add(
    report: ReportId,
    subject: Annotated[str, typer.Argument(metavar="ID", help="Of an experiment or a study.")],
    figure: Annotated[str, typer.Argument(help="Such as similarity, dendrogram, embedding, accuracy.")],
    param: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="Of its answer, such as stage=before.")
    ] = None,
    caption: Annotated[str, typer.Option(help="Markdown.")] = "",
    text: Annotated[str | None, typer.Option(help="Markdown before it.")] = None,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Add a figure to a report."""
    params: dict[str, str] = {}
    for each in param or []:
        name, sign, value = each.partition("=")
        if not sign:
            raise InvalidSpec("--param", f"{each!r} is not NAME=VALUE")
        params[name] = value
    with connect(url) as client:
        found = client.report(report)
        drawn = client.report_figure(subject, figure, caption)
        drawn = drawn.model_copy(update={"params": params})
        items = [*found.items, *([] if text is None else [text]), drawn]
        changed = client.change_report(found.id, items=items, changed_at=found.changed_at)
    if as_json:
        print_json(changed)
    else:
        typer.echo(f"{changed.id}: {changed.items_total} parts")


@app.command("list")
def list_(as_json: Json = False, url: Url = None) -> None:
    """List reports, the one changed last first."""
    with connect(url) as client:
        found = client.reports()
    if as_json:
        print_json([each.model_dump(mode="json") for each in found])
        return
    for each in found:
        typer.echo(f"{each.id}  {each.changed_at.astimezone():%Y-%m-%d %H:%M}  {each.title}")
    if not found:
        typer.echo('No reports yet. Make the first one with: tgsh report new "Title"')


@app.command()
def export(
    report: ReportId,
    output: Annotated[Path, typer.Option("--output", "-o", help="The HTML file.")],
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Write a report as one HTML file that works offline."""
    with connect(url) as client:
        written = client.export_report(report, output)
    if as_json:
        print_json({"file": written, "bytes": written.stat().st_size})
    else:
        typer.echo(f"Wrote {written}")


@app.command()
def link(
    report: ReportId,
    off: Annotated[bool, typer.Option("--off", help="End the link that it has.")] = False,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Make a link that shows a report without a key, or end it."""
    with connect(url) as client:
        changed = client.change_report(report, link=not off)
        address = None if changed.link is None else f"{client.url}{changed.link}"
    if as_json:
        print_json({"link": address})
    else:
        typer.echo(address or "Its link shows nothing any more.")


@app.command()
def delete(
    report: ReportId,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Delete a report; its experiments stay."""
    with connect(url) as client:
        found = client.report(report)
        if not yes:
            typer.confirm(f"Delete the report {found.title!r}?", abort=True, err=True)
        client.delete_report(found.id)
    if as_json:
        print_json({"deleted": found.id})
    else:
        typer.echo(f"Deleted {found.id}")
