"""Online backup of SQLite and artifacts as one tar file, and its restore."""

from __future__ import annotations

import hashlib
import io
import json
import os
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from sqlalchemy import select

from tgsh.errors import ArtifactCorrupt, ArtifactError, MachineProblem
from tgsh.store.artifacts import Artifacts
from tgsh.store.database import Database
from tgsh.store.datasets import files as dataset_files
from tgsh.store.models import FinishRecord, TaskRecord

FORMAT = "tgsh.backup/1"
MANIFEST, DATABASE, FILES = "manifest.json", "tgsh.db", "artifacts"
ATTEMPTS = 3
"""Snapshots of the database that are tried, as artifacts may be deleted before they are copied."""


@dataclass(frozen=True)
class BackupSummary:
    """Content of a backup. damaged: artifacts of the store that were damaged, and are left out."""

    experiments: int
    files: int
    damaged: tuple[str, ...] = ()


def backup(database: Database, artifacts: Artifacts, target: Path) -> BackupSummary:
    """Write database and artifacts to the file `target`, atomically.

    Raises MachineProblem for a database that is not SQLite, and where the file cannot be written.
    """
    if not database.is_sqlite or not database.url.database:
        raise MachineProblem("this backs up SQLite; copy PostgreSQL with pg_dump, then the artifacts' folder")
    if not Path(database.url.database).exists():
        raise MachineProblem(f"there is no database at {database.url.database}; choose another --home")
    try:
        target.absolute().parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.absolute().parent, prefix=".backup-") as folder:
            saved = _write(database, artifacts, Path(folder))
            (Path(folder) / "whole.tar").replace(target)
    except OSError as error:
        raise MachineProblem(f"cannot write {target}: {error.strerror or error}") from error
    return saved


def _write(database: Database, artifacts: Artifacts, folder: Path) -> BackupSummary:
    for last in (*[False] * (ATTEMPTS - 1), True):
        copy_path = folder / DATABASE
        copy_path.unlink(missing_ok=True)
        with (
            closing(sqlite3.connect(str(database.url.database))) as live,
            closing(sqlite3.connect(copy_path)) as copy,
        ):
            live.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it
        with (folder / "whole.tar").open("wb") as file:
            saved = _pack(artifacts, copy_path, file)
            os.fsync(file.fileno())
        if last or not saved.damaged:
            return saved
    raise AssertionError("the last round returns")


def _pack(artifacts: Artifacts, copy_path: Path, file: IO[bytes]) -> BackupSummary:
    """Write a copy of the database, and all artifacts that it references, as a tar."""
    snapshot = Database(f"sqlite:///{copy_path}")
    needed, optional = _referenced(snapshot)
    snapshot.dispose()
    digests = {DATABASE: _sha256(copy_path)}
    damaged = []
    with tarfile.open(fileobj=file, mode="w") as tar:
        tar.add(copy_path, DATABASE)
        for key, sha256 in sorted({**optional, **needed}.items()):
            try:
                content = artifacts.path(key, sha256).read_bytes()
            except (ArtifactError, FileNotFoundError):
                damaged += [key] if key in needed else []
                continue
            digests[f"{FILES}/{key}"] = sha256
            _add(tar, f"{FILES}/{key}", content)
        manifest = {"format": FORMAT, "sha256": digests}
        _add(tar, MANIFEST, json.dumps(manifest, indent=1).encode())
    with closing(sqlite3.connect(copy_path)) as connection:
        (experiments,) = connection.execute("SELECT count(*) FROM experiments").fetchone()
    return BackupSummary(experiments, len(digests) - 1, tuple(damaged))


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
    return needed, optional


def restore(source: Path, home: Path) -> BackupSummary:
    """Restore a backup to the folder `home`.

    Raises MachineProblem where `home` has a database already or the file is no backup, and ArtifactCorrupt,
    leaving nothing, where any file of it is damaged.
    """
    home = home.absolute()
    if (home / DATABASE).exists() or (home / FILES).exists():
        raise MachineProblem(f"{home} holds a database or artifacts already; choose a new --home")
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=home, prefix=".restore-") as name:
            folder = Path(name)
            (folder / FILES).mkdir(mode=0o700)
            saved = _unpack(source, folder)
            (folder / FILES).replace(home / FILES)
            (folder / DATABASE).replace(home / DATABASE)  # last: a home with a database is whole
    except tarfile.TarError as error:
        raise MachineProblem(f"{source} is no backup of tgsh: {error}") from error
    except OSError as error:
        raise MachineProblem(f"cannot restore {source} to {home}: {error.strerror or error}") from error
    return saved


def _unpack(source: Path, folder: Path) -> BackupSummary:
    with tarfile.open(source) as tar:
        digests = _manifest(tar, source)
        for member, name in _checked_members(tar, digests, source):
            path = folder / name
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            content = tar.extractfile(member)
            assert content is not None, "a regular file"
            with path.open("wb") as file:
                file.write(content.read())
                os.fsync(file.fileno())
            if _sha256(path) != digests.pop(name):
                raise ArtifactCorrupt(f"{source}: {name} is not what was written: its SHA-256 differs")
    if digests:
        raise ArtifactCorrupt(f"{source}: {min(digests)} is missing")
    with closing(sqlite3.connect(folder / DATABASE)) as connection:
        (experiments,) = connection.execute("SELECT count(*) FROM experiments").fetchone()
    files = sum(path.is_file() for path in (folder / FILES).rglob("*"))
    return BackupSummary(experiments, files)


def _manifest(tar: tarfile.TarFile, source: Path) -> dict[str, str]:
    try:
        file = tar.extractfile(MANIFEST)
        manifest = json.loads(file.read()) if file is not None else {}
        if manifest["format"] != FORMAT or DATABASE not in manifest["sha256"]:
            raise ValueError(f"format {manifest['format']!r}")
        return {str(name): str(sha256) for name, sha256 in manifest["sha256"].items()}
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


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(content), 0o600
    tar.addfile(info, io.BytesIO(content))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
