"""Measurements of an experiment: accuracy, accuracy matrix, geometry."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from reprlib import Repr
from typing import Any

import numpy as np
import safetensors.numpy

from service import subprocesses
from service.dependencies import Services
from service.results import base
from service.results.base import (
    Computed,
    NoParams,
    Params,
    Result,
    Sketch,
    Source,
    as_arrays,
    as_json,
    source_itself,
)
from service.results.classes import SEVERAL, read_info
from service.results.warnings import warnings_of
from tgsh.analysis.confusion import recall
from tgsh.analysis.transfer import transfer
from tgsh.arrays import LabelledArray, table_csv
from tgsh.errors import Conflict, InvalidSpec
from tgsh.execution.presenters import (
    MOST_RECALLS,
    accuracy_table,
    accuracy_view,
    accuracy_warnings,
    too_many_to_resample,
    with_intervals,
)
from tgsh.schemas import Accuracy, AccuracyMatrix, Geometry
from tgsh.specs import DatasetsSuite, ExperimentSpec, figure_options
from tgsh.specs.results import RESULT_SPECS
from tgsh.store import queries
from tgsh.store.confusions import load_confusions
from tgsh.store.datasets import content
from tgsh.store.results import load_result
from tgsh.task_names import MAX_NAME, told_apart

# --- accuracy


RESAMPLED_HERE = 1_000
"""Recalls of all tasks that are drawn anew in half a second; more are drawn in a process of their own."""

AccuracyValue = Computed[Accuracy, Accuracy, NoParams]


def _find_accuracy(services: Services, experiment_id: str, _params: NoParams) -> Source[Accuracy]:
    mean = queries.experiment(services.database, experiment_id).record.mean_accuracy
    tasks = queries.tasks(services.database, experiment_id)
    spec = base.spec_of(services, experiment_id)
    classes = read_info(services, experiment_id, spec).class_labels
    fits = len(tasks) * len(classes) <= MOST_RECALLS
    confusions = load_confusions(services.database, experiment_id) if fits else ()
    recalls = {index: _recalls(counts) for index, counts in confusions}
    matrix = accuracy_matrix(services, experiment_id)
    document = accuracy_view(experiment_id, tasks, mean, matrix, recalls, classes)
    return Source(document, document.model_dump_json(), experiment_id)


def _with_intervals(services: Services, document: Accuracy, _params: NoParams) -> Accuracy:
    """The document with intervals over test images, where they are not too many to be drawn anew."""
    experiment_id, classes = document.experiment_id, document.class_names
    if classes is None or not document.tasks:  # nobody counted, or too many: `reason` says so
        return document
    if (reason := too_many_to_resample(len(document.tasks), len(classes))) is not None:
        return document.model_copy(update={"reason": document.reason or reason})
    confusions = list(load_confusions(services.database, experiment_id))
    digest = queries.experiment(services.database, experiment_id).record.digest
    if len(confusions) * len(classes) <= RESAMPLED_HERE:
        return with_intervals(document, confusions, digest)
    return services.analysis_process.call(with_intervals, document, confusions, digest)  # seconds


def _recalls(counts: np.ndarray) -> list[float | None]:
    """None for a class without test images."""
    return [None if math.isnan(share) else share for share in recall(counts).tolist()]


def accuracy_warnings_of(services: Services, experiment_id: str) -> list[str]:
    """Warnings about the accuracies of an experiment's tasks: chance, test images that were trained on."""
    tasks = queries.tasks(services.database, experiment_id)
    done = accuracy_view(experiment_id, tasks, None).tasks
    return [*accuracy_warnings(done), *overlap_warnings(services, experiment_id)]


def overlap_warnings(services: Services, experiment_id: str) -> list[str]:
    """A warning for each uploaded dataset that has test images among its training images."""
    info = read_info(services, experiment_id, base.spec_of(services, experiment_id))
    found = []
    for name in dict.fromkeys(each.name for each in info.members or (info,) if each.is_uploaded):
        record = content(services.database, name)
        if record.report is not None and record.report["overlap"]:
            share = f"{record.report['overlap']:,} of {record.test:,} test images"
            found.append(f"{share} of dataset {name} are among its training images: accuracy is too high")
    return found


def _accuracy_document(computed: AccuracyValue) -> Accuracy:
    return computed.value.model_copy(update={"warnings": list(computed.warnings)})


def _accuracy_table(computed: AccuracyValue) -> bytes:
    return table_csv(*accuracy_table(computed.value))


def _accuracy_figure(services: Services, computed: AccuracyValue) -> Sketch:
    if not computed.value.tasks:
        raise Conflict("no task is done yet, so there is nothing to draw")
    name = base.figure_name(services, computed.value.experiment_id)
    tasks = computed.value.tasks
    values = [task.accuracy for task in tasks]
    labels = told_apart([task.label for task in tasks], [task.index for task in tasks], MAX_NAME)
    balanced = [task.balanced for task in tasks if task.balanced is not None]
    chance = [task.chance for task in tasks if task.chance is not None]
    beside = (balanced, chance) if len(balanced) == len(chance) == len(tasks) else (None, None)
    ends = [(task.low, task.high) for task in tasks]
    intervals = ends if any(low is not None for low, _ in ends) else None
    return Sketch(subprocesses.draw_accuracy, (values, labels, *beside, intervals, f"{name}: test accuracy"))


