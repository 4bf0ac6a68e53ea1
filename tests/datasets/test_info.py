"""What is said about datasets, and limits."""

from __future__ import annotations

from typing import get_args

import pytest

from tgsh.datasets.base import DATASETS, check_train_limit
from tgsh.errors import InvalidSpec
from tgsh.specs import DatasetName


def test_every_dataset_that_a_spec_may_name_is_known() -> None:
    assert {*DATASETS, "synthetic"} == set(get_args(DatasetName))
    assert all(
        name == info.name and info.pixels == info.height * info.width for name, info in DATASETS.items()
    )


def test_a_limit_is_all_images_or_fewer() -> None:
    info = DATASETS["mnist5k"]
    assert check_train_limit(None, info) == 4000
    assert check_train_limit(1, info) == 1
    assert check_train_limit(4000, info) == 4000
    with pytest.raises(InvalidSpec, match="4000 training images, not 4001") as refusal:
        check_train_limit(4001, info)
    assert refusal.value.field == "training.train_limit"
