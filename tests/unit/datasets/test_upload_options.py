"""Options of an upload say all that is wrong with them; a report says all that was done."""

from __future__ import annotations

import json

import pytest

from tgsh.datasets.uploads.options import UploadOptions
from tgsh.datasets.uploads.report import UploadReport, report_from
from tgsh.errors import InvalidSpec


def test_options_are_read_from_text() -> None:
    read = UploadOptions.parsed(
        {
            "size": "48x64",
            "channels": "1",
            "fit": "pad",
            "background": "#ff8800",
            "encoding": "gbk",
            "on_bad": "skip",
            "duplicates": "keep",
            "test_share": "0.25",
            "group_pattern": r"(p\d+)_",
        }
    )
    assert read == UploadOptions((48, 64), 1, "pad", "#ff8800", "gbk", "skip", "keep", 0.25, r"(p\d+)_")
    assert read.colour == (255, 136, 0)
    assert (UploadOptions.parsed({}), UploadOptions().share) == (UploadOptions(), 0.2)


def test_all_that_is_wrong_is_said_at_once() -> None:
    wrong = {
        "size": "5",
        "channels": "2",
        "fit": "stretch",
        "background": "no colour",
        "encoding": "rot13",
        "on_bad": "ignore",
        "duplicates": "x",
        "test_share": "1",
        "group_pattern": "(",
        "other": "1",
    }
    with pytest.raises(InvalidSpec) as refused:
        UploadOptions.parsed(wrong)
    assert sorted(field for field, _ in refused.value.fields) == sorted(wrong)
    with pytest.raises(InvalidSpec) as refused:
        UploadOptions(size=(0, 5), channels=4)
    assert [field for field, _ in refused.value.fields] == ["size", "channels"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("size", "0x5"),
        ("size", "5x"),
        ("size", "-5x5"),
        ("size", "99999x5"),
        ("size", "5x5x5"),
        ("size", "٣x٣"),
        ("channels", ""),
        ("channels", "three"),
        ("test_share", "nan"),
        ("test_share", "0"),
        ("test_share", "x"),
        ("encoding", "utf-16"),
        ("encoding", "../x"),
        ("encoding", "base64"),
        ("encoding", "x" * 50),
        ("background", ""),
        ("background", "#ff8800ee"),
        ("background", "hsl(" + "9" * 50),
        ("group_pattern", ""),
        ("group_pattern", "x" * 201),
        ("group_pattern", "(" * 150 + ")" * 150),
        ("fit", ""),
        ("on_bad", "SKIP"),
    ],
)
def test_what_has_no_meaning_is_refused(name: str, text: str) -> None:
    with pytest.raises(InvalidSpec) as refused:
        UploadOptions.parsed({name: text})
    assert [field for field, _ in refused.value.fields] == [name]


def test_a_report_is_json_and_words() -> None:
    report = UploadReport(
        "zip", "class", images=3, counts={"train": {"a": 1, "b": 1}, "test": {"a": 1, "b": 0}}
    )
    report.ignore("documents", [f"{n}.md" for n in range(7)])
    report.do("turned", ["a/1.jpg"])
    report.do("turned", ["a/2.jpg"])
    report.skip("b/9.jpg", "is empty")
    report.untested, report.copies, report.overlap, report.contradictory = ["b"], 1, 1, 1
    again = report_from(json.loads(json.dumps(report.as_dict())))
    assert again == report
    assert again.sentences() == [
        "3 images in 2 classes from a zip read as class: 2 to train on, 1 to test",
        "1 file could not be read and was left out: b/9.jpg (is empty)",
        "2 images were turned upright, as their EXIF orientation says (a/1.jpg, a/2.jpg)",
        "Ignored: 7 documents (0.md, 1.md, 2.md, 3.md, 4.md and 2 more)",
        "1 class has no test image: b",
        "1 image is a copy of others; copies stay on one side of the split",
        "1 test image is among the training images, too: accuracy will be too high",
        "1 image has a copy in another class: one of the two labels is wrong",
    ]


def test_a_report_of_before_is_read() -> None:
    old = report_from({"copies": 3, "overlap": 1, "contradictory": 0})
    assert (old.copies, old.overlap, old.ignored) == (3, 1, [])
