"""Nothing of a bundle is believed that its manifest does not have, and nothing that could do harm is read."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Callable
from pathlib import Path
from zipfile import ZIP_DEFLATED

import numpy as np
import pytest

from tests.support.bundles import SHAPE, files, npy, packed_bundle, unpack, zipped
from tests.support.execution import SPEC
from tgsh.bundles.reader import read
from tgsh.errors import InvalidSpec

Files = dict[str, bytes]


def refused(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(InvalidSpec) as error:
        read(path)
    assert error.value.field == str(path)
    return error.value.message


def test_a_whole_one_is_read(tmp_path: Path) -> None:
    path = tmp_path / "b.zip"
    path.write_bytes(packed_bundle(files()))
    bundle = read(path)
    assert bundle.spec == SPEC
    assert bundle.recorded.versions == {"torch": "2"}
    assert bundle.images[0].tasks == [0, 1, 2]
    np.testing.assert_array_equal(bundle.vectors(SHAPE), np.arange(36).reshape(SHAPE))
    for shape in ((3, 3, 5), (2, 3, 4)):
        with pytest.raises(InvalidSpec, match="does not hold float32"):
            bundle.vectors(shape)


def _without(name: str) -> Callable[[Files], None]:
    return lambda content: content.pop(name) and None  # type: ignore[return-value]


def _with(name: str, data: bytes) -> Callable[[Files], None]:
    return lambda content: content.update({name: data})


TAMPERED: dict[str, tuple[Callable[[Files], None], str]] = {
    "a changed file": (
        _with("vectors.npy", npy(np.ones(SHAPE, "<f4"))),
        "vectors.npy is not what was packed",
    ),
    "a changed spec": (_with("spec.json", b"{}"), "spec.json is not what was packed"),
    "a file more": (_with("more.txt", b""), "'more.txt' is in the zip or in its manifest, not in both"),
    "a file less": (_without("vectors.npy"), "'vectors.npy' is in the zip"),
    "no manifest": (_without("manifest.json"), "no manifest.json: it is no bundle of tgsh"),
    "a manifest of another kind": (_with("manifest.json", b'{"format": "x", "files": {}}'), "format 'x'"),
    "a manifest that is none": (_with("manifest.json", b"[]"), "no bundle that this version can read"),
    "a deep manifest": (_with("manifest.json", b"[" * 100_000), "no bundle that this version can read"),
    "a way out": (_with("../../evil", b"x"), "nobody packs '../../evil'"),
    "a way to the root": (_with("/etc/evil", b"x"), "nobody packs '/etc/evil'"),
    "a way of Windows": (_with("..\\evil", b"x"), "nobody packs"),
    "a folder": (_with("figures/", b""), "nobody packs 'figures/'"),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_what_was_tampered_with_is_refused(tmp_path: Path, name: str) -> None:
    change, words = TAMPERED[name]
    content = unpack(packed_bundle(files()))
    change(content)
    assert words in refused(tmp_path / "b.zip", zipped(content))


@pytest.mark.parametrize("name", ["spec.json", "experiment.json", "datasets.json", "vectors.npy"])
def test_what_lacks_a_part_or_holds_a_bad_one_is_refused(tmp_path: Path, name: str) -> None:
    content = files()
    del content[name]
    assert name in refused(tmp_path / "b.zip", packed_bundle(content))
    if name.endswith(".json"):
        bad = b'{"suite": {"kind": "no such suite"}, "images": 3}'
        assert "no bundle that this version can read" in refused(
            tmp_path / "b.zip", packed_bundle({**files(), name: bad})
        )


def test_bombs_are_refused_before_they_are_unpacked(tmp_path: Path) -> None:
    content = unpack(packed_bundle(files()))
    deflated = zipped({**content, "bomb": b"\0" * 50_000_000}, ZIP_DEFLATED)
    assert len(deflated) < 200_000
    assert "is compressed" in refused(tmp_path / "b.zip", deflated)
    lying = bytearray(zipped(content))
    place = lying.rfind(b"PK\x01\x02")  # the last entry of the directory: the manifest's
    for offset in (20, 24):
        struct.pack_into("<I", lying, place + offset, 3 << 30)
    assert "more than it has bytes" in refused(tmp_path / "b.zip", bytes(lying))
    many = zipped({f"{number}": b"" for number in range(1_001)})
    assert "too many files" in refused(tmp_path / "b.zip", many)
    long = json.dumps({"format": "x" * (17 << 20), "files": {}}).encode()
    assert "manifest.json is longer" in refused(
        tmp_path / "b.zip", zipped({**content, "manifest.json": long})
    )


def test_no_zip_is_refused(tmp_path: Path) -> None:
    whole = packed_bundle(files())
    for content in (b"", b"PK", b"%PDF-1.7", whole[: len(whole) // 2], whole[:-1]):
        assert "no whole zip" in refused(tmp_path / "b.zip", content)
    with pytest.raises(InvalidSpec, match="cannot be read: No such file"):
        read(tmp_path / "missing.zip")
    with pytest.raises(InvalidSpec, match="cannot be read"):
        read(tmp_path)


def test_every_flipped_byte_of_the_files_is_found(tmp_path: Path) -> None:
    whole, path = packed_bundle(files()), tmp_path / "b.zip"
    rng = np.random.default_rng(0)
    for place in rng.integers(0, len(whole), 300):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        try:
            bundle = read(path)
        except InvalidSpec:
            continue
        bundle_files = unpack(path.read_bytes())  # what was flipped says nothing: a time, an attribute
        assert {name: bundle_files[name] for name in files()} == files()
        assert bundle.spec == SPEC


def test_vectors_that_are_pickled_are_not_loaded(tmp_path: Path) -> None:
    file = io.BytesIO()
    np.save(file, np.array([{}], dtype=object), allow_pickle=True)
    path = tmp_path / "b.zip"
    path.write_bytes(packed_bundle({**files(), "vectors.npy": file.getvalue()}))
    with pytest.raises(InvalidSpec, match="does not hold float32"):
        read(path).vectors(SHAPE)
