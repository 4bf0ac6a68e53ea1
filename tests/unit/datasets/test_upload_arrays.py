"""Arrays under any usual name, in any usual shape and type, become the same dataset; others are refused."""

from __future__ import annotations

import io
import json
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.image_sets import distinct, ingested, labelled
from tests.support.uploads import coloured, grey, npz, zipped
from tgsh.datasets.uploads.arrays import role_of
from tgsh.errors import InvalidSpec

X, Y = labelled(3, 8, (8, 8))
RGB = distinct(24, (8, 8, 3), seed=1)


def refusals(folder: Path, content: bytes, **options: Any) -> str:
    with pytest.raises(InvalidSpec) as refused:
        ingested(folder, content, **options)
    return str(refused.value)


@pytest.mark.parametrize(
    ("words", "role"),
    [
        ("x", "images train"),
        ("X_train", "images train"),
        ("xTest", "images test"),
        ("train_images", "images train"),
        ("images-val", "images validation"),
        ("trainX", "images train"),
        ("ytrain", "labels train"),
        ("test_labels", "labels test"),
        ("kmnist-train-imgs", "images train"),
        ("k49-test-labels", "labels test"),
        ("t10k images", "images test"),
        ("data", "images train"),
        ("targets", "labels train"),
        ("class_names", "class names train"),
        ("label_names", "class names train"),
        ("groups", "groups train"),
        ("groups_test", "groups test"),
        ("valid_y", "labels validation"),
        ("z", " train"),
        ("meta", " train"),
        ("arr_0", " train"),
        ("test_set_x", "images test"),
    ],
)
def test_names_of_arrays(words: str, role: str) -> None:
    assert " ".join(role_of(words)) == role


SAME: dict[str, dict[str, Any]] = {
    "images, labels": {"images": X, "labels": Y},
    "data, targets": {"data": X, "targets": Y},
    "X, y": {"X": X, "y": Y},
    "train_images": {"train_images": X, "train_labels": Y},
    "positions": {"arr_0": X, "arr_1": Y},
    "N × 1": {"x": X, "y": Y.reshape(-1, 1)},
    "1 × N": {"x": X, "y": Y.reshape(1, -1)},
    "one-hot": {"x": X, "y": np.eye(3)[Y]},
    "one-hot bytes": {"x": X, "y": np.eye(3, dtype=np.uint8)[Y]},
    "one-hot booleans": {"x": X, "y": np.eye(3, dtype=bool)[Y]},
    "whole floats": {"x": X, "y": Y.astype(np.float32)},
    "text": {"x": X, "y": Y.astype(str)},
    "bytes": {"x": X, "y": Y.astype("S2")},
    "blanks": {"x": X, "y": np.array([f" {label} " for label in Y])},
    "uint64": {"x": X, "y": Y.astype(np.uint64)},
    "one channel": {"x": X[..., None], "y": Y},
    "one channel first": {"x": X[:, None], "y": Y},
    "flat": {"x": X.reshape(24, 64), "y": Y},
    "flat, transposed": {"x": X.reshape(24, 64).T, "y": Y},
    "Fortran's order": {"x": np.asfortranarray(X), "y": Y},
    "H × W × N": {"x": X.transpose(1, 2, 0), "y": Y},
    "H × W × 1 × N": {"x": X.transpose(1, 2, 0)[:, :, None], "y": Y},
    "0 to 1": {"x": (X / 255).astype(np.float32), "y": Y},
    "0 to 1, double": {"x": X / 255, "y": Y},
    "0 to 255": {"x": X.astype(np.float32), "y": Y},
    "-1 to 1": {"x": (X / 127.5 - 1).astype(np.float32), "y": Y},
    "half": {"x": X.astype(np.float16), "y": Y},
    "int64": {"x": X.astype(np.int64), "y": Y},
    "uint16, upper bits": {"x": X.astype(np.uint16) * 257, "y": Y},
    "big-endian": {"x": X.astype(">u2") * 256, "y": Y},
    "more arrays": {"x": X, "y": Y, "ids": np.arange(24), "notes": np.array(["a"])},
    "class names": {"x": X, "y": Y, "class_names": np.array(["0", "1", "2"])},
    "class names from 1": {"x": X, "y": Y + 1, "class_names": np.array(["0", "1", "2"])},
}


