"""Containers of an upload: archives and folders as lists of members, recognised by their first bytes."""

from __future__ import annotations

import lzma
import os
import struct
import tarfile
import zipfile
import zlib
from binascii import crc32
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Protocol, cast

import numpy as np

from tgsh.errors import InvalidSpec

HEAD_BYTES = 560
"""Enough to recognise any file by."""


MEMBER_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    ValueError,
    NotImplementedError,
    RuntimeError,
    struct.error,
)
"""Errors of the standard library about a member that is no whole one."""

_MAGIC = (
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"PAR1", "parquet"),
    (b"MATLAB 7.3", "hdf5"),
    (b"MATLAB 5.0", "mat"),
    (b"\x89HDF\r\n", "hdf5"),
    (b"\x93NUMPY", "npy"),
    (b"Rar!", "rar"),
    (b"7z\xbc\xaf", "7z"),
    (b"\x80\x02", "pickle"),
    (b"\x80\x03", "pickle"),
    (b"\x80\x04", "pickle"),
    (b"\x80\x05", "pickle"),
    (b"\x89PNG", "picture"),
    (b"\xff\xd8\xff", "picture"),
    (b"GIF8", "picture"),
    (b"BM", "picture"),
    (b"II*\x00", "picture"),
    (b"MM\x00*", "picture"),
)

_IDX_TYPES = (0x08, 0x09, 0x0B, 0x0C, 0x0D, 0x0E)
_UNICODE_PATH = 0x7075
"""Extra field in which Info-ZIP keeps a name as UTF-8."""


class DamagedMember(Exception):
    """A member of an archive that cannot be read; says why."""


class Archive(Protocol):
    """Members of a container."""

    @property
    def kind(self) -> str:
        """Word for the container, such as ``"zip"``."""

    @property
    def names(self) -> Sequence[str]:
        """Names as they are stored; bytes that are no UTF-8 stand as surrogates."""

    @property
    def sizes(self) -> np.ndarray:
        """int64, bytes of each member as declared."""

    @property
    def links(self) -> Sequence[str]:
        """Names of links and of other members that are no files."""

    def open(self, place: int) -> IO[bytes]:
        """Open a member.

        Parameters
        ----------
        place : int
            Place in names.

        Returns
        -------
        IO[bytes]
            A stream; reading it may raise MEMBER_DAMAGE.
        """

    def reopened(self) -> Archive:
        """Return the same archive with file handles of its own, for another process.

        Returns
        -------
        Archive
            Shares nothing that has a position.
        """


def kind_of(head: bytes) -> str:
    """Recognise a file by its first bytes.

    Parameters
    ----------
    head : bytes
        The first HEAD_BYTES, or the whole file where it is shorter.

    Returns
    -------
    str
        Such as ``"zip"``, ``"gzip"``, ``"tar"``, ``"idx"``, ``"picture"``; ``"unknown"``.
    """
    if not head:
        return "empty"
    if head[:4] == b"\x00\x00\x00\x0c" and head[4:8] == b"jP  ":
        return "picture"
    if head[4:8] == b"ftyp" or (head[:4] == b"RIFF" and head[8:12] == b"WEBP"):
        return "picture"
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if head[257:262] == b"ustar":
        return "tar"
    if head[:2] == b"\x00\x00" and len(head) >= 8 and head[2] in _IDX_TYPES and 1 <= head[3] <= 4:
        return "idx"
    if len(head) >= 512 and _is_old_tar(head[:512]):
        return "tar"
    return "unknown"


def _is_old_tar(block: bytes) -> bool:
    try:
        tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


def head_of(path: Path) -> bytes:
    """Read the beginning of a file.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    bytes
        At most HEAD_BYTES.
    """
    with path.open("rb") as file:
        return file.read(HEAD_BYTES)


