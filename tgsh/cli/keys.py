"""Command group `tgsh keys`: API keys in the key file."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tgsh.cli.options import DEFAULT_HOME, Home, Json
from tgsh.cli.output import print_json
from tgsh.errors import InvalidSpec

if TYPE_CHECKING:
    from tgsh.api_keys import KeyFile, Role

UNIT_HOURS = {"h": 1, "d": 24, "w": 7 * 24}
MAX_YEARS = 100

app = typer.Typer(no_args_is_help=True, help="Keys of the API: add, list, revoke.")

File = Annotated[
    Path | None,
    typer.Option("--file", envvar="TGSH_API_KEYS_FILE", help="The file of keys; default: keys.json in HOME."),
]
Name = Annotated[
    str, typer.Argument(metavar="NAME", help="Whose key it is; experiments belong to that name.")
]


@app.command()
def add(
    name: Name,
    role: Annotated[
        str, typer.Option(help="read (look), submit (experiments of one's own) or admin (everything).")
    ] = "submit",
    expires: Annotated[str, typer.Option(help="Such as 12h, 90d, 52w, or never.")] = "365d",
    home: Home = DEFAULT_HOME,
    file: File = None,
    as_json: Json = False,
) -> None:
    """Make a key and print it, this once: only its hash is kept. A running API takes it at once."""
    key_file = _key_file(home, file)
    expires_at = _parse_expiry(expires)
    key = key_file.add(name, _parse_role(role), expires_at)
    if as_json:
        print_json(
            {"name": name, "role": role, "expires_at": expires_at and expires_at.isoformat(), "key": key}
        )
    else:
        typer.echo(key)
    typer.echo(
        "Keep it: it is not shown again. Use it as TGSH_API_KEY, or in a browser as password.", err=True
    )


@app.command(name="list")
def list_(home: Home = DEFAULT_HOME, file: File = None, as_json: Json = False) -> None:
    """Show whose keys there are, their roles, and until when they hold."""
    key_file = _key_file(home, file)
    keys = key_file.read()
    if as_json:
        rows = [key.model_dump(mode="json", exclude={"sha256"}) for key in keys or ()]
        print_json(rows)
    elif keys is None:
        typer.echo("No keys: on this machine everybody may do everything, and nobody gets in from elsewhere.")
    else:
        from tgsh.cli.tables import print_keys

        print_keys(keys)


@app.command()
def revoke(name: Name, home: Home = DEFAULT_HOME, file: File = None, as_json: Json = False) -> None:
    """Take a key back. A running API refuses it at once; what was made with it stays."""
    key_file = _key_file(home, file)
    key_file.revoke(name)
    if as_json:
        print_json({"name": name, "revoked": True})
    else:
        typer.echo(f"Revoked {name}")
    if not key_file.read():
        typer.echo(
            f"That was the last key: nobody gets in now. To go without keys, remove {key_file.path}", err=True
        )


def _key_file(home: Path, file: Path | None) -> KeyFile:
    from tgsh.api_keys import KeyFile
    from tgsh.settings import StoreSettings

    return KeyFile(StoreSettings(home=home, api_keys_file=file).keys_file)


def _parse_role(text: str) -> Role:
    from typing import get_args

    from tgsh.api_keys import Role

    for role in get_args(Role):
        if text == role:
            return role  # type: ignore[no-any-return]
    raise InvalidSpec("--role", f"{text} is none of {', '.join(get_args(Role))}")


def _parse_expiry(text: str) -> datetime | None:
    from datetime import UTC, timedelta

    if text == "never":
        return None
    match = re.fullmatch(r"(\d{1,6})([hdw])", text)
    hours = int(match[1]) * UNIT_HOURS[match[2]] if match else 0
    if not 0 < hours <= MAX_YEARS * 365 * 24:
        raise InvalidSpec("--expires", f"{text} is no time: write 12h, 90d, 52w, or never")
    return (datetime.now(UTC) + timedelta(hours=hours)).replace(microsecond=0)
