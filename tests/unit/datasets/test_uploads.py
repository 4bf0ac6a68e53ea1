"""Whatever is uploaded becomes a sound dataset or is refused by name; what it came in makes no difference."""

from __future__ import annotations

import json
import zipfile
from collections import Counter
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.extra import numpy as arrays

from tests.support.image_sets import Ingested, animated, distinct, ingested, tarred, turned, webdataset
from tests.support.uploads import coloured, grey, npz, picture, zipped
from tgsh.datasets.uploads.copies import Copies
from tgsh.datasets.uploads.ingest import IMAGES, ingest
from tgsh.datasets.uploads.options import UploadOptions
from tgsh.datasets.uploads.sandbox import Upload
from tgsh.errors import InvalidSpec
from tgsh.rng import rng_for

MB = 1 << 20
several = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


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
    read = ingested(tmp_path, npz(x=x, y=y.astype(str) if text else y))
    found, images, labels = read.found, read.images, read.labels
    classes = len(set(y.tolist()))
    assert found.class_names == tuple(map(str, range(classes)))
    assert (found.height, found.width, found.channels) == (*x.shape[1:], 1)[:3]
    assert found.train + found.test == len(x) == len(images)
    flat = x.reshape(len(x), -1)
    known = {(image.tobytes(), str(label)) for image, label in zip(flat, y, strict=True)}
    assert read.content() == known
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
    first = ingested(tmp_path, npz(x=x, y=y))
    squeezed = x[..., 0] if x.shape[-1] == 1 and x.ndim == 4 else x
    files = {f"{label}/{place:03}.png": picture(squeezed[place]) for place, label in enumerate(y)}
    names = list(files)
    shuffle.shuffle(names)
    for root in ("", "digits/"):
        content = zipped({root + name: files[name] for name in names} | {"__MACOSX/._x": b"?"})
        again = ingested(tmp_path, content)
        assert again.found == first.found
        assert (again.images == first.images).all()
    by_class = np.argsort(y, kind="stable")
    assert ingested(tmp_path, npz(x=x[by_class], y=y[by_class])).found == first.found


# --- variations that people make


@dataclass(frozen=True)
class Variation:
    """One way in which somebody could have packed the same images."""

    container: str
    root: str
    split: str
    case: str
    prefix: str
    form: str
    order: int
    noise: tuple[str, ...]
    orientations: tuple[int, ...]
    padded: bool


NOISE = {
    "README.md": "documents",
    "labels.csv": "documents",
    "LICENSE": "documents",
    "{folder}/notes.txt": "documents",
    "{folder}/Thumbs.db": "system files",
    "__MACOSX/{folder}/._1.png": "system files",
    ".DS_Store": "system files",
    "{folder}/@eaDir/1.png/THUMB.jpg": "thumbnails",
    "{folder}/.1.png.swp": "hidden files",
    "x.pt": "other files",
}

variations = st.builds(
    Variation,
    container=st.sampled_from(["zip", "deflated", "tar", "gz", "folder"]),
    root=st.sampled_from(["", "photos", "my photos/2024"]),
    split=st.sampled_from(["", "above", "below"]),
    case=st.sampled_from(["lower", "upper", "title"]),
    prefix=st.sampled_from(["", "class", "Klasse ", "ä"]),
    form=st.sampled_from(["PNG", "TIFF", "BMP", "GIF", "frames"]),
    order=st.integers(0, 1_000),
    noise=st.lists(st.sampled_from(sorted(NOISE)), unique=True, max_size=5).map(tuple),
    orientations=st.lists(st.integers(1, 8), min_size=1, max_size=5).map(tuple),
    padded=st.booleans(),
)

V, W = distinct(36, (5, 7), seed=3), np.arange(36) % 3
IS_TEST = np.arange(36) // 3 % 4 == 3


def image_file(variation: Variation, place: int) -> tuple[bytes, bool]:
    """An image as a file, and whether it is stored turned."""
    orientation = variation.orientations[place % len(variation.orientations)]
    if variation.form in ("PNG", "TIFF"):
        return turned(V[place], orientation, variation.form), orientation > 1
    if variation.form == "frames":
        return animated([V[place], 255 - V[place]], "TIFF"), False
    return picture(V[place], variation.form), False


