"""Requirements of an experiment on the machines that train it; reaches no torch."""

from __future__ import annotations

from collections.abc import Sequence

from tgsh.datasets.base import DATASETS
from tgsh.errors import MachineProblem
from tgsh.specs import (
    AugmentSuite,
    CustomSuite,
    DatasetsSuite,
    ExperimentSpec,
    FlyNetSpec,
    NetworkSpec,
    SuiteSpec,
)
from tgsh.store.models import WorkerRecord
from tgsh.suites.pipeline import value_change
from tgsh.system import has_torch

INSTALL_TORCH = "pip install 'tgsh[worker]'"


def torch_fields(spec: ExperimentSpec) -> list[tuple[str, str]]:
    """Fields of a spec for which a worker needs torch, and what is asked for there.

    Parameters
    ----------
    spec : ExperimentSpec
        The experiment.

    Returns
    -------
    list of (str, str)
        Such as ("suite.kind", "augment"); empty for FlyNets on images of which only pixels are moved.
    """
    fields = [("network.kind", spec.network.kind)] if network_needs_torch(spec.network) else []
    return fields + suite_torch_fields(spec.suite)


def network_needs_torch(network: NetworkSpec) -> bool:
    """True for all networks but FlyNet, of which NumPy and numba train every one.

    Parameters
    ----------
    network : NetworkSpec
        The network.

    Returns
    -------
    bool
        Whether it is trained by torch, on a processor too.
    """
    return not isinstance(network, FlyNetSpec)


def suite_torch_fields(suite: SuiteSpec) -> list[tuple[str, str]]:
    """The field of a suite for which its images are computed by torch, and what is asked for there.

    Parameters
    ----------
    suite : SuiteSpec
        The suite.

    Returns
    -------
    list of (str, str)
        One, or none where pixels are only moved.
    """
    if isinstance(suite, AugmentSuite):
        return [("suite.kind", suite.kind)]
    for number, task in enumerate(suite.tasks if isinstance(suite, CustomSuite) else ()):
        change = value_change(task.transforms)
        if change is not None:
            place = task.transforms.index(change)
            return [(f"suite.tasks.{number}.transforms.{place}", change.kind)]
    return []


def torch_message(name: str) -> str:
    """The sentence for something that needs torch where there is none.

    Parameters
    ----------
    name : str
        Such as "augment".

    Returns
    -------
    str
        With the remedy.
    """
    return f"{name} needs torch: {INSTALL_TORCH}"


def require_torch_here(spec: ExperimentSpec) -> None:
    """Check that this machine has torch where a spec needs it.

    Parameters
    ----------
    spec : ExperimentSpec
        The experiment.

    Raises
    ------
    MachineProblem
        Naming what needs it, and the remedy.
    """
    fields = torch_fields(spec)
    if fields and not has_torch():
        raise MachineProblem("\n".join(torch_message(name) for _, name in fields))


def lack_torch(workers: Sequence[WorkerRecord]) -> bool:
    """True where workers live, and none has torch. Where none lives, nobody knows what will be there.

    Parameters
    ----------
    workers : Sequence[WorkerRecord]
        Those that live.

    Returns
    -------
    bool
        Whether what needs torch would wait in vain.
    """
    return bool(workers) and not any(worker.has_torch for worker in workers)


def image_fields(spec: ExperimentSpec) -> list[tuple[str, str]]:
    """Fields of a spec that name datasets whose files a worker must have.

    Parameters
    ----------
    spec : ExperimentSpec
        The experiment.

    Returns
    -------
    list of (str, str)
        Such as ("dataset", "mnist"); uploaded datasets are in the store, synthetic ones nowhere.
    """
    if isinstance(spec.suite, DatasetsSuite):
        fields = [(f"suite.datasets.{place}", name) for place, name in enumerate(spec.suite.datasets)]
    else:
        fields = [("dataset", spec.dataset_key)]
    return [(field, name) for field, name in fields if name in DATASETS]


def lack_images(name: str, workers: Sequence[WorkerRecord]) -> bool:
    """True where workers live, all of them tell which datasets they have, and none has this one.

    Parameters
    ----------
    name : str
        Key of DATASETS.
    workers : Sequence[WorkerRecord]
        Those that live.

    Returns
    -------
    bool
        Whether one would have to download it first.
    """
    return bool(workers) and all(
        worker.datasets is not None and name not in worker.datasets for worker in workers
    )
