"""Whatever is uploaded becomes a sound dataset or is refused by name; what it came in makes no difference."""

from __future__ import annotations

import io
import json
import pickle
import struct
import zipfile
from collections import Counter
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.extra import numpy as arrays
from PIL import Image

from tests.support.uploads import coloured, grey, npz, picture, zipped
from tgsh.datasets.uploads.copies import Copies
from tgsh.datasets.uploads.image_folders import ImageOptions
from tgsh.datasets.uploads.ingest import (
    IMAGES,
    LABELS,
    IngestedDataset,
    Upload,
    UploadKind,
    ingest,
    ingest_in_subprocess,
)
from tgsh.errors import InvalidSpec
from tgsh.rng import rng_for

MB = 1 << 20
several = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def unpacked(
    folder: Path,
    content: bytes,
    kind: UploadKind = "npz",
    wishes: ImageOptions | None = None,
    max_bytes: int = 64 * MB,
) -> tuple[IngestedDataset, np.ndarray, np.ndarray]:
    """What it is, its images and its labels."""
    (folder / "upload").write_bytes(content)
    found = ingest(Upload(folder / "upload", kind, wishes or ImageOptions(), max_bytes), folder)
    return found, np.load(folder / IMAGES), np.load(folder / LABELS)


def refusal(folder: Path, content: bytes, kind: UploadKind = "npz") -> str:
    """What is wrong with it."""
    with pytest.raises(InvalidSpec) as refused:
        unpacked(folder, content, kind)
    return str(refused.value)


