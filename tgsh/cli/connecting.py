"""The service that a command means, and the experiment."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from tgsh.errors import NotFound

if TYPE_CHECKING:
    from tgsh.client import Client

ID_LENGTH = 16
SHOWN_CANDIDATES = 8

DEFAULT_HOME = Path("tgsh-home")


def connect(url: str | None, timeout: float = 30.0) -> Client:
    """A client of the service that is meant: --url, TGSH_URL, the stack on TGSH_HOME, port 8000."""
    from tgsh.client import Client
    from tgsh.embedded.home import running_url

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
