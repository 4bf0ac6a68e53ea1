"""The normalisation that a spec chooses, and moments of the named datasets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from tgsh.datasets.base import DatasetInfo, ImageDataset, ImageSource, Normalisation
from tgsh.datasets.named_sets import NAMED_SETS
from tgsh.specs import NormalisationChoice

PLAIN = Normalisation(0.0, 1.0)
"""Leaves pixels from 0 to 1 as they are."""

MOMENTS: Mapping[str, Normalisation] = MappingProxyType(
    {name: Normalisation(*named.normalisation) for name, named in NAMED_SETS.items() if named.is_measured}
    | {
        "mnist": Normalisation(0.1306604762738429, 0.3081078038564627),
        "mnist5k": Normalisation(0.13085988895558223, 0.3080155648353563),
        # The two sets below were not at hand: four digits, as published with their loaders' examples
        # (Fashion-MNIST: 0.2860, 0.3530; KMNIST: 0.1918, 0.3483).
        "fashion-mnist": Normalisation(0.2860, 0.3530),
        "kmnist": Normalisation(0.1918, 0.3483),
    }
)
"""Mean and standard deviation of all training pixels, from 0 to 1, of the named datasets that tell them."""


def normalisation_of(choice: NormalisationChoice, info: DatasetInfo) -> Normalisation:
    """The normalisation of one dataset's pixels.

    Parameters
    ----------
    choice : NormalisationChoice
        "auto": that of the description: the paper's for MNIST's family, its own for every other.
        "dataset": by the moments of all its training images. "none": pixels stay from 0 to 1.
    info : DatasetInfo
        One dataset. Of several, each has its own: `DatasetInfo.of_task`.

    Returns
    -------
    Normalisation
        Mean and deviation.
    """
    match choice:
        case "none":
            return PLAIN
        case "dataset":
            # Converted images have moments of their own, which their description carries.
            return info.normalisation if info.source_shape else MOMENTS.get(info.name, info.normalisation)
        case "auto":
            return info.normalisation


@dataclass(frozen=True, eq=False)
class NormalisedSource:
    """An image source whose descriptions carry the normalisation that a spec chooses.

    Attributes
    ----------
    source : ImageSource
        The tasks' datasets.
    choice : NormalisationChoice
        As `normalisation_of` takes it.
    """

    source: ImageSource
    choice: NormalisationChoice

    @property
    def info(self) -> DatasetInfo:
        """Description that holds for all tasks."""
        return self.source.info

    def of(self, task: int) -> ImageDataset:
        """Return the images of a task.

        Parameters
        ----------
        task : int
            Index of the task.

        Returns
        -------
        ImageDataset
            Those of the source: pixels are normalised by the networks.
        """
        return self.source.of(task)

    def info_of(self, task: int) -> DatasetInfo:
        """Describe the images of a task.

        Parameters
        ----------
        task : int
            Index of the task.

        Returns
        -------
        DatasetInfo
            With the chosen normalisation.
        """
        info = self.source.info_of(task)
        return replace(info, normalisation=normalisation_of(self.choice, info))
