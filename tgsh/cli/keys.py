"""Keys …."""

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

UNITS = {"h": 1, "d": 24, "w": 7 * 24}
LONGEST_YEARS = 100

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
    keys = _open(home, file)
    until = _expiry(expires)
    key = keys.add(name, _role(role), until)
    if as_json:
        print_json({"name": name, "role": role, "expires_at": until and until.isoformat(), "key": key})
    else:
        typer.echo(key)
    typer.echo(
        "Keep it: it is not shown again. Use it as TGSH_API_KEY, or in a browser as password.", err=True
    )


@app.command(name="list")
def list_(home: Home = DEFAULT_HOME, file: File = None, as_json: Json = False) -> None:
    """Show whose keys there are, their roles, and until when they hold."""
    keys = _open(home, file)
    found = keys.read()
    if as_json:
        rows = [key.model_dump(mode="json", exclude={"sha256"}) for key in found or ()]
        print_json(rows)
    elif found is None:
        typer.echo("No keys: on this machine everybody may do everything, and nobody gets in from elsewhere.")
    else:
        from tgsh.cli.output import print_keys

        print_keys(found)


@app.command()
def revoke(name: Name, home: Home = DEFAULT_HOME, file: File = None, as_json: Json = False) -> None:
    """Take a key back. A running API refuses it at once; what was made with it stays."""
    keys = _open(home, file)
    keys.revoke(name)
    if as_json:
        print_json({"name": name, "revoked": True})
    else:
        typer.echo(f"Revoked {name}")
    if not keys.read():
        typer.echo(
            f"That was the last key: nobody gets in now. To go without keys, remove {keys.path}", err=True
        )


def _open(home: Path, file: Path | None) -> KeyFile:
    from tgsh.api_keys import KeyFile
    from tgsh.settings import StoreSettings

    return KeyFile(StoreSettings(home=home, api_keys_file=file).keys_file)


def _role(text: str) -> Role:
    from typing import get_args

    from tgsh.api_keys import Role

    for role in get_args(Role):
        if text == role:
            return role  # type: ignore[no-any-return]
    raise InvalidSpec("--role", f"{text} is none of {', '.join(get_args(Role))}")


def _expiry(text: str) -> datetime | None:
    from datetime import UTC, timedelta

    if text == "never":
        return None
    found = re.fullmatch(r"(\d{1,6})([hdw])", text)
    hours = int(found[1]) * UNITS[found[2]] if found else 0
    if not 0 < hours <= LONGEST_YEARS * 365 * 24:
        raise InvalidSpec("--expires", f"{text} is no time: write 12h, 90d, 52w, or never")
    return (datetime.now(UTC) + timedelta(hours=hours)).replace(microsecond=0)
