"""Results of an experiment: their names, their formats, and which experiments have them.

Plain declarations, shared by the service, its dashboard and the command line. How a result is computed is in
service/results.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from tgsh.specs.experiment import ExperimentSpec
from tgsh.specs.networks import FlyNetSpec, NetworkSpec

PICTURES = ("png", "svg", "pdf")


@dataclass(frozen=True)
class ResultSpec:
    """One result that experiments have.

    Parameters
    ----------
    name : path below ``/experiments/{id}``, such as ``"similarity/nearest"``.
    formats : names of the formats offered, the default one first.
    title : in lists of downloads; None: it is in none.
    of_task : it lies below a task, and is made of images that are sent with the request.
    at_finish : it is measured when an experiment completes.
    option : field of the experiment's spec that must be true; None: there is no such field.
    network : the only kind of network that has it; None: all have it.
    reason : why no other network has it.
    """

    name: str
    formats: tuple[str, ...]
    title: str | None = None
    of_task: bool = False
    at_finish: bool = False
    option: str | None = None
    network: type[NetworkSpec] | None = None
    reason: str = ""

    def is_available(self, network: NetworkSpec) -> bool:
        """True if experiments with this network have it."""
        return self.network is None or isinstance(network, self.network)

    @property
    def is_conditional(self) -> bool:
        """True if some experiments never have it."""
        return self.option is not None or self.network is not None

    def belongs_to(self, spec: ExperimentSpec) -> bool:
        """True if this experiment has it, or will have it."""
        asked_for = self.option is None or bool(getattr(spec, self.option))
        return asked_for and self.is_available(spec.network)


_DECLARED = (
    ResultSpec("similarity", ("json", "csv", "npy", "safetensors", *PICTURES), title="Similarity"),
    ResultSpec("similarity/block", ("json", "csv", "npy", "safetensors")),
    ResultSpec("similarity/nearest", ("json", "csv")),
    ResultSpec("similarity/epochs", ("json", "csv", *PICTURES)),
    ResultSpec("dendrogram", ("json", "csv", "newick", *PICTURES), title="Dendrogram"),
    ResultSpec("embedding", ("json", "csv", "npy", *PICTURES), title="Map of the tasks"),
    ResultSpec("context-vectors", ("json", "npy", "safetensors", "csv"), title="Context vectors"),
    ResultSpec("accuracy", ("json", "csv", *PICTURES), title="Accuracy"),
    ResultSpec(
        "accuracy/matrix",
        ("json", "csv", "npy", "safetensors", *PICTURES),
        title="Accuracy matrix",
        at_finish=True,
        option="accuracy_matrix",
    ),
    ResultSpec(
        "geometry",
        ("json", "csv", "safetensors", *PICTURES),
        title="Definition 1 (T-GSH)",
        at_finish=True,
    ),
    ResultSpec(
        "samples", ("json", "npy", "safetensors", *PICTURES), title="Samples of the tasks", at_finish=True
    ),
    ResultSpec("representations", ("json", "csv", "npy", "safetensors"), of_task=True),
    ResultSpec("predictions", ("json", "csv", "npy"), of_task=True),
    ResultSpec(
        "reconstructions",
        ("json", "npy", "safetensors", *PICTURES),
        title="Reconstructions",
        network=FlyNetSpec,
        reason="they invert FlyNet's matrix A",
    ),
    ResultSpec(
        "transfer",
        ("json", "csv", *PICTURES),
        title="Contexts to reuse",
        at_finish=True,
        option="accuracy_matrix",
    ),
    ResultSpec(
        "scenarios", ("json", "csv", *PICTURES), title="Settings of continual learning", at_finish=True
    ),
    ResultSpec("hashing", ("json", "csv", *PICTURES), title="Hash codes", at_finish=True),
)

BUNDLE = ResultSpec("bundle", ("zip",))
"""All of them in one file."""

RESULT_SPECS: Mapping[str, ResultSpec] = MappingProxyType({result.name: result for result in _DECLARED})
"""By name, in the order of an experiment's links."""

FORMATS = tuple(dict.fromkeys(format for result in _DECLARED for format in result.formats))
"""Every format of a result."""

FIGURES = (
    "similarity",
    "similarity-before-after",
    "similarity-epochs",
    "dendrogram",
    "embedding",
    "geometry",
    "reconstructions",
    "samples",
    "accuracy",
    "accuracy-matrix",
    "transfer",
    "scenarios",
    "hashing",
)
"""Figures under names that stay: ``figures/NAME.FORMAT``, each in one way only."""
