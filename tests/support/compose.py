"""Reader of docker-compose.yml, as `docker compose` reads it."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
COMPOSE_FILE = ROOT / "docker-compose.yml"

_WORD = r"(?:[^{}]|\{[^}]*\})*"  # itself with variables in it, perhaps
_VARIABLE = re.compile(rf"\$(?:(?P<dollar>\$)|\{{(?P<name>\w+)(?:(?P<kind>:?[-?])(?P<word>{_WORD}))?\}})")


class MissingVariable(Exception):
    """A ${NAME:?message} that the environment does not set."""


def load_compose(variables: Mapping[str, str] | None = None, path: Path = COMPOSE_FILE) -> dict[str, Any]:
    """The compose file with its variables filled in: from `variables`, else from this process' environment.

    Anchors and merge keys are resolved. A variable of a service without a value is passed on, where there is
    one. Profiles are left alone: every service is there.
    Raises MissingVariable for a variable that is required and not set.
    """
    loaded = yaml.safe_load(path.read_text("utf-8"))
    values = os.environ if variables is None else variables
    document: dict[str, Any] = _fill(loaded, values)
    for service in document.get("services", {}).values():
        if isinstance(declared := service.get("environment"), dict):
            resolved = {
                name: values.get(name) if value is None else value for name, value in declared.items()
            }
            service["environment"] = {name: value for name, value in resolved.items() if value is not None}
    return document


def command(service: Mapping[str, Any]) -> list[str]:
    """The arguments that a service of `load_compose()["services"]` starts with."""
    words = service["command"]
    return shlex.split(words) if isinstance(words, str) else [str(word) for word in words]


def environment(service: Mapping[str, Any]) -> dict[str, str]:
    """The environment variables that the compose file gives a service."""
    variables = service.get("environment", {})
    if isinstance(variables, list):
        variables = dict(line.split("=", 1) for line in variables)
    return {str(name): str(value) for name, value in variables.items()}


def _fill(value: Any, variables: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _fill(item, variables) for key, item in value.items()}
    if isinstance(value, list):
        return [_fill(item, variables) for item in value]
    return _VARIABLE.sub(lambda match: _look_up(match, variables), value) if isinstance(value, str) else value


def _look_up(match: re.Match[str], variables: Mapping[str, str]) -> str:
    """${NAME}, ${NAME-default}, ${NAME?message}, and with a colon: also where NAME is set but empty."""
    if match["dollar"]:
        return "$"
    kind = match["kind"] or ""
    value = variables.get(match["name"])
    if value is not None and (value or not kind.startswith(":")):
        return value
    word = str(_fill(match["word"] or "", variables))
    if kind.endswith("?"):
        raise MissingVariable(f"{match['name']}: {word}")
    return word