@st.composite
def datasets(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Any images, at least two of each of two to five classes, in any order."""
    counts = draw(st.lists(st.integers(2, 7), min_size=2, max_size=5))
    shape = draw(st.sampled_from([(3, 4), (4, 3), (2, 5, 1), (3, 2, 3)]))
    y = np.repeat(np.arange(len(counts)), counts)
    y = y[np.array(draw(st.permutations(range(len(y)))))]
    x = draw(arrays.arrays(np.uint8, (len(y), *shape), elements=st.integers(0, 255)))
    x[0].ravel()[0], x[1].ravel()[0] = 0, 255
    x[:, ..., -1] = np.arange(len(y)).reshape(-1, *[1] * (x.ndim - 2))  # so that each can be told apart
    return x, y


@several
@given(data=datasets(), text=st.booleans())
def test_every_image_is_kept_with_its_class_in_one_order(
    tmp_path: Path, data: tuple[np.ndarray, np.ndarray], text: bool
) -> None:
    x, y = data
    found, images, labels = unpacked(tmp_path, npz(x=x, y=y.astype(str) if text else y))
    classes = len(set(y.tolist()))
    assert found.class_names == tuple(map(str, range(classes)))
    assert (found.height, found.width, found.channels) == (*x.shape[1:], 1)[:3]
    assert found.train + found.test == len(x) == len(images)
    flat = x.reshape(len(x), -1)
    known = {(image.tobytes(), int(label)) for image, label in zip(flat, y, strict=True)}
    assert {(image.tobytes(), int(label)) for image, label in zip(images, labels, strict=True)} == known
    for part, share in ((labels[: found.train], 0.8), (labels[found.train :], 0.2)):
        counts = Counter(part.tolist())
        assert set(counts) == set(range(classes))
        assert all(abs(counts[k] - share * (y == k).sum()) <= 1 for k in counts)
        assert len(set(part[:classes].tolist())) == classes  # a prefix is balanced
    for label in range(classes):  # within a class they stay in order
        mine = flat[y == label]
        place = {image.tobytes(): number for number, image in enumerate(mine)}
        for part in (slice(found.train), slice(found.train, None)):
            own = images[part][labels[part] == label]
            assert [place[image.tobytes()] for image in own] == sorted(
                place[image.tobytes()] for image in own
            )
    pixels = images[: found.train] / 255
    assert found.mean == pytest.approx(pixels.mean())
    assert found.deviation == pytest.approx(pixels.std())


@several
@given(data=datasets(), shuffle=st.randoms(use_true_random=False))
def test_the_same_content_is_the_same_dataset_whatever_it_comes_in(
    tmp_path: Path, data: tuple[np.ndarray, np.ndarray], shuffle: Any
) -> None:
    x, y = data
    first = unpacked(tmp_path, npz(x=x, y=y))
    squeezed = x[..., 0] if x.shape[-1] == 1 and x.ndim == 4 else x
    files = {f"{label}/{place:03}.png": picture(squeezed[place]) for place, label in enumerate(y)}
    names = list(files)
    shuffle.shuffle(names)
    for root in ("", "digits/"):
        content = zipped({root + name: files[name] for name in names} | {"__MACOSX/._x": b"?"})
        again = unpacked(tmp_path, content, "zip")
        assert again[0] == first[0]
        assert all((one == other).all() for one, other in zip(first[1:], again[1:], strict=True))
    by_class = np.argsort(y, kind="stable")
    assert unpacked(tmp_path, npz(x=x[by_class], y=y[by_class]))[0] == first[0]


@several
@given(junk=st.binary(max_size=400), at=st.floats(0, 1), kind=st.sampled_from(["npz", "zip"]))
def test_damage_is_refused_or_does_no_harm(tmp_path: Path, junk: bytes, at: float, kind: UploadKind) -> None:
    x, y = grey()
    good = (
        npz(x=x, y=y) if kind == "npz" else zipped({f"{k}/{n}.png": picture(x[n]) for n, k in enumerate(y)})
    )
    place = int(at * len(good))
    for content in (junk, good[:place] + junk, good[:place] + junk + good[place + len(junk) :]):
        (tmp_path / "upload").write_bytes(content)
        with suppress(InvalidSpec):
            found = ingest(Upload(tmp_path / "upload", kind, ImageOptions(), MB), tmp_path)
            assert np.load(tmp_path / IMAGES).shape == (found.train + found.test, 30)


def test_a_name_that_is_not_the_utf8_it_says_is_damage(tmp_path: Path) -> None:
    content = zipped({"é/1.png": picture(grey()[0][0])}).replace("é".encode(), b"\xe8\xe8")
    with pytest.raises(InvalidSpec, match="is no zip, or is damaged"):
        unpacked(tmp_path, content, "zip")


def test_ones_own_test_images_stay_test_images(tmp_path: Path) -> None:
    x, y = coloured(3, 4)
    shown = [0, 4, 10]
    content = npz(x_train=x[:10], y_train=y[:10], x_test=x[shown], y_test=y[shown])
    found, images, labels = unpacked(tmp_path, content)
    assert (found.train, found.test) == (10, 3)
    assert sorted(labels[10:].tolist()) == [0, 1, 2]
    assert (images[10:] == x[shown].reshape(3, -1)).all()
    files = {f"train/{k}/{n}.png": picture(x[n]) for n, k in enumerate(y[:10])}
    files |= {f"test/{y[n]}/{place}.png": picture(x[n]) for place, n in enumerate(shown)}
    assert unpacked(tmp_path, zipped(files), "zip")[0] == found


def test_classes_are_called_what_they_are_called(tmp_path: Path) -> None:
    x, y = grey()
    assert unpacked(tmp_path, npz(x=x, y=np.array(["oak", "beech"])[y]))[0].class_names == ("beech", "oak")
    assert unpacked(tmp_path, npz(x=x, y=np.array([b"oak", b"beech"])[y]))[0].class_names == ("beech", "oak")
    assert unpacked(tmp_path, npz(x=x, y=np.array([10, -9], np.int8)[y]))[0].class_names == ("-9", "10")


def test_images_become_what_is_asked_for(tmp_path: Path) -> None:
    x, y = coloured(2, 4, (8, 6, 3))
    files = {f"{k}/{n}.jpg": picture(x[n], "JPEG", quality=95) for n, k in enumerate(y)}
    plain, images, _ = unpacked(tmp_path, zipped(files), "zip")
    assert (plain.height, plain.width, plain.channels) == (8, 6, 3)
    decoded = {np.asarray(Image.open(io.BytesIO(file))).tobytes() for file in files.values()}
    assert {image.tobytes() for image in images} == decoded
    small, *_ = unpacked(tmp_path, zipped(files), "zip", ImageOptions((4, 5), 1))
    assert (small.height, small.width, small.channels) == (4, 5, 1)
    files["1/7.jpg"] = picture(x[7, :, :, 0], "JPEG")
    assert "?channels=1 or ?channels=3" in refusal(tmp_path, zipped(files), "zip")
    assert unpacked(tmp_path, zipped(files), "zip", ImageOptions(channels=3))[0].channels == 3
    files["1/7.jpg"] = picture(x[7, :5], "JPEG")
    assert "?size=8x6" in refusal(tmp_path, zipped(files), "zip")


def test_what_is_transparent_lies_on_black(tmp_path: Path) -> None:
    clear = np.full((4, 4, 4), 200, np.uint8)
    clear[:2, :, 3] = 0
    clear[2:, :, 3] = 255
    files = {f"{k}/{n}.png": picture(clear) for k in "ab" for n in range(2)}
    _, images, _ = unpacked(tmp_path, zipped(files), "zip")
    assert (images.reshape(-1, 4, 4, 3)[:, :2] == 0).all()
    assert (images.reshape(-1, 4, 4, 3)[:, 2:] == 200).all()


def distinct(count: int, size: tuple[int, int] = (5, 6)) -> np.ndarray:
    """Images of which no two are the same."""
    images = rng_for(count, "distinct").integers(0, 256, (count, *size))
    images[:, 0, 0], images[:, 0, 1] = np.arange(count) // 256, np.arange(count) % 256
    return images.astype(np.uint8)


def sides(found: IngestedDataset, images: np.ndarray) -> tuple[set[bytes], set[bytes]]:
    """Distinct training images and test images."""
    return ({each.tobytes() for each in part} for part in np.split(images, [found.train]))  # type: ignore[return-value]


@pytest.mark.parametrize("same_class", [True, False])
def test_copies_stay_on_one_side_of_the_split(tmp_path: Path, same_class: bool) -> None:
    x, rng = distinct(60), rng_for(0, "labels")
    places = rng.permutation(np.repeat(np.arange(60), 5))
    y = (rng.integers(0, 3, 60)[places] if same_class else rng.integers(0, 3, 300)).astype(int)
    found, images, labels = unpacked(tmp_path, npz(x=x[places], y=y))
    train, test = sides(found, images)
    assert not train & test
    assert len(train) + len(test) == 60
    assert 0.1 <= found.test / 300 <= 0.3
    assert set(labels[found.train :].tolist()) == {0, 1, 2}
    assert (found.copies.copies, found.copies.overlap) == (240, 0)
    assert (found.copies.contradictory > 0) == (not same_class)


def test_without_copies_the_split_and_the_id_are_those_of_ever(tmp_path: Path) -> None:
    """Digests that the version before copies were looked for wrote."""
    found, *_ = unpacked(tmp_path, npz(x=distinct(50), y=np.arange(50) % 3))
    assert found.sha256 == "3b1776ff03f391107b0d752edc1fe6344cc2df8d28c1f0b4de2d681994936ae5"
    assert found.copies == Copies(0, 0, 0)


def test_overlap_with_given_test_images_and_contradictions_are_counted(tmp_path: Path) -> None:
    x = distinct(20)
    train, test = x[[*range(16), 0, 1]], x[[2, 3, 16, 17]]
    y, y_test = np.array([*[0, 1] * 8, 0, 0]), np.array([0, 0, 0, 1])  # 1 and 3 have another label there
    found, *_ = unpacked(tmp_path, npz(x=train, y=y, x_test=test, y_test=y_test))
    assert (found.train, found.test) == (18, 4)  # as they were sent
    assert found.copies == Copies(copies=4, overlap=2, contradictory=4)
    assert json.loads(json.dumps(asdict(found)))["copies"]["overlap"] == 2


def test_a_class_of_one_image_is_on_both_sides_and_told(tmp_path: Path) -> None:
    x = distinct(12)
    x[6:] = x[6]
    found, *_ = unpacked(tmp_path, npz(x=x, y=np.repeat([0, 1], 6)))
    assert (found.train, found.test) == (10, 2)
    assert found.copies == Copies(copies=5, overlap=1, contradictory=0)


X, Y = grey()
ARRAYS: dict[str, tuple[dict[str, Any], str]] = {
    "no y": ({"x": X}, "y: is missing"),
    "an unknown array": ({"x": X, "y": Y, "z": Y}, "'z.npy'"),
    "floats to 1": ({"x": X / 255, "y": Y}, "x: is float64 in 0..1: multiply by 255 and convert to uint8"),
    "floats to 255": ({"x": X.astype(np.float32), "y": Y}, "x: is float32 in 0..255"),
    "NaN": ({"x": np.where(X > 9, np.nan, 1.0), "y": Y}, "NaN or an infinity"),
    "integers": ({"x": X.astype(np.int64) - 100, "y": Y}, "x: is int64 from -100"),
    "bool": ({"x": X > 9, "y": Y}, r"x.astype(numpy.uint8) * 255"),
    "complex": ({"x": X * 1j, "y": Y}, "x: is complex128"),
    "flat images": ({"x": X.reshape(12, 30), "y": Y}, "x.reshape(-1, height, width)"),
    "channels first": ({"x": np.zeros((12, 3, 5, 6), np.uint8), "y": Y}, "x.transpose(0, 2, 3, 1)"),
    "two channels": ({"x": np.zeros((12, 5, 6, 2), np.uint8), "y": Y}, "images have 1 or 3"),
    "columns": ({"x": np.asfortranarray(X), "y": Y}, "numpy.ascontiguousarray(x)"),
    "no images": ({"x": X[:0], "y": Y[:0]}, "x: has the shape [0, 5, 6]"),
    "too large": ({"x": np.zeros((2, 500, 500), np.uint8), "y": Y[:2]}, "250,000 pixels"),
    "too few classes": ({"x": X, "y": Y * 0}, "there are 1 classes"),
    "too many classes": (
        {"x": np.zeros((2002, 2, 2), np.uint8), "y": np.arange(2002) // 2},
        "there are 1,001 classes",
    ),
    "fewer labels": ({"x": X, "y": Y[:5]}, "must be [12]"),
    "one-hot": ({"x": X, "y": np.eye(2)[Y]}, "y.argmax(axis=1)"),
    "float labels": ({"x": X, "y": Y * 1.5}, "y.astype(int) or y.astype(str)"),
    "a pickle": ({"x": X, "y": np.array([object()] * 12)}, "nobody unpickles here"),
    "pickled images": ({"x": np.array([object()] * 12), "y": Y}, "nobody unpickles here"),
    "records": ({"x": X, "y": np.zeros(12, [("a", "i4")])}, "y: is an array of"),
    "one image of a class": ({"x": X[:7], "y": Y[:7]}, "class '1' has one image"),
    "x_test alone": ({"x": X, "y": Y, "x_test": X}, "come together"),
    "other test images": ({"x": X, "y": Y, "x_test": X[:, :4], "y_test": Y}, "x_test: has images of 4 × 6"),
    "a class without tests": ({"x": X, "y": Y, "x_test": X[:3], "y_test": Y[:3]}, "'1' has no test image"),
    "a class without training": ({"x": X[:3], "y": Y[:3], "x_test": X, "y_test": Y}, "no training image"),
    "nothing to see": ({"x": X * 0 + 7, "y": Y}, "nothing to learn"),
    "a name that nobody can read": ({"x": X, "y": np.array(["a\n", "b"])[Y]}, "printable characters"),
}


@pytest.mark.parametrize("case", ARRAYS)
def test_arrays_are_refused_by_name_and_with_the_remedy(tmp_path: Path, case: str) -> None:
    held, words = ARRAYS[case]
    assert words in refusal(tmp_path, npz(**held))


def entry(array: np.ndarray, header: dict[str, Any] | None = None) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": array.dtype.str, "fortran_order": False,
                                                "shape": array.shape, **(header or {})})  # fmt: skip
    return file.getvalue() + array.tobytes()


def test_a_header_promises_what_is_there(tmp_path: Path) -> None:
    y = entry(Y)
    for shape in ((13, 5, 6), (10**6, 5, 6), (10**12, 5, 6), (-12, 5, 6)):
        assert "x: " in refusal(tmp_path, zipped({"x.npy": entry(X, {"shape": shape}), "y.npy": y}))
    assert "x: " in refusal(tmp_path, zipped({"x.npy": entry(X) + b"more", "y.npy": y}))
    assert "x: is no array" in refusal(tmp_path, zipped({"x.npy": pickle.dumps([1]), "y.npy": y}))
    deep = b"\x93NUMPY\x01\x00" + struct.pack("<H", 60_000) + b"(" * 60_000
    assert "x: is no array" in refusal(tmp_path, zipped({"x.npy": deep, "y.npy": y}))


@pytest.mark.slow
def test_bombs_do_not_go_off(tmp_path: Path) -> None:
    black = np.zeros((400_000, 20, 20), np.uint8)  # 160 MB in 160 kB
    packed = zipped({"x.npy": entry(black), "y.npy": entry(np.arange(400_000) % 2)}, zipfile.ZIP_DEFLATED)
    assert len(packed) < MB
    assert "TGSH_MAX_UPLOAD_BYTES" in refusal(tmp_path, packed)
    flood = picture(np.zeros((6_000, 6_000), np.uint8))
    assert "32,000,000 pixels" in refusal(tmp_path, zipped({f"{k}/a.png": flood for k in "ab"}), "zip")
    huge = zipped({f"{k}/{n}.bmp": b"BM" + bytes(40 * MB) for k in "ab" for n in "ab"}, zipfile.ZIP_DEFLATED)
    assert "is over 32 MiB" in refusal(tmp_path, huge, "zip")
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 4 * MB


P = picture(X[0])
FOLDERS: dict[str, tuple[dict[str, bytes], str]] = {
    "nothing": ({".DS_Store": b"", "__MACOSX/a/b": b""}, "holds no image"),
    "no folders": ({"a.png": P, "b.png": P}, "does not lie in a class folder"),
    "too deep": ({"a/b/c/d.png": P, "a/c/d.png": P}, "does not lie in a class folder"),
    "out of the zip": ({"../a/b.png": P}, "no path within a zip"),
    "from the root": ({"/etc/passwd": P}, "no path within a zip"),
    "a drive": ({"c:/a/b.png": P}, "no path within a zip"),
    "one class": ({"a/a.png": P, "a/b.png": P}, "there are 1 classes"),
    "no image": ({"a/a.png": P, "a/b.txt": b"hello", "b/a.png": P, "b/b.png": P}, "a/b.txt is no image"),
    "half an image": ({"a/a.png": P, "a/b.png": P[:60], "b/a.png": P, "b/b.png": P}, "a/b.png"),
    "an svg": ({"a/a.svg": b"<svg/>", "b/a.png": P}, "a/a.svg is no image"),
    "classes beside train": ({"train/a/a.png": P, "test/a/a.png": P, "b/a.png": P}, "beside train and test"),
    "test alone": ({"x/test/a/a.png": P, "x/test/b/a.png": P, "y/a.png": P}, "class folder"),
    "a class without tests": (
        {"train/a/a.png": P, "train/b/a.png": P, "test/a/a.png": P},
        "class 'b' has no test image",
    ),
}


@pytest.mark.parametrize("case", FOLDERS)
def test_folders_are_refused_by_file(tmp_path: Path, case: str) -> None:
    files, words = FOLDERS[case]
    assert words in refusal(tmp_path, zipped(files), "zip")


def test_sixteen_bits_a_pixel_are_refused(tmp_path: Path) -> None:
    file = io.BytesIO()
    Image.fromarray(X[0].astype(np.uint16) * 256).save(file, "PNG")
    assert "8 bits" in refusal(tmp_path, zipped({f"{k}/a.png": file.getvalue() for k in "ab"}), "zip")


def test_apart_it_is_the_same_and_has_an_end(tmp_path: Path) -> None:
    upload = Upload(tmp_path / "upload", "npz", ImageOptions(), MB)
    upload.path.write_bytes(npz(x=X, y=Y))
    there, here = tmp_path / "there", tmp_path / "here"
    there.mkdir()
    here.mkdir()
    assert ingest_in_subprocess(upload, there) == ingest(upload, here)
    assert (there / IMAGES).read_bytes() == (here / IMAGES).read_bytes()
    upload.path.write_bytes(npz(x=X / 255, y=Y))
    with pytest.raises(InvalidSpec, match=r"x: is float64 in 0\.\.1"):
        ingest_in_subprocess(upload, there)
    with pytest.raises(InvalidSpec, match=r"takes over 0\.01 s"):
        ingest_in_subprocess(upload, here, seconds=0.01)
