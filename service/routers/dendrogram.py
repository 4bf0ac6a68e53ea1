"""/experiments/{id}/dendrogram: which tasks belong together."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from service import results, subprocesses
from service.dependencies import ExperimentId, ServicesDep
from service.errors import NotAcceptable
from service.responses import choose, respond
from service.results import Format, Layer, Stage
from service.subprocesses import DRAWN
from tgsh import schemas
from tgsh.analysis.clustering import METHODS, ClusterTree, newick
from tgsh.arrays import table_csv
from tgsh.errors import InvalidSpec
from tgsh.schemas import Measure
from tgsh.store.results import StageRef, find_stage

router = APIRouter(prefix="/experiments", tags=["results"])

FORMATS = ("json", "csv", "newick", "png", "svg", "pdf")

MOST_DRAWN = 2_000
"""Tasks of a tree that is drawn."""

EXAMPLE = "node,left,right,distance,tasks\n3,0,1,0.285,2\n4,2,3,0.395,3\n"
NEWICK = "('20°':0.1975,('0°':0.1425,'10°':0.1425):0.055);\n"
"""What the API page shows."""


@router.get(
    "/{experiment_id}/dendrogram",
    summary="Which tasks belong together",
    responses=results.documented(schemas.Dendrogram, *FORMATS, csv=EXAMPLE, newick=NEWICK),
    response_class=Response,
)
def dendrogram(
    experiment_id: ExperimentId,
    services: ServicesDep,
    request: Request,
    stage: Stage = "after",
    method: Annotated[
        str,
        Query(
            max_length=32,
            description="how far apart two groups are",
            json_schema_extra={"enum": list(METHODS)},
        ),
    ] = "average",
    measure: Measure = "cosine",
    layer: Layer = None,
    format: Format = None,
) -> Response:
    """Agglomerative clustering of the tasks on the distance 1 − similarity.

    Answers SciPy's linkage matrix, the order of the leaves, the cophenetic correlation and Newick; as a
    picture, the tree beside the matrix in its order. One task is a tree of one leaf, no task an empty one.
    """
    name = choose(request, format, FORMATS)
    _check(method)
    ref = find_stage(services.database, experiment_id, stage)

    def make() -> bytes:
        part = results.part(services, experiment_id, layer)
        tree = services.analysis_process.run(subprocesses.tree, ref, part, method, measure)
        if name in DRAWN:
            results.require_tasks(ref)
            title = results.title(services, ref, results.shown(layer))
            matrix = results.similarities(services, ref, measure, layer)
            return services.figure_process.render(
                subprocesses.draw_dendrogram, DRAWN[name], tree, matrix, title
            )
        return _encode(ref, tree, measure, layer, name)

    if name in DRAWN and len(ref.tasks) > MOST_DRAWN:
        raise NotAcceptable(f"a tree of {len(ref.tasks):,} tasks cannot be drawn; take json, csv or newick")
    key = ("dendrogram", experiment_id, ref.digest, str(ref.complete), method, measure, str(layer))
    file_name = results.file_name("dendrogram", experiment_id, stage, layer)
    return respond(request, services.cache, key, name, file_name, make, final=ref.finished)


def _check(method: str) -> None:
    if method in ("ward", "centroid", "median"):
        raise InvalidSpec(
            "method",
            f"{method} joins groups by Euclidean distances of their centres, and 1 − similarity is no "
            f"Euclidean distance; take one of: {', '.join(METHODS)}",
        )
    if method not in METHODS:
        raise InvalidSpec("method", f"{method!r} is unknown; take one of: {', '.join(METHODS)}")


def _encode(ref: StageRef, tree: ClusterTree, measure: Measure, layer: str | None, name: str) -> bytes:
    if name == "newick":
        return f"{newick(tree)}\n".encode()
    merges = [(int(a), int(b), float(distance), int(size)) for a, b, distance, size in tree.linkage]
    if name == "csv":
        rows = [(len(tree.tasks) + place, *merge) for place, merge in enumerate(merges)]
        return table_csv(["node", "left", "right", "distance", "tasks"], rows)
    document = schemas.Dendrogram(
        **results.about(ref, layer),
        measure=measure,
        method=tree.method,
        complete=ref.complete,
        tasks=list(tree.tasks),
        labels=list(tree.labels),
        linkage=merges,
        leaves=list(tree.leaves),
        leaf_labels=[tree.labels[place] for place in tree.leaves],
        cophenetic_correlation=tree.cophenetic,
        newick=newick(tree),
    )
    return document.model_dump_json().encode()
