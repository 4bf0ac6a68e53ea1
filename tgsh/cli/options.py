"""Options and arguments that several commands share, their completion, and the reading of specs."""

from __future__ import annotations

import csv
import json
import os
import re
import sys
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, get_args

import typer

from tgsh.errors import InvalidSpec

if TYPE_CHECKING:
    from tgsh.client import Client
    from tgsh.specs import ExperimentSpec


DEFAULT_HOME = Path("tgsh-home")
EXPERIMENT_ID = re.compile("[0-9a-f]{1,16}")
"""An id, or the beginning of one."""

COMPLETION_TIMEOUT = 0.5  # seconds
MAX_COMPLETIONS = 50  # experiments, the newest
Completions = list[tuple[str, str]]
"""Values and their descriptions."""


def complete_experiments(ctx: typer.Context, incomplete: str) -> Completions:
    """Ids of experiments, with status and name."""

    def fetch(client: Client) -> Completions:
        newest = islice(client.experiments(page_size=MAX_COMPLETIONS), MAX_COMPLETIONS)
        return [(each.id, f"{each.status}, {each.spec.title}") for each in newest]

    return _matching(_fetch_completions(ctx, fetch), incomplete)


def complete_results(ctx: typer.Context, incomplete: str) -> Completions:
    """Results and figures of the experiment that stands before them on the line."""
    from tgsh.specs.results import BUNDLE, FIGURES, RESULT_SPECS

    def fetch(client: Client) -> Completions:
        links = client.get(ctx.params["experiment_id"]).links
        names = {BUNDLE.name, *(result.name for result in RESULT_SPECS.values() if not result.of_task)}
        return [(name, "result") for name in sorted(names & set(links))]

    figures = [(f"figures/{name}", "figure") for name in FIGURES]
    return _matching(_fetch_completions(ctx, fetch) + figures, incomplete)


def complete_specs(ctx: typer.Context, incomplete: str) -> Completions:
    """Presets, and files that may hold a spec."""

    def fetch(client: Client) -> Completions:
        return [(preset.name, preset.description) for preset in client.catalog().presets]

    folder = Path(incomplete if incomplete.endswith("/") else Path(incomplete).parent)
    files = [(str(path), "file") for path in sorted(folder.glob("*.json"))]
    return _matching(files + _fetch_completions(ctx, fetch), incomplete)


Url = Annotated[
    str | None, typer.Option("--url", help="The service; default: TGSH_URL, a running `tgsh up`, port 8000.")
]

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document for programs.")]

Id = Annotated[
    str,
    typer.Argument(
        metavar="ID",
        help="The experiment's id, or the beginning of it.",
        autocompletion=complete_experiments,
    ),
]

Spec = Annotated[
    str,
    typer.Argument(
        metavar="SPEC|PRESET",
        help="A .json file, - for standard input, or a preset's name.",
        autocompletion=complete_specs,
    ),
]

Dataset = Annotated[
    str | None,
    typer.Option(
        "--dataset",
        help="Images to use in place of the spec's: a name such as mnist5k, or an uploaded one's id.",
    ),
]

Home = Annotated[
    Path, typer.Option("--home", envvar="TGSH_HOME", help="Folder of database, results and logs.")
]

Workers = Annotated[
    int | None, typer.Option("--workers", min=1, help="Worker processes; default: one a core or GPU.")
]


def connect(url: str | None, timeout: float = 30.0) -> Client:
    """Client of the service at --url, else TGSH_URL, else of the stack on TGSH_HOME, else on port 8000."""
    from tgsh.client import Client
    from tgsh.stack.state import running_url

    home = Path(os.environ.get("TGSH_HOME") or DEFAULT_HOME)
    return Client(url or os.environ.get("TGSH_URL") or running_url(home), timeout=timeout)


def parse_changes(texts: Sequence[str] | None) -> dict[str, Any]:
    """Values by path from texts such as training.epochs=5: JSON where they are that, else text.

    Raises: InvalidSpec for a text without "=" or with an unknown path.
    """
    from tgsh.specs.paths import require_field

    found: dict[str, Any] = {}
    for text in texts or ():
        path, equals, value = text.partition("=")
        if not equals or not path:
            raise InvalidSpec(text, "write FIELD=VALUE, such as training.epochs=5")
        require_field(path, path)
        try:
            found[path] = json.loads(value)
        except ValueError:
            found[path] = value
    return found