ACCURACY = Result(
    spec=RESULT_SPECS["accuracy"],
    warnings=accuracy_warnings_of,
    params=NoParams,
    find=_find_accuracy,
    compute=_with_intervals,
    encoders={"json": as_json(_accuracy_document), "csv": _accuracy_table},
    figure=_accuracy_figure,
    bundled={"accuracy.csv": (NoParams(), "csv")},
)


# --- accuracy matrix


@dataclass(frozen=True)
class NamedMatrix:
    """The accuracy matrix of an experiment of this name."""

    name: str
    document: AccuracyMatrix


MatrixValue = Computed[NamedMatrix, NamedMatrix, NoParams]


def _find_matrix(services: Services, experiment_id: str, _params: NoParams) -> Source[NamedMatrix]:
    record = queries.experiment(services.database, experiment_id).record
    document = accuracy_matrix(services, experiment_id)
    if document is None and record.status == "completed":
        raise Conflict(
            'the accuracy matrix was not asked for: submit with "accuracy_matrix": true, or have it computed '
            "now, by POST …/accuracy/matrix"
        )
    if document is None:
        raise Conflict(
            'the accuracy matrix is measured when an experiment submitted with "accuracy_matrix": true '
            f"completes; this one is {record.status}"
        )
    name = base.figure_name(services, experiment_id)
    digest = f"{document.model_dump_json()} {name}"
    return Source(NamedMatrix(name, document), digest, experiment_id, final=True)


def accuracy_matrix(services: Services, experiment_id: str) -> AccuracyMatrix | None:
    """The matrix with forgetting and transfer; None where the finish left none (yet)."""
    stored = load_result(services.database, services.artifacts, experiment_id, "accuracy-matrix")
    if stored is None:
        return None
    matrix, untrained = stored[0]["matrix"], stored[0]["untrained"]
    tasks = queries.tasks(services.database, experiment_id)
    learned = np.array([task.accuracy for task in tasks], np.float64)
    effects = transfer(learned, matrix, untrained)
    return AccuracyMatrix(
        experiment_id=experiment_id,
        tasks=[task.index for task in tasks],
        labels=[task.label for task in tasks],
        values=matrix.tolist(),
        untrained=untrained.tolist(),
        forgetting=effects.forgetting.tolist(),
        mean_forgetting=effects.mean_forgetting,
        forward_transfer=effects.forward,
    )


def _matrix_array(computed: MatrixValue) -> LabelledArray:
    document = computed.value.document
    about = {"experiment_id": document.experiment_id, "measure": "accuracy"}
    return LabelledArray(np.array(document.values), document.tasks, document.labels, document.labels, about)


def _matrix_figure(_services: Services, computed: MatrixValue) -> Sketch:
    title = f"{computed.value.name}: test accuracy by context"
    return Sketch(subprocesses.draw_accuracy_matrix, (computed.value.document, title))


ACCURACY_MATRIX = Result(
    spec=RESULT_SPECS["accuracy/matrix"],
    params=NoParams,
    find=_find_matrix,
    compute=source_itself,
    encoders={
        "json": as_json(lambda matrix: matrix.value.document),
        **as_arrays(_matrix_array, "csv", "npy", "safetensors"),
    },
    figure=_matrix_figure,
    figure_options=figure_options.MATRIX,
)


# --- geometry

STAGES = ("before", "after")


class GeometryParams(Params):
    """baseline: id of an experiment on the same tasks and images, to be shown beside."""

    baseline: str | None = None


@dataclass(frozen=True)
class MeasuredGeometry:
    """Geometry of Definition 1 as measured at the finish of one experiment."""

    experiment_id: str
    base_id: str
    name: str
    network: str
    sample: dict[str, Any]
    tensors: dict[str, np.ndarray]
    stages: dict[str, dict[str, Any]]


@dataclass(frozen=True)
class GeometryBeside:
    """One experiment's measurements, and those of a baseline."""

    own: MeasuredGeometry
    baseline: MeasuredGeometry | None

    @property
    def title(self) -> str:
        """Of a figure."""
        return self.own.name if self.baseline is None else f"{self.own.name}, beside {self.baseline.name}"

    @property
    def tensors(self) -> dict[str, np.ndarray]:
        """As they were measured; the baseline's with its name before them."""
        other = {} if self.baseline is None else self.baseline.tensors
        beside = {f"baseline.{name}": tensor for name, tensor in other.items() if name != "edges"}
        return self.own.tensors | beside

    @cached_property
    def document(self) -> Geometry:
        """As JSON has it."""
        own, baseline = self.own, self.baseline
        return Geometry.model_validate(
            {
                "experiment_id": own.experiment_id,
                "base_id": own.base_id,
                "network": own.network,
                "sample": own.sample,
                "edges": own.tensors["edges"].tolist(),
                **own.stages,
                "baseline": None
                if baseline is None
                else {
                    "experiment_id": baseline.experiment_id,
                    "name": baseline.name,
                    "network": baseline.network,
                    **baseline.stages,
                },
            }
        )


