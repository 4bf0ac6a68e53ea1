"""Downloading MNIST and its kin with torchvision: once, whole or not at all."""

from __future__ import annotations

import tempfile
import urllib.request
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

from filelock import FileLock

PATIENCE = 10.0
"""Seconds to wait for a mirror's first answer; torchvision itself would wait for ever."""


def download(source: Any, data_dir: Path, files: tuple[str, ...]) -> None:
    """Put the four files of a torchvision class into data_dir/<Class>/raw. A progress bar goes to stderr.

    Other processes wait. The files appear when all of them have arrived and their checksums fit.
    Raises OSError (URLError among them) or RuntimeError where that cannot be done.
    """
    target = data_dir / source.__name__ / "raw"
    target.mkdir(parents=True, exist_ok=True)
    with FileLock(target.with_name("raw.lock")):
        if all((target / file).exists() for file in files):
            return  # another process was faster
        with tempfile.TemporaryDirectory(dir=target.parent, prefix="download-") as folder:
            arrived = _fetch(source, Path(folder))
            for file in files:
                (arrived / file).replace(target / file)


def _fetch(source: Any, folder: Path) -> Path:
    """Download with the mirrors that answer; the folder in which the files are."""
    mirrors = _answering(source)

    class Reachable(source):  # type: ignore[misc]
        pass

    Reachable.__name__ = source.__name__  # torchvision names the folder after the class
    Reachable.mirrors = mirrors
    return Path(Reachable(folder, download=True).raw_folder)


def _answering(source: Any) -> list[str]:
    file = source.resources[0][0]
    failure: OSError | None = None
    found = []
    for mirror in source.mirrors:
        try:
            request = urllib.request.Request(mirror + file, method="HEAD")
            urllib.request.urlopen(request, timeout=PATIENCE).close()
            found.append(mirror)
        except OSError as error:  # URLError and timeouts among them
            failure = error
            if isinstance(error, HTTPError):
                error.close()
    if not found:
        raise failure or OSError("it has no mirrors")
    return found