@pytest.mark.parametrize("case", SAME)
def test_whatever_the_arrays_are_like_it_is_the_same_dataset(tmp_path: Path, case: str) -> None:
    plain = ingested(tmp_path, npz(x=X, y=Y))
    assert plain.report.done[0].kind == "split"
    assert ingested(tmp_path, npz(**SAME[case])).found == plain.found


def test_colour_in_every_order_of_axes(tmp_path: Path) -> None:
    plain = ingested(tmp_path, npz(x=RGB, y=Y))
    assert plain.shape == (8, 8, 3)
    planes = RGB.transpose(0, 3, 1, 2)
    for x in (
        planes,
        RGB.transpose(1, 2, 3, 0),
        np.asfortranarray(RGB),
        planes.reshape(24, -1),
        planes / 255,
    ):
        assert ingested(tmp_path, npz(x=x, y=Y)).found == plain.found
    assert "in three planes" in ingested(tmp_path, npz(x=planes.reshape(24, -1), y=Y)).said()


def test_other_arrays_are_told_and_pickled_ones_are_not_read(tmp_path: Path) -> None:
    found = ingested(
        tmp_path, npz(x=X, y=Y, ids=np.arange(24), meta=np.array({"a": 1}, dtype=object), seed=3)
    )
    assert found.ignored() == {"arrays": 3}


def test_class_names_name_integers_in_their_order(tmp_path: Path) -> None:
    names = np.array(["mild", "moderate ", "severe", "never seen"])
    found = ingested(tmp_path, npz(x=X, y=Y, class_names=names))
    assert found.found.class_names == ("mild", "moderate", "severe")
    assert found.ignored() == {"class names": 1}
    assert "has 2 names, and the labels of y go from 0 to 2" in refusals(
        tmp_path, npz(x=X, y=Y, classes=names[:2])
    )
    assert "'a' is there twice" in refusals(tmp_path, npz(x=X, y=Y, class_names=np.array(["a", "a", "b"])))


def test_booleans_become_pixels_and_classes(tmp_path: Path) -> None:
    found = ingested(tmp_path, npz(x=X > 99, y=Y > 0))
    assert (set(np.unique(found.images)), found.found.class_names) == ({0, 255}, ("False", "True"))


def test_splits_in_arrays(tmp_path: Path) -> None:
    every = np.arange(24)
    train, val, test = (every % 4 < 2), (every % 4 == 2), (every % 4 == 3)
    found = ingested(
        tmp_path,
        npz(
            train_images=X[train],
            train_labels=Y[train][:, None],
            val_images=X[val],
            val_labels=Y[val],
            test_images=X[test],
            test_labels=Y[test],
        ),
    )
    assert (found.found.train, found.found.test) == (18, 6)
    two = ingested(tmp_path, npz(x_train=X[train], y_train=Y[train], x_val=X[test], y_val=Y[test]))
    assert (two.found.train, two.found.test) == (12, 6)
    four = ingested(tmp_path, npz(np_=0, arr_0=X[train], arr_1=Y[train], arr_2=X[test], arr_3=Y[test]))
    assert four.found == two.found


