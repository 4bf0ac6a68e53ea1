"""Reader of bundles, which trusts nothing that the manifest's hashes do not confirm."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from zipfile import ZIP_STORED, BadZipFile, ZipFile, ZipInfo

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from tgsh.bundles.writer import (
    DATASETS,
    EXPERIMENT,
    FORMAT,
    MANIFEST,
    MEMBERS,
    REQUIRED_FILES,
    SPEC,
    STUDY,
    STUDY_FORMAT,
    VECTORS,
    Manifest,
)
from tgsh.errors import InvalidSpec
from tgsh.specs import ExperimentSpec
from tgsh.specs.validation import problems_of

MAX_FILES = 1_000
MAX_STUDY_FILES = 12_000
"""A study of 1,000 cells has nine files a cell, and a bundle an experiment."""

MAX_TEXT_BYTES = 16 << 20
CHUNK = 1 << 20
ENCRYPTED = 0x1


class RecordedTraining(BaseModel):
    """Part of experiment.json that a replay compares with; its other keys are for people."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    id: str
    name: str
    digest: str
    base_id: str
    versions: dict[str, str]
    compute: list[str]
    machines: list[str]


class ImageDigests(BaseModel):
    """SHA-256 of training and test images with their labels, and the tasks that use them."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    train: str
    test: str
    tasks: list[int]


class DatasetDigests(BaseModel):
    """The part of datasets.json that a replay reads."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    images: list[ImageDigests]


@dataclass(frozen=True)
class Bundle:
    """A bundle whose hashes have been verified."""

    path: Path
    spec: ExperimentSpec
    recorded: RecordedTraining
    images: list[ImageDigests]
    vectors_sha256: str

    def vectors(self, shape: tuple[int, ...]) -> np.ndarray:
        """Context vectors of all stages, float32 [E + 1, T, H]. Raises InvalidSpec for another shape."""
        with _open_zip(self.path) as zip, zip.open(VECTORS) as file:
            version = np.lib.format.read_magic(file)
            read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else None
            if read_header is None or read_header(file) != (shape, False, np.dtype("<f4")):
                raise _invalid(self.path, f"{VECTORS} does not hold float32 {shape}")
            content = np.frombuffer(file.read(), "<f4")
            if content.size != int(np.prod(shape)):
                raise _invalid(self.path, f"{VECTORS} is cut off")
            return content.reshape(shape)


@dataclass(frozen=True)
class StudyBundle:
    """A bundle of a study whose hashes have been verified; experiments: names of the bundles in it."""

    path: Path
    experiments: tuple[str, ...]

    @contextmanager
    def experiment(self, name: str) -> Iterator[Bundle]:
        """The bundle of one experiment, as a file of its own for this block. Raises InvalidSpec."""
        with tempfile.TemporaryDirectory(prefix="tgsh-bundle-") as folder:
            file = Path(folder) / PurePosixPath(name).name
            with _open_zip(self.path) as zip, zip.open(name) as packed, file.open("wb") as target:
                shutil.copyfileobj(packed, target, CHUNK)
            yield read(file)


def is_study(path: Path) -> bool:
    """True if a file says that it is the bundle of a study; it is not trusted yet. Raises InvalidSpec."""
    with _open_zip(path) as zip:
        infos = {info.filename: info for info in _checked_members(path, zip, MAX_STUDY_FILES)}
        return Manifest.model_validate_json(_read_text(path, zip, infos, MANIFEST)).format == STUDY_FORMAT


def read_study(path: Path) -> StudyBundle:
    """Verify the bundle of a study; those of its experiments are verified when they are read.

    Raises InvalidSpec, with the reason, where it cannot be trusted.
    """
    with _open_zip(path) as zip:
        manifest, _ = _verified(path, zip, STUDY_FORMAT, {STUDY, MEMBERS})
    folder = "experiments/"
    inside = [name for name in manifest.files if name.startswith(folder) and name.endswith(".zip")]
    if not inside:
        raise _invalid(path, "has no experiment")
    return StudyBundle(path, tuple(sorted(inside)))