def read_body(source: str, client: Client | None = None) -> dict[str, Any]:
    """Body of POST /experiments from a file, standard input, a preset's name or an experiment's id.

    client: of the service that has the experiment. Raises: InvalidSpec where it is no JSON object.
    """
    if source == "-":
        return _parse_body("standard input", sys.stdin.read())
    path = Path(source)
    if path.suffix.lower() == ".json" or path.exists():
        return _parse_body(source, _read_text(path))
    if path.parent != Path() or path.suffix:
        raise InvalidSpec(source, "no such file")
    if client is not None and EXPERIMENT_ID.fullmatch(source):
        return client.get(source).spec.model_dump(mode="json")
    return {"preset": source}


def read_geometry(source: str) -> Any:
    """A geometry that is stated: a formula, a matrix from a .csv or .npy file, or an experiment by its id.

    A table may have labels in its first row and column, as `tgsh fetch ID similarity` writes them; an empty
    cell is NaN. Raises: InvalidSpec where a file holds no matrix.
    """
    path = Path(source)
    if path.suffix.lower() not in (".csv", ".npy"):
        return source if "(" in source else {"experiment": source}
    import numpy as np

    try:
        if path.suffix.lower() == ".npy":
            return np.load(path, allow_pickle=False)
        rows = list(csv.reader(_read_text(path).splitlines()))
        if rows and rows[0] and not rows[0][0].strip():
            rows = [row[1:] for row in rows[1:]]
        return np.array([[float(cell) if cell.strip() else np.nan for cell in row] for row in rows])
    except (OSError, ValueError) as error:
        raise InvalidSpec(source, f"is no matrix of numbers: {error}") from error


def override_dataset(
    body: dict[str, Any], dataset: str | None, client: Client | None = None
) -> dict[str, Any]:
    """Body with another dataset; client: of the service that has uploaded ones."""
    return body if dataset is None else body | {"dataset": dataset_reference(dataset, client)}


def dataset_reference(dataset: str, client: Client | None = None) -> Any:
    """A dataset as a spec names it; client: of the service that has uploaded ones."""
    from tgsh.specs.base import DatasetName

    if client is None or dataset in get_args(DatasetName):
        return dataset
    return {"id": client.dataset_id(dataset)}


def read_spec(source: str, dataset: str | None = None) -> ExperimentSpec:
    """Validated spec, with its preset resolved. Raises: InvalidSpec naming every wrong field."""
    from pydantic import ValidationError

    from tgsh.specs.presets import Submission
    from tgsh.specs.validation import problems_of

    body = override_dataset(read_body(source), dataset)
    try:
        return Submission.model_validate_json(json.dumps(body)).spec()
    except ValidationError as error:
        first, *others = [(field or "spec", text) for field, text in problems_of(error.errors())]
        raise InvalidSpec(*first, others) from error


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise InvalidSpec(str(path), error.strerror or str(error)) from error
    except UnicodeDecodeError as error:
        raise InvalidSpec(str(path), "is not a text file") from error


def _parse_body(name: str, text: str) -> dict[str, Any]:
    def reject_constant(constant: str) -> NoReturn:
        raise InvalidSpec(name, f"{constant} is not a number")

    try:
        body = json.loads(text, parse_constant=reject_constant)
    except json.JSONDecodeError as error:
        position = f"line {error.lineno}, column {error.colno}"
        raise InvalidSpec(name, f"is not JSON: {error.msg} at {position}") from error
    except RecursionError as error:
        raise InvalidSpec(name, "is nested too deeply") from error
    if not isinstance(body, dict):
        raise InvalidSpec(name, 'must be a JSON object such as {"preset": "demo"}')
    return body


def _fetch_completions(ctx: typer.Context, fetch: Callable[[Client], Completions]) -> Completions:
    """Completions from the service; none where anything fails, as an error would be printed into the line."""
    try:
        with connect(ctx.params.get("url"), COMPLETION_TIMEOUT) as client:
            return fetch(client)
    except Exception:
        return []


def _matching(completions: Completions, incomplete: str) -> Completions:
    return [(name, description) for name, description in completions if name.startswith(incomplete)]