def packed(variation: Variation, folder: Path) -> tuple[bytes | Path, int, Counter[str]]:
    """The container; how many images are stored turned; how many files of each kind are noise."""
    spell = {"lower": str.lower, "upper": str.upper, "title": str.title}[variation.case]
    files: dict[str, bytes] = {}
    turns = 0
    for place, label in enumerate(W.tolist()):
        content, is_turned = image_file(variation, place)
        turns += is_turned
        split = spell("test" if IS_TEST[place] else "train")
        name = f"{variation.prefix}{label + 8}"  # 8, 9, 10: natural order matters
        parts = {"": [name], "above": [split, name], "below": [name, split]}[variation.split]
        number = f"{place:05}" if variation.padded else str(place)
        files["/".join([*([variation.root] if variation.root else []), *parts, f"{number}.img"])] = content
    inside = next(iter(files)).rpartition("/")[0]
    noise: Counter[str] = Counter()
    for name in variation.noise:
        files[name.format(folder=inside)] = b"noise"
        noise[NOISE[name]] += 1
    names = list(files)
    rng_for(variation.order, "packing").shuffle(names)
    files = {name: files[name] for name in names}
    match variation.container:
        case "zip":
            return zipped(files), turns, noise
        case "deflated":
            return zipped(files, zipfile.ZIP_DEFLATED), turns, noise
        case "tar":
            return tarred(files), turns, noise
        case "gz":
            return tarred(files, "w:gz"), turns, noise
    root = folder / f"folder-{len(list(folder.iterdir()))}"
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root, turns, noise


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(variation=variations)
def test_labels_orientation_and_counts_survive_whatever_people_do(
    tmp_path: Path, variation: Variation
) -> None:
    content, turns, noise = packed(variation, tmp_path)
    read = ingested(tmp_path, content)
    names = tuple(f"{variation.prefix}{label}" for label in (8, 9, 10))
    assert read.found.class_names == names
    assert read.content() == {(V[n].tobytes(), names[W[n]]) for n in range(36)}  # label and orientation
    report = read.report
    assert report.found == report.images == read.found.train + read.found.test == 36
    assert sum(sum(counts.values()) for counts in report.counts.values()) == 36
    assert Counter(read.ignored()) == noise
    assert read.done("turned") == turns
    assert read.done("frames") == (36 if variation.form == "frames" else 0)
    if variation.split:
        shown = {image.tobytes() for image in read.images[read.found.train :]}
        assert shown == {V[n].tobytes() for n in np.flatnonzero(IS_TEST)}
    arrays_ = {"x": V[~IS_TEST], "y": W[~IS_TEST], "x_test": V[IS_TEST], "y_test": W[IS_TEST]}
    plain = (
        npz(**arrays_, class_names=np.array(names))
        if variation.split
        else npz(x=V, y=W, class_names=np.array(names))
    )
    assert ingested(tmp_path, plain).found == read.found


@several
@given(
    junk=st.binary(max_size=400),
    at=st.floats(0, 1),
    kind=st.sampled_from(["npz", "zip", "tar", "gz", "webdataset"]),
)
def test_damage_is_refused_or_does_no_harm(tmp_path: Path, junk: bytes, at: float, kind: str) -> None:
    x, y = grey()
    files = {f"{k}/{n}.png": picture(x[n]) for n, k in enumerate(y)}
    good = {
        "npz": lambda: npz(x=x, y=y),
        "zip": lambda: zipped(files),
        "tar": lambda: tarred(files),
        "gz": lambda: tarred(files, "w:gz"),
        "webdataset": lambda: webdataset(x, y.tolist()),
    }[kind]()
    place = int(at * len(good))
    for content in (junk, good[:place] + junk, good[:place] + junk + good[place + len(junk) :]):
        (tmp_path / "upload").write_bytes(content)
        with suppress(InvalidSpec):
            found = ingest(Upload(tmp_path / "upload", UploadOptions(), MB), tmp_path)
            assert np.load(tmp_path / IMAGES).shape == (
                found.train + found.test,
                found.height * found.width * found.channels,
            )


