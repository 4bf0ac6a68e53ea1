"""Application behind uvicorn on a free port."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import uvicorn
from fastapi import FastAPI


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
