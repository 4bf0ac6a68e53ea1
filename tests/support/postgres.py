"""Temporary PostgreSQL server."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


def find_tool(name: str) -> str | None:
    """A PostgreSQL server tool: on PATH, or where Debian keeps it."""
    debian = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return shutil.which(name) or (str(debian[-1]) if debian else None)


@contextmanager
def running_postgres(
    folder: Path, host: str = "127.0.0.1", inside: Sequence[str] = (), words: Sequence[str] = ()
) -> Iterator[str]:
    """The SQLAlchemy URL of a server that lives as long as the block, listening on `host`.

    inside: words before its commands, which run them as root elsewhere, such as in another network.
    words: more arguments of the server.
    """
    initdb, pg_ctl = find_tool("initdb"), find_tool("pg_ctl")
    assert initdb is not None
    assert pg_ctl is not None
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    data = folder / "data"
    become = _become(folder)
    if inside:
        user = _user()
        inside = [*inside, "setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
        become = {"cwd": str(folder)}
    options = f"-c listen_addresses={host} -p {port} -c unix_socket_directories={folder} -c fsync=off"
    options = " ".join([options, *words])
    _call([*inside, initdb, "-D", str(data), "-U", "tgsh", "--auth=trust", "-E", "UTF8"], become)
    if inside:
        with (data / "pg_hba.conf").open("a") as rules:
            rules.write("host all all samenet trust\n")
    _call([*inside, pg_ctl, "-D", str(data), "-w", "-o", options, "-l", str(folder / "log"), "start"], become)
    try:
        yield f"postgresql+psycopg://tgsh@{host}:{port}/postgres"
    finally:
        _call([*inside, pg_ctl, "-D", str(data), "-m", "immediate", "-w", "stop"], become)


def restart_postgres(folder: Path) -> None:
    """Kill the server of `running_postgres` if it lives, and start it again with the same arguments."""
    pg_ctl = find_tool("pg_ctl")
    assert pg_ctl is not None
    words = ["-D", str(folder / "data"), "-m", "immediate", "-w", "-l", str(folder / "log"), "restart"]
    _call([pg_ctl, *words], _become(folder))


def _become(folder: Path) -> dict[str, object]:
    """How a server tool is called: it refuses to run as root, so root lends the folder to another user."""
    if os.geteuid() != 0:
        return {}
    user = _user()
    for path in (folder, *folder.parents):
        if path.owner() == "root" and str(path).startswith("/tmp/"):
            path.chmod(0o755)
    os.chown(folder, user.pw_uid, user.pw_gid)
    return {"user": user.pw_uid, "group": user.pw_gid, "cwd": str(folder)}


def _user() -> pwd.struct_passwd:
    return pwd.getpwnam("postgres" if _has_user("postgres") else "nobody")


def _has_user(name: str) -> bool:
    return any(entry.pw_name == name for entry in pwd.getpwall())


def _call(command: list[str], become: dict[str, object]) -> None:
    result = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
        **become,
    )  # type: ignore[call-overload]
    assert result.returncode == 0, result.stdout
