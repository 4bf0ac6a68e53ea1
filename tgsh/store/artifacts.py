"""Arrays under a folder or any fsspec URL, their content checked by digest; local cache of remote ones."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import secrets
import shutil
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import fsspec
import numpy as np
import safetensors.numpy
from fsspec.implementations.local import LocalFileSystem
from fsspec.spec import AbstractFileSystem
from safetensors import SafetensorError, safe_open

from tgsh.errors import (
    ArtifactCorrupt,
    ArtifactMissing,
    ArtifactNotRemoved,
    ArtifactUnreachable,
    ArtifactUnwritable,
    MachineProblem,
)

METADATA_KEY = "tgsh"
"""The only metadata key of our safetensors files; its value is a JSON object."""

STAGED_PREFIX = ".staged-"
"""Prefix of the names of files that are being written, or whose writer was killed."""

CONTENT = "by-content"
"""Folder with a further name, its SHA-256, of each file that experiments may share."""

UNWRITABLE_ERRNOS = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.EIO,
    errno.ENOTDIR,
}
"""Errors of a storage that cannot be written to; any other is a bug."""


MAX_CACHE_BYTES = 512 << 20
"""Most bytes of one process's cache, beside the copy used last."""


class StagedFile:
    """A file being written. sha256: its digest, set when the block that writes it has ended."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.sha256 = ""


class Artifacts:
    """Files by key, such as ``0f3a…/tasks/00012-a1-e3.safetensors``.

    url: a folder, or where it has "://" a URL of fsspec. Raises MachineProblem where the package for the
    URL's kind of store is not installed.
    """

    def __init__(self, url: str | Path) -> None:
        self._url = str(url)
        self._fs, self._root = _file_system(url)
        self._is_local = isinstance(self._fs, LocalFileSystem)
        self._cache: LocalCache | None = None
        if self._is_local:
            Path(self._root).mkdir(mode=0o700, parents=True, exist_ok=True)
            self._folder = Path(self._root)
        else:
            self._cache = LocalCache()
            self._folder = self._cache.folder

    @property
    def location(self) -> str:
        """The folder or URL."""
        return self._url

    @contextmanager
    def staged(self, key: str) -> Iterator[StagedFile]:
        """A temporary file to write, stored durably and atomically under its key when the block ends.

        Raises ArtifactUnwritable, and leaves no file, where the storage is full or not writable.
        """
        try:
            with self._staged(key, self._folder / key) as staged:
                yield staged
        except OSError as error:
            if error.errno not in UNWRITABLE_ERRNOS:
                raise
            raise ArtifactUnwritable(key, self._folder, error.strerror or str(error)) from error

    @contextmanager
    def _staged(self, key: str, target: Path) -> Iterator[StagedFile]:
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=STAGED_PREFIX)
        os.close(descriptor)
        staged = StagedFile(Path(name))
        try:
            yield staged
            with staged.path.open("rb+") as file:
                staged.sha256 = hashlib.file_digest(file, "sha256").hexdigest()
                os.fsync(file.fileno())
            if not self._is_local:
                self._upload(key, name)
            staged.path.replace(target)
            if self._cache is None:
                _sync_folder(target.parent)
            else:
                self._cache.touch(key)
        finally:
            staged.path.unlink(missing_ok=True)

    def save(self, key: str, tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> str:
        """Write tensors with metadata as safetensors; the SHA-256 (hex) of the file."""
        with self.staged(key) as staged:
            # safetensors writes several metadata keys in a random order; one key keeps the bytes equal.
            text = {METADATA_KEY: json.dumps(dict(metadata), sort_keys=True)}
            # It also writes memory as it lies, so an array in Fortran order would be read back shuffled.
            rows = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
            staged.path.write_bytes(safetensors.numpy.save(rows, text))
        return staged.sha256

    def share(self, key: str, sha256: str) -> bool:
        """Keep files of equal bytes once: the artifact becomes another name of one that was shared before.

        The file system counts the names (hard links), so a file goes with its last user, and none is
        aware of others. Whether it could be: object stores and some file systems have one name a file.
        """
        if not self._is_local:
            return False
        path, kept = self._folder / key, self._folder / CONTENT / sha256
        try:
            kept.parent.mkdir(mode=0o700, exist_ok=True)
            if _file_digest(kept) != sha256:  # none yet, or damaged: this one takes its place
                _link(path, kept)
            elif not kept.samefile(path):
                _link(kept, path)
        except OSError:  # no hard links here, or a file with as many names as it can have
            return False
        return True

    def _forget_content(self, path: Path) -> None:
        """Remove the name by content of a file whose last user is removed."""
        with suppress(OSError):
            if path.stat().st_nlink == 2 and path.is_file() and (digest := _file_digest(path)):
                kept = self._folder / CONTENT / digest
                if kept.samefile(path):
                    kept.unlink()

    def remove_unshared(self) -> int:
        """Remove the names by content of files that no experiment has any more; their number.

        Left by removals of two users at the same moment, and by processes that were killed.
        """
        if not self._is_local or not (self._folder / CONTENT).is_dir():
            return 0
        removed = 0
        for path in (self._folder / CONTENT).iterdir():
            with suppress(OSError):
                if path.stat().st_nlink == 1:  # whoever links it at this moment keeps the file
                    path.unlink()
                    removed += 1
        return removed

    def load(self, key: str, sha256: str) -> tuple[dict[str, np.ndarray], dict[str, str]]:
        """Tensors and metadata of a safetensors file.

        Raises as `path` does, and ArtifactCorrupt where it is no safetensors file.
        """
        path = self.path(key, sha256)
        try:
            with safe_open(path, framework="numpy") as file:
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
                return tensors, json.loads((file.metadata() or {})[METADATA_KEY])
        except (SafetensorError, OSError, KeyError, ValueError) as error:
            raise ArtifactCorrupt(f"artifact {key} cannot be read: {error}") from error

    def metadata(self, key: str, sha256: str) -> dict[str, str]:
        """Metadata of a safetensors file, without its tensors. Raises as `load` does."""
        path = self.path(key, sha256)
        try:
            with safe_open(path, framework="numpy") as file:
                metadata: dict[str, str] = json.loads((file.metadata() or {})[METADATA_KEY])
                return metadata
        except (SafetensorError, OSError, KeyError, ValueError) as error:
            raise ArtifactCorrupt(f"artifact {key} cannot be read: {error}") from error

    def load_array(self, key: str, sha256: str) -> np.ndarray:
        """A memory-mapped, read-only array (.npy)."""
        return self._mapped(key, self.path(key, sha256), "r")

    def load_shared(self, key: str, sha256: str, cache: Path) -> np.ndarray:
        """A memory-mapped array (.npy) that processes of a machine share; writes to it stay private.

        cache: a folder for the copy of a remote array, downloaded by the first process that needs it.
        """
        if self._cache is None:
            return self._mapped(key, self.path(key, sha256), "c")
        path = cache / Path(key).name
        if _file_digest(path) != sha256:
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
        """A local file with the artifact's bytes; its digest is computed once in a process and after changes.

        A missing or damaged local copy of a remote artifact is downloaded again. Raises ArtifactMissing,
        ArtifactCorrupt, ArtifactUnreachable.
        """
        path = self._folder / key
        if self._cache is not None:
            if _file_digest(path) != sha256:
                self._fetch(key, path)
            self._cache.touch(key)
        _check(key, path, sha256)
        return path

    def _fetch(self, key: str, path: Path) -> None:
        with self._translate_errors(key):
            download_to(path, lambda name: self._fs.get_file(f"{self._root}/{key}", name))

    def local_copies(self, sources: Iterable[tuple[str, str]]) -> str:
        """A local folder (also a URL) that holds these artifacts (key, SHA-256) under their keys."""
        if self._cache is not None:
            for key, sha256 in sources:
                self.path(key, sha256)
        return str(self._folder)

    def is_whole(self, key: str, sha256: str) -> bool:
        """True if the stored artifact, not its copy, exists and is undamaged. Raises ArtifactUnreachable."""
        if self._cache is not None:
            self._cache.discard(key)
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
            raise ArtifactUnwritable(key, self._url, _reason(error)) from error

    @contextmanager
    def _translate_errors(self, key: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            raise ArtifactMissing(f"artifact {key} is missing") from error
        except Exception as error:  # whatever the file system's own library raises
            raise ArtifactUnreachable(key, self._url, _reason(error)) from error

    def keys(self, prefix: str) -> list[str]:
        """All keys under a prefix (a folder)."""
        return sorted(path.removeprefix(self._root).lstrip("/") for path in self._list(prefix))

    def older(self, prefix: str, seconds: float) -> list[str]:
        """Keys under a prefix (a folder) of artifacts older than `seconds`."""
        before = datetime.now(UTC) - timedelta(seconds=seconds)
        return [key for key in self.keys(prefix) if self._fs.modified(f"{self._root}/{key}") < before]

    def size(self, prefix: str) -> int:
        """Bytes of all artifacts under a prefix (a folder)."""
        return sum(file["size"] for file in self._list(prefix).values())

    def _list(self, prefix: str) -> Mapping[str, Mapping[str, Any]]:
        with suppress(ArtifactMissing), self._translate_errors(prefix):  # a bucket that does not exist yet
            files: Mapping[str, Mapping[str, Any]] = self._fs.find(f"{self._root}/{prefix}", detail=True)
            return files
        return {}

    def folders(self) -> list[str]:
        """Names of the folders at the top."""
        with suppress(ArtifactMissing), self._translate_errors(""):
            entries = self._fs.ls(self._root, detail=True)
            return sorted(Path(entry["name"]).name for entry in entries if entry["type"] == "directory")
        return []

    def is_older(self, folder: str, seconds: float) -> bool:
        """True if nothing in a folder is younger than `seconds`, nor is a local folder itself."""
        with suppress(ArtifactMissing), self._translate_errors(folder):
            before = datetime.now(UTC) - timedelta(seconds=seconds)
            if self._is_local and self._fs.modified(f"{self._root}/{folder}") >= before:
                return False  # it may be empty as yet
            files = self._list(folder).items()
            return all((file.get("LastModified") or self._fs.modified(path)) < before for path, file in files)
        return False

    def remove(self, keys: Iterable[str]) -> None:
        """Remove artifacts; one that does not exist is no error. Raises ArtifactNotRemoved."""
        for key in keys:
            with self._removing(key):
                if self._cache is None:
                    self._forget_content(self._folder / key)
                    (self._folder / key).unlink(missing_ok=True)
                    continue
                self._cache.discard(key)
                self._fs.rm_file(f"{self._root}/{key}")

    def remove_all(self, prefix: str) -> None:
        """Remove all artifacts under a prefix (a folder); what can be removed is, whatever cannot.

        Raises ArtifactNotRemoved where something is left.
        """
        if self._is_local:
            for folder, _, names in os.walk(self._folder / prefix):  # another process may remove it too
                for name in names:
                    self._forget_content(Path(folder, name))
        shutil.rmtree(self._folder / prefix, ignore_errors=True)
        with self._removing(prefix):
            if not self._is_local:
                self._fs.rm(f"{self._root}/{prefix}", recursive=True)
                if left := self.keys(
                    prefix
                ):  # s3fs says nothing of single files that a store refuses to delete
                    raise OSError(f"the store keeps {len(left)} files, such as {left[0]}")
            elif (self._folder / prefix).exists():
                shutil.rmtree(self._folder / prefix)  # again, to be told why

    @contextmanager
    def _removing(self, key: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            pass
        except Exception as error:  # whatever the file system's own library raises
            raise ArtifactNotRemoved(key, self._url, _reason(error)) from error

    def unwritable_reason(self) -> str | None:
        """None if a file can be written to the folder or local cache, else the reason."""
        try:
            with tempfile.TemporaryFile(dir=self._folder) as file:
                file.write(b"\0")
                file.flush()
        except OSError as error:
            return f"{self._folder}: {error.strerror or error}"
        return None

    def free_bytes(self) -> int | None:
        """Free space for artifacts; None for object stores, which report none."""
        if not self._is_local:
            return None
        status = os.statvfs(self._folder)
        return status.f_bavail * status.f_frsize


class LocalCache:
    """A temporary folder of this process for copies of remote artifacts, least recently used removed first.

    A copy that is removed while it is memory-mapped stays on disk until it is unmapped.
    """

    def __init__(self, max_bytes: int = MAX_CACHE_BYTES) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="tgsh-artifacts-"))
        weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._sizes: dict[str, int] = {}  # least recently used first

    def touch(self, key: str) -> None:
        """Mark a copy as used, and remove others to make room for it."""
        with self._lock:
            self._sizes.pop(key, None)
            self._sizes[key] = (self.folder / key).stat().st_size
            total = sum(self._sizes.values())
            for other in list(self._sizes)[:-1]:
                if total <= self._max_bytes:
                    return
                total -= self._sizes.pop(other)
                (self.folder / other).unlink(missing_ok=True)

    def discard(self, key: str) -> None:
        """Remove a copy."""
        with self._lock:
            self._sizes.pop(key, None)
            (self.folder / key).unlink(missing_ok=True)


def _file_system(url: str | Path) -> tuple[AbstractFileSystem, str]:
    """The file system of a store, and its root there."""
    if isinstance(url, Path) or "://" not in url:
        # Not by URL: fsspec takes "::" in a folder's name for a chain of file systems.
        return LocalFileSystem(), str(Path(url).absolute())
    try:
        # Other processes write there too: listings are not cached.
        fs, root = fsspec.url_to_fs(url, use_listings_cache=False)
    except ImportError as error:
        scheme = url.partition("://")[0]
        extra = "pip install 'tgsh[s3]'" if scheme in ("s3", "s3a") else "install fsspec's package for it"
        raise MachineProblem(f"artifacts in {scheme}:// need a package ({error}): {extra}") from error
    return fs, str(root)


def download_to(path: Path, download: Callable[[str], None]) -> None:
    """Create `path` atomically: `download` writes to a temporary path, which is removed if it fails."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".download-")
    os.close(descriptor)
    try:
        download(name)
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)


def _check(key: str, path: Path, sha256: str) -> None:
    digest = _file_digest(path)
    if digest is None:
        raise ArtifactMissing(f"artifact {key} is missing")
    if digest != sha256:
        raise ArtifactCorrupt(
            f"artifact {key} is not what was written: its SHA-256 differs from the record's"
        )


def _reason(error: Exception) -> str:
    """The words of an error; where a store sent none, those of its cause, which has the store's code."""
    said = (str(each) for each in (error, error.__cause__) if each is not None)
    return next((text for text in said if text not in ("", "None")), type(error).__name__)


def _file_digest(path: Path) -> str | None:
    """SHA-256 (hex) of a file; None where it does not exist."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return _digest(path, (status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size))


@lru_cache(maxsize=32_768)  # the atlas has a file of thousands of experiments at hand
def _digest(path: Path, _state: tuple[int, ...]) -> str:
    """SHA-256 (hex) of a file; read again when its inode, times or size change."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _link(source: Path, target: Path) -> None:
    """Make `target` another name of the file `source`, in place of what it named; atomically."""
    temporary = target.with_name(f"{STAGED_PREFIX}{secrets.token_hex(8)}")
    os.link(source, temporary)
    try:
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)  # rename does nothing where both name one file already


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