def read_member(archive: Archive, place: int, limit: int) -> bytes:
    """Read a member whole.

    Parameters
    ----------
    archive : Archive
        The archive.
    place : int
        Place in its names.
    limit : int
        Most bytes.

    Returns
    -------
    bytes
        Its content.

    Raises
    ------
    DamagedMember
        If it is damaged, encrypted or over the limit.
    """
    if archive.sizes[place] > limit:
        raise DamagedMember(f"is over {limit >> 20} MiB; make it smaller")
    try:
        with archive.open(place) as member:
            content = member.read(limit + 1)
    except MEMBER_DAMAGE as error:
        raise DamagedMember(f"is damaged: {error}") from error
    except MemoryError as error:
        raise DamagedMember("is damaged, or takes more memory to unpack than there is") from error
    if len(content) > limit:
        raise DamagedMember(f"is over {limit >> 20} MiB; make it smaller")
    return content


def member_head(archive: Archive, place: int) -> bytes:
    """Read the beginning of a member.

    Parameters
    ----------
    archive : Archive
        The archive.
    place : int
        Place in its names.

    Returns
    -------
    bytes
        At most HEAD_BYTES; none where it is damaged.
    """
    try:
        with archive.open(place) as member:
            return member.read(HEAD_BYTES)
    except MEMBER_DAMAGE:
        return b""


class ZipArchive:
    """Members of a zip.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    InvalidSpec
        If it is damaged.
    """

    kind = "zip"

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._zip = zipfile.ZipFile(path)
        except MEMBER_DAMAGE as error:
            raise InvalidSpec("body", f"is no zip, or is damaged: {error}") from error
        self._entries = [entry for entry in self._zip.infolist() if not _is_folder(entry)]
        self._zip.filelist.clear()  # a million of them would be in memory twice
        self._zip.NameToInfo.clear()
        self.names = [_zip_name(entry) for entry in self._entries]
        self.sizes = np.array([entry.file_size for entry in self._entries], np.int64)
        self.links: Sequence[str] = ()

    def open(self, place: int) -> IO[bytes]:
        """Open a member.

        Parameters
        ----------
        place : int
            Place in names.

        Returns
        -------
        IO[bytes]
            A stream.
        """
        entry = self._entries[place]
        if entry.flag_bits & 1:
            raise RuntimeError("it is encrypted; send it without a password")
        return self._zip.open(entry)

    def reopened(self) -> ZipArchive:
        """Return the same archive with a file handle of its own.

        Returns
        -------
        ZipArchive
            Shares nothing that has a position.
        """
        twin = object.__new__(ZipArchive)
        twin.__dict__.update(self.__dict__)
        twin._zip = _ZipTwin(self._path, self._zip)
        return twin


class _ZipTwin(zipfile.ZipFile):
    """Another handle on a zip whose directory was read already."""

    def __init__(self, path: Path, known: zipfile.ZipFile) -> None:
        vars(self).update(vars(known))
        self.fp = path.open("rb")
        self._fileRefCnt = 1


def _is_folder(entry: zipfile.ZipInfo) -> bool:
    return entry.is_dir() or (entry.filename.endswith("\\") and entry.file_size == 0)


def _zip_name(entry: zipfile.ZipInfo) -> str:
    """The name, by the extra field that has it as UTF-8, as UTF-8 where it is that, else with surrogates."""
    if entry.flag_bits & 0x800 or entry.filename.isascii():
        return entry.filename
    raw = entry.orig_filename.encode("cp437")
    told = _extra_field(entry.extra, _UNICODE_PATH)
    if len(told) > 5 and told[0] == 1 and struct.unpack("<L", told[1:5])[0] == crc32(raw):
        return told[5:].decode("utf-8", "surrogateescape")
    return raw.partition(b"\0")[0].decode("utf-8", "surrogateescape")


def _extra_field(extra: bytes, wanted: int) -> bytes:
    while len(extra) >= 4:
        kind, size = struct.unpack("<HH", extra[:4])
        if kind == wanted:
            return extra[4 : 4 + size]
        extra = extra[4 + size :]
    return b""


