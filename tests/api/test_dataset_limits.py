"""Uploads that are too large, slow, many, cut off or find the disk full: half of one leaves nothing."""

from __future__ import annotations

import io
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from pydantic import SecretStr

from service.app import create_app
from service.errors import NoRoom
from service.settings import ServiceSettings
from service.uploads import UploadStaging
from tests.api.test_datasets import left_behind
from tests.support.people import people
from tests.support.serving import serving
from tests.support.uploads import NPZ, coloured, grey, npz, post
from tgsh.store.artifacts import Artifacts

MB = 1 << 20


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[httpx.Client, Path]]:
    """A service that takes datasets of 200 kB, and waits for half a second."""
    home = tmp_path_factory.mktemp("narrow")
    settings = ServiceSettings(
        home=home,
        redis_url=SecretStr("redis://127.0.0.1:1/0"),
        max_upload_bytes=200_000,
        max_body_seconds=0.5,
    )
    with serving(create_app(settings)) as client:
        yield client, home


def test_a_body_has_its_limit_and_no_other_path_has_it(narrow: tuple[httpx.Client, Path]) -> None:
    client, home = narrow
    good, large = npz(x=coloured(2, 400, (10, 10))[0], y=np.arange(800) % 2), bytes(300_000)
    assert post(client, good).status_code == 201
    for content in (large, (large[:1000] for _ in range(300))):
        answer = client.post("/datasets", content=content, headers={"Content-Type": NPZ})
        assert answer.status_code == 413
        assert "TGSH_MAX_UPLOAD_BYTES" in answer.json()["detail"]
    for path in ("/experiments", "/datasets/", "/datasets/x", "//datasets"):
        assert client.post(path, content=bytes(2 * MB), headers={"Content-Type": NPZ}).status_code == 413
    gzipped = client.post(
        "/datasets", content=good, headers={"Content-Type": NPZ, "Content-Encoding": "gzip"}
    )
    assert gzipped.status_code == 415
    black = npz_of_zeros(3_000)
    assert (len(black) < 200_000, post(client, black).status_code) == (True, 422)  # unpacked it is too large
    assert left_behind(home) == ["images.npy", "labels.npy"]


def npz_of_zeros(images: int) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, x=np.zeros((images, 10, 10), np.uint8), y=np.arange(images) % 2)
    return file.getvalue()


def test_who_is_too_slow_or_goes_away_leaves_nothing(narrow: tuple[httpx.Client, Path]) -> None:
    client, home = narrow
    before = left_behind(home)
    head = (
        f"POST /datasets HTTP/1.1\r\nHost: localhost\r\nContent-Type: {NPZ}\r\nContent-Length: 100000\r\n\r\n"
    )
    address = (client.base_url.host, client.base_url.port or 0)
    with socket.create_connection(address, timeout=20) as slow:
        slow.sendall(head.encode() + bytes(10))
        answered = slow.recv(65_536)
    assert b" 408 " in answered.split(b"\r\n")[0]
    assert b"connection: close" in answered.lower()
    with socket.create_connection(address) as leaving:
        leaving.sendall(head.encode() + bytes(60_000))
    for _ in range(100):
        if left_behind(home) == before:
            break
        time.sleep(0.05)
    assert left_behind(home) == before
    assert client.get("/datasets").status_code == 200


def test_a_steady_sender_may_take_longer(narrow: tuple[httpx.Client, Path]) -> None:
    client, _ = narrow
    content = npz(x=coloured(2, 400, (10, 10), seed=5)[0], y=np.arange(800) % 2)

    def steadily() -> Iterator[bytes]:
        for start in range(0, len(content), 10_000):
            time.sleep(0.09)  # 110 kB/s: 0.8 s in all, and more than 64 KiB/s
            yield content[start : start + 10_000]

    began = time.monotonic()
    assert client.post("/datasets", content=steadily(), headers={"Content-Type": NPZ}).status_code == 201
    assert time.monotonic() - began > 0.5


def test_what_was_killed_is_swept_and_what_is_arriving_is_not(tmp_path: Path) -> None:
    upload_staging = UploadStaging(tmp_path)
    with upload_staging.room() as arriving:
        (tmp_path / "killed").mkdir()
        for folder in (arriving, tmp_path / "killed"):
            (folder / "upload").write_bytes(b"half")
            long_ago = time.time() - 3600
            os.utime(folder, (long_ago, long_ago))
        UploadStaging(tmp_path)
        assert [folder.name for folder in tmp_path.iterdir()] == [arriving.name]
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told_and_leaves_no_folder(tmp_path: Path) -> None:
    upload_staging = UploadStaging(tmp_path)
    with pytest.raises(NoRoom, match="make room"):
        upload_staging.require_space(1 << 60)
    with pytest.raises(NoRoom), upload_staging.room():
        raise OSError(28, "No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_answered_as_such(
    client: httpx.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.uploads.RESERVE", 1 << 62)
    answer = post(client, npz(x=grey()[0], y=grey()[1]))
    assert (answer.status_code, answer.json()["type"]) == (507, "urn:tgsh:problem:no-room")
    monkeypatch.undo()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Artifacts, "_staged", full)
    answer = post(client, npz(x=grey()[0], y=grey()[1]))
    assert (answer.status_code, left_behind(tmp_path)) == (507, [])
    monkeypatch.undo()
    assert post(client, npz(x=grey()[0], y=grey()[1])).status_code == 201


@pytest.mark.attacks
def test_datasets_count_in_a_keys_share(tmp_path: Path) -> None:
    settings = ServiceSettings(
        home=tmp_path, redis_url=SecretStr("redis://127.0.0.1:1/0"), max_stored_bytes=100_000
    )
    striped = np.tile(np.array([0, 255], np.uint8), (2_000, 10, 5))  # 2 kB on the way, 200 kB then
    packed = io.BytesIO()
    np.savez_compressed(packed, x=striped, y=np.arange(2_000) % 2)
    with serving(create_app(settings)) as client, people(tmp_path, client) as known:
        for content in (npz(x=striped, y=np.arange(2_000) % 2), packed.getvalue()):
            refused = post(known["alice"], content)
            assert (refused.status_code, "datasets of alice" in refused.text) == (429, True)
        assert left_behind(tmp_path) == []
        assert post(known["alice"], npz(x=striped[:500], y=np.arange(500) % 2)).status_code == 201
        assert post(known["alice"], npz(x=striped[:600], y=np.arange(600) % 2)).status_code == 429
        assert post(known["bob"], npz(x=striped[:600], y=np.arange(600) % 2)).status_code == 201
