"""`tgsh fetch`: a result as a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tgsh.cli import completing
from tgsh.cli.connecting import connect, resolve
from tgsh.cli.documents import print_json
from tgsh.cli.options import Id, Json, Url
from tgsh.errors import InvalidSpec

if TYPE_CHECKING:
    from tgsh.client import Client

FORMATS = {"nwk": "newick", "nh": "newick", "tree": "newick"}
"""What endings stand for that are no format's name."""


def fetch(
    experiment_id: Id,
    resource: Annotated[
        str,
        typer.Argument(
            help="Such as similarity, similarity/epochs, dendrogram, figures/accuracy.",
            autocompletion=completing.results,
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write; - is standard output.")],
    format: Annotated[
        str | None,
        typer.Option(help="json, csv, npy, safetensors, png, svg, pdf, newick; default: the file's ending."),
    ] = None,
    stage: Annotated[str | None, typer.Option(help="after, before, or the number of an epoch.")] = None,
    order: Annotated[str | None, typer.Option(help="task or cluster.")] = None,
    measure: Annotated[str | None, typer.Option(help="cosine or correlation.")] = None,
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
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Write a result of an experiment to a file."""
    ending = output.suffix.removeprefix(".").lower()
    chosen = format or FORMATS.get(ending, ending)
    if not chosen:
        raise InvalidSpec("--format", f"{output} has no ending that tells the format; name one, such as csv")
    if as_json and str(output) == "-":
        raise InvalidSpec("--json", "standard output cannot hold both the result and a document about it")
    with connect(url) as client:
        experiment = resolve(client, experiment_id)
        wanted = {
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
            "baseline": baseline and resolve(client, baseline),
        }
        content = _content(client, experiment, resource, chosen, wanted)
    if str(output) == "-":
        typer.get_binary_stream("stdout").write(content)
        return
    write_whole(output, content)
    if as_json:
        print_json({"file": output, "bytes": len(content)})
    else:
        typer.echo(f"{output} ({len(content):,} bytes)", err=True)


def _content(client: Client, experiment: str, resource: str, format: str, wanted: dict[str, Any]) -> bytes:
    if not resource.startswith("figures/"):
        return client.fetch(experiment, resource, format=format, params=wanted)
    for name, value in wanted.items():
        if value is not None:
            raise InvalidSpec(
                f"--{name}", "figures/ has every figure in one way only; fetch the result instead"
            )
    return client.figure(experiment, resource.removeprefix("figures/"), format)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file that is there whole or, whatever happens, not at all. Raises: InvalidSpec."""
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


def _umask() -> int:
    import os

    mask = os.umask(0o022)
    os.umask(mask)
    return mask
