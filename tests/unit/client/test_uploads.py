"""What a client sends of files, folders and whatever holds numbers or text."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from tgsh.client.uploads import UploadBody, as_array, file_body, folder_body, npz_body
from tgsh.errors import InvalidSpec


def content(body: UploadBody) -> bytes:
    whole = b"".join(
        part.head + (part.path.read_bytes() if part.path else b"") + part.tail for part in body.parts
    )
    assert len(whole) == body.size
    return whole


def test_a_file_is_sent_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"anything")
    assert content(file_body(tmp_path / "x")) == b"anything"
    with pytest.raises(InvalidSpec, match="source"):
        file_body(tmp_path / "absent")


def test_a_folder_is_sent_as_a_tar(tmp_path: Path) -> None:
    files = {
        "Äpfel/1.png": b"x" * 511,
        "Äpfel/2.png": b"",
        "b" * 120 + "/" + "c" * 120 + ".png": b"y" * 513,
        "b/日本 👨\u200d👩\u200d👧.jpg": b"z" * 512,
        "notes.txt": b"words",
    }
    for name, words in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(words)
    (tmp_path / "link.png").symlink_to(tmp_path / "Äpfel" / "1.png")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "dead").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe")
    with tarfile.open(fileobj=io.BytesIO(content(folder_body(tmp_path)))) as archive:
        found = {member.name: archive.extractfile(member).read() for member in archive}  # type: ignore[union-attr]
    assert found == files | {"link.png": b"x" * 511}


def test_an_empty_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidSpec, match="without a file"):
        folder_body(tmp_path)


PIXELS = np.arange(12, dtype=np.uint8).reshape(3, 2, 2)
HELD: list[tuple[Any, np.ndarray]] = [
    (torch.tensor(PIXELS), PIXELS),
    (torch.tensor(PIXELS, dtype=torch.float32, requires_grad=True), PIXELS.astype(np.float32)),
    (torch.tensor(PIXELS).to(torch.bfloat16), PIXELS.astype(np.float32)),
    (PIXELS.tolist(), PIXELS.astype(np.int64)),
    (pd.Series([0, 1, 0]), np.array([0, 1, 0])),
    (pd.Series(["oak", "ash", "oak"]), np.array(["oak", "ash", "oak"])),
    (pd.Series(["oak", "ash", "oak"], dtype="category"), np.array(["oak", "ash", "oak"])),
    (pd.Series([0, 1, 0], dtype="Int64"), np.array([0, 1, 0])),
    (np.array(["oak", "ash"], dtype=object), np.array(["oak", "ash"])),
    (np.array([b"oak", b"ash"], dtype=object), np.array(["oak", "ash"])),
    (np.array([1, 2], dtype=object), np.array([1, 2])),
    (np.array([True, False], dtype=object), np.array([True, False])),
]


@pytest.mark.parametrize(("held", "expected"), HELD)
def test_whatever_holds_numbers_or_text_is_an_array(held: Any, expected: np.ndarray) -> None:
    array = as_array("y", held)
    assert (array.dtype, array.shape) == (expected.dtype, expected.shape)
    assert array.tolist() == expected.tolist()


def test_images_of_one_size_in_a_list_of_objects() -> None:
    images = np.empty(3, object)
    images[:] = list(PIXELS)
    assert as_array("x", images).tolist() == PIXELS.tolist()


def test_what_is_neither_is_told_with_all_that_is_wrong() -> None:
    sizes = np.empty(2, object)
    sizes[:] = [np.zeros((2, 2)), np.zeros((3, 3))]
    with pytest.raises(InvalidSpec) as refusal:
        npz_body({"x": sizes, "y": [None, "a"], "groups": [[1], [1, 2]], "x_test": PIXELS})
    assert [field for field, _ in refusal.value.fields] == ["x", "y", "groups"]
    for words in ("several sizes", "a missing value?", "several lengths"):
        assert words in str(refusal.value)


def test_arrays_are_sent_without_objects() -> None:
    body = npz_body({"x": torch.tensor(PIXELS), "y": pd.Series(["a", "b", "a"])})
    with np.load(io.BytesIO(content(body)), allow_pickle=False) as loaded:
        assert loaded["y"].tolist() == ["a", "b", "a"]
        assert np.array_equal(loaded["x"], PIXELS)
