"""Raw HTTP/1.1 over sockets, for requests that no client would send."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Response:
    """The first response on a connection."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def problem(self) -> dict[str, Any]:
        """The problem document, which it must be."""
        assert self.headers["content-type"] == "application/problem+json", self
        document: dict[str, Any] = json.loads(self.body)
        assert document["status"] == self.status
        assert document["detail"]
        return document


def exchange(address: tuple[str, int], *parts: bytes, seconds: float = 20) -> Response:
    """Response to these bytes."""
    with socket.create_connection(address, timeout=seconds) as connection:
        send(connection, parts)
        return read_response(connection)


def send(connection: socket.socket, parts: Iterable[bytes]) -> int:
    """Send until all is sent or the server closes the connection; the number of bytes sent."""
    sent = 0
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        for part in parts:
            connection.sendall(part)
            sent += len(part)
    return sent


def read_response(connection: socket.socket) -> Response:
    """The next response; one of unknown length is read to the end of the connection."""
    with contextlib.suppress(ConnectionResetError), connection.makefile("rb") as stream:
        status = int(stream.readline().split()[1])
        headers: dict[str, str] = {}
        while (line := stream.readline().strip()) != b"":
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip()
        length = headers.get("content-length")
        return Response(status, headers, stream.read(int(length)) if length else b"")
    raise AssertionError("the connection was reset before a response came")


def get(path: str, *headers: str) -> bytes:
    """A GET as bytes; `path` may hold what a client would not send."""
    lines = [f"GET {path} HTTP/1.1", "Host: localhost", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1")


def post(path: str, body: bytes, *headers: str) -> bytes:
    """A POST of JSON as bytes."""
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json"]
    lines += [f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body
