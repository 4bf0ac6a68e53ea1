"""Which TCP ports are free, and who has the others."""

from __future__ import annotations

import contextlib
import socket

from tgsh.errors import MachineProblem


def free_port(host: str = "127.0.0.1") -> int:
    """A port nobody listens on at this moment."""
    with socket.socket(_family(host)) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def require_free(host: str, port: int) -> None:
    """Raises: MachineProblem that names the process which has the port, or says why it cannot be had."""
    with socket.socket(_family(host)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as uvicorn does
        try:
            probe.bind((host, port))
        except PermissionError:
            raise MachineProblem(f"port {port} needs root: choose one above 1023 with --port") from None
        except OSError as error:
            holder = _holder(port)
            if holder is None and error.errno is not None and "in use" not in str(error):
                raise MachineProblem(f"cannot listen on {host}:{port}: {error.strerror}") from None
            by = holder or "another user's process"
            raise MachineProblem(
                f"port {port} is taken by {by}: end it, or choose another with --port"
            ) from None


def _holder(port: int) -> str | None:
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
