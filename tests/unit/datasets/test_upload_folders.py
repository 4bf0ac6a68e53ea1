"""Folders in whatever order, nesting and spelling become classes, splits and domains; the rest is told."""

from __future__ import annotations

import io
import struct
import time
import unicodedata
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.image_sets import below, class_folders, distinct, ingested, raw_zip, tarred
from tests.support.uploads import picture, zipped
from tgsh.datasets.uploads import image_folders
from tgsh.datasets.uploads.file_names import natural_key, sorted_class_names
from tgsh.errors import InvalidSpec

P = picture(distinct(1)[0])


def refusals(folder: Path, content: bytes, **options: Any) -> str:
    with pytest.raises(InvalidSpec) as refused:
        ingested(folder, content, **options)
    return str(refused.value)


# --- names


def named(names: list[bytes], extra: dict[bytes, bytes] | None = None) -> bytes:
    """A zip with a folder of three images for each name, as bytes."""
    x = distinct(3 * len(names))
    files = {
        name + f"/{n}.png".encode(): picture(x[3 * k + n]) for k, name in enumerate(names) for n in range(3)
    }
    told = {
        file: (extra or {})[file.rpartition(b"/")[0]]
        for file in files
        if file.rpartition(b"/")[0] in (extra or {})
    }
    return raw_zip(files, told)


def test_names_that_are_utf8_are_read_as_utf8_without_a_flag(tmp_path: Path) -> None:
    found = ingested(tmp_path, named([name.encode() for name in ("Äpfel", "日本", "Birnen")]))
    assert found.found.class_names == ("Birnen", "Äpfel", "日本")


def test_names_in_another_encoding_need_a_word_and_the_answer_proposes_it(tmp_path: Path) -> None:
    content = named([name.encode("gbk") for name in ("苹果", "香蕉")])
    told = refusals(tmp_path, content)
    assert told.startswith("encoding: 6 names are neither UTF-8")
    assert "?encoding=gbk reads '苹果'" in told
    found = ingested(tmp_path, content, encoding="gbk")
    assert (set(found.found.class_names), found.done("encoding")) == ({"苹果", "香蕉"}, 6)
    assert "6 names were read as gbk" in found.said()
    assert "is no ascii" in refusals(tmp_path, content, encoding="ascii")
    assert "?encoding=cp1252 reads 'Äpfel'" in refusals(tmp_path, named([b"\xc4pfel", b"Birnen"]))


def test_names_of_dos_are_read_as_such(tmp_path: Path) -> None:
    found = ingested(tmp_path, named(["Äpfel".encode("cp437"), b"Birnen"]))
    assert found.found.class_names == ("Birnen", "Äpfel")
    assert "read as cp437" in found.said()


def test_info_zips_field_tells_the_name(tmp_path: Path) -> None:
    raw = "苹果".encode("gbk")

    def field(name: bytes) -> bytes:
        told = "苹果".encode() + name[len(raw) :]
        data = b"\1" + struct.pack("<L", zlib.crc32(name)) + told
        return struct.pack("<HH", 0x7075, len(data)) + data

    files = {raw + f"/{n}.png".encode(): picture(distinct(9)[n]) for n in range(3)}
    files |= {f"Birnen/{n}.png".encode(): picture(distinct(9)[3 + n]) for n in range(3)}
    found = ingested(tmp_path, raw_zip(files, {name: field(name) for name in files if name.startswith(raw)}))
    assert found.found.class_names == ("Birnen", "苹果")


def test_composed_and_decomposed_names_are_one_dataset(tmp_path: Path) -> None:
    names = ["café", "thé"]
    forms = [class_folders([unicodedata.normalize(form, name) for name in names]) for form in ("NFC", "NFD")]
    first, second = (ingested(tmp_path, zipped(files)) for files in forms)
    assert first.found == second.found
    assert second.done("normalised") == 2
    mixed = {
        name: content
        for n, (a, b) in enumerate(zip(*forms, strict=True))
        for name, content in [(a, forms[0][a])] + ([(b, forms[1][b])] if n % 2 and a != b else [])
    }
    assert ingested(tmp_path, zipped(mixed), duplicates="keep").found.class_names == tuple(names)


