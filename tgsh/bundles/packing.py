"""From files to a zip, as it is sent: nobody holds all of it, and the same files make the same bytes.

Files are stored, not deflated: how zlib packs differs from version to version, vectors hardly shrink, and
what is stored cannot be a bomb.
"""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from zipfile import ZIP_STORED, ZipFile, ZipInfo

from tgsh.bundles.format import FORMAT, MANIFEST, File, Manifest

LONG_AGO = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip can hold."""

UNIX = 3


@dataclass(frozen=True)
class Member:
    """A file to be packed: its name, how many bytes it has, and the bytes."""

    name: str
    size: int
    chunks: Iterable[bytes]


class _Sink:
    """What a ZipFile writes to, without a way back; what was written is taken away in between."""

    def __init__(self) -> None:
        self._written: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._written.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing waits."""

    def take(self) -> bytes:
        taken, self._written = b"".join(self._written), []
        return taken


def packed(members: Iterable[Member], left_out: Mapping[str, str]) -> Iterator[bytes]:
    """The bytes of a zip of these files, in their order, and a manifest of them as the last one.

    left_out: read when all members have been packed.
    """
    sink, files = _Sink(), {}
    with ZipFile(sink, "w", ZIP_STORED) as zip:  # type: ignore[call-overload]
        for member in members:
            digest, size = hashlib.sha256(), 0
            with zip.open(_info(member.name, member.size), "w") as file:
                for chunk in member.chunks:
                    digest.update(chunk)
                    size += len(chunk)
                    file.write(chunk)
                    yield sink.take()
            files[member.name] = File(sha256=digest.hexdigest(), bytes=size)
        manifest = Manifest(format=FORMAT, files=files, left_out=dict(left_out))
        zip.writestr(_info(MANIFEST, 0), manifest.model_dump_json(indent=2) + "\n")
    yield sink.take()


def _info(name: str, size: int) -> ZipInfo:
    info = ZipInfo(name, LONG_AGO)
    info.create_system, info.external_attr = UNIX, (stat.S_IFREG | 0o644) << 16
    info.file_size = size  # beyond 2 GB it needs a longer header
    return info
