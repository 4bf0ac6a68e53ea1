"""Online backup of SQLite, artifacts and the file of keys as one tar file, and its restore."""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import os
import shutil
import sqlite3
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from sqlalchemy import select

from tgsh.api_keys import KeyFile
from tgsh.errors import ArtifactCorrupt, ArtifactError, MachineProblem
from tgsh.store.analyses import files as analysis_files
from tgsh.store.artifacts import Artifacts
from tgsh.store.database import Database
from tgsh.store.datasets import files as dataset_files
from tgsh.store.models import FinishRecord, TaskRecord

FORMAT, FORMAT_WITHOUT_KEYS = "tgsh.backup/2", "tgsh.backup/1"
MANIFEST, DATABASE, FILES, KEYS = "manifest.json", "tgsh.db", "artifacts", "keys.json"
WEBHOOK_KEY = "webhook.key"

UNFINISHED = ".tgsh-backup-"
"""Prefix of the folder beside the target in which a backup is made, locked as long as its process lives."""

LOCK_SECONDS = 60.0
"""A folder younger than this may not be locked yet by its process."""

ATTEMPTS = 3
"""Snapshots of the database that are tried, as artifacts may be deleted before they are copied."""


@dataclass(frozen=True)
class BackupSummary:
    """Content of a backup.

    keys: number of API keys; None: no file of keys. damaged: artifacts of the store that were damaged, and
    are left out. is_complete: False for a backup of an earlier version, which left out the keys.
    """

    experiments: int
    files: int
    keys: int | None
    damaged: tuple[str, ...] = ()
    is_complete: bool = True


def backup(database: Database, artifacts: Artifacts, keys: KeyFile, target: Path) -> BackupSummary:
    """Write database, artifacts and keys to the file `target`, atomically, readable by its owner only.

    Previews, downloaded datasets, Redis and logs are left out: they are made again. Raises MachineProblem for
    a database that is not SQLite, and where the file cannot be written; KeysUnreadable.
    """
    if not database.is_sqlite or not database.url.database:
        raise MachineProblem(
            f"this backs up SQLite. To back up PostgreSQL copy three things, in this order: the database "
            f"{database.url.render_as_string(hide_password=True)}, with pg_dump; the artifacts, "
            f"{artifacts.location}; the file of API keys, {keys.path}, readable by its owner only, "
            "without which the restored service lets in everybody"
        )
    if not Path(database.url.database).exists():
        raise MachineProblem(f"there is no database at {database.url.database}; choose another --home")
    try:
        folder = target.absolute().parent
        folder.mkdir(parents=True, exist_ok=True)
        _remove_unfinished(folder)
        with _locked_folder(folder) as unfinished:
            saved = _write(database, artifacts, keys, unfinished)
            (unfinished / "part").replace(target)
    except OSError as error:
        raise MachineProblem(f"cannot write {target}: {error.strerror or error}") from error
    return saved


@contextmanager
def _locked_folder(parent: Path) -> Iterator[Path]:
    """A temporary folder, which other backups leave alone as long as this process lives."""
    with tempfile.TemporaryDirectory(dir=parent, prefix=UNFINISHED) as name:
        descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC)
        try:
            with suppress(OSError):  # a network file system without locks: the folder's age protects it
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield Path(name)
        finally:
            os.close(descriptor)


def _remove_unfinished(parent: Path) -> None:
    """Remove what backups that were killed have left in a folder."""
    for folder in parent.glob(f"{UNFINISHED}*"):
        with suppress(OSError):
            if time.time() - folder.stat().st_mtime < LOCK_SECONDS:
                continue
            descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder)
            finally:
                os.close(descriptor)


def _write(database: Database, artifacts: Artifacts, keys: KeyFile, folder: Path) -> BackupSummary:
    for last in (*[False] * (ATTEMPTS - 1), True):
        copy_path = folder / DATABASE
        copy_path.unlink(missing_ok=True)
        with (
            closing(sqlite3.connect(str(database.url.database))) as live,
            closing(sqlite3.connect(copy_path)) as copy,
        ):
            live.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it
        with _create_private(folder / "part") as file:
            saved = _pack(artifacts, copy_path, Path(database.url.database or ""), keys, file)
            os.fsync(file.fileno())
        if last or not saved.damaged:
            return saved
        (folder / "part").unlink()
    raise AssertionError("the last round returns")


