"""Named datasets: tiny files in the published layouts, read here and by torchvision's own classes."""

from __future__ import annotations

import bz2
import gzip
import pickle
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torchvision.datasets as oracle
from PIL import Image
from scipy.io import savemat

from tgsh.datasets import mnist
from tgsh.datasets.base import DATASETS, Normalisation
from tgsh.datasets.descriptions import info_of
from tgsh.datasets.downloads import fetch_missing, missing_files
from tgsh.datasets.named_files import Part, read_named_set
from tgsh.datasets.named_sets import NAMED_SETS, OMNIGLOT, NamedSet
from tgsh.datasets.normalisation import MOMENTS
from tgsh.datasets.pickled_arrays import read_pickled_arrays
from tgsh.errors import DatasetUnavailable, InvalidSpec
from tgsh.specs import ExperimentSpec

RNG = np.random.default_rng(0)


def tiny(name: str, train: int = 12, test: int = 6, **changes: Any) -> NamedSet:
    """The entry of the table, with other counts."""
    return replace(NAMED_SETS[name], images=(train, test), **changes)


def pixels(*shape: int) -> np.ndarray:
    return RNG.integers(0, 256, shape, np.uint8)


def idx(path: Path, array: np.ndarray, code: int = 8, *, packed: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = struct.pack(f">HBB{array.ndim}I", 0, code, array.ndim, *array.shape) + array.tobytes()
    path.write_bytes(content)
    if packed:
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(content))
        path.unlink()


def flat(images: Any) -> np.ndarray:
    array = np.asarray(images)
    return array.reshape(len(array), -1)


def same(part: Part, images: Any, labels: Any) -> None:
    np.testing.assert_array_equal(part.images, flat(images))
    np.testing.assert_array_equal(part.labels, np.asarray(labels))


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", ["emnist-balanced", "emnist-letters", "emnist-digits"])
def test_emnist_is_transposed_and_otherwise_torchvisions(tmp_path: Path, name: str, packed: bool) -> None:
    named, split = tiny(name), name.removeprefix("emnist-")
    first = 1 if split == "letters" else 0
    for (images, labels), count in zip((named.files[:2], named.files[2:]), named.images, strict=True):
        idx(tmp_path / images, pixels(count, 28, 28), packed=packed)
        numbers = np.arange(count) % named.classes + first
        idx(tmp_path / labels, numbers.astype(np.uint8), packed=packed)
    for part, train in zip(read_named_set(named, tmp_path), (True, False), strict=True):
        if packed:
            assert part.images.shape == (named.images[0 if train else 1], 784)
            continue
        theirs = oracle.EMNIST(tmp_path, split, train=train)
        same(part, theirs.data.numpy().transpose(0, 2, 1), theirs.targets.numpy() - first)
        names = [theirs.classes[label + first] for label in part.labels]
        assert [named.class_names[label] for label in part.labels] == names
    assert len(named.class_names) == named.classes


def test_qmnist_is_torchvisions(tmp_path: Path) -> None:
    named = tiny("qmnist")
    for (images, labels), count in zip((named.files[:2], named.files[2:]), named.images, strict=True):
        idx(tmp_path / images, pixels(count, 28, 28))
        table = RNG.integers(0, 10, (count, 8)).astype(">i4")
        idx(tmp_path / labels, table, code=12)
    for part, what in zip(read_named_set(named, tmp_path), ("train", "test"), strict=True):
        theirs = oracle.QMNIST(tmp_path, what=what)
        same(part, theirs.data.numpy(), [label for _, label in theirs])


def test_usps_is_torchvisions(tmp_path: Path) -> None:
    named = tiny("usps")
    for file, count in zip(named.files, named.images, strict=True):
        lines = [
            f"{label % 10 + 1} " + " ".join(f"{i + 1}:{v:.6f}" for i, v in enumerate(RNG.uniform(-1, 1, 256)))
            for label in range(count)
        ]
        (tmp_path / file).write_bytes(bz2.compress("\n".join(lines).encode()))
    for part, train in zip(read_named_set(named, tmp_path), (True, False), strict=True):
        theirs = oracle.USPS(tmp_path, train=train)
        same(part, theirs.data, theirs.targets)


