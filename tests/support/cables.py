"""Cables between processes of one machine: TCP connections that can be cut without being closed."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Cable:
    """A port that leads to another one. Pulled, it takes connections and bytes, and delivers nothing."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._is_plugged = asyncio.Event()
        self._is_plugged.set()
        self.port = 0

    def pull(self) -> None:
        """Deliver nothing any more; no connection is closed."""
        self._loop.call_soon_threadsafe(self._is_plugged.clear)

    def plug(self) -> None:
        """Deliver again, also what was sent meanwhile, as TCP does."""
        self._loop.call_soon_threadsafe(self._is_plugged.set)

    def run(self, is_open: threading.Event) -> None:
        """Serve until `close`."""
        try:
            with contextlib.suppress(asyncio.CancelledError):
                self._loop.run_until_complete(self._serve(is_open))
        finally:
            self._loop.run_until_complete(self._disconnect())
            self._loop.close()

    def close(self) -> None:
        """End the thread that serves."""

        def cancel() -> None:
            for task in asyncio.all_tasks(self._loop):
                task.cancel()

        self._loop.call_soon_threadsafe(cancel)

    async def _serve(self, is_open: threading.Event) -> None:
        server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        is_open.set()
        async with server:
            await server.serve_forever()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.ExitStack() as ends, contextlib.suppress(OSError, asyncio.CancelledError):
            ends.callback(writer.transport.abort)
            await self._is_plugged.wait()
            there, back = await asyncio.open_connection("127.0.0.1", self._target)
            ends.callback(back.transport.abort)
            ways = [asyncio.ensure_future(self._carry(*each)) for each in ((reader, back), (there, writer))]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()

    async def _disconnect(self) -> None:
        connections = asyncio.all_tasks() - {asyncio.current_task()}
        for each in connections:
            each.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
        await asyncio.sleep(0.01)  # transports tell that they are closed

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 16):
                await self._is_plugged.wait()
                writer.write(data)
                await writer.drain()
            await self._is_plugged.wait()


@contextmanager
def cable(target: int) -> Iterator[Cable]:
    """A cable to a port of this machine, for as long as the block."""
    made, is_open = Cable(target), threading.Event()
    thread = threading.Thread(target=made.run, args=(is_open,), daemon=True)
    thread.start()
    assert is_open.wait(60)
    try:
        yield made
    finally:
        made.plug()
        made.close()
        thread.join(10)
