"""The same content is the same dataset in every container; bombs and damage are refused."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.image_sets import (
    below,
    distinct,
    idx,
    idx_files,
    ingested,
    labelled,
    matlab,
    parquet,
    tarred,
    turned,
    webdataset,
)
from tests.support.uploads import npz, picture, zipped
from tgsh.datasets.uploads import processes, sandbox
from tgsh.datasets.uploads.containers import kind_of
from tgsh.datasets.uploads.ingest import ingest_in_subprocess
from tgsh.datasets.uploads.options import UploadOptions
from tgsh.datasets.uploads.sandbox import Upload
from tgsh.errors import InvalidSpec

MB = 1 << 20
X, Y = labelled(10, 8, (7, 7))
FILES = {f"{label}/{place}.png": picture(X[place]) for place, label in enumerate(Y.tolist())}
ARRAYS = {"x": X, "y": Y}


def zstd(content: bytes) -> bytes:
    return bytes(pytest.importorskip("zstandard").ZstdCompressor().compress(content))


def table(x: np.ndarray = X, y: Any = Y, **options: Any) -> bytes:
    pytest.importorskip("pyarrow")
    return parquet(x, y, **options)


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def mixed_mat() -> bytes:
    return zipped({"train.mat": matlab(X=X.transpose(1, 2, 0), y=Y[:, None])})


CONTAINERS: dict[str, Any] = {
    "zip": lambda: zipped(FILES),
    "zip, deflated": lambda: zipped(FILES, zipfile.ZIP_DEFLATED),
    "zip, bzip2": lambda: zipped(FILES, zipfile.ZIP_BZIP2),
    "zip, lzma": lambda: zipped(FILES, zipfile.ZIP_LZMA),
    "zip in a folder": lambda: zipped(below("my digits", FILES)),
    "zip backwards": lambda: zipped(dict(reversed(FILES.items()))),
    "zip after a program": lambda: b"#!/bin/sh\n" * 100 + zipped(FILES),
    "tar": lambda: tarred(FILES),
    "tar.gz": lambda: tarred(FILES, "w:gz"),
    "tar.bz2": lambda: bz2.compress(tarred(FILES)),
    "tar.xz": lambda: lzma.compress(tarred(FILES)),
    "tar.zst": lambda: zstd(tarred(FILES)),
    "tar in a zip": lambda: zipped({"digits.tar": tarred(FILES), "README.md": b"hello"}),
    "npz": lambda: npz(**ARRAYS),
    "npz.gz": lambda: gzip.compress(npz(**ARRAYS)),
    "npy in a tar": lambda: tarred({"data/x.npy": npy(X), "data/y.npy": npy(Y)}),
    "npz in a zip": lambda: zipped({"train-imgs.npz": npz(arr_0=X), "train-labels.npz": npz(arr_0=Y)}),
    "idx in a zip": lambda: zipped(
        {"train-images-idx3-ubyte": idx(X), "train-labels-idx1-ubyte.gz": gzip.compress(idx(Y))}
    ),
    "idx in a tar.gz": lambda: tarred(
        {"raw/train-images.idx3-ubyte": idx(X), "raw/train-labels.idx1-ubyte": idx(Y)}, "w:gz"
    ),
    "webdataset": lambda: webdataset(X, Y.tolist()),
    "webdataset.gz": lambda: gzip.compress(webdataset(X, Y.tolist())),
    "webdataset, json": lambda: tarred(
        {
            name: content
            for place, label in enumerate(Y.tolist())
            for name, content in (
                (f"{place:05}.png", picture(X[place])),
                (f"{place:05}.json", json.dumps({"label": label}).encode()),
            )
        }
    ),
    "webdataset in shards": lambda: zipped(
        {
            f"digits-{shard:03}.tar": webdataset(
                X[40 * shard : 40 * shard + 40], Y[40 * shard : 40 * shard + 40].tolist()
            )
            for shard in range(2)
        }
    ),
    "parquet": table,
    "parquet, named": lambda: table(names=[str(n) for n in range(10)]),
    "parquet in shards": lambda: zipped(
        {
            f"data/digits-{n:05}-of-00002.parquet": table(X[40 * n : 40 * n + 40], Y[40 * n : 40 * n + 40])
            for n in range(2)
        }
    ),
    "mat": lambda: matlab(X=X.transpose(1, 2, 0), y=Y[:, None]),
    "mat in a zip": mixed_mat,
}


@pytest.mark.parametrize("case", CONTAINERS)
def test_the_same_content_is_the_same_dataset(tmp_path: Path, case: str) -> None:
    plain = ingested(tmp_path, npz(**ARRAYS))
    found = ingested(tmp_path, CONTAINERS[case]())
    assert found.found == plain.found
    assert (found.images == plain.images).all()
    assert found.report.container
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images.npy", "labels.npy", "upload"]


def test_a_folder_is_one_too(tmp_path: Path) -> None:
    root = tmp_path / "digits"
    for name, content in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    (root / "link.png").symlink_to("/etc/passwd")
    (root / "loop").symlink_to(root)
    found = ingested(tmp_path, root)
    assert found.found == ingested(tmp_path, npz(**ARRAYS)).found
    assert (found.report.container, found.ignored()) == ("folder", {"links": 2})


def test_four_files_of_mnist(tmp_path: Path) -> None:
    order = np.arange(80).reshape(10, 8).T.ravel()
    x, y = X[order], Y[order]
    arrays = ingested(tmp_path, npz(x=x[:60], y=y[:60], x_test=x[60:], y_test=y[60:]))
    for packed in (True, False):
        files = idx_files(x, y, 20, packed)
        assert ingested(tmp_path, zipped(files)).found == arrays.found
        assert ingested(tmp_path, tarred(below("MNIST/raw", files))).found == arrays.found
    del files["t10k-labels-idx1-ubyte"]
    assert "t10k-labels-idx1-ubyte (or .gz) is missing" in refusals(tmp_path, zipped(files))
    assert "the file train-labels-idx1-ubyte (or .gz) is missing" in refusals(tmp_path, idx(X))
    assert "the file train-images-idx3-ubyte is missing" in refusals(tmp_path, gzip.compress(idx(Y)))
    qmnist = np.stack([Y, *[Y * 0] * 7], 1).astype(">i4")
    labels = b"\0\0\x0c\x02" + np.array([80, 8], ">u4").tobytes() + qmnist.tobytes()
    extended = {"qmnist-train-images-idx3-ubyte": idx(X), "qmnist-train-labels-idx2-int": labels}
    assert ingested(tmp_path, zipped(extended)).content() == ingested(tmp_path, npz(**ARRAYS)).content()
    emnist = {
        "emnist-digits-train-images-idx3-ubyte": idx(X.swapaxes(1, 2)),
        "emnist-digits-train-labels-idx1-ubyte": idx(Y),
    }
    assert ingested(tmp_path, zipped(emnist)).content() == ingested(tmp_path, npz(**ARRAYS)).content()


def test_svhns_label_ten_is_zero(tmp_path: Path) -> None:
    x = distinct(40, (32, 32, 3))
    y = np.arange(40) % 10 + 1
    found = ingested(tmp_path, matlab(X=x.transpose(1, 2, 3, 0), y=y[:, None].astype(np.uint8)))
    assert found.found == ingested(tmp_path, npz(x=x, y=y % 10)).found
    assert "Label 10 was read as 0, as SVHN means it" in found.said()
    other = ingested(tmp_path, matlab(X=x[:, :16].transpose(1, 2, 3, 0), y=y[:, None]))
    assert other.found.class_names[-1] == "10"


def test_splits_and_features_of_tables(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    names = ["ash", "oak", "yew"]
    x, y = labelled(3, 8, (7, 7))
    train, test = np.arange(24) % 4 != 3, np.arange(24) % 4 == 3
    told = {"info": {"features": {"label": {"_type": "ClassLabel", "names": names}}}}
    files = {
        "README.md": b"---",
        "data/train-00000-of-00001.parquet": parquet(x[train], y[train]),
        "data/test-00000-of-00001.parquet": parquet(x[test], y[test]),
        "dataset_info.json": json.dumps(told["info"]).encode(),
    }
    found = ingested(tmp_path, zipped(files))
    assert (found.found.class_names, found.found.train, found.found.test) == (tuple(names), 18, 6)
    grouped = ingested(
        tmp_path, parquet(x, y, names, group=[f"p{n // 2}" for n in range(24)], domain=["a", "b"] * 12)
    )
    assert grouped.found.domains == ("a", "b")
    import pyarrow as pa
    import pyarrow.parquet as pq

    target = io.BytesIO()
    pq.write_table(pa.table({"text": ["a"], "label": [1]}), target)
    assert "has no column image with image files" in refusals(tmp_path, target.getvalue())
    assert "is a damaged parquet file" in refusals(tmp_path, parquet(x, y)[:-40] + bytes(40))
    assert "3.png is empty" in refusals(tmp_path, _with_an_empty_image(x, y))
    assert ingested(tmp_path, _with_an_empty_image(x, y), on_bad="skip").report.skipped_count == 1


def _with_an_empty_image(x: np.ndarray, y: np.ndarray) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    images = [{"bytes": picture(image), "path": f"{n}.png"} for n, image in enumerate(x)]
    images[3]["bytes"] = None
    target = io.BytesIO()
    pq.write_table(pa.table({"image": images, "label": y.tolist()}), target)
    return target.getvalue()


def test_without_what_reads_it_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = b"PAR1" + bytes(100)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    assert "tgsh[parquet]" in refusals(tmp_path, content)
    monkeypatch.setitem(sys.modules, "compression", None)
    monkeypatch.setitem(sys.modules, "compression.zstd", None)
    monkeypatch.setitem(sys.modules, "zstandard", None)
    assert "tgsh[zstd]" in refusals(tmp_path, b"\x28\xb5\x2f\xfd" + bytes(100))


def test_webdatasets_lack_nothing(tmp_path: Path) -> None:
    files = {f"{n}.png": picture(X[n]) for n in range(20)} | {
        f"{n}.cls": str(n % 2).encode() for n in range(20)
    }
    files["20.png"] = picture(X[20])
    files["21.png"], files["21.json"] = picture(X[21]), b'{"caption": "a"}'
    files["22.png"], files["22.cls"] = picture(X[22]), b"  "
    with pytest.raises(InvalidSpec) as refused:
        ingested(tmp_path, tarred(files | {f"{n}.cls": b"1" for n in range(30, 33)}))
    assert [words[:6] for _, words in refused.value.fields] == ["20.png", "21.png", "22.png"]
    found = ingested(tmp_path, tarred(files | {f"{n}.cls": b"1" for n in range(30, 33)}), on_bad="skip")
    assert (found.report.images, found.report.skipped_count) == (20, 3)
    split = {
        f"{part}/{n}.{end}": content
        for part, rows in (("train", range(16)), ("val", range(16, 20)))
        for n in rows
        for end, content in (("jpg", picture(X[n])), ("cls", files[f"{n}.cls"]))
    }
    assert (ingested(tmp_path, tarred(split)).found.train, ingested(tmp_path, tarred(split)).found.test) == (
        16,
        4,
    )


def refusals(folder: Path, content: bytes, **options: Any) -> str:
    with pytest.raises(InvalidSpec) as refused:
        ingested(folder, content, **options)
    return str(refused.value)


NO_DATASET: dict[str, tuple[Any, str]] = {
    "nothing": (b"", "is empty; what is taken"),
    "text": (b"hello", "is no dataset; what is taken: class folders in a zip or tar"),
    "a picture": (picture(X[0]), "is one image"),
    "RAR": (b"Rar!\x1a\x07\x00" + bytes(50), "is a RAR archive"),
    "7z": (b"7z\xbc\xaf\x27\x1c" + bytes(50), "is a 7z archive"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(50), "save it with -v7"),
    "MATLAB 7.3": (b"MATLAB 7.3 MAT-file" + bytes(500), "save it with -v7"),
    "a damaged mat": (b"MATLAB 5.0 MAT-file" + bytes(500), "damaged MATLAB file"),
    "half a zip": (zipped(FILES)[:2000], "is no zip, or is damaged"),
    "half a tar": (tarred(FILES)[:5000], "is a damaged tar"),
    "half a gz": (gzip.compress(tarred(FILES))[:3000], "is a damaged gzip file"),
    "half an xz": (lzma.compress(tarred(FILES))[:3000], "is a damaged xz file"),
    "half a bz2": (bz2.compress(tarred(FILES))[:3000], "is a damaged bzip2 file"),
    "half an IDX": (idx(X)[:-1], "is a damaged IDX file"),
    "gz in gz in gz": (
        gzip.compress(gzip.compress(gzip.compress(gzip.compress(gzip.compress(b"x"))))),
        "packed too often",
    ),
    "a tar of links": (b"", "holds no image"),
}


@pytest.mark.parametrize("case", NO_DATASET)
def test_what_is_no_dataset_is_refused_for_what_it_is(tmp_path: Path, case: str) -> None:
    content, words = NO_DATASET[case]
    if case == "a tar of links":
        target = io.BytesIO()
        with tarfile.open(fileobj=target, mode="w") as tar:
            for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE):
                member = tarfile.TarInfo(f"0/{kind.decode()}.png")
                member.type, member.linkname = kind, "/etc/passwd"
                tar.addfile(member)
        content = target.getvalue()
    assert words in refusals(tmp_path, content)


def test_encrypted_and_damaged_members_are_named(tmp_path: Path) -> None:
    content = bytearray(zipped(FILES, zipfile.ZIP_LZMA))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entry = archive.infolist()[3]
    content[entry.header_offset + 60 : entry.header_offset + 70] = b"damage!!!!"
    told = refusals(tmp_path, bytes(content))
    assert told.startswith(f"body: {entry.filename} is damaged")
    assert "memory" not in told
    assert ingested(tmp_path, bytes(content), on_bad="skip").report.images == 79
    locked = zipped(FILES)
    with zipfile.ZipFile(io.BytesIO(locked)) as archive:
        start = archive.start_dir
    locked = locked[: start + 8] + b"\1" + locked[start + 9 :]
    assert "is encrypted; send it without a password" in refusals(tmp_path, locked)


def test_the_kinds_of_files() -> None:
    assert kind_of(b"") == "empty"
    assert kind_of(turned(X[0], 3, "TIFF")) == "picture"
    assert [kind_of(bytes(8)), kind_of(b"\0\0\x08\x03" + bytes(12)), kind_of(b"%PDF")] == [
        "unknown",
        "idx",
        "unknown",
    ]


@pytest.mark.slow
def test_bombs_do_not_go_off(tmp_path: Path) -> None:
    zeros = bytes(200 * MB)
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as tar:
        member = tarfile.TarInfo("0/a.png")
        member.size = len(zeros)
        tar.addfile(member, io.BytesIO(zeros))
    tar = target.getvalue()
    for packed in (gzip.compress(tar, 1), bz2.compress(tar, 1), lzma.compress(tar, preset=0), zstd(tar)):
        assert len(packed) < 2 * MB
        assert "unpacked it is over" in refusals(tmp_path, packed)
    file = io.BytesIO()
    np.savez_compressed(file, x=np.zeros((400_000, 20, 20), np.uint8), y=np.arange(400_000) % 2)
    assert "TGSH_MAX_UPLOAD_BYTES" in refusals(tmp_path, file.getvalue())
    huge = zipped({f"{k}/{n}.bmp": b"BM" + bytes(40 * MB) for k in "ab" for n in "ab"}, zipfile.ZIP_DEFLATED)
    assert "is over 32 MiB" in refusals(tmp_path, huge)
    idx_bomb = zipped(
        {
            "train-images-idx3-ubyte.gz": gzip.compress(idx(np.zeros((100_000, 40, 40), np.uint8)), 1),
            "train-labels-idx1-ubyte": idx(np.zeros(100_000)),
        }
    )
    assert "unpacked it is over" in refusals(tmp_path, idx_bomb)
    big_mat = matlab(X=np.zeros((500 << 20) // 8, np.float64), y=np.zeros(3))
    assert "has arrays of over 400 MiB" in refusals(tmp_path, big_mat)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 4 * MB


def test_a_table_that_unpacks_to_more_than_allowed(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    import pyarrow as pa
    import pyarrow.parquet as pq

    target = io.BytesIO()
    images = pa.array([b"BM" + bytes(MB)] * 200)  # a dictionary and 200 numbers
    pq.write_table(pa.table({"image": images, "label": [0, 1] * 100}), target, compression="zstd")
    assert len(target.getvalue()) < MB
    assert "unpacked it is over" in refusals(tmp_path, target.getvalue())


# --- apart, on several cores


def test_several_processes_read_what_one_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "LEAST", 1)
    monkeypatch.setattr(processes, "CHUNK", 7)
    plain = ingested(tmp_path, npz(**ARRAYS))
    for case in ("zip", "tar.gz", "webdataset in shards", "parquet"):
        assert ingested(tmp_path, CONTAINERS[case](), processes=3).found == plain.found
    bad = zipped(FILES | {f"{n}/bad.png": b"?" for n in range(10)})
    assert refusals(tmp_path, bad).count("is no image of these") == 10
    with pytest.raises(InvalidSpec) as refused:
        ingested(tmp_path, bad, processes=3)
    assert len(refused.value.fields) == 11
    assert ingested(tmp_path, npz(**ARRAYS), processes=3, size=(4, 4)).shape == (4, 4, 1)


def test_a_process_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "LEAST", 1)

    def killed(start: int, stop: int) -> list[Any]:
        raise MemoryError

    with pytest.raises(InvalidSpec, match="takes more memory"):
        processes.over_cores(200, killed, 2, tmp_path)

    def full(start: int, stop: int) -> list[Any]:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        processes.over_cores(200, full, 2, tmp_path)

    def wrong(start: int, stop: int) -> list[Any]:
        raise ZeroDivisionError

    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        processes.over_cores(200, wrong, 2, tmp_path)


def test_apart_it_is_the_same_and_carries_all_that_is_wrong(tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.mkdir()
    upload = Upload(tmp_path / "upload", UploadOptions(), 64 * MB)
    upload.path.write_bytes(zipped(FILES | {"README.md": b""}))
    here = ingested(tmp_path, upload.path)
    found = ingest_in_subprocess(upload, there)
    assert (found, found.report) == (here.found, here.report)
    assert (there / "images.npy").read_bytes() == (tmp_path / "images.npy").read_bytes()
    upload.path.write_bytes(zipped(FILES | {"0/a.png": b"", "1/b.png": picture(distinct(1, (9, 9, 3))[0])}))
    with pytest.raises(InvalidSpec) as refused:
        ingest_in_subprocess(upload, there)
    assert [field for field, _ in refused.value.fields] == ["body", "on_bad", "channels", "size"]
    with pytest.raises(InvalidSpec, match=r"takes over 0\.01 s"):
        ingest_in_subprocess(upload, there, seconds=0.01)


def test_what_no_reader_foresaw_is_not_called_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> dict[str, object]:
        raise ZeroDivisionError("nobody thought of this")

    monkeypatch.setattr(sandbox, "limit_memory", lambda _: None)
    monkeypatch.setattr(sandbox, "yield_to_others", lambda _: None)
    monkeypatch.setattr(sandbox.signal, "signal", lambda *_: None)
    sandbox.work_and_tell(broken, (), tmp_path / "outcome.json")
    told = json.loads((tmp_path / "outcome.json").read_text())
    assert told == {"problems": [["body", "cannot be read: ZeroDivisionError: nobody thought of this"]]}
