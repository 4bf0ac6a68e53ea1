"""Requirements of an experiment on the machines that train it; reaches no torch."""

from __future__ import annotations

from collections.abc import Sequence

from tgsh.errors import InvalidSpec, MachineProblem
from tgsh.specs import AugmentSuite, CustomSuite, ExperimentSpec, FlyNetSpec, NetworkSpec, SuiteSpec
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


def refusal(fields: Sequence[tuple[str, str]], workers: Sequence[WorkerRecord]) -> InvalidSpec | None:
    """The error for a request that no worker that lives could carry out.

    Parameters
    ----------
    fields : Sequence of (str, str)
        Of `torch_fields`.
    workers : Sequence[WorkerRecord]
        Those that live.

    Returns
    -------
    InvalidSpec or None
        Naming every field; None where a worker can, or where none lives.
    """
    if not fields or not lack_torch(workers):
        return None
    (first, message), *others = (
        (field, f"{torch_message(name)} for a worker; none that lives has it") for field, name in fields
    )
    return InvalidSpec(first, message, others)
