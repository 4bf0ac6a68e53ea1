"""What --json prints: one document on standard output, and nothing else there."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import typer


def print_json(document: Any) -> None:
    """A document of tgsh.schemas, or what JSON is made of; paths and times as text."""
    dump = getattr(document, "model_dump_json", None)
    typer.echo(dump(indent=2) if dump else json.dumps(document, indent=2, default=str))


def sayer(as_json: bool) -> Callable[[str], None]:
    """Says lines for a person: on standard error where a program reads standard output."""
    return partial(typer.echo, err=as_json)
