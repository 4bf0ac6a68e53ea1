"""Online backup and restore."""

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
MANIFEST, RECORDS, FILES = "manifest.json", "tgsh.db", "artifacts"
ROUNDS = 3
"""How often a new moment is taken where files that it names were deleted before they were copied."""


@dataclass(frozen=True)
class Saved:
    """What a backup holds. damaged: artifacts of the store that are not what was written; left out."""

    experiments: int
    files: int
    damaged: tuple[str, ...] = ()


def backup(database: Database, artifacts: Artifacts, target: Path) -> Saved:
    """Write everything to the file `target`, whole or not at all.

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


def _write(database: Database, artifacts: Artifacts, folder: Path) -> Saved:
    for last in (*[False] * (ROUNDS - 1), True):
        records = folder / RECORDS
        records.unlink(missing_ok=True)
        with (
            closing(sqlite3.connect(str(database.url.database))) as live,
            closing(sqlite3.connect(records)) as copy,
        ):
            live.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it
        with (folder / "whole.tar").open("wb") as file:
            saved = _pack(artifacts, records, file)
            os.fsync(file.fileno())
        if last or not saved.damaged:
            return saved
    raise AssertionError("the last round returns")


def _pack(artifacts: Artifacts, records: Path, file: IO[bytes]) -> Saved:
    """Everything that these records name, as a tar."""
    moment = Database(f"sqlite:///{records}")
    needed, optional = _named(moment)
    moment.dispose()
    digests = {RECORDS: _sha256(records)}
    damaged = []
    with tarfile.open(fileobj=file, mode="w") as tar:
        tar.add(records, RECORDS)
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
    with closing(sqlite3.connect(records)) as connection:
        (experiments,) = connection.execute("SELECT count(*) FROM experiments").fetchone()
    return Saved(experiments, len(digests) - 1, tuple(damaged))


def _named(moment: Database) -> tuple[dict[str, str], dict[str, str]]:
    """Artifacts by key with their digests: of what is done, and of what is still being trained."""
    done: dict[str, str] = {}
    begun: dict[str, str] = {}
    with moment.read() as session:
        columns = TaskRecord.status, TaskRecord.checkpoint, TaskRecord.checkpoint_sha256
        for status, key, sha256 in session.execute(
            select(*columns).where(TaskRecord.checkpoint.is_not(None))
        ):
            (done if status == "completed" else begun)[str(key)] = str(sha256)
        for results in session.scalars(select(FinishRecord.results)):
            done |= {str(key): str(sha256) for key, sha256 in results.values()}
        done |= dataset_files(session)
    return done, begun


def restore(source: Path, home: Path) -> Saved:
    """Make the folder `home` of a backup; its database and its artifacts are those of that moment.

    Raises MachineProblem where `home` has a database already or the file is no backup, and ArtifactCorrupt,
    leaving nothing, where any byte of it is not what was written.
    """
    home = home.absolute()
    if (home / RECORDS).exists() or (home / FILES).exists():
        raise MachineProblem(f"{home} holds a database or artifacts already; choose a new --home")
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=home, prefix=".restore-") as name:
            folder = Path(name)
            (folder / FILES).mkdir(mode=0o700)
            saved = _unpack(source, folder)
            (folder / FILES).replace(home / FILES)
            (folder / RECORDS).replace(home / RECORDS)  # last: a home with a database is whole
    except tarfile.TarError as error:
        raise MachineProblem(f"{source} is no backup of tgsh: {error}") from error
    except OSError as error:
        raise MachineProblem(f"cannot restore {source} to {home}: {error.strerror or error}") from error
    return saved


def _unpack(source: Path, folder: Path) -> Saved:
    with tarfile.open(source) as tar:
        digests = _manifest(tar, source)
        for member, name in _safe(tar, digests, source):
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
    with closing(sqlite3.connect(folder / RECORDS)) as connection:
        (experiments,) = connection.execute("SELECT count(*) FROM experiments").fetchone()
    files = sum(path.is_file() for path in (folder / FILES).rglob("*"))
    return Saved(experiments, files)


def _manifest(tar: tarfile.TarFile, source: Path) -> dict[str, str]:
    try:
        file = tar.extractfile(MANIFEST)
        found = json.loads(file.read()) if file is not None else {}
        if found["format"] != FORMAT or RECORDS not in found["sha256"]:
            raise ValueError(f"format {found['format']!r}")
        return {str(name): str(sha256) for name, sha256 in found["sha256"].items()}
    except (KeyError, TypeError, ValueError) as error:
        raise MachineProblem(f"{source} is no backup of tgsh that this version can read: {error}") from error


def _safe(
    tar: tarfile.TarFile, digests: Mapping[str, str], source: Path
) -> Iterator[tuple[tarfile.TarInfo, str]]:
    """The files that the manifest names; nothing else is unpacked, and nothing outside the folder."""
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
