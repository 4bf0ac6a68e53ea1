"""Context vectors, and the structure of the tasks that follows from them: dendrogram and embedding."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from service import subprocesses
from service.dependencies import Services
from service.errors import NotAcceptable
from service.results import base
from service.results.base import (
    Computed,
    Result,
    Sketch,
    Source,
    StageParams,
    as_arrays,
    as_json,
    find_params_stage,
    layer_slice,
)
from service.results.warnings import warnings_of
from service.subprocesses import FIGURE_FORMATS
from tgsh import schemas
from tgsh.analysis.clustering import METHODS, ClusterTree, newick
from tgsh.analysis.embedding import TaskMap, TaskScale
from tgsh.arrays import LabelledArray, table_csv, to_csv
from tgsh.datasets.descriptions import info_of
from tgsh.errors import InvalidSpec
from tgsh.networks.registry import shares_base
from tgsh.schemas import ContextVectors, EmbeddingMethod, Measure
from tgsh.specs import figure_options
from tgsh.specs.results import RESULT_SPECS
from tgsh.store.results import StageRef
from tgsh.suites.task_identity import task_scale

MOST_DRAWN = 2_000
"""Tasks of a tree that is drawn."""

MOST_TASKS = 2_000
"""Of an embedding. Eigenvalues take cubic time: two seconds for so many, minutes for 10,000."""


# --- context vectors


Vectors = Computed[np.ndarray, StageRef, StageParams]


def _vectors(services: Services, ref: StageRef, params: StageParams) -> np.ndarray:
    return base.vectors(services, ref, params.layer)


def _vectors_document(computed: Vectors) -> ContextVectors:
    base.check_text("json", *computed.value.shape)
    return ContextVectors.model_validate(
        {
            **base.about(computed.content, computed.params.layer),
            "complete": computed.content.complete,
            "tasks": computed.content.tasks,
            "labels": computed.content.labels,
            "values": computed.value.tolist(),
        }
    )


def _vectors_table(computed: Vectors) -> bytes:
    base.check_text("csv", *computed.value.shape)
    return to_csv(_vectors_array(computed))


def _vectors_array(computed: Vectors) -> LabelledArray:
    return LabelledArray(
        computed.value,
        computed.content.tasks,
        computed.content.labels,
        None,
        base.about(computed.content, computed.params.layer),
    )


CONTEXT_VECTORS = Result(
    spec=RESULT_SPECS["context-vectors"],
    params=StageParams,
    find=find_params_stage,
    compute=_vectors,
    encoders={
        "json": as_json(_vectors_document),
        "csv": _vectors_table,
        **as_arrays(_vectors_array, "npy", "safetensors"),
    },
    file_params=("stage", "layer"),
)


# --- dendrogram


class DendrogramParams(StageParams):
    """Parameters of a dendrogram."""

    method: str = "average"
    measure: Measure = "cosine"


Tree = Computed[ClusterTree, StageRef, DendrogramParams]


def _find_tree(services: Services, experiment_id: str, params: DendrogramParams) -> Source[StageRef]:
    check_method(params.method)
    return find_params_stage(services, experiment_id, params)


def check_method(method: str) -> None:
    """Raise InvalidSpec for a linkage that cannot be had of similarities."""
    if method in ("ward", "centroid", "median"):
        raise InvalidSpec(
            "method",
            f"{method} joins groups by Euclidean distances of their centres, and 1 − similarity is no "
            f"Euclidean distance; take one of: {', '.join(METHODS)}",
        )
    if method not in METHODS:
        raise InvalidSpec("method", f"{method!r} is unknown; take one of: {', '.join(METHODS)}")


def _check_drawn(ref: StageRef, _params: DendrogramParams, format: str) -> None:
    if format in FIGURE_FORMATS and len(ref.tasks) > MOST_DRAWN:
        raise NotAcceptable(f"a tree of {len(ref.tasks):,} tasks cannot be drawn; take json, csv or newick")


def _tree(services: Services, ref: StageRef, params: DendrogramParams) -> ClusterTree:
    layer = layer_slice(services, ref.experiment_id, params.layer)
    return services.analysis_process.run(
        subprocesses.compute_dendrogram, ref, layer, params.method, params.measure
    )


def _tree_newick(computed: Tree) -> bytes:
    return f"{newick(computed.value)}\n".encode()


def _tree_table(computed: Tree) -> bytes:
    rows = [
        (len(computed.value.tasks) + place, *merge) for place, merge in enumerate(_merges(computed.value))
    ]
    return table_csv(["node", "left", "right", "distance", "tasks"], rows)


def _tree_document(computed: Tree) -> schemas.Dendrogram:
    return schemas.Dendrogram(
        **base.about(computed.content, computed.params.layer),
        measure=computed.params.measure,
        method=computed.value.method,
        complete=computed.content.complete,
        tasks=list(computed.value.tasks),
        labels=list(computed.value.labels),
        linkage=_merges(computed.value),
        leaves=list(computed.value.leaves),
        leaf_labels=[computed.value.labels[place] for place in computed.value.leaves],
        cophenetic_correlation=computed.value.cophenetic,
        newick=newick(computed.value),
        warnings=list(computed.warnings),
    )


def _merges(tree: ClusterTree) -> list[tuple[int, int, float, int]]:
    """The linkage matrix, with whole numbers where they are."""
    return [(int(a), int(b), float(distance), int(size)) for a, b, distance, size in tree.linkage]


def _tree_figure(services: Services, computed: Tree) -> Sketch:
    """The computed.value beside the matrix in its order."""
    base.require_tasks(computed.content)
    matrix = base.similarities(services, computed.content, computed.params.measure, computed.params.layer)
    title = base.stage_title(services, computed.content, base.vectors_title(computed.params.layer))
    return Sketch(subprocesses.draw_dendrogram, (computed.value, matrix, title))


DENDROGRAM = Result(
    spec=RESULT_SPECS["dendrogram"],
    warnings=warnings_of,
    params=DendrogramParams,
    find=_find_tree,
    compute=_tree,
    encoders={"json": as_json(_tree_document), "csv": _tree_table, "newick": _tree_newick},
    figure=_tree_figure,
    figure_options=figure_options.MATRIX,
    limits=_check_drawn,
    file_params=("stage", "layer"),
    bundled={"dendrogram.nwk": (DendrogramParams(), "newick")},
)


# --- embedding


class EmbeddingParams(StageParams):
    """Parameters of an embedding."""

    method: EmbeddingMethod = "mds"
    dimensions: int = 2
    measure: Measure = "cosine"


@dataclass(frozen=True)
class ScaledStage:
    """The vectors of a stage, and the parameter that orders their tasks; None where nothing does."""

    ref: StageRef
    scale: TaskScale | None


Points = Computed[TaskMap, ScaledStage, EmbeddingParams]


def _find_points(services: Services, experiment_id: str, params: EmbeddingParams) -> Source[ScaledStage]:
    source = find_params_stage(services, experiment_id, params)
    content = ScaledStage(source.content, scale_of(services, source.content))
    return Source(content, f"{source.digest} {content.scale}", experiment_id, source.final)


def scale_of(services: Services, ref: StageRef) -> TaskScale | None:
    """The parameter that orders the tasks of a stage; None where nothing does, or they share no base."""
    spec = base.spec_of(services, ref.experiment_id)
    if not shares_base(spec.network):
        return None
    return task_scale(spec.suite, info_of(spec, services.uploads.info), ref.tasks)


def _check_tasks(stage: ScaledStage, _params: EmbeddingParams, _format: str) -> None:
    base.require_at_most(stage.ref.tasks, MOST_TASKS, "an embedding")


def _points(services: Services, stage: ScaledStage, params: EmbeddingParams) -> TaskMap:
    ref = stage.ref
    layer = layer_slice(services, ref.experiment_id, params.layer)
    how = (params.method, params.dimensions, params.measure)
    return services.analysis_process.run(subprocesses.compute_embedding, ref, layer, *how)


def _points_table(computed: Points) -> bytes:
    axes = ["x", "y", "z"][: computed.value.points.shape[1]]
    rows = zip(computed.value.tasks, computed.value.labels, computed.value.points.tolist(), strict=True)
    return table_csv(["task", "label", *axes], ((task, label, *point) for task, label, point in rows))


def _points_array(computed: Points) -> LabelledArray:
    about = {**base.about(computed.content.ref, computed.params.layer), "method": computed.value.method}
    return LabelledArray(computed.value.points, computed.value.tasks, computed.value.labels, None, about)


def _points_document(computed: Points) -> schemas.Embedding:
    ref, scale = computed.content.ref, computed.content.scale
    return schemas.Embedding(
        **base.about(ref, computed.params.layer),
        method=computed.value.method,
        measure=_points_measure(computed),
        dimensions=computed.value.points.shape[1],
        complete=ref.complete,
        tasks=list(computed.value.tasks),
        labels=list(computed.value.labels),
        values=computed.value.points.tolist(),
        explained=list(computed.value.explained),
        positive_eigenvalue_share=computed.value.positive,
        stress=computed.value.stress,
        parameter=None if scale is None else list(scale.values),
        period=None if scale is None else scale.period,
        warnings=list(computed.warnings),
    )


def _points_measure(computed: Points) -> Measure | None:
    """pca takes vectors or updates as they are; there is no similarity behind it."""
    is_similarity = computed.value.method == "mds" or computed.params.measure == "update"
    return computed.params.measure if is_similarity else None


def _points_figure(services: Services, computed: Points) -> Sketch:
    ref, scale = computed.content.ref, computed.content.scale
    base.require_tasks(ref)
    title = base.stage_title(services, ref, base.vectors_title(computed.params.layer))
    return Sketch(subprocesses.draw_embedding, (computed.value, scale, title))


EMBEDDING = Result(
    spec=RESULT_SPECS["embedding"],
    warnings=warnings_of,
    params=EmbeddingParams,
    find=_find_points,
    compute=_points,
    encoders={"json": as_json(_points_document), "csv": _points_table, **as_arrays(_points_array, "npy")},
    figure=_points_figure,
    figure_options=figure_options.COLOURED,
    limits=_check_tasks,
    file_params=("stage", "layer"),
    bundled={"embedding.csv": (EmbeddingParams(), "csv")},
)
