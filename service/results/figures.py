"""Figures under names that stay: figure name -> result and parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from service import subprocesses
from service.dependencies import Services
from service.errors import NotAcceptable
from service.results import base
from service.results.base import AnyResult, Computed, NoParams, Params, Result, Sketch, Source, stage_source
from service.results.images import RECONSTRUCTIONS, SAMPLES
from service.results.measurements import ACCURACY, ACCURACY_MATRIX, GEOMETRY
from service.results.similarity import EPOCHS, SIMILARITY
from service.results.structure import DENDROGRAM, EMBEDDING
from service.results.warnings import warnings_of
from service.subprocesses import FIGURE_FORMATS
from tgsh.analysis.similarity import SimilarityMatrix, similarity
from tgsh.errors import NotFound
from tgsh.specs import figure_options
from tgsh.specs.results import PICTURES, ResultSpec
from tgsh.store.results import StageRef


@dataclass(frozen=True)
class BeforeAfter:
    """Two stages of an experiment."""

    before: StageRef
    after: StageRef


Matrices = Computed[tuple[SimilarityMatrix, SimilarityMatrix], BeforeAfter, NoParams]


def _find(services: Services, experiment_id: str, _params: NoParams) -> Source[BeforeAfter]:
    # In this order: what has its last vector has its first one too, whatever happens in between.
    after = stage_source(services, experiment_id, "after")
    before = stage_source(services, experiment_id, "before")
    content = BeforeAfter(before.content, after.content)
    return Source(content, f"{before.digest} {after.digest}", experiment_id, after.final)


def _matrices(
    services: Services, stages: BeforeAfter, _params: NoParams
) -> tuple[SimilarityMatrix, SimilarityMatrix]:
    """Of the tasks that are done."""
    before, after = stages.before, stages.after
    base.require_tasks(after)
    rows = [before.tasks.index(task) for task in after.tasks]
    first = similarity(base.vectors(services, before)[rows], after.labels, after.tasks)
    return first, base.similarities(services, after, "cosine")


def _sketch(services: Services, computed: Matrices) -> Sketch:
    name = base.figure_name(services, computed.content.after.experiment_id)
    return Sketch(subprocesses.draw_before_after, (*computed.value, f"{name}: {base.vectors_title(None)}"))


BEFORE_AFTER = Result(
    spec=ResultSpec("similarity-before-after", PICTURES),
    params=NoParams,
    find=_find,
    compute=_matrices,
    figure=_sketch,
    figure_options=figure_options.MATRIX,
    warnings=warnings_of,
)
"""A figure alone: it has no endpoint of its own."""

FIGURES: Mapping[str, tuple[AnyResult, Params]] = MappingProxyType(
    {
        "similarity": (SIMILARITY, SIMILARITY.params()),
        "similarity-before-after": (BEFORE_AFTER, NoParams()),
        "similarity-epochs": (EPOCHS, EPOCHS.params()),
        "dendrogram": (DENDROGRAM, DENDROGRAM.params()),
        "embedding": (EMBEDDING, EMBEDDING.params()),
        "geometry": (GEOMETRY, GEOMETRY.params()),
        "reconstructions": (RECONSTRUCTIONS, RECONSTRUCTIONS.params()),
        "samples": (SAMPLES, SAMPLES.params()),
        "accuracy": (ACCURACY, ACCURACY.params()),
        "accuracy-matrix": (ACCURACY_MATRIX, ACCURACY_MATRIX.params()),
    }
)
"""Each drawn as its own endpoint draws it when nothing more is asked."""


def find_figure(name: str, format: str) -> tuple[AnyResult, Params]:
    """The result and the parameters of a figure. Raises NotFound, or NotAcceptable for a format."""
    if name not in FIGURES:
        raise NotFound(f"there is no figure {name!r}: ask for one of {', '.join(FIGURES)}")
    if format not in FIGURE_FORMATS:
        raise NotAcceptable(
            f"figures are not drawn as {format!r}; ask for one of: {', '.join(FIGURE_FORMATS)}"
        )
    return FIGURES[name]
