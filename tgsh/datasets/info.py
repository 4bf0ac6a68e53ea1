"""What the datasets are. Needs neither images nor torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from tgsh.errors import InvalidSpec
from tgsh.spec import ExperimentSpec, ManifoldSuite

MAX_MADE_BYTES = 100_000_000
"""Pixels of the images that are made for one task."""


@dataclass(frozen=True)
class DatasetInfo:
    """A classification dataset of grey images, uint8."""

    name: str
    title: str
    height: int
    width: int
    classes: int
    train_images: int
    test_images: int

    @property
    def pixels(self) -> int:
        """D: pixels of one image."""
        return self.height * self.width


DATASETS: Mapping[str, DatasetInfo] = MappingProxyType(
    {
        info.name: info
        for info in (
            DatasetInfo("mnist", "MNIST: handwritten digits", 28, 28, 10, 60_000, 10_000),
            DatasetInfo("fashion-mnist", "Fashion-MNIST: articles of clothing", 28, 28, 10, 60_000, 10_000),
            DatasetInfo("kmnist", "KMNIST: cursive Japanese characters", 28, 28, 10, 60_000, 10_000),
            DatasetInfo("mnist5k", "5,000 MNIST digits that need no download", 28, 28, 10, 4_000, 1_000),
        )
    }
)


def info_of(spec: ExperimentSpec) -> DatasetInfo:
    """What an experiment's images are. Raises InvalidSpec where its suite does not go with its dataset."""
    if isinstance(spec.suite, ManifoldSuite):
        if spec.dataset != "synthetic":
            raise InvalidSpec("dataset", 'the manifold suite makes its own images; write "synthetic"')
        return manifold_info(spec.suite)
    if spec.dataset == "synthetic":
        raise InvalidSpec("dataset", f"no images are made for suite {spec.suite.kind!r}; name a dataset")
    return DATASETS[spec.dataset]


def manifold_info(suite: ManifoldSuite) -> DatasetInfo:
    """What the images that a manifold suite makes are. Raises InvalidSpec for more than MAX_MADE_BYTES."""
    size = (suite.train_images + suite.test_images) * suite.side**2
    if size > MAX_MADE_BYTES:
        raise InvalidSpec(
            "suite.train_images",
            f"{size:,} pixels a task are more than {MAX_MADE_BYTES:,}; make fewer or smaller",
        )
    if min(suite.train_images, suite.test_images) < suite.classes:
        raise InvalidSpec("suite.classes", "every class needs a training and a test image")
    title = "made by the manifold suite"
    sizes = (suite.side, suite.side, suite.classes, suite.train_images, suite.test_images)
    return DatasetInfo("synthetic", title, *sizes)


def check_train_limit(train_limit: int | None, info: DatasetInfo) -> int:
    """How many training images a limit means; null means all. Raises InvalidSpec where there are fewer."""
    if train_limit is not None and train_limit > info.train_images:
        raise InvalidSpec(
            "training.train_limit", f"{info.name} has {info.train_images} training images, not {train_limit}"
        )
    return info.train_images if train_limit is None else train_limit
