"""Shared options, connection, spec argument, completion."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from tgsh.errors import InvalidSpec, NotFound
from tgsh.specs import ExperimentSpec
from tgsh.specs.results import BUNDLE, FIGURES, RESULT_SPECS

if TYPE_CHECKING:
    from tgsh.client import Client

ID_LENGTH = 16
SHOWN_CANDIDATES = 8

DEFAULT_HOME = Path("tgsh-home")


def connect(url: str | None, timeout: float = 30.0) -> Client:
    """A client of the service that is meant: --url, TGSH_URL, the stack on TGSH_HOME, port 8000."""
    from tgsh.client import Client
    from tgsh.stack.stack import running_url

    home = Path(os.environ.get("TGSH_HOME") or DEFAULT_HOME)
    return Client(url or os.environ.get("TGSH_URL") or running_url(home), timeout=timeout)


def resolve(client: Client, prefix: str) -> str:
    """The id that begins with `prefix`. Raises: NotFound for none and for several, naming them."""
    wanted = prefix.strip().lower()
    if len(wanted) >= ID_LENGTH:
        return wanted
    found = [experiment for experiment in client.experiments() if experiment.id.startswith(wanted)]
    if len(found) == 1:
        return found[0].id
    if not found:
        raise NotFound(f"no experiment's id begins with {prefix!r}; `tgsh list` shows them all")
    lines = [f"{experiment.id}  {experiment.status:9}  {experiment.name}" for experiment in found]
    if len(lines) > SHOWN_CANDIDATES:
        lines[SHOWN_CANDIDATES:] = [f"… and {len(lines) - SHOWN_CANDIDATES} more"]
    raise NotFound("\n  ".join([f"{prefix!r} is the beginning of {len(found)} ids:", *lines]))


def read_body(source: str) -> dict[str, Any]:
    """The body of POST /experiments. Raises: InvalidSpec where it is no JSON object."""
    if source == "-":
        return _parse("standard input", sys.stdin.read())
    path = Path(source)
    if path.suffix.lower() == ".json" or path.exists():
        return _parse(source, _text(path))
    if path.parent != Path() or path.suffix:
        raise InvalidSpec(source, "no such file")
    return {"preset": source}


def read_spec(source: str) -> ExperimentSpec:
    """The whole, checked spec. Raises: InvalidSpec naming every wrong field."""
    from pydantic import ValidationError

    from tgsh.specs.presets import Submission

    body = read_body(source)
    try:
        return Submission.model_validate_json(json.dumps(body)).spec()
    except ValidationError as error:
        wrong = [(".".join(map(str, e["loc"])) or "spec", e["msg"]) for e in error.errors()]
        (field, message), *others = wrong
        raise InvalidSpec(field, "\n".join([message, *(f"{f}: {m}" for f, m in others)])) from error


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise InvalidSpec(str(path), error.strerror or str(error)) from error
    except UnicodeDecodeError as error:
        raise InvalidSpec(str(path), "is not a text file") from error


def _parse(name: str, text: str) -> dict[str, Any]:
    def refuse(constant: str) -> NoReturn:
        raise InvalidSpec(name, f"{constant} is not a number")

    try:
        body = json.loads(text, parse_constant=refuse)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise InvalidSpec(name, f"is not JSON: {error.msg} at {where}") from error
    except RecursionError as error:
        raise InvalidSpec(name, "is nested too deeply") from error
    if not isinstance(body, dict):
        raise InvalidSpec(name, 'must be a JSON object such as {"preset": "demo"}')
    return body


if TYPE_CHECKING:
    from tgsh.client import Client

PATIENCE = 0.5  # seconds
MOST = 50  # experiments, the newest
FETCHED = {BUNDLE.name, *(result.name for result in RESULT_SPECS.values() if not result.of_task)}

Offers = list[tuple[str, str]]


def experiments(ctx: typer.Context, incomplete: str) -> Offers:
    """Ids, with status and name beside them."""

    def ask(client: Client) -> Offers:
        found = islice(client.experiments(page_size=MOST), MOST)
        return [(each.id, f"{each.status}, {each.spec.title}") for each in found]

    return _beginning(_asked(ctx, ask), incomplete)


def results(ctx: typer.Context, incomplete: str) -> Offers:
    """What the experiment before it on the line can answer."""

    def ask(client: Client) -> Offers:
        links = client.get(resolve(client, ctx.params["experiment_id"])).links
        return [(name, "result") for name in sorted(FETCHED & set(links))]

    figures = [(f"figures/{name}", "figure") for name in FIGURES]
    return _beginning(_asked(ctx, ask) + figures, incomplete)


def specs(ctx: typer.Context, incomplete: str) -> Offers:
    """Presets, and files that may hold a spec."""

    def ask(client: Client) -> Offers:
        return [(preset.name, preset.description) for preset in client.catalog().presets]

    folder = Path(incomplete if incomplete.endswith("/") else Path(incomplete).parent)
    files = [(str(path), "file") for path in sorted(folder.glob("*.json"))]
    return _beginning(files + _asked(ctx, ask), incomplete)


def _asked(ctx: typer.Context, ask: Callable[[Client], Offers]) -> Offers:
    """Nothing where anything fails: an error must not be written into the line that is being typed."""
    try:
        with connect(ctx.params.get("url"), PATIENCE) as client:
            return ask(client)
    except Exception:
        return []


def _beginning(offers: Offers, incomplete: str) -> Offers:
    return [(name, about) for name, about in offers if name.startswith(incomplete)]


Url = Annotated[
    str | None, typer.Option("--url", help="The service; default: TGSH_URL, a running `tgsh up`, port 8000.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document for programs.")]
Id = Annotated[
    str,
    typer.Argument(
        metavar="ID",
        help="The experiment's id, or the beginning of it.",
        autocompletion=experiments,
    ),
]
Spec = Annotated[
    str,
    typer.Argument(
        metavar="SPEC|PRESET",
        help="A .json file, - for standard input, or a preset's name.",
        autocompletion=specs,
    ),
]
Home = Annotated[
    Path, typer.Option("--home", envvar="TGSH_HOME", help="Folder of database, results and logs.")
]
Workers = Annotated[
    int | None, typer.Option("--workers", min=1, help="Worker processes; default: one a core or GPU.")
]
