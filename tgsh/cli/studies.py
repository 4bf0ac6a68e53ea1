"""Command `tgsh study` and group `tgsh studies`: many experiments as one, numbers with error bars."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tgsh.cli.errors import FAILED, WorkFailed
from tgsh.cli.figure_options import Cmap, Diagonal, Dpi, Font, Height, Labels, Range, SvgText, Title, Width
from tgsh.cli.options import Dataset, Json, Spec, Url, connect
from tgsh.cli.output import duration, print_json, print_warnings
from tgsh.errors import InvalidSpec

if TYPE_CHECKING:
    from tgsh.client import Client, Study
    from tgsh.schemas import StudyEstimate

app = typer.Typer(no_args_is_help=True, help="Studies: seeds, random bases and grids as one.")

StudyId = Annotated[str, typer.Argument(metavar="ID", help="The study's id, or the beginning of it.")]

Seeds = Annotated[
    str | None, typer.Option("--seeds", help="How many seeds of training, or a list such as 0,1,7.")
]

BaseSeeds = Annotated[
    str | None, typer.Option("--base-seeds", help="How many random bases, or a list of their seeds.")
]


def study(
    spec: Spec,
    seeds: Seeds = None,
    base_seeds: BaseSeeds = None,
    grid: Annotated[
        list[str] | None,
        typer.Option("--grid", help="Values of a field of the spec, such as training.epochs=1,3; repeat it."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="What to call it.")] = None,
    dataset: Dataset = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Stay and show progress to the end.")] = False,
    shared: Annotated[bool, typer.Option("--shared", help="Let everybody with a key see it.")] = False,
    anew: Annotated[bool, typer.Option("--anew", help="Train it though it was computed before.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell what it would cost, submit nothing.")
    ] = False,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Submit a study: every seed on every random base, for every combination of a grid."""
    from tgsh.cli.options import override_dataset, read_body

    body = read_body(spec)
    many, bases = parse_seeds(seeds, "--seeds"), parse_seeds(base_seeds, "--base-seeds")
    values = parse_grid(grid or [])
    with connect(url) as client:
        body = override_dataset(body, dataset, client)
        if dry_run:
            estimate = client.estimate_study(body, seeds=many, base_seeds=bases, grid=values)
            if as_json:
                print_json(estimate)
            else:
                typer.echo(_estimate_text(estimate))
            return
        made = client.study(
            body,
            seeds=many,
            base_seeds=bases,
            grid=values,
            name=name,
            shared=shared or None,
            anew=anew,
        )
        if watch:
            typer.echo(f"Submitted study {made.id}", err=as_json)
            _watch(client, made, as_json)
        elif as_json:
            print_json(made)
        else:
            counts = made.progress
            stored = counts.experiments.get("completed", 0)
            told = f", {stored} computed before" if stored else ""
            typer.echo(
                f"Submitted study {made.id}: {made.name}, {counts.experiments_total} experiments{told}"
            )
            typer.echo(f"Follow it with: tgsh studies watch {made.id[:6]}")


@app.command()
def watch(study: StudyId, as_json: Json = False, url: Url = None) -> None:
    """Show the progress of a study to its end."""
    with connect(url) as client:
        _watch(client, client.get_study(study), as_json)


