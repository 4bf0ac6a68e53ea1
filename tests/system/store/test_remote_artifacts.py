"""Arrays in S3: whole or not at all, mapped from local copies that are checked and bounded."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.support.ceph import KEY, SECRET, running_ceph
from tests.support.s3 import fsspec_set_to, running_s3
from tgsh.errors import (
    ArtifactCorrupt,
    ArtifactMissing,
    ArtifactNotRemoved,
    ArtifactUnreachable,
    ArtifactUnwritable,
)
from tgsh.store.artifacts import Artifacts, LocalCache, download_to
from tgsh.store.database import is_transient

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import boto3
    import fsspec.config


SERVERS = {"moto": running_s3, "ceph": running_ceph}


@pytest.fixture(scope="module", params=SERVERS)
def endpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server, and fsspec of this process set to it as the environment of a service sets it."""
    folder = tmp_path_factory.mktemp(request.param)
    with SERVERS[request.param](folder) as environment, fsspec_set_to(environment):
        yield environment["FSSPEC_S3_ENDPOINT_URL"]


@pytest.fixture
def url(endpoint: str, request: pytest.FixtureRequest) -> str:
    """A bucket of this test's own, which is not there yet."""
    return f"s3://{re.sub('[^a-z]+', '-', request.node.name)[:60].strip('-')}/tgsh"


def put(endpoint: str, url: str, key: str, content: bytes) -> None:
    """Write behind everybody's back."""
    bucket, _, folder = url.removeprefix("s3://").partition("/")
    s3 = boto3.client("s3", endpoint_url=endpoint, aws_access_key_id=KEY, aws_secret_access_key=SECRET)
    s3.put_object(Bucket=bucket, Key=f"{folder}/{key}", Body=content)


def local(artifacts: Artifacts, key: str) -> Path:
    return Path(artifacts.local_copies([])) / key


def test_what_one_machine_writes_another_reads(url: str) -> None:
    writer, reader = Artifacts(url), Artifacts(url)
    assert reader.keys("e") == []
    vectors = np.arange(12, dtype=np.float32).reshape(3, 4)
    sha256 = writer.save("e/tasks/1.safetensors", {"vectors": vectors}, {"epoch": "1"})
    with writer.staged("e/vectors.npy") as staged, staged.path.open("wb") as file:
        np.save(file, vectors)
    assert reader.keys("e") == ["e/tasks/1.safetensors", "e/vectors.npy"]
    assert reader.size("e") == sum(local(writer, key).stat().st_size for key in reader.keys("e"))
    tensors, metadata = reader.load("e/tasks/1.safetensors", sha256)
    np.testing.assert_array_equal(tensors["vectors"], vectors)
    assert metadata == {"epoch": "1"}
    mapped = reader.load_array("e/vectors.npy", staged.sha256)
    assert isinstance(mapped, np.memmap)
    assert Path(str(mapped.filename)) == local(reader, "e/vectors.npy")
    reader.remove(["e/tasks/1.safetensors", "e/never-was"])
    assert writer.keys("e") == ["e/vectors.npy"]
    writer.remove_all("e")
    writer.remove_all("e")
    assert reader.keys("e") == []
    np.testing.assert_array_equal(mapped, vectors)


def test_a_copy_that_is_damaged_is_fetched_again(url: str) -> None:
    artifacts = Artifacts(url)
    sha256 = artifacts.save("e/x", {"vectors": np.ones(100, np.float32)}, {})
    local(artifacts, "e/x").write_bytes(b"damaged")
    assert artifacts.load("e/x", sha256)[0]["vectors"].sum() == 100
    local(artifacts, "e/x").unlink()
    assert artifacts.load("e/x", sha256)[0]["vectors"].sum() == 100


def test_what_is_damaged_or_missing_there_is_found(endpoint: str, url: str) -> None:
    artifacts = Artifacts(url)
    sha256 = artifacts.save("e/x", {"vectors": np.ones(100, np.float32)}, {})
    assert artifacts.is_whole("e/x", sha256)
    put(endpoint, url, "e/x", b"damaged")
    assert not artifacts.is_whole("e/x", sha256), "a good copy here says nothing of what is there"
    with pytest.raises(ArtifactCorrupt):
        artifacts.load("e/x", sha256)
    artifacts.remove(["e/x"])
    assert not artifacts.is_whole("e/x", sha256)
    with pytest.raises(ArtifactMissing):
        artifacts.load("e/x", sha256)


