"""What `tgsh up` started, and where all of it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tgsh.embedded.stack import Stack


def whereabouts(stack: Stack) -> dict[str, Any]:
    """What runs where, without any password."""
    import os

    from sqlalchemy.engine import make_url

    from tgsh.settings import StoreSettings
    from tgsh.store.database import Database
    from tgsh.store.workers import living

    settings = StoreSettings(home=stack.home.path)
    database = Database(settings.database)
    workers = [{"name": found.name, "devices": list(found.slots)} for found in living(database)]
    database.dispose()
    return {
        "dashboard": f"{stack.url}/",
        "url": stack.url,
        "docs": f"{stack.url}/docs",
        "needs_key": stack.needs_key(),
        "workers": workers,
        "redis": f"127.0.0.1:{stack.redis_port}",
        "home": str(stack.home.path),
        "database": make_url(settings.database).render_as_string(hide_password=True),
        "artifacts": settings.artifacts,
        "data": str(settings.data),
        "logs": str(stack.home.logs),
        "pid": os.getpid(),
        "stop": f"kill {os.getpid()}",
    }


def print_whereabouts(found: dict[str, Any], *, err: bool = False) -> None:
    """The same for a person; err: on standard error."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    lines = {
        "dashboard": found["dashboard"],
        "API": f"{found['url']} (try it at {found['docs']})",
        "key": "needed: set TGSH_API_KEY; `tgsh keys add NAME` makes one" if found["needs_key"] else "",
        "workers": "; ".join(_worker(worker) for worker in found["workers"]) or "none yet",
        "Redis": f"{found['redis']}, with a password of its own",
        "database": found["database"],
        "artifacts": found["artifacts"],
        "datasets": found["data"],
        "logs": found["logs"],
        "stop": f"Ctrl-C, or {found['stop']}",
    }
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for name, value in lines.items():
        if value:
            table.add_row(name, Text(str(value)))
    Console(stderr=err).print(table)


def _worker(worker: dict[str, Any]) -> str:
    """Its devices, counted."""
    from collections import Counter

    devices = Counter(worker["devices"])
    return ", ".join(f"{count} × {name}" for name, count in devices.items()) + f" ({worker['name']})"
