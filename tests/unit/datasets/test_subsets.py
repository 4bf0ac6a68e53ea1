"""Parts of a dataset as tasks: whose classes, in whose order, with which outputs, and how many images."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tgsh.datasets.base import DATASETS, ImageDataset, check_train_limit
from tgsh.datasets.classes import class_overlap, class_warnings, task_labels
from tgsh.datasets.descriptions import info_of
from tgsh.datasets.mnist import load_dataset
from tgsh.datasets.subsets import DatasetParts, class_groups, group_label, random_order
from tgsh.errors import DatasetUnavailable, InvalidSpec
from tgsh.specs import DomainsSuite, ExperimentSpec, SplitSuite
from tgsh.suites import build
from tgsh.suites.sources import source_of
from tgsh.suites.task_identity import task_identity

MNIST5K = DATASETS["mnist5k"]


def spec_of(dataset: str = "mnist5k", **suite: Any) -> ExperimentSpec:
    return ExperimentSpec.model_validate({"dataset": dataset, "suite": {"kind": "split", **suite}})


def split(**suite: Any) -> SplitSuite:
    return SplitSuite.model_validate(suite)


@pytest.mark.parametrize("seed", [0, 1, 7, 1234, 2**32 - 1, 2**40 + 3])
@pytest.mark.parametrize("count", [2, 10, 100, 1000])
def test_a_random_order_is_torchs(count: int, seed: int) -> None:
    torch.manual_seed(seed)
    assert random_order(count, seed) == torch.randperm(count).tolist()


def test_split_mnist_is_avalanches_by_its_rule() -> None:
    """Classes in the order of torch.randperm after manual_seed, dealt out evenly, from 0 in each task."""
    torch.manual_seed(3)
    order = torch.randperm(10).tolist()
    groups = class_groups(MNIST5K, split(order="random", order_seed=3))
    assert groups == [tuple(order[start : start + 2]) for start in range(0, 10, 2)]


@pytest.mark.skipif(importlib.util.find_spec("avalanche") is None, reason="avalanche is not installed")
def test_split_mnist_is_avalanches() -> None:
    from avalanche.benchmarks.classic import SplitMNIST

    from tgsh.settings import StoreSettings

    theirs = SplitMNIST(5, seed=3, class_ids_from_zero_in_each_exp=True, dataset_root=StoreSettings().data)
    groups = class_groups(MNIST5K, split(order="random", order_seed=3))
    assert groups == [tuple(each) for each in theirs.original_classes_in_exp]


def test_shared_outputs_are_the_first_ones_and_images_those_of_the_classes() -> None:
    spec, whole = spec_of(order=[["3", "1"], ["7", "8"], ["0", "9"]]), load_dataset("mnist5k", Path())
    source = source_of(spec, Path())
    assert (source.info.classes, source.info.class_names) == (2, ("output 0", "output 1"))
    for task, group in enumerate(((3, 1), (7, 8), (0, 9))):
        part = source.of(task)
        assert part is source.of(task)
        mine = np.isin(whole.train_labels, group)
        np.testing.assert_array_equal(part.train_images, whole.train_images[mine])
        np.testing.assert_array_equal(np.array(group)[part.train_labels], whole.train_labels[mine])
        assert (part.info.train_images, part.info.test_images) == (800, 200)
        assert not part.test_images.flags.writeable
    assert [task.label for task in build(spec.suite, source.info)] == ["3, 1", "7, 8", "0, 9"]
    assert task_labels(source.info, 0) == ("3", "1")
    overlap = class_overlap(spec, source.info)
    assert overlap is not None
    assert (overlap.matching, overlap.classes) == ("order", (("3", "1"), ("7", "8"), ("0", "9")))
    [warning] = class_warnings(spec, source.info)
    assert "output 0 is '3' of 3, 1 and '7' of 7, 8" in warning


def test_own_outputs_are_the_classes() -> None:
    spec = spec_of(outputs="own", classes_per_task=5)
    source = source_of(spec, Path())
    assert (source.info.classes, source.info.class_names) == (10, tuple("0123456789"))
    assert set(source.of(1).test_labels.tolist()) == {5, 6, 7, 8, 9}
    assert source.info.common_outputs == ()
    overlap = class_overlap(spec, source.info)
    assert overlap is not None
    assert (overlap.matching, overlap.shared) == ("names", ((5, 0), (0, 5)))


def test_classes_are_named_as_the_dataset_does_or_numbered() -> None:
    named = split(order=[["Trouser", "Bag"], ["1", "Coat"]])
    assert class_groups(DATASETS["fashion-mnist"], named) == [(1, 8), (1, 4)]
    assert class_groups(DATASETS["cifar10"], split(order=[["cat", "dog"]])) == [(3, 5)]
    with pytest.raises(InvalidSpec, match="no class 'zebra'; they are airplane, ") as refusal:
        class_groups(DATASETS["cifar10"], split(order=[["cat", "dog"], ["cat", "zebra"]]))
    assert refusal.value.field == "suite.order.1"


def test_what_is_left_is_the_last_task_but_for_one_class() -> None:
    assert [len(group) for group in class_groups(MNIST5K, split(classes_per_task=4))] == [4, 4, 2]
    assert class_groups(MNIST5K, split(classes_per_task=64)) == [tuple(range(10))]
    with pytest.raises(InvalidSpec, match="3 a task leave one of a single class") as refusal:
        info_of(spec_of(classes_per_task=3))
    assert refusal.value.field == "suite.classes_per_task"


def test_long_groups_have_short_labels() -> None:
    spec = spec_of("cifar100", classes_per_task=50)
    labels = [task.label for task in build(spec.suite, info_of(spec))]
    assert labels == ["apple … mountain (50 classes)", "mouse … worm (50 classes)"]
    assert len(group_label(["x" * 200, "y" * 200])) <= 64


def test_a_limit_is_what_a_task_takes_at_most() -> None:
    info = info_of(spec_of())
    assert check_train_limit(10_000, info) == 800
    assert check_train_limit(100, info) == 100
    assert check_train_limit(None, info) == 800


def with_domains(**changes: Any) -> ImageDataset:
    """Forty images of two classes and two domains; the second domain has the second class alone."""
    whole = load_dataset("mnist5k", Path())
    domains = np.repeat(np.array([0, 1], np.uint16), [30, 10])
    labels = np.where(domains == 1, 1, np.arange(40) % 2).astype(np.uint8)
    info = replace(
        MNIST5K, name="0" * 16, title="forms", classes=2, class_names=("round", "long"),
        domains=("ink", "chalk"), train_images=40, test_images=40, **changes,
    )  # fmt: skip
    images = whole.train_images[:40]
    return ImageDataset(info, images, labels, images, labels, domains, domains)


def test_a_domain_is_a_task_with_the_classes_that_it_has() -> None:
    dataset = with_domains()
    source = DatasetParts(DomainsSuite(), dataset)
    assert [task.label for task in build(DomainsSuite(), source.info)] == ["ink", "chalk"]
    assert [info.class_outputs for info in source.info.members] == [(0, 1), (1,)]
    assert [source.info_of(task).train_images for task in (0, 1)] == [30, 10]
    np.testing.assert_array_equal(source.of(1).train_images, dataset.train_images[30:])
    assert set(source.of(1).train_labels.tolist()) == {1}
    assert source.info.common_outputs == (1,)


def test_domains_of_which_no_two_share_a_class_use_the_first_outputs() -> None:
    info = info_of(ExperimentSpec(dataset="omniglot", suite=DomainsSuite()))
    assert (len(info.members), info.classes) == (50, 55)
    assert info.members[4].class_outputs == tuple(range(40))
    assert info.members[4].class_names[0] == "Asomtavruli_(Georgian)/character01"
    tasks = build(DomainsSuite(), info)
    assert tasks[24].params == {"domain": "N_Ko"}


def test_what_has_no_domains_is_refused() -> None:
    with pytest.raises(InvalidSpec, match="mnist5k has no domains"):
        info_of(ExperimentSpec(dataset="mnist5k", suite=DomainsSuite()))
    dataset = with_domains()
    with pytest.raises(DatasetUnavailable, match="does not say which domain"):
        DatasetParts(DomainsSuite(), replace(dataset, train_domains=None))
    with pytest.raises(InvalidSpec, match=r"chalk of .* has no training images"):
        DatasetParts(DomainsSuite(), replace(dataset, train_domains=np.zeros(40, np.uint16)))


def test_tasks_are_the_same_where_classes_and_outputs_are() -> None:
    assert task_identity(split(), "0, 1") == task_identity(split(classes_per_task=2), "0, 1")
    assert task_identity(split(), "0, 1") != task_identity(split(outputs="own"), "0, 1")
