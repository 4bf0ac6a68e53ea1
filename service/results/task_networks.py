"""Networks of all tasks of an experiment, and what its finish measured of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from service.dependencies import Services
from service.results import base
from service.results.classes import info_to_run
from tgsh.analysis.task_inference import Calibration
from tgsh.datasets.base import DatasetInfo, Normalisation
from tgsh.datasets.normalisation import normalisation_of
from tgsh.errors import ArtifactCorrupt, Conflict, InvalidSpec
from tgsh.networks.all_tasks import TaskNetworks, multiply_adds
from tgsh.networks.registry import FlyNetBase, context_of, random_base, vector_size
from tgsh.schemas.measurements import NOT_MEASURED_THEN
from tgsh.specs import ExperimentSpec
from tgsh.store import queries
from tgsh.store.results import StageRef, find_stage, load_result, load_stage

MOST_TASKS = 1_000
"""Contexts that images are run under in one request."""

MOST_LOGITS = 20_000_000
"""Numbers in all logits of a request (80 MB)."""

MOST_PRODUCTS = 2**37
"""Multiplications of a request: some five seconds of one core."""


@dataclass(frozen=True, eq=False)
class ExperimentNetworks:
    """The networks of all tasks of an experiment at a stage.

    allowed: bool [T, K], the outputs of every task.
    """

    ref: StageRef
    spec: ExperimentSpec
    info: DatasetInfo
    networks: TaskNetworks
    allowed: np.ndarray

    @property
    def about(self) -> dict[str, str]:
        """Metadata that every document carries."""
        return base.about(self.ref)

    @property
    def one_normalisation(self) -> Normalisation | None:
        """Of the pixels of all tasks; None where they have several that a network's features depend on."""
        if isinstance(
            self.networks.base, FlyNetBase
        ):  # its features are of bytes; the scale is the context's
            return self.networks.normalisation(self.ref.tasks[0])
        each = {self.networks.normalisation(task) for task in self.ref.tasks}
        return each.pop() if len(each) == 1 else None

    def check_work(self, images: int) -> None:
        """Refuse to run so many images under all contexts. Raises InvalidSpec."""
        tasks, classes = self.allowed.shape
        most = min(
            MOST_LOGITS // (tasks * classes),
            MOST_PRODUCTS // (tasks * multiply_adds(self.networks.base)),
        )
        if images > most:
            raise InvalidSpec(
                "images",
                f"{images:,} under {tasks:,} contexts take too long; send {most:,} at most"
                if most
                else f"one under {tasks:,} contexts of such a network takes too long",
            )

    def rows_of(self, tasks: Sequence[int]) -> list[int]:
        """Rows of these tasks."""
        return [self.ref.tasks.index(task) for task in tasks]


def load_networks(services: Services, experiment_id: str, stage: str) -> ExperimentNetworks:
    """The networks of all tasks at a stage.

    Raises NotFound for an unknown experiment or stage, Conflict where a task has no vector there yet.
    """
    spec = base.spec_of(services, experiment_id)
    ref = find_stage(services.database, experiment_id, stage)
    record = queries.experiment(services.database, experiment_id).record
    if not ref.complete:
        raise Conflict(
            f"{len(ref.tasks)} of {record.tasks_total} tasks have a vector at stage "
            f"{stage!r}, and images may come "
            f"from one of the others: wait until all are trained; {experiment_id} is {record.status}"
        )
    if len(ref.tasks) > MOST_TASKS:
        raise Conflict(
            f"{len(ref.tasks):,} contexts are too many for one request; {MOST_TASKS:,} are possible"
        )
    info = info_to_run(services, experiment_id, spec)
    context = context_of(spec.network, info.pixels, info.classes)
    vectors = load_stage(services.artifacts, ref)
    if vectors.shape[1] != vector_size(context):
        raise ArtifactCorrupt(f"artifact {ref.sources[0][0]} holds vectors that are not of this network")
    networks = TaskNetworks(
        random_base(spec.network, info.pixels, info.classes, spec.base_seed),
        context,
        vectors,
        ref.tasks,
        lambda index: normalisation_of(spec.normalisation, info.of_task(index)),
    )
    return ExperimentNetworks(ref, spec, info, networks, outputs_of(info, ref.tasks))


def outputs_of(info: DatasetInfo, tasks: Sequence[int]) -> np.ndarray:
    """bool [T, K], outputs of the classes that each task has."""
    allowed = np.zeros((len(tasks), info.classes), bool)
    for row, task in enumerate(tasks):
        allowed[row, list(info.of_task(task).class_outputs)] = True
    return allowed


def require_two_classes(loaded: ExperimentNetworks) -> None:
    """Refuse to infer tasks of one class: a network that knows one decides as firmly anywhere. Raises
    Conflict."""
    for label, own in zip(loaded.ref.labels, loaded.allowed, strict=True):
        if own.sum() < 2:
            raise Conflict(f"task {label} has one class: under its context every image looks certain")


def calibration_of(services: Services, experiment_id: str) -> Calibration | None:
    """Calibration that the finish measured; None where there is none (yet)."""
    stored = load_result(services.database, services.artifacts, experiment_id, "calibration")
    if stored is None:
        return None
    tensors, metadata = stored
    return Calibration.from_text(metadata["calibration"], tensors["scales"])


@dataclass(frozen=True, eq=False)
class Probe:
    """Test images under all contexts, as the finish measured them; see `tgsh.training.probe`.

    logits: float16 [D, n, T, K]. labels: int64 [D, n]. images: uint8 [D, m, pixels]. tasks: the D places.
    fitted: images of each that calibration was fitted to, the first ones.
    """

    logits: np.ndarray
    labels: np.ndarray
    images: np.ndarray
    tasks: tuple[int, ...]
    fitted: int


def probe_of(services: Services, experiment_id: str) -> Probe:
    """The probe of an experiment. Raises NotFound, or Conflict that says what to do where there is none."""
    record = queries.experiment(services.database, experiment_id).record
    stored = load_result(services.database, services.artifacts, experiment_id, "probe")
    if stored is not None:
        tensors, metadata = stored
        return Probe(
            logits=tensors["logits"],
            labels=tensors["labels"],
            images=tensors["images"],
            tasks=tuple(json.loads(metadata["tasks"])),
            fitted=int(metadata["fitted"]),
        )
    if record.status != "completed":
        raise Conflict(
            f"test images are run under all contexts when an experiment completes; {experiment_id} is "
            f"{record.status}"
        )
    raise Conflict(
        f"{experiment_id} kept no test images under all contexts. A finish keeps none "
        f"where there are more than "
        f"{MOST_TASKS:,} tasks, a task of one class or with fewer than three test images; else it was "
        f"{NOT_MEASURED_THEN}"
    )