def test_backslashes_are_separators_in_a_zip(tmp_path: Path) -> None:
    files = class_folders()
    plain = ingested(tmp_path, zipped(files))
    windows = ingested(
        tmp_path, raw_zip({name.replace("/", "\\").encode(): content for name, content in files.items()})
    )
    assert (windows.found, windows.done("separators")) == (plain.found, 18)


def test_blanks_are_trimmed_and_told(tmp_path: Path) -> None:
    found = ingested(tmp_path, zipped(class_folders(["cat ", " dog", "cow"])))
    assert found.found.class_names == ("cat", "cow", "dog")
    assert found.done("trimmed") == 2


@pytest.mark.parametrize(
    "name",
    [
        "👨\u200d👩\u200d👧",
        "ratio 1:2",
        ".net",
        "क्\u200dष",
        "🏴\U000e0067\U000e0062\U000e007f",
        "x" * 200,
        "a\u00a0b".replace("\u00a0", " "),
        "?*<>|",
        "CON",
    ],
)
def test_any_printable_name_is_taken(tmp_path: Path, name: str) -> None:
    assert name in ingested(tmp_path, zipped(class_folders([name, "b", "c"]))).found.class_names


@pytest.mark.parametrize("name", ["x" * 201, "a\nb", "a\u202eb", "\u200d"])
def test_names_that_cannot_be_shown_are_refused(tmp_path: Path, name: str) -> None:
    assert "1 to 200 printable characters" in refusals(tmp_path, zipped(class_folders([name, "b"])))


def test_natural_order() -> None:
    names = [f"class{n}" for n in (2, 10, 1, 30, 3)]
    assert sorted_class_names(names) == ("class1", "class2", "class3", "class10", "class30")
    assert sorted_class_names(["10", "-9", "2"]) == ("-9", "2", "10")
    words = ["a-b", "a1", "aB", "Zoo", "ähre", "a b", "a_b", "aa", "a"]
    assert sorted_class_names(words) == tuple(
        sorted(words)
    )  # as ever, where no number is longer than another
    assert natural_key("img9") < natural_key("img10") < natural_key("img010a")
    assert natural_key("0" * 10_000 + "1") < natural_key("2" * 300)


def test_files_are_in_natural_order(tmp_path: Path) -> None:
    x = distinct(24)
    padded = {f"{k}/{n:02}.png": picture(x[12 * k + n]) for k in range(2) for n in range(12)}
    plain = {f"{k}/{n}.png": picture(x[12 * k + n]) for k in range(2) for n in range(12)}
    assert ingested(tmp_path, zipped(padded)).found == ingested(tmp_path, zipped(plain)).found


NOISE = {
    "README.md": "documents",
    "LICENSE": "documents",
    "labels.csv": "documents",
    "0/notes.txt": "documents",
    "0/@eaDir/0.png/SYNOPHOTO_THUMB_S.jpg": "thumbnails",
    ".thumbnails/0.png": "thumbnails",
    "__MACOSX/0/._0.png": "system files",
    "1/Thumbs.db": "system files",
    "1/desktop.ini": "system files",
    ".DS_Store": "system files",
    "1/._0.png": "system files",
    ".git/objects/ab": "system files",
    "2/.hidden.png": "hidden files",
    ".private/deep/0.png": "hidden folders",
    "model.pt": "other files",
}


@pytest.mark.parametrize("root", ["", "photos"])
def test_what_is_no_image_of_a_class_is_ignored_and_told(tmp_path: Path, root: str) -> None:
    files = class_folders()
    plain = ingested(tmp_path, zipped(files))
    noise = {name: b"noise" if kind != "hidden folders" else P for name, kind in NOISE.items()}
    found = ingested(tmp_path, zipped((below(root, files) if root else files) | noise))
    assert found.found == plain.found
    counts: dict[str, int] = {}
    for kind in NOISE.values():
        counts[kind] = counts.get(kind, 0) + 1
    assert found.ignored() == counts
    assert "4 documents (README.md, LICENSE, labels.csv, 0/notes.txt)" in found.said()
    assert found.done("root") == 0


# --- layouts


def test_a_class_of_a_dot_is_told(tmp_path: Path) -> None:
    found = ingested(tmp_path, zipped(class_folders([".net", "b", "c"])))
    assert "1 class whose name begins with a dot has images and was taken (.net)" in found.said()


