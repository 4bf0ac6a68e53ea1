"""Local copies of files that lie elsewhere, so that they can be memory-mapped; the least used go first."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import weakref
from collections.abc import Callable
from pathlib import Path

MOST_BYTES = 512 << 20
"""What the copies of one process may take beside the one that was asked for last."""


class Copies:
    """A temporary folder of this process's own. What is removed while it is mapped stays until it is not."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="tgsh-artifacts-"))
        weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._sizes: dict[str, int] = {}  # least lately used first

    def used(self, key: str) -> None:
        """Note that a copy is there and in use, and make room for it."""
        with self._lock:
            self._sizes.pop(key, None)
            self._sizes[key] = (self.folder / key).stat().st_size
            total = sum(self._sizes.values())
            for other in list(self._sizes)[:-1]:
                if total <= self._most_bytes:
                    return
                total -= self._sizes.pop(other)
                (self.folder / other).unlink(missing_ok=True)

    def forget(self, key: str) -> None:
        """Remove a copy."""
        with self._lock:
            self._sizes.pop(key, None)
            (self.folder / key).unlink(missing_ok=True)


def fetch(path: Path, download: Callable[[str], None]) -> None:
    """Put a copy at `path`: `download` writes it to the path it is given; if it fails, nothing is left."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".download-")
    os.close(descriptor)
    try:
        download(name)
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)
