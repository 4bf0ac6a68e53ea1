"""The file of keys: who gets in, and who else can read it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tgsh.doctor.finding import Finding, ok, problem, warning
from tgsh.errors import KeysUnreadable
from tgsh.keys import KeyFile


def look(path: Path) -> Iterator[Finding]:
    """Never the keys: the file has their hashes."""
    try:
        keys = KeyFile(path).read()
    except KeysUnreadable as error:
        yield problem("keys", f"{error}: nobody gets in", "restore it, or remove it and make new keys")
        return
    if keys is None:
        yield ok("keys", "there are none: this machine alone gets in (others need one: tgsh keys add NAME)")
        return
    if loose := path.stat().st_mode & 0o077:
        yield warning("keys", f"others may read or write {path} ({loose:03o})", f"chmod 600 {path}")
    valid = [key for key in keys if not key.is_expired()]
    if not valid:
        yield warning("keys", f"none of {len(keys)} in {path} holds: nobody gets in", "tgsh keys add NAME")
    else:
        yield ok("keys", f"{len(valid)} of {len(keys)} in {path} hold")
