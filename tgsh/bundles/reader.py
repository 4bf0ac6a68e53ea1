"""Verified reading."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from zipfile import ZIP_STORED, BadZipFile, ZipFile, ZipInfo

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from tgsh.bundles.writer import DATASETS, EXPERIMENT, FORMAT, MANIFEST, NEEDED, SPEC, VECTORS, Manifest
from tgsh.errors import InvalidSpec
from tgsh.specs import ExperimentSpec

MOST_FILES, MOST_TEXT = 1_000, 16 << 20
"""Files of a bundle, and bytes of one that is read as a whole."""

CHUNK = 1 << 20
ENCRYPTED = 0x1


class Recorded(BaseModel):
    """What a bundle's experiment.json tells of the training; what else it tells is for people."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    id: str
    name: str
    digest: str
    base_id: str
    versions: dict[str, str]
    compute: list[str]
    machines: list[str]


class Images(BaseModel):
    """SHA-256 of images and labels, and which tasks saw them."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    train: str
    test: str
    tasks: list[int]


class Datasets(BaseModel):
    """What a bundle's datasets.json tells."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    images: list[Images]


@dataclass(frozen=True)
class Bundle:
    """A bundle whose hashes were checked."""

    path: Path
    spec: ExperimentSpec
    recorded: Recorded
    images: list[Images]
    vectors_sha256: str

    def vectors(self, shape: tuple[int, ...]) -> np.ndarray:
        """The context vectors of all stages, float32 [E + 1, T, H]. Raises InvalidSpec for another shape."""
        with _opened(self.path) as zip, zip.open(VECTORS) as file:
            version = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else None
            if read is None or read(file) != (shape, False, np.dtype("<f4")):
                raise _refused(self.path, f"{VECTORS} does not hold float32 {shape}")
            content = np.frombuffer(file.read(), "<f4")
            if content.size != int(np.prod(shape)):
                raise _refused(self.path, f"{VECTORS} is cut off")
            return content.reshape(shape)


def read(path: Path) -> Bundle:
    """The bundle in a file. Raises InvalidSpec, saying what is wrong with it, where it cannot be trusted."""
    with _opened(path) as zip:
        infos = {info.filename: info for info in _safe(path, zip)}
        manifest = _manifest(path, zip, infos)
        for name, known in manifest.files.items():
            if infos[name].file_size != known.bytes or _sha256(zip, infos[name]) != known.sha256:
                raise _refused(path, f"{name} is not what was packed: its SHA-256 is not the manifest's")
        spec = ExperimentSpec.model_validate_json(_text(path, zip, infos, SPEC))
        recorded = Recorded.model_validate_json(_text(path, zip, infos, EXPERIMENT))
        images = Datasets.model_validate_json(_text(path, zip, infos, DATASETS)).images
    return Bundle(path, spec, recorded, images, manifest.files[VECTORS].sha256)


@contextmanager
def _opened(path: Path) -> Iterator[ZipFile]:
    """The zip; whatever is wrong with it is an InvalidSpec."""
    try:
        with ZipFile(path) as zip:
            yield zip
    except OSError as error:
        raise _refused(path, f"cannot be read: {error.strerror or error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or error.title
        raise _refused(path, f"is no bundle that this version can read: {where}: {first['msg']}") from error
    except (BadZipFile, EOFError, ValueError, RecursionError, NotImplementedError) as error:
        raise _refused(path, f"is no whole zip: {error}") from error


def _safe(path: Path, zip: ZipFile) -> list[ZipInfo]:
    """The files of a zip that holds what it says: plain, stored, each once, and nowhere outside."""
    infos = zip.infolist()
    if len(infos) > MOST_FILES or len({info.filename for info in infos}) < len(infos):
        raise _refused(path, "has too many files, or one twice")
    for info in infos:
        name = PurePosixPath(info.filename)
        if name.is_absolute() or ".." in name.parts or "\\" in info.filename or info.is_dir():
            raise _refused(path, f"nobody packs {info.filename[:80]!r}")
        if info.compress_type != ZIP_STORED or info.compress_size != info.file_size:
            raise _refused(path, f"{info.filename[:80]!r} is compressed; a bundle's files are stored")
        if info.flag_bits & ENCRYPTED:
            raise _refused(path, f"{info.filename[:80]!r} is encrypted")
    if sum(info.file_size for info in infos) > path.stat().st_size:
        raise _refused(path, "claims to hold more than it has bytes")
    return infos


def _manifest(path: Path, zip: ZipFile, infos: dict[str, ZipInfo]) -> Manifest:
    manifest = Manifest.model_validate_json(_text(path, zip, infos, MANIFEST))
    if manifest.format != FORMAT:
        raise _refused(path, f"is of the format {manifest.format[:40]!r}; this version reads {FORMAT}")
    if odd := infos.keys() ^ {*manifest.files, MANIFEST}:
        raise _refused(path, f"{min(odd)[:80]!r} is in the zip or in its manifest, not in both")
    if lacking := NEEDED - manifest.files.keys():
        raise _refused(path, f"{min(lacking)} is missing")
    return manifest


def _text(path: Path, zip: ZipFile, infos: dict[str, ZipInfo], name: str) -> bytes:
    if name not in infos:
        raise _refused(path, f"has no {name}: it is no bundle of tgsh")
    if infos[name].file_size > MOST_TEXT:
        raise _refused(path, f"{name} is longer than {MOST_TEXT:,} bytes")
    return zip.read(infos[name])


def _sha256(zip: ZipFile, info: ZipInfo) -> str:
    digest = hashlib.sha256()
    with zip.open(info) as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _refused(path: Path, why: str) -> InvalidSpec:
    return InvalidSpec(str(path), why)
