"""An upload is unpacked in a process of its own, with limits: what is in it is a stranger's choice."""

from __future__ import annotations

import json
import multiprocessing
import signal
import zipfile
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from tgsh.datasets.uploading.canonical import Unpacked, write
from tgsh.datasets.uploading.folders import Wishes, read_folders
from tgsh.datasets.uploading.npz import read_npz
from tgsh.errors import InvalidSpec
from tgsh.machine import limit_memory, yield_to_others

Kind = Literal["npz", "zip"]

MEMORY = 1 << 30
SECONDS = 900.0
"""Two gibibytes take about half a minute."""

IMAGES, LABELS = "images.npy", "labels.npy"


@dataclass(frozen=True)
class Upload:
    """A file that was sent. max_bytes: of its images, unpacked."""

    path: Path
    kind: Kind
    wishes: Wishes
    max_bytes: int


def unpack(upload: Upload, folder: Path) -> Unpacked:
    """Leave a dataset's two files in `folder`, IMAGES and LABELS.

    Raises InvalidSpec for what is no dataset, and OSError where the folder cannot be written to.
    """
    try:
        with zipfile.ZipFile(upload.path) as archive:
            if upload.kind == "npz":
                contents = read_npz(archive, folder, upload.max_bytes)
            else:
                contents = read_folders(archive, upload.wishes, upload.max_bytes)
            return write(contents, folder / IMAGES, folder / LABELS)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        what = "no .npz as numpy.savez writes them" if upload.kind == "npz" else "no zip"
        raise InvalidSpec("body", f"is {what}, or is damaged: {error}") from error


def unpack_apart(upload: Upload, folder: Path, seconds: float = SECONDS) -> Unpacked:
    """The same in a process that has `MEMORY` bytes and so many seconds. Raises InvalidSpec, OSError."""
    answer = folder / "answer.json"
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=_apart, args=(upload, folder, answer), daemon=True)
    process.start()
    process.join(seconds)
    if process.exitcode is None:
        process.kill()
        process.join()
        raise InvalidSpec("body", f"takes over {seconds:g} s to unpack; send fewer or smaller images")
    if not answer.exists():
        raise InvalidSpec("body", "takes more memory to unpack than there is; send fewer or smaller files")
    found = json.loads(answer.read_text("utf-8"))
    if "field" in found:
        raise InvalidSpec(found["field"], found["message"])
    if "errno" in found:
        raise OSError(found["errno"], found["strerror"])
    return Unpacked(**{**found, "class_names": tuple(found["class_names"])})


def _apart(upload: Upload, folder: Path, answer: Path) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    limit_memory(MEMORY)
    yield_to_others(10)
    try:
        found: dict[str, object] = asdict(unpack(upload, folder))
    except InvalidSpec as error:
        found = {"field": error.field, "message": error.message}
    except OSError as error:  # a full disk
        found = {"errno": error.errno or 5, "strerror": error.strerror or str(error)}
    answer.write_text(json.dumps(found), "utf-8")
