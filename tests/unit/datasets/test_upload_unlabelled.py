"""Images without labels: pictures in whatever they come, one array among others, and what is refused."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import numpy as np
import pytest

from tests.support.uploads import npz, picture, zipped
from tgsh.datasets.uploads.options import UploadOptions
from tgsh.datasets.uploads.sandbox import Upload
from tgsh.datasets.uploads.unlabelled import IMAGES, read_unlabelled, write_unlabelled
from tgsh.errors import InvalidSpec

X = np.random.default_rng(0).integers(0, 256, (6, 9, 7), np.uint8)
PICTURES = {f"any/{place:02}.png": picture(image) for place, image in enumerate(X)}
NOISE = {"__MACOSX/._1.png": b"", "any/labels.csv": b"0,1"}


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


IDX = bytes([0, 0, 8, 3, 0, 0, 0, 6, 0, 0, 0, 9, 0, 0, 0, 7]) + X.tobytes()


def read(folder: Path, content: bytes, most: int = 1000, **options: object) -> np.ndarray:
    upload = Upload(folder / "upload", UploadOptions(**options), 1 << 20)  # type: ignore[arg-type]
    upload.path.write_bytes(content)
    write_unlabelled(upload, folder, most)
    return np.load(folder / IMAGES)


@pytest.mark.parametrize(
    "content",
    [
        zipped(PICTURES | NOISE),
        npz(x=X, y=np.arange(6), note=np.zeros(3)),
        npz(images=X[..., None]),
        npz(arr_0=X),
        npy(X),
        IDX,
        gzip.compress(IDX),
    ],
    ids=["zip", "npz", "grey channel", "nameless", "npy", "idx", "idx.gz"],
)
def test_the_images_are_read_in_their_order(tmp_path: Path, content: bytes) -> None:
    np.testing.assert_array_equal(read(tmp_path, content), X)


def test_images_are_converted_where_that_is_asked_for(tmp_path: Path) -> None:
    from_pictures = read(tmp_path, zipped(PICTURES), size=(5, 5), channels=1)
    assert from_pictures.shape == (6, 5, 5)
    for array in (X, X / 255):
        np.testing.assert_array_equal(read(tmp_path, npz(x=array), size=(5, 5), channels=1), from_pictures)
    assert read(tmp_path, picture(X[0]), channels=3).shape == (1, 9, 7, 3)
    assert read(tmp_path, npy(X.reshape(6, 63)), size=(5, 5)).shape == (6, 63)  # its shape tells no size


@pytest.mark.parametrize(
    ("content", "field", "words"),
    [
        (zipped({"a.txt": b"words"}), "body", "no picture"),
        (zipped({**PICTURES, "any/z.png": b"no png"}), "body", "z.png"),
        (zipped({**PICTURES, "any/z.png": picture(X[0, :5])}), "size", "sizes"),
        (npz(x_train=X, x_test=X), "body", "several arrays of images"),
        (npz(y=np.arange(3), weights=np.arange(3)), "body", "no array that is called images or x"),
        (npz(x=np.array(["a"])), "x", "pixels are numbers"),
        (npy(np.zeros((2000, 3, 3), np.uint8)), "body", "2,000 images, and 1,000 are the most"),
        (b"%PDF-1.7 nothing", "body", "nothing that images are read from"),
    ],
)
def test_what_is_refused(tmp_path: Path, content: bytes, field: str, words: str) -> None:
    with pytest.raises(InvalidSpec) as refused:
        read(tmp_path, content)
    assert field in [name for name, _ in refused.value.fields]
    assert words in str(refused.value)


def test_apart_it_is_the_same(tmp_path: Path) -> None:
    upload = Upload(tmp_path / "upload", UploadOptions(), 1 << 20)
    upload.path.write_bytes(zipped(PICTURES))
    np.testing.assert_array_equal(read_unlabelled(upload, tmp_path, 1000), X)
    with pytest.raises(InvalidSpec, match="6 images, and 5 are the most"):
        read_unlabelled(upload, tmp_path, 5)
    upload.path.write_bytes(b"")
    with pytest.raises(InvalidSpec, match="is empty"):
        read_unlabelled(upload, tmp_path, 5)