def _create_private(path: Path) -> IO[bytes]:
    """A new file that only its owner can read, from its first byte."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    os.fchmod(descriptor, 0o600)  # whatever the umask
    return os.fdopen(descriptor, "w+b")


def _pack(
    artifacts: Artifacts, copy_path: Path, database_file: Path, keys: KeyFile, file: IO[bytes]
) -> BackupSummary:
    """Write a copy of the database, all artifacts that it references, and the keys as a tar."""
    snapshot = Database(copy_path)
    needed, optional = _referenced(snapshot)
    snapshot.dispose()
    digests = {DATABASE: _sha256(copy_path)}
    damaged = []
    entries = keys.read()
    with tarfile.open(fileobj=file, mode="w") as tar:
        with copy_path.open("rb") as copy:
            _add(tar, DATABASE, copy, copy_path.stat().st_size)
        if entries is not None:
            content = keys.path.read_bytes()
            digests[KEYS] = hashlib.sha256(content).hexdigest()
            _add(tar, KEYS, io.BytesIO(content), len(content))
        signing = database_file.parent / WEBHOOK_KEY
        if signing.exists():
            content = signing.read_bytes()
            digests[WEBHOOK_KEY] = hashlib.sha256(content).hexdigest()
            _add(tar, WEBHOOK_KEY, io.BytesIO(content), len(content))
        for key, sha256 in sorted({**optional, **needed}.items()):
            try:
                content = artifacts.path(key, sha256).read_bytes()
            except (ArtifactError, FileNotFoundError):
                damaged += [key] if key in needed else []
                continue
            digests[f"{FILES}/{key}"] = sha256
            _add(tar, f"{FILES}/{key}", io.BytesIO(content), len(content))
        manifest = json.dumps({"format": FORMAT, "sha256": digests}, indent=1).encode()
        _add(tar, MANIFEST, io.BytesIO(manifest), len(manifest))
    files = sum(name.startswith(f"{FILES}/") for name in digests)
    return BackupSummary(
        _count_experiments(copy_path), files, None if entries is None else len(entries), tuple(damaged)
    )


def _referenced(snapshot: Database) -> tuple[dict[str, str], dict[str, str]]:
    """Digests by key of artifacts that must be there, and of checkpoints that training may replace."""
    needed: dict[str, str] = {}
    optional: dict[str, str] = {}
    with snapshot.read() as session:
        columns = TaskRecord.status, TaskRecord.checkpoint, TaskRecord.checkpoint_sha256
        for status, key, sha256 in session.execute(
            select(*columns).where(TaskRecord.checkpoint.is_not(None))
        ):
            (needed if status == "completed" else optional)[str(key)] = str(sha256)
        for results in session.scalars(select(FinishRecord.results)):
            needed |= {str(key): str(sha256) for key, sha256 in results.values()}
        needed |= dataset_files(session)
        needed |= analysis_files(session)
    return needed, optional


def restore(source: Path, home: Path, keys: KeyFile | None = None) -> BackupSummary:
    """Restore a backup to the folder `home`.

    keys: the file to which API keys are restored; None: in `home`. Raises MachineProblem where `home` has a
    database already, there would be two files of keys, or the file is no backup, and ArtifactCorrupt, leaving
    nothing, where any file of it is damaged.
    """
    home = home.absolute()
    keys = keys or KeyFile(home / KEYS)
    if (home / DATABASE).exists() or (home / FILES).exists():
        raise MachineProblem(f"{home} holds a database or artifacts already; choose a new --home")
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=home, prefix=".restore-") as name:
            folder = Path(name)
            (folder / FILES).mkdir(mode=0o700)
            saved = _unpack(source, folder)
            if saved.keys is not None and keys.path.exists():
                raise MachineProblem(
                    f"{keys.path} is there already, and the backup may have other keys: move it away, or "
                    "restore without TGSH_API_KEYS_FILE"
                )
            (folder / FILES).replace(home / FILES)
            if saved.keys is not None:
                keys.restore((folder / KEYS).read_bytes())  # before the database: never open, however short
            if (folder / WEBHOOK_KEY).exists():
                (folder / WEBHOOK_KEY).replace(home / WEBHOOK_KEY)
            (folder / DATABASE).replace(home / DATABASE)  # last: a home with a database is whole
    except tarfile.TarError as error:
        raise MachineProblem(f"{source} is no backup of tgsh: {error}") from error
    except OSError as error:
        raise MachineProblem(f"cannot restore {source} to {home}: {error.strerror or error}") from error
    return saved


def _unpack(source: Path, folder: Path) -> BackupSummary:
    with tarfile.open(source) as tar:
        is_complete, digests = _manifest(tar, source)
        for member, name in _checked_members(tar, digests, source):
            path = folder / name
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            content = tar.extractfile(member)
            assert content is not None, "a regular file"
            with _create_private(path) as file:
                shutil.copyfileobj(content, file)
                file.flush()
                os.fsync(file.fileno())
            if _sha256(path) != digests.pop(name):
                raise ArtifactCorrupt(f"{source}: {name} is not what was written: its SHA-256 differs")
    if digests:
        raise ArtifactCorrupt(f"{source}: {min(digests)} is missing")
    files = sum(path.is_file() for path in (folder / FILES).rglob("*"))
    keys = KeyFile(folder / KEYS).read()
    experiments = _count_experiments(folder / DATABASE)
    return BackupSummary(experiments, files, None if keys is None else len(keys), is_complete=is_complete)


def _count_experiments(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        (experiments,) = connection.execute("SELECT count(*) FROM experiments").fetchone()
    return int(experiments)


def _manifest(tar: tarfile.TarFile, source: Path) -> tuple[bool, dict[str, str]]:
    """Completeness of the backup's format, and the digests of its files."""
    try:
        file = tar.extractfile(MANIFEST)
        manifest = json.loads(file.read()) if file is not None else {}
        if manifest["format"] not in (FORMAT, FORMAT_WITHOUT_KEYS) or DATABASE not in manifest["sha256"]:
            raise ValueError(f"format {manifest['format']!r}")
        digests = {str(name): str(sha256) for name, sha256 in manifest["sha256"].items()}
        return manifest["format"] == FORMAT, digests
    except (KeyError, TypeError, ValueError) as error:
        raise MachineProblem(f"{source} is no backup of tgsh that this version can read: {error}") from error


def _checked_members(
    tar: tarfile.TarFile, digests: Mapping[str, str], source: Path
) -> Iterator[tuple[tarfile.TarInfo, str]]:
    """Members of the tar that the manifest names; ArtifactCorrupt for any other, or outside the folder."""
    for member in tar:
        name = PurePosixPath(member.name)
        if member.name == MANIFEST:
            continue
        inside = not name.is_absolute() and ".." not in name.parts
        if not (member.isreg() and inside and member.name in digests):
            raise ArtifactCorrupt(f"{source}: nobody knows {member.name!r}")
        yield member, member.name


def _add(tar: tarfile.TarFile, name: str, content: IO[bytes], size: int) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o600
    tar.addfile(info, content)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
