"""Images in a request's body: what is read, and how everything else is refused."""

from __future__ import annotations

import io
import json
import pickle
from typing import Any

import numpy as np
import pytest

from service.errors import UnsupportedMediaType, problem_for
from service.parsing import MAX_IMAGES, images_in
from tests.support.requests import JSON, NPY, as_json, as_npy
from tgsh.datasets.base import DATASETS
from tgsh.errors import InvalidSpec
from tgsh.rng import rng_for

INFO = DATASETS["mnist5k"]
BYTES = rng_for(7, "images").integers(0, 256, (3, 28, 28), dtype=np.uint8)


def header(shape: object, descr: object = "|u1", order: bool = False) -> bytes:
    """The start of a .npy file that says what it likes of what follows."""
    said = repr({"descr": descr, "fortran_order": order, "shape": shape}).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(said).to_bytes(2, "little") + said


class Explosive:
    """Unpickled, it fails the test."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return pytest.fail, ("a pickle was read",)


@pytest.mark.parametrize("shape", [(3, 28, 28), (3, 784), (1, 28, 28)], ids=str)
def test_bytes_are_read_as_they_are(shape: tuple[int, ...]) -> None:
    sent = BYTES.ravel()[: np.prod(shape)].reshape(shape)
    for body, media_type in ((as_npy(sent), NPY), (as_json(sent), f"{JSON}; charset=utf-8")):
        read = images_in(body, media_type, INFO)
        assert read.dtype == np.uint8
        np.testing.assert_array_equal(read, sent.reshape(-1, 784))


@pytest.mark.parametrize("shape", [(28, 28), (784,)], ids=str)
def test_one_image_needs_no_list(shape: tuple[int, ...]) -> None:
    sent = BYTES[0].reshape(shape)
    for body, media_type in ((as_npy(sent), NPY), (as_json(sent), JSON)):
        np.testing.assert_array_equal(images_in(body, media_type, INFO), BYTES[0].reshape(1, 784))


@pytest.mark.parametrize("kind", ["<f2", "<f4", "<f8", ">f2", ">f4", ">f8"])
def test_floats_of_any_size_and_byte_order(kind: str) -> None:
    sent = (BYTES / 255).astype(kind)
    read = images_in(as_npy(sent), NPY, INFO)
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, sent.astype(np.float32).reshape(3, 784))


def test_floats_in_json() -> None:
    read = images_in(as_json(BYTES / 255), JSON, INFO)
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, (BYTES / 255).astype(np.float32).reshape(3, 784))


def test_one_float_makes_pixels_of_all_numbers() -> None:
    assert images_in(json.dumps({"images": [1] * 784}).encode(), JSON, INFO).dtype == np.uint8
    read = images_in(json.dumps({"images": [1] * 783 + [0.0]}).encode(), JSON, INFO)
    assert read.dtype == np.float32
    assert read.sum() == 783


def test_fortrans_order_is_the_same_images() -> None:
    for sent in (np.asfortranarray(BYTES), np.asfortranarray(BYTES / 255)):
        body = as_npy(sent)
        assert b"'fortran_order': True" in body
        np.testing.assert_array_equal(
            images_in(body, NPY, INFO), images_in(as_npy(np.ascontiguousarray(sent)), NPY, INFO)
        )


def test_the_second_version_of_npy() -> None:
    file = io.BytesIO()
    np.lib.format.write_array(file, BYTES, version=(2, 0))
    np.testing.assert_array_equal(images_in(file.getvalue(), NPY, INFO), BYTES.reshape(3, 784))


def test_what_transforms_round_is_let_pass() -> None:
    read = images_in(as_npy(np.float32([1.0000001] * 784)), NPY, INFO)
    assert read.shape == (1, 784)


def test_as_many_as_allowed() -> None:
    most = np.zeros((MAX_IMAGES, 784), np.uint8)
    assert len(images_in(as_npy(most), NPY, INFO)) == MAX_IMAGES


def with_one(value: object) -> bytes:
    """JSON of one image with one unusual number."""
    return json.dumps({"images": [0] * 783 + [value]}).encode()


BAD = {
    "an object": (NPY, header((1, 784), "|O") + pickle.dumps(Explosive()), "images"),
    "a pickle alone": (NPY, pickle.dumps(Explosive()), "body"),
    "fields": (NPY, as_npy(np.zeros(784, [("a", "u1"), ("b", "u1")])), "images"),
    "text": (NPY, as_npy(np.array(["a"] * 784)), "images"),
    "whole numbers of 8 bytes": (NPY, as_npy(BYTES.astype(np.int64)), "images"),
    "truths": (NPY, as_npy(BYTES > 0), "images"),
    "complex numbers": (NPY, as_npy(BYTES.astype(np.complex64)), "images"),
    "floats beyond double": (NPY, as_npy(BYTES.astype(np.longdouble)), "images"),
    "a zip of arrays": (NPY, b"PK\x03\x04" + bytes(100), "body"),
    "nothing": (NPY, b"", "body"),
    "a torn header": (NPY, as_npy(BYTES)[:50], "body"),
    "a header that is a program": (NPY, header((1,)).replace(b"'|u1'", b"exit()"), "body"),
    "a deep header": (NPY, b"\x93NUMPY\x01\x00\x10\x27" + b"(" * 10_000, "body"),
    "a version to come": (NPY, b"\x93NUMPY\x09\x00" + as_npy(BYTES)[8:], "body"),
    "more promised than sent": (NPY, header((1000, 784)) + bytes(784), "body"),
    "terabytes promised": (NPY, header((2**40, 784)), "images"),
    "more than numbers can count": (NPY, header((0, 2**70)), "images"),
    "a negative length": (NPY, header((-1, 784)) + bytes(784), "images"),
    "a hundred dimensions": (NPY, header((1,) * 100) + bytes(1), "images"),
    "more sent than promised": (NPY, as_npy(BYTES) + bytes(1), "body"),
    "27 rows": (NPY, as_npy(BYTES[:, :27]), "images"),
    "transposed": (NPY, as_npy(BYTES.reshape(3, 784).T), "images"),
    "colours": (NPY, as_npy(np.zeros((1, 28, 28, 3), np.uint8)), "images"),
    "a number": (NPY, as_npy(np.uint8(7)), "images"),
    "no images": (NPY, as_npy(BYTES[:0]), "images"),
    "too many": (NPY, as_npy(np.zeros((MAX_IMAGES + 1, 784), np.uint8)), "images"),
    "NaN": (NPY, as_npy(np.full(784, np.nan)), "images"),
    "infinity": (NPY, as_npy(np.full(784, -np.inf, ">f2")), "images"),
    "bytes as floats": (NPY, as_npy(BYTES.astype(np.float32)), "images"),
    "negative": (NPY, as_npy(np.full(784, -0.01)), "images"),
    "JSON: nothing": (JSON, b"", "body"),
    "JSON: torn": (JSON, b'{"images": [', "body"),
    "JSON: no text": (JSON, b'{"images": "\xff"}', "body"),
    "JSON: a list": (JSON, b"[[0]]", "body"),
    "JSON: deep": (JSON, b'{"images": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "body"),
    "JSON: as deep as it goes": (JSON, b'{"images": ' + b"[" * 150 + b"]" * 150 + b"}", "images"),
    "JSON: deep with a number": (JSON, b'{"images": ' + b"[" * 150 + b"1" + b"]" * 150 + b"}", "images"),
    "JSON: another key": (JSON, b'{"imgaes": []}', "imgaes"),
    "JSON: one key more": (JSON, b'{"images": [0], "stage": "after"}', "stage"),
    "JSON: no key": (JSON, b"{}", "images"),
    "JSON: null": (JSON, b'{"images": null}', "images"),
    "JSON: text": (JSON, b'{"images": "abc"}', "images"),
    "JSON: an object": (JSON, b'{"images": {"0": 1}}', "images"),
    "JSON: empty": (JSON, b'{"images": []}', "images"),
    "JSON: empty lists": (JSON, b'{"images": [[], []]}', "images"),
    "JSON: ragged": (JSON, json.dumps({"images": [[0] * 784, [0] * 783]}).encode(), "images"),
    "JSON: ragged below": (JSON, b'{"images": [[[0, 1], [0, 1]], [[0, 1], [0]]]}', "images"),
    "JSON: ragged above": (JSON, json.dumps({"images": [[0] * 784, 0]}).encode(), "images"),
    "JSON: 783 pixels": (JSON, json.dumps({"images": [0] * 783}).encode(), "images"),
    "JSON: text for a number": (JSON, with_one("0"), "images"),
    "JSON: true for a number": (JSON, with_one(True), "images"),
    "JSON: null for a number": (JSON, with_one(None), "images"),
    "JSON: 256": (JSON, with_one(256), "images"),
    "JSON: -1": (JSON, with_one(-1), "images"),
    "JSON: a huge number": (JSON, with_one(10**400), "images"),
    "JSON: a huge number and a float": (JSON, json.dumps({"images": [0.0, 10**400]}).encode(), "images"),
    "JSON: NaN": (JSON, with_one(float("nan")), "images"),
    "JSON: infinity": (JSON, with_one(float("inf")), "images"),
    "JSON: 1.5": (JSON, with_one(1.5), "images"),
    "JSON: too many": (JSON, json.dumps({"images": [[0] * 784] * 1001}).encode(), "images"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_images_name_the_field(name: str) -> None:
    media_type, body, field = BAD[name]
    with pytest.raises(InvalidSpec) as refused:
        images_in(body, media_type, INFO)
    assert refused.value.field == field
    assert len(refused.value.message) < 500


def test_the_number_of_pixels_is_told() -> None:
    with pytest.raises(InvalidSpec, match=r"28 × 28 = 784 pixels; send \[n, 28, 28\]"):
        images_in(as_npy(BYTES[:, :27]), NPY, INFO)


@pytest.mark.parametrize("content_type", [None, "", "image/png", "application/octet-stream", "text/json"])
def test_another_type_is_told_which_there_are(content_type: str | None) -> None:
    with pytest.raises(UnsupportedMediaType, match=f"{NPY}.*{JSON}") as refused:
        images_in(as_npy(BYTES), content_type, INFO)
    assert problem_for(refused.value).status_code == 415
