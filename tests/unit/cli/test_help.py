"""Help texts of all commands, as they are read in a terminal of 80 columns."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import typer
from typer.testing import CliRunner

from tgsh.cli.application import EXAMPLES, app


def _commands(command: object, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield path
    for name, each in getattr(command, "commands", {}).items():
        yield from _commands(each, (*path, name))


COMMANDS = list(_commands(typer.main.get_command(app)))


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("width", [80, 200])
def test_help_is_prose_without_indentation(
    command: tuple[str, ...], width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    shown = CliRunner().invoke(app, [*command, "--help"])
    assert shown.exit_code == 0
    lines = [line.rstrip() for line in shown.output.splitlines()]
    assert max(map(len, lines)) <= width
    prose = [line for line in lines if line and line[0] not in "│╭╰"]
    assert prose[0].startswith(f" Usage: {' '.join(('root', *command))} ")
    assert [line for line in prose if not re.match(r" \S", line)] == []
    assert not any("…" in line for line in lines)
    for example in EXAMPLES.get(" ".join(command), ()):
        assert f" {example}" in lines  # whole, to be copied
    options = [line for line in lines if re.match(r"│ [* ]*-", line)]
    assert all(len(line.strip("│ ").split("  ")) > 1 for line in options)
