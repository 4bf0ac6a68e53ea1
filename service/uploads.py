"""Staging folders of uploads."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fastapi.concurrency import run_in_threadpool

from service.errors import Busy, NoRoom
from tgsh.errors import ArtifactUnwritable

AT_ONCE = 4
"""Uploads on their way: each holds a thread while it is unpacked."""

RESERVE = 256 << 20
"""Bytes that stay free on the disk, for the database."""

PIECE = 4 << 20

GRACE_SECONDS = 60.0
"""A folder younger than this may be one that its owner is about to lock."""


class UploadStaging:
    """The folder of folders."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seats = threading.BoundedSemaphore(AT_ONCE)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._sweep()

    @contextmanager
    def room(self) -> Iterator[Path]:
        """An empty folder, for as long as the block. Raises Busy, and NoRoom where the disk is full."""
        if not self._seats.acquire(blocking=False):
            raise Busy(f"{AT_ONCE} datasets are being uploaded; try again soon")
        try:
            folder = Path(tempfile.mkdtemp(dir=self._folder))
            lock = os.open(folder, os.O_RDONLY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX)  # the system takes it away with the process
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)
                os.close(lock)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise _full(self._folder) from error
            raise
        except ArtifactUnwritable as error:
            raise NoRoom(f"{error}".partition(";")[0]) from error
        finally:
            self._seats.release()

    def require_space(self, more: int) -> None:
        """Raises NoRoom where so many bytes more would fill the disk."""
        if shutil.disk_usage(self._folder).free < more + RESERVE:
            raise _full(self._folder)

    async def receive(self, pieces: AsyncIterator[bytes], target: Path) -> None:
        """Write what comes. Raises NoRoom, and what `pieces` raises."""
        with target.open("wb") as file:
            waiting = bytearray()
            async for piece in pieces:
                waiting += piece
                if len(waiting) >= PIECE:
                    await run_in_threadpool(self._write, file.fileno(), bytes(waiting))
                    waiting.clear()
            await run_in_threadpool(self._write, file.fileno(), bytes(waiting))

    def _write(self, descriptor: int, content: bytes) -> None:
        self.require_space(len(content))
        with memoryview(content) as left:
            done = 0
            while done < len(content):
                done += os.write(descriptor, left[done:])

    def _sweep(self) -> None:
        """Remove what services left that were killed."""
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


def _full(folder: Path) -> NoRoom:
    return NoRoom(f"the disk of {folder} is full; make room there, or send less")
