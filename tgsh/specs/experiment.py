"""Spec of an experiment and of its training."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

from pydantic import Field, model_validator

from tgsh.specs.base import MAX_TAGS, WITHOUT_NUL, DatasetSpec, Frozen, Seed, Tag, UploadedDataset
from tgsh.specs.networks import FlyNetSpec, NetworkSpec
from tgsh.specs.suites import RotationSuite, SuiteSpec

NormalisationChoice = Literal["auto", "dataset", "none"]


MEASURED_BESIDES = ("accuracy_matrix", "null_shuffles")
"""Fields that ask for more measurements, and change nothing of what is learned."""


class TrainingSpec(Frozen):
    """RMSprop (α = 0.99, ε = 1e-8) on cross-entropy, reshuffled every epoch, a fresh optimiser per task."""

    epochs: int = Field(3, ge=1, le=1_000, description="times that a task learns from all its images")
    batch_size: int = Field(
        128, ge=1, le=65_536, description="images of a step; the last step of an epoch takes what is left"
    )
    learning_rate: float = Field(0.01, gt=0, le=10, description="step size of RMSprop, the same in all steps")
    train_limit: int | None = Field(
        None,
        ge=1,
        description="train on the first this many images of each task only; null: all of them. Tasks of "
        "split and domains that have fewer train on all of theirs",
    )


class ExperimentSpec(Frozen):
    """An experiment: one dataset turned into a sequence of tasks, one random base, one recipe.

    `base_seed` decides the random base (A, W): vectors of two experiments are comparable exactly
    when their `base_id` is equal. `seed` decides context initialisation and batch order.
    """

    name: str = Field(
        "", max_length=200, pattern=WITHOUT_NUL, description="for people; has no influence on the result"
    )
    dataset: DatasetSpec = Field(
        "mnist",
        description='a name, or {"id": …} of an uploaded one; suites that bring their own images say so '
        'by themselves: "synthetic" for manifold, null for datasets',
    )
    normalisation: NormalisationChoice = Field(
        "auto",
        description="of pixels from 0 to 1, (p − mean)/deviation; auto: by 0.1307 and 0.3081 (MNIST's, the "
        "paper's) for mnist, mnist5k, fashion-mnist and kmnist, by its own for every other; dataset: by the "
        "mean and deviation of all training images of the dataset; none: pixels stay from 0 to 1",
    )
    suite: SuiteSpec = Field(RotationSuite(), description="the tasks that are made of the dataset")
    network: NetworkSpec = Field(
        FlyNetSpec(), description="what learns them: random weights that stay, and a context for each task"
    )
    training: TrainingSpec = Field(
        TrainingSpec(),
        description="how each task is learned: RMSprop (α = 0.99, ε = 1e-8) on cross-entropy, images in a "
        "new order every epoch, a fresh optimiser per task",
    )
    seed: Seed = Field(0, description="decides how contexts begin and the order of images; a whole number")
    base_seed: Seed = Field(
        0,
        description="decides the random weights that all tasks share; context vectors can be compared where "
        "it, the network and the size of the images are the same",
    )
    accuracy_matrix: bool = Field(
        False, description="also measure how every task's context does on every task's data: T² evaluations"
    )
    null_shuffles: int = Field(
        0,
        ge=0,
        le=100,
        description="also train every task this many times on classes that are shuffled at random: what "
        "similarity tasks of unrelated labels would have",
    )
    tags: tuple[Tag, ...] = Field(
        (), max_length=MAX_TAGS, strict=False, description="words to find it by; no influence on the result"
    )

    @model_validator(mode="before")
    @classmethod
    def _add_default_dataset(cls, body: Any) -> Any:
        return with_default_dataset(body)

    @property
    def title(self) -> str:
        """The name, or a description where none was given."""
        tasks = self.suite.kind if self.dataset is None else f"{self.suite.kind} on {self.dataset_key}"
        return self.name or f"{tasks}, {self.network.kind}"

    @property
    def dataset_key(self) -> str:
        """The dataset's name or id; "several" where each task has its own."""
        if self.dataset is None:
            return "several"
        return self.dataset.id if isinstance(self.dataset, UploadedDataset) else self.dataset

    @property
    def departures(self) -> str:
        """Choices that decide a matrix and are not the default, for titles of figures; "" for none."""
        start = getattr(self.network, "start", "independent")
        return ", ".join(filter(None, (_NORMALISATIONS[self.normalisation], _STARTS[start])))

    def digest(self) -> str:
        """Digest of the fields that decide what is learned: all but name, tags and what is measured besides.

        Keys that came later count where they differ from their defaults: a spec keeps its digest.

        Returns
        -------
        str
            SHA-256, hexadecimal. Experiments of equal digests have equal results.
        """
        relevant = self.model_dump(mode="json", exclude={"name", "tags", *MEASURED_BESIDES})
        _leave_out_defaults(relevant, LATER_KEYS)
        canonical = json.dumps(relevant, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(canonical.encode()).hexdigest()


LATER_KEYS: Mapping[str, Any] = MappingProxyType(
    {
        "normalisation": "auto",
        "network": {"start": "independent"},
        "suite": {
            "classes": "order",
            "size": None,
            "channels": None,
            "fit": "squash",
            "tasks": {"transforms": {"fill": 0.0}},
        },
    }
)
"""Keys that came later. At these defaults the digest leaves them out, so that older specs keep theirs."""

_NORMALISATIONS = {"auto": "", "dataset": "pixels normalised by dataset", "none": "pixels 0 to 1"}
_STARTS = {"independent": "", "common": "one start for all", "ones": "start at ones"}


def _leave_out_defaults(dumped: dict[str, Any], defaults: Mapping[str, Any]) -> None:
    for key, default in defaults.items():
        if isinstance(default, Mapping):
            value = dumped.get(key)  # an object, a list of them, or a number in another kind of suite
            for each in value if isinstance(value, list) else [value]:
                if isinstance(each, dict):
                    _leave_out_defaults(each, default)
        elif key in dumped and dumped[key] == default:
            del dumped[key]


def with_default_dataset(body: Any) -> Any:
    """Body of a spec with the dataset that its suite requires, where the body names none."""
    if not isinstance(body, dict) or "dataset" in body:
        return body
    suite = body.get("suite")
    kind = suite.get("kind") if isinstance(suite, dict) else getattr(suite, "kind", None)
    required = {"manifold": "synthetic", "datasets": None}
    return {**body, "dataset": required[kind]} if isinstance(kind, str) and kind in required else body