def test_groups_and_domains_in_arrays(tmp_path: Path) -> None:
    groups = np.arange(24) // 2 % 6
    found = ingested(tmp_path, npz(x=X, y=Y, groups=groups))
    whose = {image.tobytes(): int(group) for image, group in zip(X, groups, strict=True)}
    train, test = (
        {whose[image.tobytes()] for image in part} for part in np.split(found.images, [found.found.train])
    )
    assert not train & test
    assert "6 groups of images stay each on one side of the split" in found.said()
    domain = np.array(["art", "photo"])[np.arange(24) % 2]
    parted = ingested(tmp_path, npz(x=X, y=Y, domains=domain))
    assert parted.found.domains == ("art", "photo")
    assert parted.domains is not None
    of = {image.tobytes(): str(name) for image, name in zip(X, domain, strict=True)}
    assert [of[image.tobytes()] for image in parted.images] == [("art", "photo")[d] for d in parted.domains]
    crossing = npz(x=X, y=Y, groups=groups, x_test=X[:3], y_test=np.arange(3), groups_test=groups[:3])
    assert "on both sides of the split that was sent" in ingested(tmp_path, crossing).said()
    assert "groups: has 3 entries for 24 images" in refusals(tmp_path, npz(x=X, y=Y, groups=groups[:3]))


def test_arrays_get_any_size_and_channels(tmp_path: Path) -> None:
    found = ingested(tmp_path, npz(x=X, y=Y), size=(4, 6), channels=3)
    assert (found.shape, found.done("resized"), found.done("channels")) == ((4, 6, 3), 24, 24)
    large = npz(x=distinct(6, (300, 300)), y=np.arange(6) % 2)
    assert "?size=64x64" in refusals(tmp_path, large)
    assert ingested(tmp_path, large, size=(64, 64)).shape == (64, 64, 1)
    two = npz(x=X, y=Y, x_test=X[:, :4], y_test=Y)
    assert "x_test: has images of 4 × 8, and x of 8 × 8" in refusals(tmp_path, two)
    assert ingested(tmp_path, two, size=(8, 8)).report.images == 48


