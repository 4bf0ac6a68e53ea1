"""The same files make the same zip, piece by piece, and the manifest has the hash of each."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator
from zipfile import ZIP_STORED, ZipFile

from tests.support.bundles import files, packed_bundle, unpack
from tgsh.bundles.writer import Member, pack


def test_what_is_packed_is_there_with_its_hash_and_the_same_bytes_again() -> None:
    content = files()
    bundle = packed_bundle(content)
    assert packed_bundle(content) == bundle
    found = unpack(bundle)
    manifest = json.loads(found.pop("manifest.json"))
    assert found == content
    assert manifest["files"] == {
        name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
        for name, data in content.items()
    }
    assert manifest["left_out"] == {"figures/x.png": "not asked for"}
    with ZipFile(io.BytesIO(bundle)) as zip:
        assert zip.testzip() is None
        infos = zip.infolist()
    assert infos[-1].filename == "manifest.json"
    assert {(info.date_time, info.compress_type) for info in infos} == {((1980, 1, 1, 0, 0, 0), ZIP_STORED)}


def test_nothing_is_made_before_it_is_sent() -> None:
    made_so_far: list[str] = []

    def chunks(name: str) -> Iterator[bytes]:
        for _ in range(3):
            made_so_far.append(name)
            yield b"x" * 1000

    left_out: dict[str, str] = {}
    members = (Member(name, 3000, chunks(name)) for name in ("a", "b"))
    sent = pack(members, left_out)
    first = next(sent)
    assert made_so_far == ["a"]
    assert b"x" * 1000 in first
    left_out["c"] = "it turned out on the way"
    rest = b"".join(sent)
    assert json.loads(unpack(first + rest)["manifest.json"])["left_out"] == left_out


def test_a_file_of_more_than_four_gigabytes_has_a_long_header() -> None:
    def nothing() -> Iterator[bytes]:
        yield b"begun"

    head = next(pack([Member("large", 5 << 30, nothing())], {}))
    assert head[:4] == b"PK\x03\x04"
    assert head[28:30] == b"\x14\x00"  # the extra field that holds sizes of eight bytes
