"""What is said about datasets, and limits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from tgsh.datasets.base import DATASETS, check_train_limit
from tgsh.datasets.mnist import load_dataset
from tgsh.errors import InvalidSpec
from tgsh.specs import DatasetName
from tgsh.specs.presets import Submission
from tgsh.suites.sources import source_of


def test_every_dataset_that_a_spec_may_name_is_known() -> None:
    assert {*DATASETS, "synthetic"} == set(get_args(DatasetName))
    assert all(
        name == info.name and info.pixels == info.height * info.width * info.channels
        for name, info in DATASETS.items()
    )


def test_a_limit_is_all_images_or_fewer() -> None:
    info = DATASETS["mnist5k"]
    assert check_train_limit(None, info) == 4000
    assert check_train_limit(1, info) == 1
    assert check_train_limit(4000, info) == 4000
    with pytest.raises(InvalidSpec, match="4000 training images, not 4001") as refusal:
        check_train_limit(4001, info)
    assert refusal.value.field == "training.train_limit"


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
