"""`tgsh doctor`: what is wrong with this machine, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from tgsh.cli.connecting import DEFAULT_HOME
from tgsh.cli.options import Home, Json, Url

if TYPE_CHECKING:
    from tgsh.doctor.finding import Finding


def doctor(
    home: Home = DEFAULT_HOME,
    url: Url = None,
    port: Annotated[
        int, typer.Option(envvar="TGSH_PORT", min=1, max=65535, help="The port that the API would have.")
    ] = 8000,
    as_json: Json = False,
) -> None:
    """Look at Python, torch, Redis, disk, database, data and keys, and say what to do about each.

    Exits with 0 where nothing is wrong (warnings are not), else with 1.
    """
    import os

    from tgsh.doctor.examination import examine
    from tgsh.settings import StoreSettings

    findings = examine(StoreSettings(home=home), url or os.environ.get("TGSH_URL"), port)
    wrong = sum(finding.verdict == "problem" for finding in findings)
    if as_json:
        import json
        from dataclasses import asdict

        typer.echo(json.dumps({"ok": not wrong, "findings": [asdict(found) for found in findings]}, indent=2))
    else:
        _print(findings)
    if wrong:
        raise typer.Exit(1)


def _print(findings: Sequence[Finding]) -> None:
    """One line each, and below it what to do."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, pad_edge=False)
    for style in ("", "bold", ""):
        table.add_column(style=style, overflow="fold")
    for found in findings:
        verdict = Text(found.verdict.upper() if found.verdict == "ok" else found.verdict)
        verdict.stylize({"ok": "green", "warning": "yellow", "problem": "bold red"}[found.verdict])
        table.add_row(verdict, found.subject, Text(found.detail))
        if found.remedy:
            table.add_row("", "", Text(f"→ {found.remedy}"))
    Console().print(table)
