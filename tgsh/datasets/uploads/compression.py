"""Unpacking of compressed files and members of archives into files, with a limit of bytes."""

from __future__ import annotations

import bz2
import gzip
import importlib
import lzma
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from tgsh.datasets.uploads.containers import MEMBER_DAMAGE, Archive, shown_name
from tgsh.errors import InvalidSpec

COMPRESSED = ("gzip", "zstd", "bzip2", "xz")
"""Kinds of files that have one other file in them."""

COPY_BYTES = 1 << 20
MEMORY_OF_CODECS = 256 << 20
ZSTD_WINDOW = 128 << 20


def spool_member(archive: Archive, place: int, target: Path, limit: int) -> None:
    """Copy a member to a file.

    Parameters
    ----------
    archive : Archive
        The archive.
    place : int
        Place in its names.
    target : Path
        The file.
    limit : int
        Most bytes.

    Raises
    ------
    InvalidSpec
        If it is damaged or over the limit.
    """
    name = archive.names[place]
    with target.open("wb") as file:
        try:
            member = archive.open(place)
        except MEMBER_DAMAGE as error:
            raise InvalidSpec("body", f"{shown_name(name)} is damaged: {error}") from error
        with member:
            _copy(_blocks(member, f"{shown_name(name)} is damaged"), file, limit)


def decompress(path: Path, kind: str, target: Path, limit: int) -> None:
    """Unpack a compressed file, such as a .gz.

    Parameters
    ----------
    path : Path
        The file.
    kind : str
        One of COMPRESSED.
    target : Path
        Where to write what was in it.
    limit : int
        Most bytes of that.

    Raises
    ------
    InvalidSpec
        If it is damaged or over the limit, or what reads it is not installed.
    """
    with path.open("rb") as packed, target.open("wb") as file:
        try:
            stream = _DECOMPRESSORS[kind](packed)
        except ImportError as error:
            raise InvalidSpec(
                "body", "is packed with Zstandard, which this service reads with tgsh[zstd]; send a .tar.gz"
            ) from error
        _copy(_blocks(stream, f"is a damaged {kind} file"), file, limit)


def _blocks(stream: Any, damage: str) -> Iterator[bytes]:
    """Blocks of a stream; damage is an InvalidSpec, what goes wrong in writing them is not."""
    while True:
        try:
            block = stream.read(COPY_BYTES)
        except MemoryError as error:
            raise InvalidSpec("body", f"{damage}, or takes more memory to unpack than there is") from error
        except Exception as error:
            if isinstance(error, MEMBER_DAMAGE) or type(error).__name__ == "ZstdError":
                raise InvalidSpec("body", f"{damage}: {error}") from error
            raise
        if not block:
            return
        yield block


def _copy(blocks: Iterator[bytes], file: IO[bytes], limit: int) -> None:
    written = 0
    for block in blocks:
        written += len(block)
        if written > limit:
            raise InvalidSpec(
                "body",
                f"unpacked it is over {limit:,} bytes; send less, or have TGSH_MAX_UPLOAD_BYTES raised",
            )
        file.write(block)


def _open_zstd(packed: IO[bytes]) -> Any:
    try:
        zstd = importlib.import_module("compression.zstd")  # Python 3.14
        return zstd.ZstdFile(packed, options={zstd.DecompressionParameter.window_log_max: 27})
    except ImportError:
        zstd = importlib.import_module("zstandard")
        return zstd.ZstdDecompressor(max_window_size=ZSTD_WINDOW).stream_reader(
            packed, read_across_frames=True
        )


class _Xz:
    """Reader of .xz with a limit of memory, which lzma.open has not."""

    def __init__(self, packed: IO[bytes]) -> None:
        self._packed, self._codec = packed, lzma.LZMADecompressor(memlimit=MEMORY_OF_CODECS)

    def read(self, size: int) -> bytes:
        while not self._codec.eof:
            more = self._packed.read(size) if self._codec.needs_input else b""
            if self._codec.needs_input and not more:
                raise EOFError("it ends too early")
            if block := self._codec.decompress(more, size):
                return block
        return b""


_DECOMPRESSORS: dict[str, Callable[[IO[bytes]], Any]] = {
    "gzip": lambda packed: gzip.GzipFile(fileobj=packed),
    "bzip2": lambda packed: bz2.BZ2File(packed),
    "xz": _Xz,
    "zstd": _open_zstd,
}