def test_svhn_is_torchvisions_and_its_label_10_is_0(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = tiny("svhn")
    for file, count in zip(named.files, named.images, strict=True):
        labels = (np.arange(count) % 10 + 1).astype(np.uint8)[:, None]
        savemat(tmp_path / file, {"X": pixels(32, 32, 3, count), "y": labels})
    monkeypatch.setattr(oracle.SVHN, "_check_integrity", lambda _: True)
    for part, split in zip(read_named_set(named, tmp_path), ("train", "test"), strict=True):
        theirs = oracle.SVHN(tmp_path, split)
        same(part, theirs.data.transpose(0, 2, 3, 1), theirs.labels)
    assert 10 not in part.labels


def of_python_2(value: Any) -> bytes:
    """What Python 2 pickled by protocol 2: texts as bytes, arrays by numpy.core.multiarray._reconstruct."""
    if isinstance(value, bytes):
        if len(value) < 256:
            return b"U" + bytes([len(value)]) + value
        return b"T" + struct.pack("<i", len(value)) + value
    if isinstance(value, int):
        return b"K" + bytes([value])
    if isinstance(value, list):
        return b"]" + b"(" + b"".join(map(of_python_2, value)) + b"e"
    if isinstance(value, dict):
        return b"}(" + b"".join(of_python_2(each) for pair in value.items() for each in pair) + b"u"
    dtype = b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    shape = b"M" + struct.pack("<H", value.shape[0]) + b"M" + struct.pack("<H", value.shape[1]) + b"\x86"
    made = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    return made + b"(K\x01" + shape + dtype + b"\x89" + of_python_2(value.tobytes()) + b"tb"


WRITERS: dict[str, Callable[[Any], bytes]] = {
    "Python 2": lambda value: b"\x80\x02" + of_python_2(value) + b".",
    "protocol 2": lambda value: pickle.dumps(value, 2),
    "protocol 3": lambda value: pickle.dumps(value, 3),
    "protocol 4": lambda value: pickle.dumps(value, 4),
}


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("classes", [10, 100])
def test_cifar_is_torchvisions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, classes: int, writer: str
) -> None:
    key, files = (b"labels", 5) if classes == 10 else (b"fine_labels", 1)
    named = tiny(f"cifar{classes}", 4 * files, 4)
    for place, file in enumerate(named.files):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        batch = {
            b"batch_label": b"training batch",
            key: [(7 * place + label) % classes for label in range(4)],
            b"data": pixels(4, 3072),
            b"filenames": [b"leptodactylus_pentadactylus_s_000004.png"] * 4,
        }
        if writer != "Python 2":  # whose bytes are texts to whoever reads them
            batch = {key.decode(): value for key, value in batch.items()}
        (tmp_path / file).write_bytes(WRITERS[writer](batch))
    meta = {b"label_names" if classes == 10 else b"fine_label_names": [n.encode() for n in named.class_names]}
    (tmp_path / named.files[0]).with_name("batches.meta" if classes == 10 else "meta").write_bytes(
        WRITERS["Python 2"](meta)
    )
    monkeypatch.setattr(oracle.CIFAR10, "_check_integrity", lambda _: True)
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda *_: True)
    theirs_of = oracle.CIFAR10 if classes == 10 else oracle.CIFAR100
    for part, train in zip(read_named_set(named, tmp_path), (True, False), strict=True):
        theirs = theirs_of(tmp_path, train=train)
        same(part, theirs.data, theirs.targets)
        assert tuple(theirs.classes) == named.class_names


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return (exec, ("raise SystemExit(3)",))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (pickle.dumps({"data": Evil()}, 2), "asks for a call of"),
        (pickle.dumps({"data": np.zeros(3)}, 2), "other numbers than unsigned bytes"),
        (pickle.dumps({"data": np.array([{}], object)}, 2), "other numbers than unsigned bytes"),
        (pickle.dumps({"data": 1.5}, 2), "BINFLOAT"),
        (pickle.dumps({"data": {1, 2}}, 2), "asks for a call of"),
        (pickle.dumps([1], 2), "no pickled dictionary"),
        (pickle.dumps({"a": [1, 2]}, 2)[:-4], "."),
        (b"\x80\x02e.", "no whole pickle"),
        (b"\x80\x02cos\nsystem\nU\x04true\x85R.", "os.system"),
        (b"PK", "."),
        (b"", "."),
    ],
)
def test_what_is_no_dictionary_of_arrays_is_refused_and_nothing_is_called(content: bytes, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_pickled_arrays(content)


def test_single_label_medmnist(tmp_path: Path) -> None:
    named = NAMED_SETS["medmnist-bloodmnist"]
    arrays = {
        f"{split}_{kind}": pixels(count, 28, 28, 3) if kind == "images" else RNG.integers(0, 8, (count, 1))
        for split, count in (("train", 9), ("val", 3), ("test", 5))
        for kind in ("images", "labels")
    }
    np.savez(tmp_path / named.files[0], **arrays)  # type: ignore[arg-type]
    train, test = read_named_set(named, tmp_path)
    same(train, np.concatenate([arrays["train_images"], arrays["val_images"]]),
         np.concatenate([arrays["train_labels"], arrays["val_labels"]]).ravel())  # fmt: skip
    same(test, arrays["test_images"], arrays["test_labels"].ravel())
    np.savez(tmp_path / named.files[0], train_images=arrays["train_images"])
    with pytest.raises(ValueError, match="lacks"):
        read_named_set(named, tmp_path)


def drawings(folder: Path, alphabets: list[tuple[str, int]]) -> None:
    for alphabet, characters in alphabets:
        for number in range(1, characters + 1):
            path = folder / alphabet / f"character{number:02}"
            path.mkdir(parents=True)
            for drawer in range(1, 21):
                Image.fromarray(pixels(105, 105) > 127).save(path / f"{number:04}_{drawer:02}.png")


def test_omniglot_has_torchvisions_drawings_and_an_alphabet_is_a_domain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    background, evaluation = [("Greek", 2), ("Latin", 3)], [("Tibetan", 2)]
    for part, alphabets in zip(NAMED_SETS["omniglot"].files, (background, evaluation), strict=True):
        drawings(tmp_path / part, alphabets)
    named = tiny("omniglot", 7 * 16, 7 * 4, classes=7, domains=(*background, *evaluation))
    train, test = read_named_set(named, tmp_path)
    monkeypatch.setattr(oracle.Omniglot, "_check_integrity", lambda _: True)
    theirs = oracle.Omniglot(tmp_path, background=True)
    by_name = sorted(  # the order of folders on a disk is torchvision's
        (theirs._characters[label], file, place)
        for place, (file, label) in enumerate(theirs._flat_character_images)
    )
    characters = sorted(theirs._characters)
    pictures = [
        (np.asarray(theirs[place][0]).ravel(), characters.index(character)) for character, _, place in by_name
    ]
    drawers = np.arange(len(pictures)) % 20
    for part, mine in ((train, drawers < 16), (test, drawers >= 16)):
        own = [pair for pair, is_mine in zip(pictures, mine, strict=True) if is_mine]
        same(Part(part.images[: len(own)], part.labels[: len(own)]), *map(list, zip(*own, strict=True)))
        assert part.domains is not None
        assert [int(part.domains[part.labels == label][0]) for label in range(7)] == [0, 0, 1, 1, 1, 2, 2]


def test_alphabets_have_as_many_characters_as_omniglot_says() -> None:
    info = DATASETS["omniglot"]
    assert [sum(count for _, count in part) for part in (OMNIGLOT[:30], OMNIGLOT[30:])] == [964, 659]
    assert len(info.class_names) == info.classes == 1623
    assert sorted(label for own in info.domain_classes for label in own) == list(range(1623))
    assert {info.class_names[label].split("/")[0] for label in info.domain_classes[4]} == {info.domains[4]}


def test_folders_of_domains_and_of_classes(tmp_path: Path) -> None:
    named = NAMED_SETS["pacs"]
    for folder in named.files:
        for label, name in enumerate(named.class_names):
            (tmp_path / folder / name).mkdir(parents=True)
            for number in range(5):
                colour = np.full((80, 80, 3), 20 * label, np.uint8)
                Image.fromarray(colour).save(tmp_path / folder / name / f"pic_{number:03}.png")
    train, test = read_named_set(named, tmp_path)
    assert (len(train.images), len(test.images)) == (4 * 7 * 4, 4 * 7)
    assert (train.images == 20 * train.labels[:, None]).all()
    assert test.domains is not None
    assert np.bincount(test.domains).tolist() == [7, 7, 7, 7]

    letters = NAMED_SETS["notmnist"]
    for folder in letters.files:
        for name in letters.class_names:
            (tmp_path / folder / name).mkdir(parents=True)
            Image.fromarray(pixels(28, 28)).save(tmp_path / folder / name / "a.png")
            (tmp_path / folder / name / "broken.png").write_bytes(b"")
    assert [len(part.images) for part in read_named_set(letters, tmp_path)] == [10, 10]


@pytest.mark.parametrize("name", ["mnist-m", "syn-digits"])
def test_matlab_files_of_digit_five(tmp_path: Path, name: str) -> None:
    side = DATASETS[name].height
    named = tiny(name)
    labels = np.arange(12) % 10
    one_hot = name == "mnist-m"
    keys = ("train", "label_train", "test", "label_test") if one_hot else (
        "train_data", "train_label", "test_data", "test_label")  # fmt: skip
    images = [pixels(count, side, side, 3) for count in named.images]
    stored = [np.eye(10)[labels[:count]] if one_hot else labels[:count, None] for count in named.images]
    (tmp_path / "DigitFive").mkdir()
    savemat(
        tmp_path / named.files[0], dict(zip(keys, (images[0], stored[0], images[1], stored[1]), strict=True))
    )
    for part, own, count in zip(read_named_set(named, tmp_path), images, named.images, strict=True):
        same(part, own, labels[:count])


FILES = [name for name in NAMED_SETS if name not in ("mnist", "fashion-mnist", "kmnist", "mnist5k")]


@pytest.mark.parametrize("name", FILES)
def test_what_is_missing_is_told_with_its_place_and_where_to_get_it(tmp_path: Path, name: str) -> None:
    assert missing_files(name, tmp_path) == [tmp_path / file for file in NAMED_SETS[name].files]
    with pytest.raises(DatasetUnavailable) as refusal:
        fetch_missing([name], tmp_path)
    text = str(refusal.value)
    assert text.startswith(f"{name} is not here")
    assert NAMED_SETS[name].source in text
    assert str(missing_files(name, tmp_path)[0].parent) in text
    assert all(path.name in text for path in missing_files(name, tmp_path))


def test_every_damaged_file_is_named(tmp_path: Path) -> None:
    for name in FILES:
        named = NAMED_SETS[name]
        for file in named.files:
            path = tmp_path / name / file
            if named.form in ("omniglot", "domain-folders", "class-folders"):
                path.mkdir(parents=True)
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(b"not what it should be")
        with pytest.raises(DatasetUnavailable, match=f"{name} in .* cannot be read: .*replace it"):
            mnist.load_dataset(name, tmp_path / name)


def test_a_loaded_set_is_read_only_and_counts_what_is_there(tmp_path: Path) -> None:
    labels = np.arange(6)[:, None] % 2
    np.savez(tmp_path / "breastmnist.npz", **{
        f"{split}_{kind}": value
        for split in ("train", "val", "test")
        for kind, value in (("images", pixels(6, 28, 28)), ("labels", labels))
    })  # fmt: skip
    loaded = mnist.load_dataset("medmnist-breastmnist", tmp_path)
    mnist.load_dataset.cache_clear()
    assert (loaded.info.train_images, loaded.info.test_images) == (12, 6)
    assert not loaded.train_images.flags.writeable
    assert loaded.info.normalisation == Normalisation(0.5, 0.5)


def test_every_set_has_its_own_normalisation_and_a_citation_and_a_licence() -> None:
    for name, named in NAMED_SETS.items():
        info = DATASETS[name]
        assert (info.height, info.width, info.channels) == named.size
        assert named.citation
        assert named.licence
        assert named.source
        assert not info.class_names or len(set(info.class_names)) == info.classes
    assert {name for name, info in DATASETS.items() if (info.normalisation.mean == 0.1307)} == {
        "mnist", "fashion-mnist", "kmnist", "mnist5k", "qmnist"
    }  # fmt: skip
    assert set(MOMENTS) == {name for name, named in NAMED_SETS.items() if named.is_measured}


def test_moments_that_nobody_published_are_not_guessed() -> None:
    spec = ExperimentSpec.model_validate({"dataset": "medmnist-octmnist", "normalisation": "dataset"})
    with pytest.raises(InvalidSpec, match="not published") as refusal:
        info_of(spec)
    assert refusal.value.field == "normalisation"
    assert info_of(ExperimentSpec(dataset="cifar10", normalisation="dataset")).channels == 3
    suite = {"kind": "datasets", "datasets": ["mnist", "medmnist-octmnist"]}
    body = {"dataset": None, "suite": suite, "normalisation": "dataset"}
    with pytest.raises(InvalidSpec, match="octmnist"):
        info_of(ExperimentSpec.model_validate(body))