def test_a_name_that_is_not_the_utf8_it_says_is_damage(tmp_path: Path) -> None:
    content = zipped({"é/1.png": picture(grey()[0][0])}).replace("é".encode(), b"\xe8\xe8")
    with pytest.raises(InvalidSpec, match="is no zip, or is damaged"):
        ingested(tmp_path, content)


def test_ones_own_test_images_stay_test_images(tmp_path: Path) -> None:
    x, y = coloured(3, 4)
    shown = [0, 4, 10]
    read = ingested(tmp_path, npz(x_train=x[:10], y_train=y[:10], x_test=x[shown], y_test=y[shown]))
    assert (read.found.train, read.found.test) == (10, 3)
    assert sorted(read.labels[10:].tolist()) == [0, 1, 2]
    assert (read.images[10:] == x[shown].reshape(3, -1)).all()
    files = {f"train/{k}/{n}.png": picture(x[n]) for n, k in enumerate(y[:10])}
    files |= {f"test/{y[n]}/{place}.png": picture(x[n]) for place, n in enumerate(shown)}
    assert ingested(tmp_path, zipped(files)).found == read.found


# --- copies


def sides(read: Ingested) -> tuple[set[bytes], set[bytes]]:
    """Distinct training images and test images."""
    train, test = ({each.tobytes() for each in part} for part in np.split(read.images, [read.found.train]))
    return train, test


@pytest.mark.parametrize("same_class", [True, False])
def test_copies_stay_on_one_side_of_the_split(tmp_path: Path, same_class: bool) -> None:
    x, rng = distinct(60), rng_for(0, "labels")
    places = rng.permutation(np.repeat(np.arange(60), 5))
    y = (rng.integers(0, 3, 60)[places] if same_class else rng.integers(0, 3, 300)).astype(int)
    read = ingested(tmp_path, npz(x=x[places], y=y))
    train, test = sides(read)
    assert not train & test
    assert len(train) + len(test) == 60
    assert 0.1 <= read.found.test / 300 <= 0.3
    assert set(read.labels[read.found.train :].tolist()) == {0, 1, 2}
    assert (read.found.copies.copies, read.found.copies.overlap) == (240, 0)
    assert (read.found.copies.contradictory > 0) == (not same_class)


def old_distinct(count: int, size: tuple[int, int] = (5, 6)) -> np.ndarray:
    """The images of which a digest of before is known."""
    images = rng_for(count, "distinct").integers(0, 256, (count, *size))
    images[:, 0, 0], images[:, 0, 1] = np.arange(count) // 256, np.arange(count) % 256
    return images.astype(np.uint8)


def test_without_copies_the_split_and_the_id_are_those_of_ever(tmp_path: Path) -> None:
    """Digests that the version before copies were looked for wrote."""
    found = ingested(tmp_path, npz(x=old_distinct(50), y=np.arange(50) % 3)).found
    assert found.sha256 == "3b1776ff03f391107b0d752edc1fe6344cc2df8d28c1f0b4de2d681994936ae5"
    assert found.copies == Copies(0, 0, 0)


def test_overlap_with_given_test_images_and_contradictions_are_counted(tmp_path: Path) -> None:
    x = distinct(20)
    train, test = x[[*range(16), 0, 1]], x[[2, 3, 16, 17]]
    y, y_test = np.array([*[0, 1] * 8, 0, 0]), np.array([0, 0, 0, 1])  # 1 and 3 have another label there
    found = ingested(tmp_path, npz(x=train, y=y, x_test=test, y_test=y_test)).found
    assert (found.train, found.test) == (18, 4)  # as they were sent
    assert found.copies == Copies(copies=4, overlap=2, contradictory=4)
    assert json.loads(json.dumps(asdict(found)))["report"]["overlap"] == 2


def test_a_class_of_one_image_is_on_both_sides_and_told(tmp_path: Path) -> None:
    x = distinct(12)
    x[6:] = x[6]
    read = ingested(tmp_path, npz(x=x, y=np.repeat([0, 1], 6)))
    assert (read.found.train, read.found.test) == (10, 2)
    assert read.found.copies == Copies(copies=5, overlap=1, contradictory=0)
    assert "1 test image is among the training images, too" in read.said()
