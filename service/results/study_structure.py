"""Structure of the tasks over the replicates of a study: tree with support, map with spread."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from service import subprocesses
from service.dependencies import Services
from service.results.base import Computed, Result, Sketch, Source, as_arrays, as_json
from service.results.structure import MOST_TASKS, check_method
from service.results.study_replicates import (
    CellParams,
    CellReplicates,
    EstimateParams,
    StudyKey,
    array_about,
    cell_about,
    cell_estimate,
    cell_warnings,
    check_streamed,
    find_cell,
    is_large,
    matrices,
    matrix_stream,
    mean_matrix,
    numbers,
    scale_of_cell,
)
from tgsh.analysis.clustering import newick
from tgsh.analysis.consensus import (
    ConsensusMap,
    Resampling,
    SupportedTree,
    consensus_map,
    streamed_tree,
    supported_tree,
)
from tgsh.analysis.embedding import TaskMap, classical_mds
from tgsh.analysis.similarity import SimilarityMatrix
from tgsh.arrays import LabelledArray, table_csv
from tgsh.errors import InvalidSpec
from tgsh.schemas import StudyDendrogram, StudyEmbedding
from tgsh.specs import figure_options
from tgsh.specs.results import PICTURES, ResultSpec

MOST_BOOTSTRAP_NUMBERS = 20_000_000
"""Tasks squared × trees of a support."""


class TreeParams(CellParams):
    """Parameters of a tree with support."""

    method: str = "average"
    resampling: Resampling = "replicates"
    seed: int = 0


@dataclass(frozen=True, eq=False)
class MeanTree:
    """The tree of a mean matrix."""

    matrix: SimilarityMatrix
    supported: SupportedTree


Trees = Computed[MeanTree, CellReplicates, TreeParams]


def _find_tree(services: Services, key: StudyKey, params: TreeParams) -> Source[CellReplicates]:
    check_method(params.method)
    return find_cell(services, key, params)


def _check_tree(cell: CellReplicates, params: TreeParams, format: str) -> None:
    check_streamed(cell, params, format)
    if is_large(cell) and params.resampling != "replicates":
        message = (
            f"takes too long for {len(cell.refs)} matrices of {len(cell.tasks):,} tasks; take replicates"
        )
        raise InvalidSpec("resampling", message)
    if params.resampling == "bootstrap" and len(cell.tasks) ** 2 * 1_000 > MOST_BOOTSTRAP_NUMBERS:
        message = f"takes too long for {len(cell.tasks)} tasks; take replicates or jackknife"
        raise InvalidSpec("resampling", message)


def _tree(services: Services, cell: CellReplicates, params: TreeParams) -> MeanTree:
    matrix = mean_matrix(cell_estimate(services, cell, _plain(params)), cell, params)
    if is_large(cell):
        replicates = matrix_stream(services, cell, params)
        return MeanTree(matrix, streamed_tree(replicates, len(cell.refs), matrix, params.method))
    values = matrices(services, cell, params)
    return MeanTree(
        matrix,
        supported_tree(values, matrix, cell.replicates, params.method, params.resampling, seed=params.seed),
    )


def _tree_document(computed: Trees) -> StudyDendrogram:
    found = computed.value.supported
    tree = found.tree
    return StudyDendrogram.model_validate(
        {
            **cell_about(computed.content, computed.params, computed.warnings),
            "method": tree.method,
            "resampling": found.resampling,
            "trees": found.trees,
            "linkage": [(int(a), int(b), float(d), int(n)) for a, b, d, n in tree.linkage],
            "support": list(found.support),
            "leaves": list(tree.leaves),
            "leaf_labels": [tree.labels[place] for place in tree.leaves],
            "cophenetic_correlation": tree.cophenetic,
            "newick": newick(tree, found.support),
            "reason": found.reason,
        }
    )


def _tree_table(computed: Trees) -> bytes:
    found = computed.value.supported
    tasks = len(found.tree.tasks)
    rows = [
        (tasks + row, int(a), int(b), float(d), int(n), share)
        for row, ((a, b, d, n), share) in enumerate(zip(found.tree.linkage, found.support, strict=True))
    ]
    return table_csv(["node", "left", "right", "distance", "tasks", "support"], rows)


def _tree_newick(computed: Trees) -> bytes:
    found = computed.value.supported
    return f"{newick(found.tree, found.support)}\n".encode()


def _tree_figure(_: Services, computed: Trees) -> Sketch:
    title = f"{computed.content.title}: tree of the mean similarities"
    found = computed.value
    return Sketch(subprocesses.draw_supported_tree, (found.supported, found.matrix, title))


STUDY_DENDROGRAM = Result(
    spec=ResultSpec("dendrogram", ("json", "csv", "newick", *PICTURES)),
    warnings=cell_warnings,
    params=TreeParams,
    find=_find_tree,
    compute=_tree,
    encoders={"json": as_json(_tree_document), "csv": _tree_table, "newick": _tree_newick},
    figure=_tree_figure,
    figure_options=figure_options.MATRIX,
    limits=_check_tree,
    file_stem="study-dendrogram",
    file_params=("stage", "layer"),
)


def _plain(params: CellParams) -> EstimateParams:
    """Parameters of the mean alone."""
    return EstimateParams(stage=params.stage, measure=params.measure, layer=params.layer)


# --- embedding


class StudyEmbeddingParams(CellParams):
    """Parameters of an embedding with spread."""

    dimensions: int = 2


@dataclass(frozen=True, eq=False)
class SpreadMap:
    """Points over replicates, the map of the mean for a picture, and the parameter that orders tasks."""

    found: ConsensusMap
    matrix: SimilarityMatrix
    scale: Any


Points = Computed[SpreadMap, CellReplicates, StudyEmbeddingParams]


def _check_points(cell: CellReplicates, params: StudyEmbeddingParams, format: str) -> None:
    check_streamed(cell, params, format)
    if len(cell.tasks) > MOST_TASKS:
        raise InvalidSpec("cell", f"{len(cell.tasks):,} tasks are too many for an embedding")


def _points(services: Services, cell: CellReplicates, params: StudyEmbeddingParams) -> SpreadMap:
    matrix = mean_matrix(cell_estimate(services, cell, _plain(params)), cell, params)
    large = is_large(cell)
    replicates = matrix_stream(services, cell, params) if large else matrices(services, cell, params)
    return SpreadMap(consensus_map(replicates, params.dimensions), matrix, scale_of_cell(services, cell))


def _points_document(computed: Points) -> StudyEmbedding:
    found = computed.value.found
    return StudyEmbedding.model_validate(
        {
            **cell_about(computed.content, computed.params, computed.warnings),
            "dimensions": found.points.shape[1],
            "values": found.points.tolist(),
            "spread": numbers(found.spread),
            "covariances": numbers(found.covariances),
            "reason": found.reason,
        }
    )


def _points_table(computed: Points) -> bytes:
    found, cell = computed.value.found, computed.content
    axes = ["x", "y", "z"][: found.points.shape[1]]
    rows = zip(cell.tasks, cell.labels, found.points.tolist(), numbers(found.spread), strict=True)
    return table_csv(
        ["task", "label", *axes, "spread"],
        ((task, label, *point, spread) for task, label, point, spread in rows),
    )


def _points_array(computed: Points) -> LabelledArray:
    cell, params = computed.content, computed.params
    about = array_about(cell, params, method="mds")
    return LabelledArray(computed.value.found.points, cell.tasks, cell.labels, None, about)


def mean_map(value: SpreadMap) -> TaskMap:
    """The mean points as a map: how much its axes explain is that of the mean matrix."""
    return replace(classical_mds(value.matrix, value.found.points.shape[1]), points=value.found.points)


def _points_figure(_: Services, computed: Points) -> Sketch:
    drawn, found = mean_map(computed.value), computed.value.found
    title = f"{computed.content.title}: map of the tasks"
    return Sketch(subprocesses.draw_spread_map, (drawn, found.replicates, computed.value.scale, title))


STUDY_EMBEDDING = Result(
    spec=ResultSpec("embedding", ("json", "csv", "npy", "safetensors", *PICTURES)),
    warnings=cell_warnings,
    params=StudyEmbeddingParams,
    find=find_cell,
    compute=_points,
    encoders={
        "json": as_json(_points_document),
        "csv": _points_table,
        **as_arrays(_points_array, "npy", "safetensors"),
    },
    figure=_points_figure,
    figure_options=figure_options.COLOURED,
    limits=_check_points,
    file_stem="study-embedding",
    file_params=("stage", "layer"),
)