@pytest.mark.parametrize(
    "names",
    [
        ("train", "val", "test"),
        ("Training", "VALID", "Testing"),
        ("TRAIN", "dev", "eval"),
        ("training", "validation", "test"),
        ("seg_train", "seg_val", "seg_test"),
    ],
)
@pytest.mark.parametrize("is_above", [True, False])
def test_splits_in_any_spelling_above_or_below(
    tmp_path: Path, names: tuple[str, ...], is_above: bool
) -> None:
    x = distinct(30)
    files, place = {}, 0
    for split, count in zip(names, (6, 2, 2), strict=True):
        for label in "012":
            for n in range(count):
                path = f"{split}/{label}/{n}.png" if is_above else f"{label}/{split}/{n}.png"
                files[path] = picture(x[place])
                place += 1
    found = ingested(tmp_path, zipped(files))
    assert (found.found.train, found.found.test, found.found.class_names) == (24, 6, ("0", "1", "2"))
    assert "6 images for validation joined the training images" in found.said()
    assert found.report.layout == ("split/class" if is_above else "class/split")
    without = {name: content for name, content in files.items() if names[2] not in name}
    found = ingested(tmp_path, zipped(below("set", without)))
    assert (found.found.train, found.found.test) == (18, 6)
    assert "6 images for validation became the test images" in found.said()


def test_a_split_that_is_there_twice_is_one_level(tmp_path: Path) -> None:
    parts = ("seg_train", class_folders()), ("seg_test", class_folders(each=2))
    files = {f"{part}/{part}/{name}": content for part, held in parts for name, content in held.items()}
    found = ingested(tmp_path, zipped(files))
    assert (found.found.train, found.found.test, found.found.class_names) == (18, 6, ("0", "1", "2"))
    stations = class_folders(["train_station", "test_tube"])
    assert ingested(tmp_path, zipped(stations)).found.class_names == ("test_tube", "train_station")


def test_a_class_may_be_called_as_a_split(tmp_path: Path) -> None:
    assert ingested(tmp_path, zipped(class_folders(["test", "control"]))).found.class_names == (
        "control",
        "test",
    )


