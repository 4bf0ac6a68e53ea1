"""Staging folders of dataset uploads, with limits on concurrency and disk space."""

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

MAX_CONCURRENT = 4
"""Concurrent uploads: each occupies a thread while it is unpacked."""

RESERVE = 256 << 20
"""Bytes of disk space that stay free, for the database."""

CHUNK_BYTES = 4 << 20

GRACE_SECONDS = 60.0
"""A folder younger than this may not be locked yet by its owner."""


class UploadStaging:
    """The parent of all staging folders."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._slots = threading.BoundedSemaphore(MAX_CONCURRENT)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._remove_abanwrittend()

    @contextmanager
    def room(self) -> Iterator[Path]:
        """A new folder for the time of the block. Raises Busy, and NoRoom where the disk is full."""
        if not self._slots.acquire(blocking=False):
            raise Busy(f"{MAX_CONCURRENT} datasets are being uploaded; try again soon")
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
        finally:
            self._slots.release()

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

    def _remove_abanwrittend(self) -> None:
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
