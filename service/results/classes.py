"""Classes of an experiment's tasks: which is which output, and what its finish read of images for that."""

from __future__ import annotations

from dataclasses import asdict

from service.dependencies import Services
from tgsh.datasets.base import DatasetInfo
from tgsh.datasets.classes import class_overlap, class_warnings, conversions
from tgsh.datasets.descriptions import info_of
from tgsh.datasets.several import members_from_text
from tgsh.errors import Conflict
from tgsh.schemas import ClassOverlap
from tgsh.specs import DatasetsSuite, DomainsSuite, ExperimentSpec, SplitSuite, follows_images
from tgsh.store import queries
from tgsh.store.results import load_result

SEVERAL = (DatasetsSuite, SplitSuite, DomainsSuite)
"""Suites whose tasks may have different classes."""


def read_info(services: Services, experiment_id: str, spec: ExperimentSpec) -> DatasetInfo:
    """The description of an experiment's images, with what its finish read of them, once it did."""
    info = info_of(spec, services.uploads.info)
    return _completed(services, experiment_id, info) or info if follows_images(spec.suite) else info


def info_to_run(services: Services, experiment_id: str, spec: ExperimentSpec) -> DatasetInfo:
    """The same for running a network on images.

    Raises Conflict where outputs or normalisation follow from images that no finish has told of yet.
    """
    info = info_of(spec, services.uploads.info)
    if not isinstance(spec.suite, DatasetsSuite) or not spec.suite.reads_images:
        return info
    if (completed := _completed(services, experiment_id, info)) is None:
        raise Conflict(
            "which class is which output, and how converted images are normalised, is told when the "
            "experiment completes; wait for it"
        )
    return completed


def _completed(services: Services, experiment_id: str, info: DatasetInfo) -> DatasetInfo | None:
    stored = load_result(services.database, services.artifacts, experiment_id, "members")
    return None if stored is None else members_from_text(info, stored[1])


def overlap_of(services: Services, experiment_id: str, spec: ExperimentSpec) -> ClassOverlap | None:
    """Classes that the tasks share; None where all have the same. Cheap where they share one dataset."""
    if not isinstance(spec.suite, SEVERAL):
        return None
    return overlap_document(spec, read_info(services, experiment_id, spec))


def class_warnings_of(services: Services, experiment_id: str, spec: ExperimentSpec) -> list[str]:
    """Warnings about the classes of its tasks, and sentences on images that were converted."""
    if not isinstance(spec.suite, SEVERAL):
        return []
    info = read_info(services, experiment_id, spec)
    labels = [task.label for task in queries.tasks(services.database, experiment_id)]
    return [*class_warnings(spec, info, labels), *conversions(info, labels)]


def overlap_document(spec: ExperimentSpec, info: DatasetInfo) -> ClassOverlap | None:
    """The same as the API has it, of a description."""
    overlap = class_overlap(spec, info)
    return None if overlap is None else ClassOverlap.model_validate(asdict(overlap))
