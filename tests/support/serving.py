"""The application under test: in this process, or behind a real server on a port of its own."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

import anyio
import httpx
import uvicorn
from anyio.from_thread import BlockingPortal, start_blocking_portal
from fastapi import FastAPI

Message = MutableMapping[str, Any]

SECONDS = 60
"""For which a response is waited for."""


class _Exchange(httpx.SyncByteStream):
    """One request and the body of its response, chunk by chunk as the application sends it."""

    def __init__(self, portal: BlockingPortal, body: bytes) -> None:
        self._portal = portal
        self._unread: list[bytes] = [body]
        self._messages: queue.Queue[Message | Exception | None] = queue.Queue()
        self._gone = portal.call(anyio.Event)

    async def run(self, app: FastAPI, scope: dict[str, Any]) -> None:
        try:
            await app(scope, self._receive, self._send)
            self._messages.put(None)
        except Exception as error:  # a server would log it, and close the connection
            self._messages.put(error)

    async def _receive(self) -> Message:
        if self._unread:
            return {"type": "http.request", "body": self._unread.pop(), "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        self._messages.put(message)

    def _next(self) -> Message:
        message = self._messages.get(timeout=SECONDS)
        if message is None or isinstance(message, Exception):
            raise httpx.RemoteProtocolError("the application ended before its response") from message
        return message

    def start(self) -> Message:
        message = self._next()
        assert message["type"] == "http.response.start"
        return message

    def __iter__(self) -> Iterator[bytes]:
        more = True
        while more:
            message = self._next()
            assert message["type"] == "http.response.body"
            if body := message.get("body", b""):
                yield bytes(body)
            more = message.get("more_body", False)

    def close(self) -> None:
        self._portal.call(self._gone.set)


class InProcessTransport(httpx.BaseTransport):
    """Sends requests to an ASGI application in this process; streams are streamed, no socket is opened."""

    def __init__(self, app: FastAPI, portal: BlockingPortal) -> None:
        self._app, self._portal = app, portal

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": request.method,
            "scheme": url.scheme,
            "path": url.path,
            "raw_path": url.raw_path.split(b"?")[0],
            "query_string": url.query,
            "root_path": "",
            "headers": [(name.lower(), value) for name, value in request.headers.raw],
            "server": (url.host, url.port or 80),
            "client": ("127.0.0.1", 50000),
            "state": {},
        }
        exchange = _Exchange(self._portal, request.read())
        self._portal.start_task_soon(exchange.run, self._app, scope)
        start = exchange.start()
        return httpx.Response(start["status"], headers=start["headers"], stream=exchange)


@contextmanager
def in_process(app: FastAPI) -> Iterator[httpx.Client]:
    """A client of the application in this process; the application lives as long as the block."""
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(app.router.lifespan_context(app)),
        httpx.Client(
            transport=InProcessTransport(app, portal), base_url="http://127.0.0.1:8000", timeout=30
        ) as client,
    ):
        yield client


def another(client: httpx.Client, **options: Any) -> httpx.Client:
    """A second client of the application that `client` reaches."""
    transport = client._transport if isinstance(client._transport, InProcessTransport) else None
    return httpx.Client(transport=transport, base_url=client.base_url, timeout=30, **options)


@contextmanager
def serving(app: FastAPI) -> Iterator[httpx.Client]:
    """Client of the application, through a socket, for as long as the block."""
    http = "service.protocol:Bounded"
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, http=http, ws="none"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.005)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            yield client
    finally:  # a server that is left running keeps the whole test run from ending
        server.should_exit = True
        thread.join()
