"""A spec as the user names it: a file, standard input, or a preset."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, NoReturn

from tgsh.errors import InvalidSpec
from tgsh.spec import ExperimentSpec


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

    from tgsh.presets import Submission

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