G, H = grey()
ARRAYS: dict[str, tuple[dict[str, Any], str]] = {
    "no y": ({"x": G}, "y: is missing: x has images without labels"),
    "no labels, by position": ({"arr_0": G}, "understood are x, images or data with y, labels or targets"),
    "nothing known": ({"foo": G, "bar": H}, "x: is missing"),
    "two of a kind": ({"x": G, "images": G, "y": H}, "images: and x are both images"),
    "NaN": ({"x": np.where(G > 9, np.nan, 1.0), "y": H}, "NaN or an infinity"),
    "negative integers": ({"x": G.astype(np.int64) - 100, "y": H}, "x: is int64 from -100"),
    "standardised": ({"x": (G - 99.0) / 50, "y": H}, "numpy.ptp(x)"),
    "two scales": ({"x": G, "y": H, "x_test": G / 255, "y_test": H}, "not of one scale"),
    "complex": ({"x": G * 1j, "y": H}, "x: is complex128"),
    "flat images that are no squares": ({"x": G.reshape(12, 30), "y": H}, "x.reshape(-1, height, width)"),
    "two channels": ({"x": np.zeros((12, 5, 6, 2), np.uint8), "y": H}, "images have 1 or 3"),
    "four channels": ({"x": np.zeros((12, 5, 6, 4), np.uint8), "y": H}, "x[..., :3]"),
    "no images": ({"x": G[:0], "y": H[:0]}, "x: has the shape [0, 5, 6]"),
    "a number": ({"x": np.uint8(3), "y": H}, "x: has the shape []"),
    "too large": ({"x": np.zeros((2, 500, 500), np.uint8), "y": H[:2]}, "250,000 pixels"),
    "too few classes": ({"x": G, "y": H * 0}, "there is 1 class ('0')"),
    "too many classes": (
        {"x": np.zeros((2002, 2, 2), np.uint8), "y": np.arange(2002) // 2},
        "there are 1,001 classes",
    ),
    "fewer labels": ({"x": G, "y": H[:5]}, "must be [12]"),
    "no one-hot": ({"x": G, "y": np.eye(2)[H] + 0.5}, "y.argmax(axis=1)"),
    "float labels": ({"x": G, "y": H * 1.5}, "y.astype(int) or y.astype(str)"),
    "a pickle": ({"x": G, "y": np.array([object()] * 12)}, "nobody unpickles here"),
    "pickled images": ({"x": np.array([object()] * 12), "y": H}, "nobody unpickles here"),
    "records": ({"x": G, "y": np.zeros(12, [("a", "i4")])}, "y: is an array of"),
    "text that is none": ({"x": G, "y": np.array([b"\xff", b"a"])[H]}, "y: holds text that is not UTF-8"),
    "x_test alone": ({"x": G, "y": H, "x_test": G}, "y_test: is missing"),
    "y_test alone": ({"x": G, "y": H, "y_test": H}, "y_test: comes with images"),
    "a class without training": ({"x": G[:3], "y": H[:3], "x_test": G, "y_test": H}, "no training image"),
    "nothing to see": ({"x": G * 0 + 7, "y": H}, "nothing to learn"),
    "a name that nobody can read": ({"x": G, "y": np.array(["a\x07b", "b"])[H]}, "printable characters"),
    "a pattern": ({"x": G, "y": H}, "group_pattern: is for names of files"),
}


@pytest.mark.parametrize("case", ARRAYS)
def test_arrays_are_refused_by_name_and_with_the_remedy(tmp_path: Path, case: str) -> None:
    held, words = ARRAYS[case]
    options = {"group_pattern": "x"} if case == "a pattern" else {}
    assert words in refusals(tmp_path, npz(**held), **options)


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    told = refusals(
        tmp_path, npz(x=G.reshape(12, 30), y=H * 1.5, x_test=np.zeros((3, 5, 6, 2), np.uint8), y_test=H[:3])
    )
    assert [line.partition(":")[0] for line in told.splitlines()] == ["y", "x", "x_test"]


def entry(array: np.ndarray, header: dict[str, Any] | None = None) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        file, {"descr": array.dtype.str, "fortran_order": False, "shape": array.shape, **(header or {})}
    )
    return file.getvalue() + array.tobytes()


def test_a_header_promises_what_is_there(tmp_path: Path) -> None:
    y = entry(H)
    for shape in ((13, 5, 6), (10**6, 5, 6), (10**12, 5, 6), (-12, 5, 6)):
        assert refusals(tmp_path, zipped({"x.npy": entry(G, {"shape": shape}), "y.npy": y}))
    assert "x: should have" in refusals(tmp_path, zipped({"x.npy": entry(G) + b"more", "y.npy": y}))
    assert "x: should have" in refusals(tmp_path, zipped({"x.npy": entry(G)[:-9], "y.npy": y}))
    deep = b"\x93NUMPY\x01\x00" + struct.pack("<H", 60_000) + b"(" * 60_000
    assert "x: is no array" in refusals(tmp_path, zipped({"x.npy": deep, "y.npy": y}))
    assert "nobody unpickles" in refusals(tmp_path, pickle.dumps([1]))
    assert "is one array" in refusals(tmp_path, entry(G))


def test_text_and_bytes_are_classes(tmp_path: Path) -> None:
    for names in (["oak", "beech"], [b"oak", b"beech"]):
        assert ingested(tmp_path, npz(x=G, y=np.array(names)[H])).found.class_names == ("beech", "oak")
    assert ingested(tmp_path, npz(x=G, y=np.array([10, -9], np.int8)[H])).found.class_names == ("-9", "10")
    assert json.dumps(ingested(tmp_path, npz(x=G, y=H)).report.as_dict())


def test_images_of_colour_and_many_classes(tmp_path: Path) -> None:
    x, y = coloured(13, 12)
    found = ingested(tmp_path, npz(x=x, y=y))
    assert (found.shape, len(found.found.class_names)) == ((10, 14, 3), 13)