def read(path: Path) -> Bundle:
    """Verify and read a bundle. Raises InvalidSpec, with the reason, where it cannot be trusted."""
    with _open_zip(path) as zip:
        manifest, infos = _verified(path, zip, FORMAT, REQUIRED_FILES)
        spec = ExperimentSpec.model_validate_json(_read_text(path, zip, infos, SPEC))
        recorded = RecordedTraining.model_validate_json(_read_text(path, zip, infos, EXPERIMENT))
        images = DatasetDigests.model_validate_json(_read_text(path, zip, infos, DATASETS)).images
    return Bundle(path, spec, recorded, images, manifest.files[VECTORS].sha256)


@contextmanager
def _open_zip(path: Path) -> Iterator[ZipFile]:
    """Open a zip, in a block whose errors become InvalidSpec."""
    try:
        with ZipFile(path) as zip:
            yield zip
    except OSError as error:
        raise _invalid(path, f"cannot be read: {error.strerror or error}") from error
    except ValidationError as error:
        field, message = problems_of(error.errors())[0]
        where = field or error.title
        raise _invalid(path, f"is no bundle that this version can read: {where}: {message}") from error
    except (BadZipFile, EOFError, ValueError, RecursionError, NotImplementedError) as error:
        raise _invalid(path, f"is no whole zip: {error}") from error


def _checked_members(path: Path, zip: ZipFile, most: int = MAX_FILES) -> list[ZipInfo]:
    """Members of a zip whose files are all plain, stored uncompressed, unique, and inside the folder."""
    infos = zip.infolist()
    if len(infos) > most or len({info.filename for info in infos}) < len(infos):
        raise _invalid(path, "has too many files, or one twice")
    for info in infos:
        name = PurePosixPath(info.filename)
        if name.is_absolute() or ".." in name.parts or "\\" in info.filename or info.is_dir():
            raise _invalid(path, f"nobody packs {info.filename[:80]!r}")
        if info.compress_type != ZIP_STORED or info.compress_size != info.file_size:
            raise _invalid(path, f"{info.filename[:80]!r} is compressed; a bundle's files are stored")
        if info.flag_bits & ENCRYPTED:
            raise _invalid(path, f"{info.filename[:80]!r} is encrypted")
    if sum(info.file_size for info in infos) > path.stat().st_size:
        raise _invalid(path, "claims to hold more than it has bytes")
    return infos


def _verified(
    path: Path, zip: ZipFile, format: str, required: set[str]
) -> tuple[Manifest, dict[str, ZipInfo]]:
    """The manifest, with which all files agree, and these."""
    most = MAX_STUDY_FILES if format == STUDY_FORMAT else MAX_FILES
    infos = {info.filename: info for info in _checked_members(path, zip, most)}
    manifest = _read_manifest(path, zip, infos, format, required)
    for name, entry in manifest.files.items():
        if infos[name].file_size != entry.bytes or _sha256(zip, infos[name]) != entry.sha256:
            raise _invalid(path, f"{name} is not what was packed: its SHA-256 is not the manifest's")
    return manifest, infos


def _read_manifest(
    path: Path, zip: ZipFile, infos: dict[str, ZipInfo], format: str, required: set[str]
) -> Manifest:
    manifest = Manifest.model_validate_json(_read_text(path, zip, infos, MANIFEST))
    if manifest.format != format:
        raise _invalid(path, f"is of the format {manifest.format[:40]!r}; this version reads {format}")
    if unmatched := infos.keys() ^ {*manifest.files, MANIFEST}:
        raise _invalid(path, f"{min(unmatched)[:80]!r} is in the zip or in its manifest, not in both")
    if missing := required - manifest.files.keys():
        raise _invalid(path, f"{min(missing)} is missing")
    return manifest


def _read_text(path: Path, zip: ZipFile, infos: dict[str, ZipInfo], name: str) -> bytes:
    if name not in infos:
        raise _invalid(path, f"has no {name}: it is no bundle of tgsh")
    if infos[name].file_size > MAX_TEXT_BYTES:
        raise _invalid(path, f"{name} is longer than {MAX_TEXT_BYTES:,} bytes")
    return zip.read(infos[name])


def _sha256(zip: ZipFile, info: ZipInfo) -> str:
    digest = hashlib.sha256()
    with zip.open(info) as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _invalid(path: Path, reason: str) -> InvalidSpec:
    return InvalidSpec(str(path), reason)
