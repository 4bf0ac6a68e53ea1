"""Reads docker-compose.yml as `docker compose` does, so that tests start exactly what users start."""

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
    known = os.environ if variables is None else variables
    filled: dict[str, Any] = _fill(loaded, known)
    for service in filled.get("services", {}).values():
        if isinstance(given := service.get("environment"), dict):
            told = {name: known.get(name) if value is None else value for name, value in given.items()}
            service["environment"] = {name: value for name, value in told.items() if value is not None}
    return filled


def command(service: Mapping[str, Any]) -> list[str]:
    """The arguments that a service of `load_compose()["services"]` starts with."""
    words = service["command"]
    return shlex.split(words) if isinstance(words, str) else [str(word) for word in words]


def environment(service: Mapping[str, Any]) -> dict[str, str]:
    """The environment variables that the compose file gives a service."""
    given = service.get("environment", {})
    if isinstance(given, list):
        given = dict(line.split("=", 1) for line in given)
    return {str(name): str(value) for name, value in given.items()}


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
    found = variables.get(match["name"])
    if found is not None and (found or not kind.startswith(":")):
        return found
    word = str(_fill(match["word"] or "", variables))
    if kind.endswith("?"):
        raise MissingVariable(f"{match['name']}: {word}")
    return word
