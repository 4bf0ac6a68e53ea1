"""Staging folders of dataset uploads, limits on disk space, and turns at unpacking."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

from fastapi.concurrency import run_in_threadpool

from service.errors import NoRoom
from tgsh.errors import ArtifactUnwritable

MAX_UNPACKING = 2
"""Uploads that are unpacked at a time: each occupies a thread, and processes of its own. Whoever still sends
occupies none, so that slow senders keep nobody out."""

RESERVE = 256 << 20
"""Bytes of disk space that stay free, for the database."""

CHUNK_BYTES = 4 << 20

GRACE_SECONDS = 60.0
"""A folder younger than this may not be locked yet by its owner."""


class UploadStaging:
    """The parent of all staging folders."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._unpacking: Counter[str | None] = Counter()
        self._turns = 0
        self._last_turns: dict[str | None, int] = {}
        self._waiting: list[tuple[str | None, asyncio.Future[None]]] = []
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._remove_abandoned()

    @contextmanager
    def room(self) -> Iterator[Path]:
        """A new folder for the time of the block. Raises NoRoom where the disk is full."""
        try:
            folder = Path(tempfile.mkdtemp(dir=self._folder))
            lock = os.open(folder, os.O_RDONLY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX)  # released by the system with the process
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)
                os.close(lock)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise _no_room(self._folder) from error
            raise
        except ArtifactUnwritable as error:
            raise NoRoom(f"{error}".partition(";")[0]) from error

    @asynccontextmanager
    async def turn(self, owner: str | None) -> AsyncIterator[None]:
        """A turn at unpacking for the block; next is who has the fewest, of these who waited longest."""
        if sum(self._unpacking.values()) >= MAX_UNPACKING:
            waiting = asyncio.get_running_loop().create_future()
            self._waiting.append((owner, waiting))
            try:
                await waiting  # its turn is counted by who gives it
            except asyncio.CancelledError:
                if waiting.done() and not waiting.cancelled():
                    self._end_turn(owner)
                else:
                    self._waiting.remove((owner, waiting))
                raise
        else:
            self._begin_turn(owner)
        try:
            yield
        finally:
            self._end_turn(owner)

    def _begin_turn(self, owner: str | None) -> None:
        self._unpacking[owner] += 1
        self._turns += 1
        self._last_turns[owner] = self._turns

    def _end_turn(self, owner: str | None) -> None:
        self._unpacking[owner] -= 1
        if not self._waiting:
            return
        following = min(self._waiting, key=self._rank)
        self._waiting.remove(following)
        self._begin_turn(following[0])
        following[1].set_result(None)

    def _rank(self, waiting: tuple[str | None, asyncio.Future[None]]) -> tuple[int, int]:
        owner, _ = waiting
        return self._unpacking[owner], self._last_turns.get(owner, 0)

    def require_space(self, more: int) -> None:
        """Raises NoRoom where `more` bytes would fill the disk."""
        if shutil.disk_usage(self._folder).free < more + RESERVE:
            raise _no_room(self._folder)

    async def receive(self, chunks: AsyncIterator[bytes], target: Path) -> None:
        """Write the chunks to a file. Raises NoRoom, and what `chunks` raises."""
        with target.open("wb") as file:
            buffer = bytearray()
            async for chunk in chunks:
                buffer += chunk
                if len(buffer) >= CHUNK_BYTES:
                    await run_in_threadpool(self._write, file.fileno(), bytes(buffer))
                    buffer.clear()
            await run_in_threadpool(self._write, file.fileno(), bytes(buffer))

    def _write(self, descriptor: int, content: bytes) -> None:
        self.require_space(len(content))
        with memoryview(content) as view:
            written = 0
            while written < len(content):
                written += os.write(descriptor, view[written:])

    def _remove_abandoned(self) -> None:
        """Remove folders of services that were killed."""
        for folder in self._folder.iterdir():
            with suppress(OSError):
                if time.time() - folder.stat().st_mtime < GRACE_SECONDS:
                    continue
                lock = os.open(folder, os.O_RDONLY)
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(folder, ignore_errors=True)
                finally:
                    os.close(lock)


def _no_room(folder: Path) -> NoRoom:
    return NoRoom(f"the disk of {folder} is full; make room there, or send less")
