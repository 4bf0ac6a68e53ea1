"""Arrays on disk: whole or not at all, and never another one than was written."""

from __future__ import annotations

import io
import pickle
from pathlib import Path

import numpy as np
import pytest

from tgsh.errors import ArtifactCorrupt, ArtifactMissing
from tgsh.store.artifacts import Artifacts


def test_what_is_saved_is_loaded(artifacts: Artifacts) -> None:
    vectors = np.arange(6, dtype=np.float32).reshape(2, 3)
    sha256 = artifacts.save("e/tasks/1.safetensors", {"vectors": vectors}, {"epoch": "1"})
    tensors, metadata = artifacts.load("e/tasks/1.safetensors", sha256)
    assert np.array_equal(tensors["vectors"], vectors)
    assert metadata == {"epoch": "1"}


def test_arrays_in_any_memory_order_come_back_as_they_were(artifacts: Artifacts) -> None:
    table = np.arange(24, dtype=np.float32).reshape(4, 6)
    odd = {"fortran": np.asfortranarray(table), "strided": table[::2, ::3], "turned": table.T}
    tensors, _ = artifacts.load("x", artifacts.save("x", odd, {}))
    for name, array in odd.items():
        np.testing.assert_array_equal(tensors[name], array)


def test_the_same_content_has_the_same_digest(artifacts: Artifacts) -> None:
    tensors = {"b": np.ones(3, np.float32), "a": np.zeros(2, np.float32)}
    metadata = {"x": "1", "y": "2", "z": "3"}
    assert artifacts.save("one", tensors, metadata) == artifacts.save("two", tensors, metadata)


def test_a_flipped_bit_and_a_cut_are_noticed(artifacts: Artifacts, tmp_path: Path) -> None:
    sha256 = artifacts.save("e/x", {"vectors": np.ones(100, np.float32)}, {})
    path = tmp_path / "artifacts" / "e" / "x"
    good = path.read_bytes()
    for bad in (good[:-1] + bytes([good[-1] ^ 1]), good[:-10], b""):
        path.write_bytes(bad)
        with pytest.raises(ArtifactCorrupt, match="e/x"):
            artifacts.load("e/x", sha256)
    path.unlink()
    with pytest.raises(ArtifactMissing, match="e/x"):
        artifacts.load("e/x", sha256)


def test_a_writer_that_dies_leaves_nothing(artifacts: Artifacts, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), artifacts.staged("e/x") as staged:
        staged.path.with_name("nowhere").rename(staged.path)
    assert list((tmp_path / "artifacts" / "e").iterdir()) == []
    assert artifacts.keys("e") == []


def test_no_pickle_is_read(artifacts: Artifacts) -> None:
    with artifacts.staged("pickle.npy") as staged:
        staged.path.write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(ArtifactCorrupt):
        artifacts.load_array("pickle.npy", staged.sha256)
    with artifacts.staged("object.npy") as staged, staged.path.open("wb") as file:
        np.save(file, np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(ArtifactCorrupt):
        artifacts.load_array("object.npy", staged.sha256)


@pytest.mark.parametrize("url", ["folder", "memory://tgsh-test"])
def test_folders_and_urls(url: str, tmp_path: Path) -> None:
    location = str(tmp_path / "here") if url == "folder" else url
    writer = Artifacts(location)
    sha256 = writer.save("e/tasks/1", {"vectors": np.ones(4, np.float32)}, {})
    with writer.staged("e/vectors.npy") as staged:
        staged.path.write_bytes(_npy(np.arange(3)))
    reader = Artifacts(location)
    assert reader.keys("e") == ["e/tasks/1", "e/vectors.npy"]
    assert np.array_equal(reader.load("e/tasks/1", sha256)[0]["vectors"], np.ones(4))
    assert reader.load_array("e/vectors.npy", staged.sha256).tolist() == [0, 1, 2]
    reader.remove(["e/tasks/1", "e/never-was"])
    assert writer.keys("e") == ["e/vectors.npy"]
    writer.remove_all("e")
    assert reader.keys("e") == []


def _npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def test_equal_files_are_kept_once_until_their_last_user_goes(artifacts: Artifacts) -> None:
    tensors = {"x": np.arange(6, dtype=np.float32)}
    a, b = (artifacts.save(f"{name}/samples.safetensors", tensors, {"of": "both"}) for name in "ab")
    other = artifacts.save("b/other.safetensors", tensors, {"of": "b"})
    assert a == b != other
    for key, sha256 in (("a/samples", a), ("b/samples", b), ("b/other", other)):
        assert artifacts.share(f"{key}.safetensors", sha256)
    first, second = (artifacts.path(f"{name}/samples.safetensors", a) for name in "ab")
    assert first.samefile(second)
    assert not first.samefile(artifacts.path("b/other.safetensors", other))

    artifacts.remove_all("a")
    assert artifacts.remove_unshared() == 0
    assert artifacts.load("b/samples.safetensors", b)[0]["x"].tolist() == tensors["x"].tolist()
    artifacts.remove(["b/samples.safetensors"])
    artifacts.remove_all("b")
    assert artifacts.keys("") == []


def test_names_by_content_that_a_killed_removal_left_are_swept(artifacts: Artifacts) -> None:
    sha256 = artifacts.save("a/x.safetensors", {"x": np.ones(8)}, {})
    artifacts.share("a/x.safetensors", sha256)
    artifacts.path("a/x.safetensors", sha256).unlink()
    assert len(artifacts.keys("")) == 1
    assert artifacts.remove_unshared() == 1
    assert artifacts.keys("") == []


def test_a_damaged_file_is_not_what_later_ones_share(artifacts: Artifacts) -> None:
    sha256 = artifacts.save("a/x.safetensors", {"x": np.ones(8)}, {})
    artifacts.share("a/x.safetensors", sha256)
    damaged = artifacts.path("a/x.safetensors", sha256)
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"\0")
    for name in "bc":
        artifacts.save(f"{name}/x.safetensors", {"x": np.ones(8)}, {})
        assert artifacts.share(f"{name}/x.safetensors", sha256)
    assert artifacts.is_whole("b/x.safetensors", sha256)
    assert artifacts.path("b/x.safetensors", sha256).samefile(artifacts.path("c/x.safetensors", sha256))
    assert not artifacts.is_whole("a/x.safetensors", sha256)


def test_an_object_store_keeps_each_file(tmp_path: Path) -> None:
    artifacts = Artifacts("memory://tgsh-test-share")
    sha256 = artifacts.save("a/x.safetensors", {"x": np.ones(2)}, {})
    assert not artifacts.share("a/x.safetensors", sha256)
    assert artifacts.is_whole("a/x.safetensors", sha256)