@app.command("list")
def list_(
    q: Annotated[
        str | None, typer.Option("--search", "-q", help="Looked for in name, tags, notes and project.")
    ] = None,
    tag: Annotated[str | None, typer.Option(help="Has this tag.")] = None,
    project: Annotated[str | None, typer.Option(help="Of this project.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Show at most this many.")] = 50,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """List studies, newest first."""
    from itertools import islice

    from tgsh.cli.study_tables import print_studies

    with connect(url) as client:
        page = list(islice(client.studies(q=q, tag=tag, project=project), limit + 1))
    if as_json:
        print_json([each.model_dump(mode="json") for each in page[:limit]])
    elif page:
        print_studies(page[:limit])
        if len(page) > limit:
            typer.echo(f"There are more: --limit {limit * 2}", err=True)
    elif q or tag or project:
        typer.echo("No study fits. Without filters, `tgsh studies list` shows them all.")
    else:
        typer.echo("No studies yet. Submit the first one with: tgsh study demo --seeds 3 --watch")


@app.command()
def show(study: StudyId, as_json: Json = False, url: Url = None) -> None:
    """Show a study, its cells and its experiments."""
    from tgsh.cli.study_tables import print_study

    with connect(url) as client:
        found = client.get_study(study)
    print_warnings(found.warnings)
    if as_json:
        print_json(found)
    else:
        print_study(found)


@app.command()
def differences(
    study: StudyId,
    pairs: Annotated[str, typer.Argument(help="Two pairs of tasks each, such as 0-1:9-10,0-9:0-18.")],
    level: Annotated[float, typer.Option(help="Confidence of the intervals.")] = 0.95,
    over: Annotated[str | None, typer.Option(help="seeds, base_seeds or both; default: what varies.")] = None,
    cell: Annotated[int, typer.Option(min=0, help="The cell, where the grid has several.")] = 0,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Tell which similarities differ, with intervals and p after Holm's correction."""
    from tgsh.cli.study_tables import print_differences

    with connect(url) as client:
        found = client.study_differences(study, pairs, level=level, over=over, cell=cell)  # type: ignore[arg-type]
    print_warnings(found.warnings)
    if as_json:
        print_json(found)
    else:
        print_differences(found)


@app.command()
def fetch(
    study: StudyId,
    answer: Annotated[
        str,
        typer.Argument(
            help="similarity, matrices (all cells in one file), ceiling, differences, dendrogram, accuracy, "
            "effects or embedding."
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")],
    format: Annotated[
        str | None,
        typer.Option(help="json, csv, npy, npz, safetensors, png, svg, pdf, newick; default: the ending."),
    ] = None,
    statistic: Annotated[str | None, typer.Option(help="Of similarity: mean, sd, low or high.")] = None,
    over: Annotated[str | None, typer.Option(help="seeds, base_seeds or both.")] = None,
    level: Annotated[float | None, typer.Option(help="Confidence of intervals.")] = None,
    cell: Annotated[int | None, typer.Option(help="The cell, where the grid has several.")] = None,
    stage: Annotated[str | None, typer.Option(help="after, before, or the number of an epoch.")] = None,
    measure: Annotated[str | None, typer.Option(help="cosine, correlation or update.")] = None,
    order: Annotated[str | None, typer.Option(help="Of similarity: task or cluster.")] = None,
    pairs: Annotated[str | None, typer.Option(help="Of differences, such as 0-1:9-10.")] = None,
    width: Width = None,
    height: Height = None,
    font: Font = None,
    title: Title = None,
    labels: Labels = None,
    range: Range = None,
    diagonal: Diagonal = None,
    cmap: Cmap = None,
    dpi: Dpi = None,
    svg_text: SvgText = None,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Write an answer of a study to a file."""
    from tgsh.cli.results import FORMATS_BY_ENDING

    ending = output.suffix.removeprefix(".").lower()
    format = format or FORMATS_BY_ENDING.get(ending, ending)
    if not format:
        raise InvalidSpec("--format", f"{output} has no ending that tells the format; name one, such as csv")
    params = {
        "statistic": statistic,
        "over": over,
        "level": level,
        "cell": cell,
        "stage": stage,
        "measure": measure,
        "order": order,
        "pairs": pairs,
        "width": width,
        "height": height,
        "font": font,
        "title": title,
        "labels": labels,
        "range": range,
        "diagonal": diagonal,
        "cmap": cmap,
        "dpi": dpi,
        "svg_text": svg_text,
    }
    chosen = {name: value for name, value in params.items() if value is not None}
    with connect(url) as client:
        content = client.study_file(study, answer, format, **chosen)
    output.write_bytes(content)
    if as_json:
        print_json({"file": str(output), "bytes": len(content)})
    else:
        typer.echo(f"Wrote {output}")


@app.command()
def cancel(study: StudyId, as_json: Json = False, url: Url = None) -> None:
    """Cancel a study; what was learned is kept."""
    with connect(url) as client:
        found = client.cancel_study(study)
    if as_json:
        print_json(found)
    else:
        typer.echo(f"Cancelling {found.id}. Go on with it any time: tgsh studies resume {found.id[:6]}")


@app.command()
def resume(study: StudyId, as_json: Json = False, url: Url = None) -> None:
    """Train what is missing of a study's failed or cancelled experiments."""
    with connect(url) as client:
        found = client.resume_study(study)
    if as_json:
        print_json(found)
    else:
        typer.echo(f"Resumed {found.id}. Follow it with: tgsh studies watch {found.id[:6]}")


@app.command()
def extend(
    study: StudyId,
    seeds: Seeds = None,
    base_seeds: BaseSeeds = None,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Add further seeds or random bases to a study, or train deleted experiments again."""
    with connect(url) as client:
        found = client.extend_study(
            study,
            seeds=parse_seeds(seeds, "--seeds"),
            base_seeds=parse_seeds(base_seeds, "--base-seeds"),
        )
    if as_json:
        print_json(found)
    else:
        typer.echo(f"Extended {found.id}: {found.progress.experiments_total} experiments")


@app.command()
def share(
    study: StudyId,
    off: Annotated[bool, typer.Option("--off", help="Let its owner alone see it again.")] = False,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Let everybody with a key see a study and its experiments."""
    with connect(url) as client:
        found = client.change_study(study, shared=not off)
    if as_json:
        print_json(found)
    else:
        typer.echo(f"{found.id} is seen by " + ("its owner alone" if off else "everybody with a key"))


@app.command()
def delete(
    study: StudyId,
    members: Annotated[bool, typer.Option("--members", help="Delete its experiments, too.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    forever: Annotated[
        bool, typer.Option("--forever", help="With --members, at once: nothing brings them back.")
    ] = False,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Delete a study; its experiments stay unless told otherwise, and then can be brought back for a week."""
    with connect(url) as client:
        found = client.get_study(study)
        count = found.progress.experiments_total
        what = f" and its {count} experiments with all results" if members else "; its experiments stay"
        if not yes and not typer.confirm(f"Delete {found.id} ({found.name}){what}?", err=True):
            raise typer.Exit(FAILED)
        client.delete_study(found.id, members=members, forever=forever)
    if as_json:
        print_json({"id": found.id, "deleted": True, "forever": forever or not members})
        return
    can_return = members and not forever
    back = f"; tgsh studies undelete {found.id} brings all back within seven days" if can_return else ""
    typer.echo(f"Deleted {found.id}{back}")


@app.command()
def undelete(
    study: Annotated[str, typer.Argument(metavar="ID", help="The whole id of a study deleted with members.")],
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Bring a deleted study back, with the experiments that were deleted with it."""
    with connect(url) as client:
        found = client.undelete_study(study)
    if as_json:
        print_json(found)
    else:
        typer.echo(f"{found.id} is back: {found.name}, {found.progress.experiments_total} experiments")


def parse_seeds(text: str | None, option: str) -> int | list[int] | None:
    """A number such as "5", or a list such as "0,1,7" or "7,". Raises: InvalidSpec."""
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",")]
    listed = parts[:-1] if len(parts) > 1 and not parts[-1] else parts
    if not all(part.isascii() and part.isdecimal() for part in listed):
        raise InvalidSpec(option, f"{text!r} is no number and no list of seeds; write 5, or 0,1,7")
    seeds = [int(part) for part in listed]
    return seeds if len(parts) > 1 else seeds[0]


def parse_grid(options: list[str]) -> dict[str, list[Any]] | None:
    """Values by path from options such as "training.epochs=1,3". Raises: InvalidSpec."""
    grid: dict[str, list[Any]] = {}
    for option in options:
        path, equals, text = option.partition("=")
        if not equals or not path.strip() or not text.strip():
            raise InvalidSpec("--grid", f"{option!r} is no PATH=VALUES, such as training.epochs=1,3")
        if path.strip() in grid:
            raise InvalidSpec("--grid", f"{path.strip()} is there twice; list all its values at once")
        grid[path.strip()] = _values(text)
    return grid or None


def _values(text: str) -> list[Any]:
    """Values as JSON, or those that are no JSON as text."""
    try:
        values: list[Any] = json.loads(f"[{text}]")
    except ValueError:
        return [_value(part.strip()) for part in text.split(",")]
    return values


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _watch(client: Client, made: Study, as_json: bool) -> None:
    """Follow a study to its end and exit by its status."""
    from tgsh.cli.output import follow_study

    try:
        made = follow_study(client, made)
    except KeyboardInterrupt:
        typer.echo(f"The study goes on; watch it again with: tgsh studies watch {made.id[:6]}", err=True)
        raise
    if as_json:
        print_json(made)
    if made.status != "completed":
        raise WorkFailed(f"study {made.id} is {made.status}" + (f": {made.reason}" if made.reason else ""))
    if not as_json:
        typer.echo(f"Completed. Look at it: tgsh studies show {made.id[:6]}")


def _estimate_text(estimate: StudyEstimate) -> str:
    stored = f", {estimate.stored} of them computed before" if estimate.stored else ""
    lines = [
        f"{estimate.experiments:,} experiments{stored}",
        f"{estimate.tasks:,} tasks to train, {estimate.task_epochs:,} task-epochs",
    ]
    if estimate.seconds is None:
        lines.append("No worker runs, so that nobody knows when; `tgsh up` starts some")
    else:
        lines.append(f"{duration(estimate.seconds)} on {estimate.workers} at a time")
        if estimate.queue_seconds:
            lines.append(f"{duration(estimate.queue_seconds)} more, as others wait or run")
    return "\n".join(lines)