def domains(names: list[str], classes: list[str], is_above: bool, each: int = 5) -> bytes:
    x = distinct(len(names) * len(classes) * each)
    files = {}
    for place in range(len(x)):
        domain, label = names[place // (len(classes) * each)], classes[place // each % len(classes)]
        files[f"{domain}/{label}/{place}.png" if is_above else f"{label}/{domain}/{place}.png"] = picture(
            x[place]
        )
    return zipped(files)


def test_domains_above_or_below_the_classes_are_the_same_dataset(tmp_path: Path) -> None:
    above, under = (
        ingested(tmp_path, domains(["art", "photo"], ["0", "1", "2"], each)) for each in (True, False)
    )
    assert above.found == under.found
    assert (above.found.domains, above.report.domains) == (("art", "photo"), {"art": 15, "photo": 15})
    assert (above.report.layout, under.report.layout) == ("domain/class", "class/domain")
    assert above.domains is not None
    assert above.domains.dtype == np.uint16
    for part in (
        slice(above.found.train),
        slice(above.found.train, None),
    ):  # every prefix of a domain is balanced
        for domain in range(2):
            own = above.labels[part][above.domains[part] == domain]
            assert own[:3].tolist() == [0, 1, 2]
    plain = ingested(tmp_path, zipped(class_folders()))
    assert (plain.found.domains, plain.found.files) == ((), ("images.npy", "labels.npy"))
    assert "There are 2 domains: art (15), photo (15)" in above.said()


def test_domains_with_splits_and_gaps(tmp_path: Path) -> None:
    x = distinct(60)
    cells = [(d, k) for d in ("art", "photo", "sketch") for k in "01234" if (d, k) != ("sketch", "4")]
    files = {
        f"{split}/{d}/{k}/{split}{n}.png": picture(x[(4 * place + 2 * (split == "test") + n) % 60])
        for place, (d, k) in enumerate(cells)
        for split in ("train", "test")
        for n in range(2)
    }
    found = ingested(tmp_path, zipped(files))
    assert (found.found.train, found.found.test) == (28, 28)
    assert (found.found.domains, found.report.layout) == (("art", "photo", "sketch"), "split/domain/class")


def test_as_many_domains_as_classes_the_lower_are_the_classes(tmp_path: Path) -> None:
    found = ingested(tmp_path, domains(["a", "b"], ["x", "y"], is_above=True))
    assert (found.found.class_names, found.found.domains) == (("x", "y"), ("a", "b"))
    assert "as they lie below the others" in found.said()


def test_folders_below_a_class_are_groups(tmp_path: Path) -> None:
    x = distinct(40)
    files = {f"{'ab'[n // 20]}/patient{n // 4}/{n}.png": picture(x[n]) for n in range(40)}
    found = ingested(tmp_path, zipped(files))
    assert found.found.class_names == ("a", "b")
    whose = {image.tobytes(): n // 4 for n, image in enumerate(x)}
    train, test = (
        {whose[image.tobytes()] for image in part} for part in np.split(found.images, [found.found.train])
    )
    assert (train & test, len(train | test)) == (set(), 10)
    assert "none is on both sides of the split" in found.said()


def test_a_pattern_on_names_groups_images(tmp_path: Path) -> None:
    x = distinct(40)
    files = {f"{n % 2}/p{n // 8}_{n}.png": picture(x[n]) for n in range(40)}
    found = ingested(tmp_path, zipped(files), group_pattern=r"(p\d+)_")
    whose = {image.tobytes(): n // 8 for n, image in enumerate(x)}
    train, test = (
        {whose[image.tobytes()] for image in part} for part in np.split(found.images, [found.found.train])
    )
    assert (train & test, found.found.test) == (set(), 8)
    assert "matches none of the paths" in refusals(tmp_path, zipped(files), group_pattern="patient")


def test_a_pattern_that_runs_away_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_folders, "PATTERN_SECONDS", 0.2)
    began = time.monotonic()
    files = class_folders() | {"0/" + "a" * 60 + ".png": P}
    assert "group_pattern: takes over 0.2 s" in refusals(tmp_path, zipped(files), group_pattern="(a+)+$")
    assert time.monotonic() - began < 30


# --- the split that is made here


def test_classes_of_one_image_are_trained_and_told(tmp_path: Path) -> None:
    x = distinct(20)
    files = class_folders() | {"7/0.png": picture(x[18]), "8/0.png": picture(x[19])}
    found = ingested(tmp_path, zipped(files))
    assert found.found.class_names == ("0", "1", "2", "7", "8")
    assert (found.report.untested, found.report.counts["train"]["7"]) == (["7", "8"], 1)
    assert "2 classes have no test image: 7, 8" in found.said()
    alone = zipped({f"{n}/0.png": picture(x[n]) for n in range(4)})
    assert "there is none to test with" in refusals(tmp_path, alone)


def test_a_class_without_test_images_is_taken_and_told(tmp_path: Path) -> None:
    files = below("train", class_folders()) | {
        f"test/{k}/0.png": picture(distinct(2, seed=k + 1)[0]) for k in range(2)
    }
    found = ingested(tmp_path, zipped(files))
    assert (found.found.train, found.found.test, found.report.untested) == (18, 2, ["2"])
    untrained = {
        name.replace("train", "TEMP").replace("test", "train").replace("TEMP", "test"): content
        for name, content in files.items()
    }
    assert "class '2' has no training image" in refusals(tmp_path, zipped(untrained))


def test_the_share_of_test_images(tmp_path: Path) -> None:
    content = zipped(class_folders(each=10))
    assert [ingested(tmp_path, content, test_share=share).found.test for share in (0.1, 0.3, 0.99)] == [
        3,
        9,
        27,
    ]
    split = zipped(
        below("train", class_folders())
        | {f"test/{k}/0.png": picture(distinct(3, seed=9)[k]) for k in range(3)}
    )
    assert "test_share was not used" in ingested(tmp_path, split, test_share=0.5).said()


def test_copies_are_kept_together_apart_or_refused(tmp_path: Path) -> None:
    x = distinct(20)
    files = {f"{n % 2}/{n}-{copy}.png": picture(x[n]) for n in range(20) for copy in range(4)}
    together = ingested(tmp_path, zipped(files))
    assert (together.report.copies, together.report.overlap) == (60, 0)
    assert "60 images are copies of others; copies stay on one side of the split" in together.said()
    assert ingested(tmp_path, zipped(files), duplicates="keep").report.overlap > 0
    assert "duplicates: 60 images are copies" in refusals(tmp_path, zipped(files), duplicates="refuse")
    assert ingested(tmp_path, zipped(class_folders()), duplicates="refuse").report.copies == 0


# --- what is no class folder

FOLDERS: dict[str, tuple[dict[str, bytes], str]] = {
    "nothing": ({".DS_Store": b"", "__MACOSX/a/b": b""}, "holds no image"),
    "no folders": ({"a.png": P, "b.png": P}, "no class folders: a.png does not lie in a class folder"),
    "labels in a table": (
        {"a.png": P, "b.png": P, "train.csv": b"a,1"},
        "labels in a table, such as train.csv",
    ),
    "a table beside a folder": (
        {"img/a.png": P, "img/b.png": P, "labels.csv": b""},
        "no class folders: img/a.png",
    ),
    "one split without classes": (
        {"x/train/a.png": P, "x/train/b.png": P},
        "no class folders: x/train/a.png",
    ),
    "pickles": (
        {"cifar/data_batch_1": b"\x80\x02}q" + bytes(99)},
        "cifar/data_batch_1 is a pickle, which nobody",
    ),
    "splits without classes": (
        {"train/a.png": P, "test/b.png": P},
        "test and train are names of splits, not classes",
    ),
    "a flat test": (
        {**below("train", class_folders()), "test/1.png": P},
        "test/1.png does not lie in a class folder as the others do: images of a test without classes",
    ),
    "one too deep": (
        {**class_folders(), "a/b/c/d.png": P},
        "a/b/c/d.png does not lie in a class folder as the others",
    ),
    "four deep": (
        {f"{a}/{b}/{c}/d.png": P for a in "ab" for b in "cd" for c in "ef"},
        "nested deeper than can be",
    ),
    "out of the zip": ({"../a/b.png": P, **class_folders()}, "'../a/b.png' is no path within an archive"),
    "from the root": ({"/etc/passwd": P, **class_folders()}, "'/etc/passwd' is no path"),
    "a drive": ({"c:/a/b.png": P, **class_folders()}, "'c:/a/b.png' is no path"),
    "one class": ({"a/a.png": P, "a/b.png": P}, "there is 1 class ('a')"),
    "too many classes": ({f"{n}/{k}.png": P for n in range(1001) for k in "ab"}, "there are 1,001 classes"),
    "classes beside train": ({"train/a/a.png": P, "test/a/a.png": P, "b/a.png": P}, "beside train and test"),
    "more beside train": (
        {f"{a}/{b}/a.png": P for a in ("train", "test", "extra") for b in "xy"},
        "beside train and",
    ),
    "nothing to see": ({f"{k}/{n}.png": P for k in "ab" for n in range(3)}, "nothing to learn"),
}


@pytest.mark.parametrize("case", FOLDERS)
def test_folders_are_refused_by_file(tmp_path: Path, case: str) -> None:
    files, words = FOLDERS[case]
    if case == "nothing to see":
        files = dict.fromkeys(files, picture(np.full((8, 9), 7, np.uint8)))
    for content in (zipped(files), tarred(files)):
        assert words in refusals(tmp_path, content)


def test_files_outside_class_folders_can_be_skipped(tmp_path: Path) -> None:
    files = (
        below("train", class_folders())
        | below("val", class_folders(each=2))
        | {"test/1.png": P, "preview.png": P}
    )
    assert refusals(tmp_path, zipped(files)).count("does not lie in a class folder") == 2
    found = ingested(tmp_path, zipped(files), on_bad="skip")
    assert (found.found.train, found.found.test) == (18, 6)
    assert {each.name for each in found.report.skipped} == {"test/1.png", "preview.png"}


def test_the_same_path_twice_is_refused(tmp_path: Path) -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, content in [*class_folders().items(), ("0/0.png", P)]:
            archive.writestr(name, content)
    assert "'0/0.png' is there twice" in refusals(tmp_path, target.getvalue())
