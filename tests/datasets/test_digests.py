"""Digests of images: of the arrays, whatever file they came from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from tgsh.datasets.mnist import load_dataset
from tgsh.specs.presets import Submission
from tgsh.suites.sources import source_of


def test_equal_arrays_have_equal_digests_and_every_change_shows(tmp_path: Path) -> None:
    digits = load_dataset("mnist5k", tmp_path)
    copied = replace(digits, train_images=np.asfortranarray(digits.train_images))
    assert copied.digests == digits.digests
    changed = digits.train_images.copy()
    changed[-1, -1] ^= 1
    reshaped = digits.train_images.reshape(-1, 28, 28)
    wider = digits.train_labels.astype(np.int64)
    swapped = digits.train_labels[::-1]
    for others in (
        {"train_images": changed},
        {"train_images": reshaped},
        {"train_labels": wider},
        {"train_labels": swapped},
    ):
        found = replace(digits, **others).digests
        assert found["train"] != digits.digests["train"]
        assert found["test"] == digits.digests["test"]


def test_tasks_with_images_of_their_own_have_their_own_digests(tmp_path: Path) -> None:
    body = {"suite": {"kind": "manifold", "tasks": 2, "side": 4, "train_images": 50, "test_images": 20}}
    source = source_of(Submission.model_validate(body).spec(), tmp_path)
    assert source.of(0).digests != source.of(1).digests
    again = source_of(Submission.model_validate(body).spec(), tmp_path)
    assert again.of(1).digests == source.of(1).digests