def test_what_is_written_elsewhere_after_a_look_is_seen(endpoint: str, url: str) -> None:
    artifacts = Artifacts(url)
    artifacts.save("e/x", {}, {})
    assert artifacts.keys("e") == ["e/x"]
    put(endpoint, url, "e/y", b"1")
    assert artifacts.keys("e") == ["e/x", "e/y"]


def test_a_large_file_goes_in_parts_and_many_in_pages(url: str) -> None:
    artifacts = Artifacts(url)
    numbers = np.arange(8_000_000)  # 64 MB; a part has 50
    with artifacts.staged("e/large.npy") as staged, staged.path.open("wb") as file:
        np.save(file, numbers)
    np.testing.assert_array_equal(Artifacts(url).load_array("e/large.npy", staged.sha256), numbers)
    for number in range(1010):  # a page has 1,000
        artifacts.save(f"many/{number} of +&=?ü", {}, {})
    assert len(artifacts.keys("many")) == 1010
    assert artifacts.folders() == ["e", "many"]
    artifacts.remove_all("many")
    assert artifacts.keys("many") == []
    assert artifacts.folders() == ["e"]


@pytest.mark.parametrize("endpoint", ["ceph"], indirect=True)  # moto checks no signature
@pytest.mark.parametrize("use", ["read", "write", "list", "remove"])
def test_a_wrong_secret_is_named(url: str, use: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Artifacts(url).save("e/x", {}, {})
    monkeypatch.setitem(fsspec.config.conf, "s3", {**fsspec.config.conf["s3"], "secret": "mistyped"})
    artifacts = Artifacts(url)
    uses = {
        "read": lambda: artifacts.is_whole("e/x", "0" * 64),
        "write": lambda: artifacts.save("e/x", {}, {}),
        "list": lambda: artifacts.size("e"),
        "remove": lambda: artifacts.remove_all("e"),
    }
    refused = (ArtifactUnreachable, ArtifactUnwritable, ArtifactNotRemoved)
    with pytest.raises(refused, match=r"SignatureDoesNotMatch|Forbidden") as raised:
        uses[use]()
    assert "mistyped" not in str(raised.value)


@pytest.mark.parametrize("use", ["read", "write", "list"])
def test_a_server_that_is_away_is_no_damage(
    url: str, use: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    away = {"endpoint_url": "http://127.0.0.1:9", "key": "a", "secret": "b"}
    monkeypatch.setitem(fsspec.config.conf, "s3", {**away, "config_kwargs": {"retries": {"max_attempts": 0}}})
    artifacts = Artifacts(url)
    uses = {
        "read": lambda: artifacts.is_whole("e/x", "0" * 64),
        "write": lambda: artifacts.save("e/x", {}, {}),
        "list": lambda: artifacts.size("e"),
    }
    with pytest.raises((ArtifactUnreachable, ArtifactUnwritable), match=r"s3://.*127\.0\.0\.1:9") as raised:
        uses[use]()
    assert is_transient(raised.value)
    assert "a-secret" not in str(raised.value)


def test_copies_are_bounded_and_the_least_used_go_first() -> None:
    copies = LocalCache(max_bytes=250)

    def download(path: str) -> None:
        Path(path).write_bytes(bytes(100))

    for key in ("a", "b", "a", "folder/c"):
        download_to(copies.folder / key, download)
        copies.touch(key)
    assert sorted(path.name for path in copies.folder.rglob("*") if path.is_file()) == ["a", "c"]
    with pytest.raises(FileNotFoundError):
        download_to(copies.folder / "d", lambda path: Path(path).unlink())
    assert sorted(path.name for path in copies.folder.rglob("*") if path.is_file()) == ["a", "c"]
    folder = copies.folder
    del copies
    assert not folder.exists()
