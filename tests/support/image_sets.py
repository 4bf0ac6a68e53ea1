"""Sets of images in every form in which people have them, and what the reader of uploads makes of them."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.support.uploads import picture
from tgsh.datasets.uploads.ingest import IMAGES, LABELS, IngestedDataset, ingest
from tgsh.datasets.uploads.options import UploadOptions
from tgsh.datasets.uploads.sandbox import Upload
from tgsh.rng import rng_for

MB = 1 << 20


def distinct(count: int, size: tuple[int, ...] = (8, 9), seed: int = 0) -> np.ndarray:
    """Images of which no two are the same, uint8."""
    images = rng_for(seed, "distinct", *size).integers(0, 256, (count, *size))
    images.reshape(count, -1)[:, 0], images.reshape(count, -1)[:, 1] = (
        np.arange(count) // 256,
        np.arange(count) % 256,
    )
    return images.astype(np.uint8)


def labelled(
    classes: int = 3, each: int = 6, size: tuple[int, ...] = (8, 9)
) -> tuple[np.ndarray, np.ndarray]:
    """Distinct images and their classes, class after class."""
    return distinct(classes * each, size), np.repeat(np.arange(classes), each)


def class_folders(
    names: Sequence[str] = ("0", "1", "2"),
    each: int = 6,
    form: str = "PNG",
    ending: str = "png",
    **options: Any,
) -> dict[str, bytes]:
    """Image files in class folders."""
    x, y = labelled(len(names), each)
    return {
        f"{names[label]}/{place % each}.{ending}": picture(x[place], form, **options)
        for place, label in enumerate(y.tolist())
    }


def below(prefix: str, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The same files in a folder."""
    return {f"{prefix}/{name}": content for name, content in files.items()}


# --- containers


def tarred(files: Mapping[str, bytes], mode: str = "w") -> bytes:
    """A tar of these files."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode=mode) as tar:  # type: ignore[call-overload]
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return target.getvalue()


class _RawName(zipfile.ZipInfo):
    """A member whose name is any bytes, without a word about their encoding."""

    raw = b""

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:  # noqa: N802  # zipfile's own
        return self.raw, self.flag_bits & ~0x800


def raw_zip(files: Mapping[bytes, bytes], extra: Mapping[bytes, bytes] | None = None) -> bytes:
    """A zip with names as bytes."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for number, (name, content) in enumerate(files.items()):
            member = _RawName(str(number))
            member.raw, member.extra = name, (extra or {}).get(name, b"")
            archive.writestr(member, content)
    return target.getvalue()


def idx(array: np.ndarray) -> bytes:
    """An IDX file of unsigned bytes."""
    return (
        struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()
    )


def idx_files(x: np.ndarray, y: np.ndarray, test: int, packed: bool = True) -> dict[str, bytes]:
    """MNIST's four files; the last images of all are for testing."""
    count = len(x) - test
    files = {
        "train-images-idx3-ubyte": idx(x[:count]),
        "train-labels-idx1-ubyte": idx(y[:count]),
        "t10k-images-idx3-ubyte": idx(x[count:]),
        "t10k-labels-idx1-ubyte": idx(y[count:]),
    }
    if not packed:
        return files
    return {f"{name}.gz": gzip.compress(content, mtime=0) for name, content in files.items()}


def webdataset(x: np.ndarray, y: Sequence[Any], prefix: str = "") -> bytes:
    """A tar of samples: KEY.png beside KEY.cls."""
    files: dict[str, bytes] = {}
    for place, label in enumerate(y):
        files[f"{prefix}{place:06}.png"] = picture(x[place])
        files[f"{prefix}{place:06}.cls"] = str(label).encode()
    return tarred(files)


def parquet(
    x: np.ndarray, y: Sequence[int], names: Sequence[str] | None = None, **columns: Sequence[Any]
) -> bytes:
    """A table as Hugging Face's datasets writes it; needs pyarrow."""
    import json

    import pyarrow as pa
    import pyarrow.parquet as pq

    data = {
        "image": [{"bytes": picture(image), "path": f"{place}.png"} for place, image in enumerate(x)],
        "label": [int(label) for label in y],
        **columns,
    }
    table = pa.table(data)
    if names is not None:
        features = {"image": {"_type": "Image"}, "label": {"names": list(names), "_type": "ClassLabel"}}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    target = io.BytesIO()
    pq.write_table(table, target)
    return target.getvalue()


def matlab(**arrays: np.ndarray) -> bytes:
    """A MATLAB file of version 5."""
    from scipy.io import savemat

    target = io.BytesIO()
    savemat(target, arrays, do_compression=True)
    return target.getvalue()


def animated(images: Sequence[np.ndarray], form: str) -> bytes:
    """One file of several frames or pages."""
    target = io.BytesIO()
    first, *others = map(Image.fromarray, images)
    first.save(target, form, save_all=True, append_images=others)
    return target.getvalue()


def turned(pixels: np.ndarray, orientation: int, form: str = "PNG") -> bytes:
    """An image stored as a camera does that was held otherwise: shown upright, it has these pixels."""
    back = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    image = Image.fromarray(pixels)
    stored = image if back is None else image.transpose(back)
    exif = Image.Exif()
    exif[0x0112] = orientation
    target = io.BytesIO()
    stored.save(target, form, exif=exif)
    return target.getvalue()


# --- what becomes of them


class Ingested:
    """An upload that was taken: its description, images [N, D], labels, and pictures by class."""

    def __init__(self, found: IngestedDataset, folder: Path) -> None:
        self.found, self.report = found, found.report
        self.images, self.labels = np.load(folder / IMAGES), np.load(folder / LABELS)
        self.domains = np.load(folder / "domains.npy") if found.domains else None

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of an image."""
        return self.found.height, self.found.width, self.found.channels

    def content(self) -> set[tuple[bytes, str]]:
        """Every distinct image with the name of its class."""
        names = self.found.class_names
        return {
            (image.tobytes(), names[label])
            for image, label in zip(self.images, self.labels.tolist(), strict=True)
        }

    def done(self, kind: str) -> int:
        """How many things of a kind the report tells."""
        return sum(each.count for each in self.report.done if each.kind == kind)

    def ignored(self) -> dict[str, int]:
        """Kinds that the report tells as ignored."""
        return {each.kind: each.count for each in self.report.ignored}

    def said(self) -> str:
        """All its sentences."""
        return ". ".join(self.report.sentences())


def ingested(
    folder: Path, content: bytes | Path, max_bytes: int = 64 * MB, processes: int = 1, **options: Any
) -> Ingested:
    """What the reader makes of a file."""
    path = content if isinstance(content, Path) else folder / "upload"
    if isinstance(content, bytes):
        path.write_bytes(content)
    found = ingest(Upload(path, UploadOptions(**options), max_bytes), folder, processes)
    return Ingested(found, folder)
