"""What the datasets are. Needs neither images nor torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from tgsh.errors import InvalidSpec
from tgsh.spec import ExperimentSpec


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
    """What an experiment's images are."""
    return DATASETS[spec.dataset]


def check_train_limit(train_limit: int | None, info: DatasetInfo) -> int:
    """How many training images a limit means; null means all. Raises InvalidSpec where there are fewer."""
    if train_limit is not None and train_limit > info.train_images:
        raise InvalidSpec(
            "training.train_limit", f"{info.name} has {info.train_images} training images, not {train_limit}"
        )
    return info.train_images if train_limit is None else train_limit
