"""Missing files of named datasets, and download of the MNIST family: as published, or not at all."""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import os
import tempfile
import time
import urllib.request
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from types import MappingProxyType
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from tgsh import progress
from tgsh.datasets.named_sets import IDX_FILES, NAMED_SETS
from tgsh.errors import DatasetUnavailable

TIMEOUT = 10.0
"""Seconds to wait for a mirror's next bytes."""

PROBE_TIMEOUT = 3.0
"""Seconds to wait for the answer of a mirror of which nothing but an answer is wanted."""

CHUNK_BYTES = 1 << 16

TURN_SECONDS = 0.2
"""The pause between two looks whether another process has finished its download."""

TORCHVISION_CLASSES: Mapping[str, str] = MappingProxyType(
    {"mnist": "MNIST", "fashion-mnist": "FashionMNIST", "kmnist": "KMNIST"}
)
"""The torchvision class of a dataset that is downloaded here; it names the folder too."""

FILES = IDX_FILES


@dataclass(frozen=True)
class Publication:
    """Gzipped files that are published together.

    Attributes
    ----------
    mirrors : tuple[str, ...]
        Base URLs, the best first; they end in a slash.
    md5 : Mapping[str, str]
        Published MD5 sum of each file as it is sent, by its unpacked name.
    """

    mirrors: tuple[str, ...]
    md5: Mapping[str, str]


def _published(base: str, *more: str, md5: tuple[str, str, str, str]) -> Publication:
    return Publication((base, *more), MappingProxyType(dict(zip(FILES, md5, strict=True))))


PUBLICATIONS: Mapping[str, Publication] = MappingProxyType(
    {
        "mnist": _published(
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "http://yann.lecun.com/exdb/mnist/",
            md5=(
                "f68b3c2dcbeaaa9fbdd348bbdeb94873",
                "d53e105ee54ea40749a09fcbcd1e9432",
                "9fb629c4189551a2d022fa330f9573f3",
                "ec29112dd5afa0611ce80d1b7f02629c",
            ),
        ),
        "fashion-mnist": _published(
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            md5=(
                "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
                "25c81989df183df01b3e8a0aad5dffbe",
                "bef4ecab320f06d8554ea6380940ec79",
                "bb300cfdad3c16e7a12a480ee83cd310",
            ),
        ),
        "kmnist": _published(
            "http://codh.rois.ac.jp/kmnist/dataset/kmnist/",
            md5=(
                "bdb82020997e1d708af4cf47b453dcf7",
                "e144d726b3acfaa3e44228e80efcd344",
                "5c965bf0a639b31b8f53240b1b52f4d7",
                "7320c461ea6c1c855c0b718fb2a4b134",
            ),
        ),
    }
)
"""Mirrors and sums as torchvision has them: a worker without torchvision downloads the same files."""


class DownloadFailed(Exception):
    """Files could not be downloaded; the text is the cause."""


def missing_files(name: str, data_dir: Path) -> list[Path]:
    """The files that a named dataset needs and that are not there; looks at names only.

    Parameters
    ----------
    name : str
        Key of DATASETS.
    data_dir : Path
        Folder of the named datasets, torchvision's root.

    Returns
    -------
    list[Path]
        Unpacked names, of files that are not there gzipped either; empty where nothing is missing.
    """
    return [data_dir / file for file in NAMED_SETS[name].files if not _is_there(data_dir / file)]


def _is_there(path: Path) -> bool:
    return path.exists() or path.with_name(path.name + ".gz").exists()


def fetch_missing(names: Iterable[str], data_dir: Path, *, offer: bool = True) -> dict[str, Path]:
    """Download what named datasets lack, where they are downloaded here at all: the MNIST family.

    Parameters
    ----------
    names : Iterable[str]
        Keys of DATASETS.
    data_dir : Path
        Torchvision's root folder.
    offer : bool, default=True
        Whether an error offers mnist5k, which needs no files.

    Returns
    -------
    dict[str, Path]
        Folder of each dataset that was downloaded.

    Raises
    ------
    DatasetUnavailable
        If a download fails, or files of another dataset are missing; names everything that is missing then.
        Nothing half-made is left.
    """
    missing = {name: files for name in dict.fromkeys(names) if (files := missing_files(name, data_dir))}
    if causes := [absence(name) for name in missing if name not in TORCHVISION_CLASSES]:
        raise DatasetUnavailable("\n".join(causes), missing, offer=offer)
    for name, files in missing.items():
        try:
            download(name, [file.name for file in files], files[0].parent)
        except DownloadFailed as error:
            still_missing = {name: files for name in missing if (files := missing_files(name, data_dir))}
            cause = f"{name} cannot be downloaded: {error}"
            raise DatasetUnavailable(cause, still_missing, offer=offer) from error
    return {name: files[0].parent for name, files in missing.items()}


def absence(name: str) -> str:
    """Say that a dataset is not here and is not downloaded, and where to get it.

    Parameters
    ----------
    name : str
        Key of DATASETS.

    Returns
    -------
    str
        A sentence without its last full stop.
    """
    return f"{name} is not here, and is not downloaded by itself; get it by {NAMED_SETS[name].source}"


