"""Content-checked arrays on any fsspec URL, local cache."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Literal

import fsspec
import numpy as np
import safetensors.numpy
from fsspec.implementations.local import LocalFileSystem
from safetensors import SafetensorError, safe_open

from tgsh.errors import ArtifactCorrupt, ArtifactMissing, ArtifactUnreachable, ArtifactUnwritable

MOST_BYTES = 512 << 20
"""What the copies of one process may take beside the one that was asked for last."""


class LocalCache:
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


ABOUT = "tgsh"
"""The one metadata key of our safetensors files; its value is a JSON object."""

STAGED = ".staged-"
"""How the names of files begin that are being written, or whose writer was killed."""

UNWRITABLE = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.EIO,
    errno.ENOTDIR,
}
"""What the system says of a place that cannot be written to; anything else is a fault of ours."""


class Staged:
    """A file being written; its digest is known once the block that wrote it has ended."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.sha256 = ""


class Artifacts:
    """A store of files by key, such as ``0f3a…/tasks/00012-a1-e3.safetensors``."""

    def __init__(self, url: str) -> None:
        self._url = url
        # Other processes write there too: what a listing said is not kept.
        self._fs, self._root = fsspec.url_to_fs(url, use_listings_cache=False)
        self._is_local = isinstance(self._fs, LocalFileSystem)
        self._copies: LocalCache | None = None
        if self._is_local:
            Path(self._root).mkdir(mode=0o700, parents=True, exist_ok=True)
            self._folder = Path(self._root)
        else:
            self._copies = LocalCache()
            self._folder = self._copies.folder

    @contextmanager
    def staged(self, key: str) -> Iterator[Staged]:
        """A temporary file to write; under its key, durably and at once, when the block ends well.

        Raises ArtifactUnwritable, and leaves nothing, where there is no room or no right to write.
        """
        try:
            with self._staged(key, self._folder / key) as staged:
                yield staged
        except OSError as error:
            if error.errno not in UNWRITABLE:
                raise
            raise ArtifactUnwritable(key, self._folder, error.strerror or str(error)) from error

    @contextmanager
    def _staged(self, key: str, target: Path) -> Iterator[Staged]:
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=STAGED)
        os.close(descriptor)
        staged = Staged(Path(name))
        try:
            yield staged
            with staged.path.open("rb+") as file:
                staged.sha256 = hashlib.file_digest(file, "sha256").hexdigest()
                os.fsync(file.fileno())
            if not self._is_local:
                self._upload(key, name)
            staged.path.replace(target)
            if self._copies is None:
                _sync_folder(target.parent)
            else:
                self._copies.used(key)
        finally:
            staged.path.unlink(missing_ok=True)

    def save(self, key: str, tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> str:
        """Write tensors with metadata as safetensors; the SHA-256 (hex) of the file."""
        with self.staged(key) as staged:
            # safetensors writes several metadata keys in a random order; one key keeps the bytes equal.
            about = {ABOUT: json.dumps(dict(metadata), sort_keys=True)}
            # It also writes memory as it lies, so an array in Fortran's order would come back shuffled.
            rows = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
            staged.path.write_bytes(safetensors.numpy.save(rows, about))
        return staged.sha256

    def load(self, key: str, sha256: str) -> tuple[dict[str, np.ndarray], dict[str, str]]:
        """Tensors and metadata of a safetensors file.

        Raises ArtifactMissing, or ArtifactCorrupt where the bytes are not those that were written.
        """
        path = self.path(key, sha256)
        try:
            with safe_open(path, framework="numpy") as file:
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
                return tensors, json.loads((file.metadata() or {})[ABOUT])
        except (SafetensorError, OSError, KeyError, ValueError) as error:
            raise ArtifactCorrupt(f"artifact {key} cannot be read: {error}") from error

    def about(self, key: str, sha256: str) -> dict[str, str]:
        """The metadata alone. Raises as `load` does."""
        path = self.path(key, sha256)
        try:
            with safe_open(path, framework="numpy") as file:
                found: dict[str, str] = json.loads((file.metadata() or {})[ABOUT])
                return found
        except (SafetensorError, OSError, KeyError, ValueError) as error:
            raise ArtifactCorrupt(f"artifact {key} cannot be read: {error}") from error

    def load_array(self, key: str, sha256: str) -> np.ndarray:
        """A memory-mapped, read-only array (.npy)."""
        return self._mapped(key, self.path(key, sha256), "r")

    def load_shared(self, key: str, sha256: str, cache: Path) -> np.ndarray:
        """A memory-mapped array (.npy) that many processes of a machine read; what is written stays private.

        cache: a folder for a copy of what is not on this machine, fetched by whoever needs it first.
        """
        if self._copies is None:
            return self._mapped(key, self.path(key, sha256), "c")
        path = cache / Path(key).name
        if _found_digest(path) != sha256:
            self._fetch(key, path)
            _check(key, path, sha256)
        return self._mapped(key, path, "c")

    @staticmethod
    def _mapped(key: str, path: Path, mode: Literal["r", "c"]) -> np.ndarray:
        try:
            return np.load(path, mmap_mode=mode, allow_pickle=False)  # type: ignore[no-any-return]
        except (ValueError, OSError) as error:
            raise ArtifactCorrupt(f"artifact {key} cannot be read: {error}") from error

    def path(self, key: str, sha256: str) -> Path:
        """A local file with the artifact's bytes, their digest checked once a process and change.

        A copy of what lies elsewhere that is missing or damaged is fetched, again. Raises ArtifactMissing,
        ArtifactCorrupt, ArtifactUnreachable.
        """
        path = self._folder / key
        if self._copies is not None:
            if _found_digest(path) != sha256:
                self._fetch(key, path)
            self._copies.used(key)
        _check(key, path, sha256)
        return path

    def _fetch(self, key: str, path: Path) -> None:
        with self._reaching(key):
            fetch(path, lambda name: self._fs.get_file(f"{self._root}/{key}", name))

    def copied(self, sources: Iterable[tuple[str, str]]) -> str:
        """A folder of this machine that has these artifacts (key, SHA-256) under their keys: a URL, too."""
        if self._copies is not None:
            for key, sha256 in sources:
                self.path(key, sha256)
        return str(self._folder)

    def is_whole(self, key: str, sha256: str) -> bool:
        """Whether it is there, where it belongs, as it was written. Raises ArtifactUnreachable."""
        if self._copies is not None:
            self._copies.forget(key)
        try:
            self.path(key, sha256)
        except (ArtifactMissing, ArtifactCorrupt):
            return False
        return True

    def _upload(self, key: str, name: str) -> None:
        try:
            try:
                self._fs.put_file(name, f"{self._root}/{key}")
            except FileNotFoundError:
                self._fs.makedirs(self._root, exist_ok=True)  # a bucket
                self._fs.put_file(name, f"{self._root}/{key}")
        except Exception as error:  # whatever the file system's own library raises
            raise ArtifactUnwritable(key, self._url, _cause(error)) from error

    @contextmanager
    def _reaching(self, key: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            raise ArtifactMissing(f"artifact {key} is missing") from error
        except Exception as error:  # whatever the file system's own library raises
            raise ArtifactUnreachable(key, self._url, _cause(error)) from error

    def keys(self, prefix: str) -> list[str]:
        """Every key under a prefix (a folder)."""
        return sorted(path.removeprefix(self._root).lstrip("/") for path in self._listed(prefix))

    def older(self, prefix: str, seconds: float) -> list[str]:
        """The keys under a prefix (a folder) of what was written that long ago."""
        before = datetime.now(UTC) - timedelta(seconds=seconds)
        return [key for key in self.keys(prefix) if self._fs.modified(f"{self._root}/{key}") < before]

    def size(self, prefix: str) -> int:
        """Bytes of everything under a prefix (a folder)."""
        return sum(file["size"] for file in self._listed(prefix).values())

    def _listed(self, prefix: str) -> Mapping[str, Mapping[str, int]]:
        with suppress(ArtifactMissing), self._reaching(prefix):  # a bucket that is not there yet
            found: Mapping[str, Mapping[str, int]] = self._fs.find(f"{self._root}/{prefix}", detail=True)
            return found
        return {}

    def remove(self, keys: Iterable[str]) -> None:
        """Remove artifacts; one that is gone already is no error."""
        for key in keys:
            if self._copies is None:
                (self._folder / key).unlink(missing_ok=True)
                continue
            self._copies.forget(key)
            with suppress(ArtifactMissing), self._reaching(key):
                self._fs.rm_file(f"{self._root}/{key}")

    def remove_all(self, prefix: str) -> None:
        """Remove everything under a prefix (a folder)."""
        shutil.rmtree(self._folder / prefix, ignore_errors=True)
        with suppress(ArtifactMissing), self._reaching(prefix):
            self._fs.rm(f"{self._root}/{prefix}", recursive=True)

    def is_writable(self) -> str | None:
        """None if a file can be written, else why not; asks nothing of object stores."""
        try:
            with tempfile.TemporaryFile(dir=self._folder) as file:
                file.write(b"\0")
                file.flush()
        except OSError as error:
            return f"{self._folder}: {error.strerror or error}"
        return None

    def free_bytes(self) -> int | None:
        """Free space for artifacts; None where it cannot be told (object stores)."""
        if not self._is_local:
            return None
        status = os.statvfs(self._folder)
        return status.f_bavail * status.f_frsize


def _check(key: str, path: Path, sha256: str) -> None:
    found = _found_digest(path)
    if found is None:
        raise ArtifactMissing(f"artifact {key} is missing")
    if found != sha256:
        raise ArtifactCorrupt(
            f"artifact {key} is not what was written: its SHA-256 differs from the record's"
        )


def _cause(error: Exception) -> str:
    return str(error) or type(error).__name__


def _found_digest(path: Path) -> str | None:
    """SHA-256 (hex) of a file; None where there is none."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return _digest(path, (status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size))


@lru_cache(maxsize=4096)
def _digest(path: Path, _state: tuple[int, ...]) -> str:
    """SHA-256 (hex) of a file; read again when its inode, times or size change."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