class SlicedFile:
    """Members that lie one after another in a file, as those of a tar do.

    Parameters
    ----------
    path : Path
        The file.
    kind : str
        Word for the container.
    names : Sequence[str]
        Names of the members.
    offsets : np.ndarray
        int64, where each begins.
    sizes : np.ndarray
        int64, bytes of each.
    links : Sequence[str], default=()
        Names of links.
    """

    def __init__(
        self,
        path: Path,
        kind: str,
        names: Sequence[str],
        offsets: np.ndarray,
        sizes: np.ndarray,
        links: Sequence[str] = (),
    ) -> None:
        self._path, self._offsets = path, offsets
        self.kind, self.names, self.sizes, self.links = kind, names, sizes, links
        self._file = path.open("rb")

    def open(self, place: int) -> IO[bytes]:
        """Open a member.

        Parameters
        ----------
        place : int
            Place in names.

        Returns
        -------
        IO[bytes]
            A stream.
        """
        return cast(IO[bytes], _Slice(self._file.fileno(), int(self._offsets[place]), int(self.sizes[place])))

    def reopened(self) -> SlicedFile:
        """Return itself: nothing here has a position.

        Returns
        -------
        SlicedFile
            Shares nothing that has a position.
        """
        return self

    def __del__(self) -> None:
        self._file.close()


class _Slice:
    """A part of a file as a stream."""

    def __init__(self, descriptor: int, offset: int, size: int) -> None:
        self._descriptor, self._offset, self._left = descriptor, offset, size

    def read(self, size: int = -1) -> bytes:
        wanted = self._left if size < 0 else min(size, self._left)
        content = os.pread(self._descriptor, wanted, self._offset)
        if wanted and not content:
            raise EOFError("the file ends too early")
        self._offset += len(content)
        self._left -= len(content)
        return content

    def __enter__(self) -> _Slice:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def tar_archive(path: Path, kind: str = "tar") -> SlicedFile:
    """List the members of a tar that is not compressed.

    Parameters
    ----------
    path : Path
        The file.
    kind : str, default="tar"
        Word for the container.

    Returns
    -------
    SlicedFile
        Its files; links and devices apart.

    Raises
    ------
    InvalidSpec
        If it is damaged.
    """
    names, links = [], []
    places: list[tuple[int, int]] = []
    length = path.stat().st_size
    try:
        with tarfile.open(path, "r:") as tar:
            while (member := tar.next()) is not None:
                tar.members.clear()  # type: ignore[attr-defined]  # a million of them would stay in memory
                if member.isreg() and not member.issparse():
                    if member.offset_data + member.size > length:
                        raise InvalidSpec(
                            "body", f"is a damaged tar: it ends within {shown_name(member.name)}"
                        )
                    names.append(member.name)
                    places.append((member.offset_data, member.size))
                elif not member.isdir():
                    links.append(member.name)
    except (tarfile.TarError, *MEMBER_DAMAGE) as error:
        raise InvalidSpec("body", f"is a damaged tar: {error}") from error
    offsets, sizes = np.array(places, np.int64).reshape(-1, 2).T
    return SlicedFile(path, kind, names, offsets, sizes, links)


class FolderArchive:
    """Files below a folder of this machine; links are not followed.

    Parameters
    ----------
    root : Path
        The folder.
    """

    kind = "folder"

    def __init__(self, root: Path) -> None:
        self._root = root
        found: list[tuple[str, int]] = []
        links: list[str] = []
        for folder, folders, files in os.walk(root):
            folders.sort()
            for name in (*files, *(each for each in folders if Path(folder, each).is_symlink())):
                path = Path(folder, name)
                relative = str(path.relative_to(root))
                if path.is_symlink() or not path.is_file():
                    links.append(relative)
                else:
                    found.append((relative, path.stat().st_size))
        found.sort()
        self.names = [name for name, _ in found]
        self.sizes = np.array([size for _, size in found], np.int64)
        self.links: Sequence[str] = links

    def open(self, place: int) -> IO[bytes]:
        """Open a member.

        Parameters
        ----------
        place : int
            Place in names.

        Returns
        -------
        IO[bytes]
            A stream.
        """
        return (self._root / self.names[place]).open("rb")

    def reopened(self) -> FolderArchive:
        """Return itself: nothing here has a position.

        Returns
        -------
        FolderArchive
            Shares nothing that has a position.
        """
        return self


def shown_name(name: str) -> str:
    """Shorten a name for a message; what cannot be written becomes question marks.

    Parameters
    ----------
    name : str
        Name of a member.

    Returns
    -------
    str
        At most 200 characters.
    """
    return name[-200:].encode("utf-8", "replace").decode("utf-8", "replace")