def download(dataset: str, files: Sequence[str], folder: Path) -> None:
    """Download files of a dataset into a folder, with a progress bar on a terminal.

    Other processes that want the same files wait. Whatever fails, no file and no folder is left behind.

    Parameters
    ----------
    dataset : str
        Key of PUBLICATIONS.
    files : Sequence[str]
        Names of the missing files, unpacked.
    folder : Path
        Where they go, unpacked.

    Raises
    ------
    DownloadFailed
        If no mirror sends them, or they cannot be written.
    """
    if (blocked := _unwritable(folder)) is not None:
        raise DownloadFailed(f"{blocked} cannot be written to")
    try:
        with _made(folder), _turn(folder):
            missing = [name for name in files if not (folder / name).exists()]
            if missing:  # else another process was faster
                _write(_fetch(PUBLICATIONS[dataset], missing), folder)
    except OSError as error:
        raise DownloadFailed(_cause(error)) from error


def unreachable_reason(dataset: str) -> str | None:
    """Find out whether a mirror of a dataset answers; nothing is downloaded.

    Parameters
    ----------
    dataset : str
        Key of PUBLICATIONS.

    Returns
    -------
    str | None
        The reason why none does; None where one does.
    """
    publication = PUBLICATIONS[dataset]
    file = f"{next(iter(publication.md5))}.gz"
    pool = ThreadPoolExecutor(len(publication.mirrors))
    probes = [pool.submit(_probe, f"{mirror}{file}") for mirror in publication.mirrors]
    pool.shutdown(wait=False)  # a resolver that hangs knows no time limit, and is not waited for
    try:
        for probe in as_completed(probes, timeout=2 * PROBE_TIMEOUT):
            if probe.result() is None:
                return None
    except TimeoutError:
        return f"no answer within {2 * PROBE_TIMEOUT:g} s"
    return probes[0].result()


def _probe(url: str) -> str | None:
    """The reason why a URL does not answer; None where it does."""
    try:
        urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=PROBE_TIMEOUT).close()
    except (OSError, HTTPException) as error:
        return _cause(error)
    return None


def _unwritable(folder: Path) -> Path | None:
    """The existing folder in which `folder` would have to be made, if that is not allowed."""
    existing = next(each for each in (folder, *folder.parents) if each.exists())
    return None if existing.is_dir() and os.access(existing, os.W_OK | os.X_OK) else existing


@contextmanager
def _made(folder: Path) -> Iterator[None]:
    """Make a folder; if the block fails, remove again what was made and is still empty."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        with suppress(OSError):  # another process may have put something there
            for each in missing:
                each.rmdir()
        raise


@contextmanager
def _turn(folder: Path) -> Iterator[None]:
    """Wait for other processes that download into a folder.

    The lock is on the folder itself, so that no lock file is left. Some network file systems know no such
    lock: two processes then download the same files, and either's are whole.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            while not _locked(descriptor):
                progress.step()  # the other one gets on, or is ended
                time.sleep(TURN_SECONDS)
        folder.mkdir(parents=True, exist_ok=True)  # one that failed meanwhile has removed it
        yield
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _fetch(publication: Publication, files: list[str]) -> dict[str, bytes]:
    """Packed files, all of them from the first mirror that has them; they are some 30 MB at most."""
    causes: dict[str, str] = {}
    for mirror in publication.mirrors:
        try:
            return {name: _fetch_file(f"{mirror}{name}.gz", publication.md5[name]) for name in files}
        except (OSError, HTTPException) as error:
            causes[urlsplit(mirror).netloc] = _cause(error)
    if len(set(causes.values())) == 1:
        raise DownloadFailed(next(iter(causes.values())))
    raise DownloadFailed("; ".join(f"{host}: {cause}" for host, cause in causes.items()))


def _fetch_file(url: str, md5: str) -> bytes:
    from tqdm import tqdm  # seldom needed

    digest, content = hashlib.md5(usedforsecurity=False), bytearray()
    name = url.rpartition("/")[2]
    with urllib.request.urlopen(url, timeout=TIMEOUT) as response:
        size = int(response.headers.get("Content-Length") or 0) or None
        # disable=None: a bar on a terminal, nothing in a log
        with tqdm(total=size, desc=name, unit="B", unit_scale=True, leave=False, disable=None) as bar:
            while chunk := response.read(CHUNK_BYTES):
                digest.update(chunk)
                content += chunk
                bar.update(len(chunk))
                progress.step()
    if digest.hexdigest() != md5:
        raise OSError(f"{name} arrived with another checksum than the published one")
    return bytes(content)


def _write(packed: Mapping[str, bytes], folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=folder, prefix=".download-") as staging:
        for name, content in packed.items():
            (Path(staging) / name).write_bytes(gzip.decompress(content))
        for name in packed:
            (Path(staging) / name).replace(folder / name)


def _cause(error: Exception) -> str:
    """The innermost cause, as the system words it."""
    if isinstance(error, HTTPError):
        error.close()
        return f"HTTP {error.code} {error.reason}"
    if isinstance(error, URLError) and isinstance(error.reason, Exception):
        return _cause(error.reason)
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