GeometryValue = Computed[GeometryBeside, GeometryBeside, GeometryParams]


def _find_geometry(services: Services, experiment_id: str, params: GeometryParams) -> Source[GeometryBeside]:
    own = measured_geometry(services, experiment_id)
    baseline = None if params.baseline is None else _baseline(services, own, params.baseline)
    content = GeometryBeside(own, baseline)
    return Source(content, f"{content.document.model_dump_json()} {content.title}", experiment_id, final=True)


def measured_geometry(services: Services, experiment_id: str) -> MeasuredGeometry:
    """Raises as `base.measured` does, and Conflict where tasks have no classes in common."""
    require_common_classes(services, experiment_id)
    tensors, about = base.measured(services, experiment_id, "geometry")
    record = queries.experiment(services.database, experiment_id).record
    stages = json.loads(about["summaries"])
    for stage in STAGES:
        stages[stage] |= {kind: tensors[f"{stage}.{kind}"].tolist() for kind in ("intra", "inter")}
    return MeasuredGeometry(
        experiment_id=experiment_id,
        base_id=record.base_id,
        name=base.figure_name(services, experiment_id),
        network=base.spec_of(services, experiment_id).network.kind,
        sample=json.loads(about["sample"]),
        tensors=tensors,
        stages=stages,
    )


def why_no_geometry(services: Services, experiment_id: str) -> str:
    """The reason for which a completed experiment has no geometry: its tasks share no two classes; or ""."""
    spec = base.spec_of(services, experiment_id)
    if not isinstance(spec.suite, SEVERAL):
        return ""
    common = len(read_info(services, experiment_id, spec).common_outputs)
    if common >= 2:
        return ""
    are_matched = isinstance(spec.suite, DatasetsSuite)
    return f"Definition 1 compares images of one class in two tasks, and these share {common} classes" + (
        '; match them otherwise: "classes": "nearest" or a map in the suite' if are_matched else ""
    )


def require_common_classes(services: Services, experiment_id: str) -> None:
    """Refuse Definition 1 for tasks that share fewer than two classes. Raises Conflict."""
    if reason := why_no_geometry(services, experiment_id):
        raise Conflict(reason)


def _baseline(services: Services, own: MeasuredGeometry, experiment_id: str) -> MeasuredGeometry:
    """Raises InvalidSpec, saying what differs, where it was not measured on the same tasks and images."""
    specs = [base.spec_of(services, id) for id in (own.experiment_id, experiment_id)]
    _require_equal(*map(_tasks, specs))
    other = measured_geometry(services, experiment_id)
    _require_equal(*({**each.sample, "edges": each.tensors["edges"].tolist()} for each in (own, other)))
    return other


def _tasks(spec: ExperimentSpec) -> dict[str, object]:
    suite = spec.suite.model_dump(mode="json")
    return {"dataset": spec.dataset_key, **{f"suite.{key}": value for key, value in suite.items()}}


def _require_equal(ours: Mapping[str, object], theirs: Mapping[str, object]) -> None:
    short = Repr()
    differing = [
        f"its {key} is {short.repr(theirs[key])} instead of {short.repr(value)}"
        for key, value in ours.items()
        if key in theirs and theirs[key] != value
    ]
    if differing:
        raise InvalidSpec(
            "baseline", f"was not measured on the same tasks and images: {', '.join(differing)}"
        )


def _geometry_table(computed: GeometryValue) -> bytes:
    document = computed.value.document
    measurements = {"": document, "baseline ": document.baseline}
    columns = {
        f"{prefix}{stage} {kind}": getattr(getattr(measurement, stage), kind)
        for prefix, measurement in measurements.items()
        if measurement is not None
        for stage in STAGES
        for kind in ("intra", "inter")
    }
    edges = document.edges
    return table_csv(["from", "to", *columns], zip(edges[:-1], edges[1:], *columns.values(), strict=True))


def _geometry_document(computed: GeometryValue) -> Geometry:
    return computed.value.document.model_copy(update={"warnings": list(computed.warnings)})


def _geometry_figure(_services: Services, computed: GeometryValue) -> Sketch:
    return Sketch(subprocesses.draw_geometry, (computed.value.document, computed.value.title))


GEOMETRY = Result(
    spec=RESULT_SPECS["geometry"],
    warnings=warnings_of,
    params=GeometryParams,
    find=_find_geometry,
    compute=source_itself,
    encoders={
        "json": as_json(_geometry_document),
        "csv": _geometry_table,
        "safetensors": lambda geometry: safetensors.numpy.save(geometry.value.tensors),
    },
    figure=_geometry_figure,
    figure_options=figure_options.SHAPE,
    file_params=("baseline",),
    bundled={"geometry.json": (GeometryParams(), "json")},
)
