"""Commands on results: fetch, bundle, replay."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tgsh.cli.errors import FAILED, WorkFailed, report_error
from tgsh.cli.figure_options import Cmap, Diagonal, Dpi, Font, Height, Labels, Range, SvgText, Title, Width
from tgsh.cli.options import Id, Json, Url, Workers, complete_experiments, complete_results, connect
from tgsh.cli.output import print_json, print_warnings
from tgsh.errors import InvalidSpec

if TYPE_CHECKING:
    from tgsh.bundles.reader import Bundle
    from tgsh.client import Client
    from tgsh.execution.local import Replayed


FORMATS_BY_ENDING = {"nwk": "newick", "nh": "newick", "tree": "newick"}
"""Formats of file name endings that are not the format's name."""

MAX_LISTED_TASKS = 8  # there may be 10,000

File = Annotated[Path, typer.Argument(metavar="BUNDLE", help="A .zip file, by `tgsh bundle`.")]


def fetch(
    experiment_id: Id,
    resource: Annotated[
        str,
        typer.Argument(
            help="Such as similarity, similarity/epochs, dendrogram, figures/accuracy.",
            autocompletion=complete_results,
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write; - is standard output.")],
    format: Annotated[
        str | None,
        typer.Option(help="json, csv, npy, safetensors, png, svg, pdf, newick; default: the file's ending."),
    ] = None,
    stage: Annotated[str | None, typer.Option(help="after, before, or the number of an epoch.")] = None,
    order: Annotated[str | None, typer.Option(help="task or cluster.")] = None,
    measure: Annotated[str | None, typer.Option(help="cosine, correlation or update (of v − v₀).")] = None,
    method: Annotated[
        str | None, typer.Option(help="Dendrogram: average, single, complete; embedding: mds, pca.")
    ] = None,
    dimensions: Annotated[int | None, typer.Option(help="Of an embedding: 2 or 3.")] = None,
    pairs: Annotated[str | None, typer.Option(help="Of similarity/epochs, such as 0-1,0-18.")] = None,
    layer: Annotated[str | None, typer.Option(help="One layer's part only, such as layer-1.")] = None,
    tasks: Annotated[str | None, typer.Option(help="Of samples and reconstructions, such as 0-3,9.")] = None,
    rows: Annotated[str | None, typer.Option(help="Of similarity/block, such as 0-9.")] = None,
    columns: Annotated[str | None, typer.Option(help="Of similarity/block, such as 0-99.")] = None,
    count: Annotated[int | None, typer.Option(help="Of similarity/nearest: neighbours of each task.")] = None,
    baseline: Annotated[str | None, typer.Option(help="Of geometry: ID of an experiment beside it.")] = None,
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
    """Write a result of an experiment to a file."""
    ending = output.suffix.removeprefix(".").lower()
    format = format or FORMATS_BY_ENDING.get(ending, ending)
    if not format:
        raise InvalidSpec("--format", f"{output} has no ending that tells the format; name one, such as csv")
    if as_json and str(output) == "-":
        raise InvalidSpec("--json", "standard output cannot hold both the result and a document about it")
    with connect(url) as client:
        params = {
            "stage": stage,
            "order": order,
            "measure": measure,
            "method": method,
            "dimensions": dimensions,
            "pairs": pairs,
            "layer": layer,
            "tasks": tasks,
            "rows": rows,
            "columns": columns,
            "count": count,
            "baseline": baseline and client.experiment_id(baseline),
        }
        drawn = {
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
        content = _fetch_content(client, experiment_id, resource, format, params, drawn)
        print_warnings(_warnings(client, experiment_id, resource.removeprefix("figures/")))
    if str(output) == "-":
        typer.get_binary_stream("stdout").write(content)
        return
    write_atomically(output, content)
    if as_json:
        print_json({"file": output, "bytes": len(content)})
    else:
        typer.echo(f"{output} ({len(content):,} bytes)", err=True)


def bundle(
    reference: Annotated[
        str,
        typer.Argument(
            metavar="ID",
            help="Of an experiment or a study, or the beginning of it.",
            autocompletion=complete_experiments,
        ),
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file to write; default: tgsh-ID.zip.")
    ] = None,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Write an experiment or a study with all its results to one file, which `tgsh replay` checks."""
    with connect(url) as client:
        kind, id = client.experiment_or_study_id(reference)
        target = output or Path(f"tgsh-study-{id}.zip" if kind == "study" else f"tgsh-{id}.zip")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            path = client.study_bundle(id, target) if kind == "study" else client.bundle(id, target)
        except OSError as error:
            raise InvalidSpec(str(target), f"cannot be written: {error.strerror}") from error
    size = path.stat().st_size
    if as_json:
        print_json({"file": path, "bytes": size})
    else:
        typer.echo(f"{path} ({size:,} bytes). Train it again any time: tgsh replay {path}")


def replay(
    file: File,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="An empty folder for the results; default: they are not kept."),
    ] = None,
    home: Annotated[
        Path | None, typer.Option("--home", help="Where datasets are, below data/; default: TGSH_HOME.")
    ] = None,
    workers: Workers = None,
    as_json: Json = False,
) -> None:
    """Check a bundle's hashes, train it anew in this shell, and compare all vectors byte by byte.

    Of a study every experiment is trained, one after the other. Exit status 0: the same bytes. 1: others, or
    it could not be trained. 2: the file cannot be trusted.
    """
    import os

    from tgsh.bundles.reader import is_study, read, read_study

    if home is not None:
        os.environ["TGSH_HOME"] = str(home)
    if not is_study(file):
        replayed = _replay(read(file), output, workers)
        if as_json:
            print_json(replayed)
        else:
            _print_replay(replayed)
        if not replayed.same:
            raise typer.Exit(FAILED)
        return
    study, found = read_study(file), {}
    for name in study.experiments:
        with study.experiment(name) as contents:
            id = contents.recorded.id
            found[id] = _replay(contents, None if output is None else output / id, workers)
        if not as_json:
            typer.echo(f"{id} ({len(found)} of {len(study.experiments)})")
            _print_replay(found[id])
    if as_json:
        print_json({id: each.model_dump(mode="json") for id, each in found.items()})
    if not all(each.same for each in found.values()):
        raise typer.Exit(FAILED)


def _replay(contents: Bundle, output: Path | None, workers: int | None) -> Replayed:
    """Train an experiment's bundle anew and compare. Raises: WorkFailed where it did not complete."""
    from tgsh.cli.experiments import exit_by_status
    from tgsh.cli.output import display, print_downloads
    from tgsh.execution.local import (  # takes long to import: only once the file is known to be whole
        fetch_images,
        replay,
    )

    print_downloads(fetch_images(contents.spec, offer=False))
    with _results_folder(output) as folder, display(contents.spec.title) as progress_display:
        experiment, replayed = replay(contents, folder, workers, progress_display.update)
    if replayed is None:
        exit_by_status(experiment)
        raise WorkFailed(f"{contents.recorded.id} was not compared")
    return replayed


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file as a whole or not at all. Raises: InvalidSpec where it cannot be written."""
    import os
    import tempfile

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise InvalidSpec(str(path), f"cannot be written: {error.strerror}") from error
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        temporary.chmod(0o666 & ~_umask())  # mkstemp makes files for their owner only
        temporary.replace(path)
    except OSError as error:
        raise InvalidSpec(str(path), f"cannot be written: {error.strerror}") from error
    finally:
        temporary.unlink(missing_ok=True)


def _fetch_content(
    client: Client, experiment: str, resource: str, format: str, params: dict[str, Any], drawn: dict[str, Any]
) -> bytes:
    """A result, or a figure of the stable names. Raises: InvalidSpec where a figure is given parameters."""
    if not resource.startswith("figures/"):
        return client.fetch(experiment, resource, format=format, params={**params, **drawn})
    for name, value in params.items():
        if value is not None:
            raise InvalidSpec(
                f"--{name}", "figures/ has every figure in one way only; fetch the result instead"
            )
    return client.figure(experiment, resource.removeprefix("figures/"), format, **drawn)


def _warnings(client: Client, experiment: str, result: str) -> list[str]:
    """Warnings of a result, whatever its format can hold."""
    if result == "accuracy" or result.endswith("/confusion"):
        return client.accuracy(experiment).warnings
    compares = result.startswith(("similarity", "dendrogram", "embedding", "geometry"))
    return client.get(experiment).warnings if compares else []


def _umask() -> int:
    import os

    mask = os.umask(0o022)
    os.umask(mask)
    return mask


@contextmanager
def _results_folder(output: Path | None) -> Iterator[Path]:
    """The folder `output`, else one that is removed at the end."""
    import tempfile

    if output is not None:
        yield output
        return
    with tempfile.TemporaryDirectory(prefix="tgsh-replay-") as name:
        yield Path(name)


def _print_replay(replayed: Replayed) -> None:
    """Print whether the bytes are the same, and if not, the differences that explain it."""
    compared = (
        f"vectors of {replayed.tasks} tasks, before training and after each of {replayed.epochs} epoch(s)"
    )
    if replayed.same:
        typer.echo(f"The same bytes: {compared}")
    else:
        report_error(f"Other bytes: {compared}")
        for task in replayed.others[:MAX_LISTED_TASKS]:
            name = f"task {task.index} ({task.label})"
            typer.echo(f"  {name}: from epoch {task.epoch} on, by {task.largest:.2g} at most")
        if len(replayed.others) > MAX_LISTED_TASKS:
            typer.echo(f"  … and {len(replayed.others) - MAX_LISTED_TASKS} more tasks")
        typer.echo(_explanation(replayed))
    for name, difference in replayed.differs.items():
        if name == "images":
            typer.echo("  images: their SHA-256 are others, or were not recorded")
        else:
            recorded, current = _value_text(difference.bundle), _value_text(difference.here)
            typer.echo(f"  {name}: {recorded} in the bundle, {current} here")


def _explanation(replayed: Replayed) -> str:
    if replayed.differs:
        return "Bytes depend on these, which are not the same here:"
    return (
        "Versions, compute path, machine and images are those of the bundle, so its vectors are not what its "
        "spec gives: they were changed, or trained with other code"
    )


def _value_text(value: object) -> str:
    if isinstance(value, list):
        return "; ".join(map(str, value)) or "none"
    return "none" if value is None else str(value)
