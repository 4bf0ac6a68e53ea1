"""/experiments/{id}/similarity, /context-vectors, /accuracy: arrays in the format that the caller takes."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query, Request, Response

from service.deps import ExperimentId, Parts, PartsDep
from service.drawing import FigureFormat
from service.errors import NotAcceptable
from service.negotiation import MEDIA_TYPES, answer, choose
from tgsh.analysis.clustering import cluster_order
from tgsh.analysis.similarity import SimilarityMatrix
from tgsh.analysis.similarity import similarity as similarity_of
from tgsh.encoding import LabelledArray, table_csv, to_csv, to_npy, to_safetensors
from tgsh.errors import Conflict, InvalidSpec
from tgsh.planning import layers
from tgsh.schemas import Accuracy, ContextVectors, Measure, Order, Similarity
from tgsh.spec import ExperimentSpec
from tgsh.store import reads
from tgsh.store.vectors import StageRef, find_stage, load_stage
from tgsh.views import accuracy_view

router = APIRouter(prefix="/experiments", tags=["results"])

FIGURES: dict[str, FigureFormat] = {"png": "png", "svg": "svg", "pdf": "pdf"}

MAX_TEXT_VALUES = 1_000_000
"""Context vectors beyond this many numbers are served as npy or safetensors only."""

Stage = Annotated[
    str, Query(max_length=8, description='"before" or "after" training, or the number of an epoch')
]
Format = Annotated[str | None, Query(max_length=16, description="overrides the Accept header")]


def _formats(model: type, *names: str) -> dict[int | str, dict[str, Any]]:
    """The documented answers of an endpoint that serves these formats."""
    content = {MEDIA_TYPES[name]: {"schema": {"type": "string"}} for name in names if name != "json"}
    return {
        200: {"model": model, "content": content},
        304: {"description": "the caller has it (If-None-Match)"},
    }


@router.get(
    "/{experiment_id}/similarity",
    summary="How alike the tasks are",
    responses=_formats(Similarity, "json", "csv", "npy", "safetensors", "png", "svg", "pdf"),
    response_class=Response,
)
def similarity(
    experiment_id: ExperimentId,
    parts: PartsDep,
    request: Request,
    stage: Stage = "after",
    order: Annotated[Order, Query(description="rows as the suite has them, or like beside like")] = "task",
    measure: Measure = "cosine",
    layer: Annotated[
        str | None, Query(max_length=32, description="compare one layer's part only, such as layer-1")
    ] = None,
    format: Format = None,
) -> Response:
    """The labelled T×T matrix of similarities between context vectors v_t = g_t·c_t.

    Tasks that have no vector at this stage yet are left out, and `complete` says so. The vectors of a
    network of several layers are v_1, v_2, … one after the other; `layer` compares one of them.
    """
    name = choose(request, format, ("json", "csv", "npy", "safetensors", "png", "svg", "pdf"))
    ref = find_stage(parts.database, experiment_id, stage)
    columns = _columns(parts, experiment_id, layer)

    def make() -> bytes:
        vectors = load_stage(parts.artifacts, ref)[:, columns]
        matrix = similarity_of(vectors, ref.labels, ref.tasks, measure)
        if order == "cluster":
            matrix = matrix.reordered(cluster_order(matrix))
        if name in FIGURES:
            return _draw_similarity(parts, ref, matrix, layer, FIGURES[name])
        return _encode_similarity(ref, matrix, order, layer, name)

    key = ("similarity", experiment_id, ref.digest, str(ref.complete), order, measure, str(layer))
    return answer(request, parts.cache, key, name, f"similarity-{experiment_id}-{stage}", make)


def _columns(parts: Parts, experiment_id: str, layer: str | None) -> slice:
    """Which numbers of a context vector are compared. Raises InvalidSpec for a layer that is not there."""
    if layer is None:
        return slice(None)
    spec = ExperimentSpec.model_validate(reads.experiment(parts.database, experiment_id).record.spec)
    known = layers(spec)
    if layer not in known:
        raise InvalidSpec("layer", f"a {spec.network.kind} like this has {', '.join(known)}")
    return known[layer]


def _draw_similarity(
    parts: Parts, ref: StageRef, matrix: SimilarityMatrix, layer: str | None, format: FigureFormat
) -> bytes:
    if not matrix.tasks:
        raise Conflict("no task has a vector at this stage yet, so there is nothing to draw")
    name = reads.experiment(parts.database, ref.experiment_id).record.name
    when = {"before": "before training", "after": "after training"}.get(ref.stage, f"after epoch {ref.stage}")
    return parts.artist.similarity(
        matrix.values,
        matrix.labels,
        title=f"{name}: context vectors{f' of {layer}' if layer else ''} {when}",
        measure=matrix.measure,
        format=format,
    )


def _encode_similarity(
    ref: StageRef, matrix: SimilarityMatrix, order: Order, layer: str | None, name: str
) -> bytes:
    about = {
        "experiment_id": ref.experiment_id,
        "base_id": ref.base_id,
        "stage": ref.stage,
        "measure": matrix.measure,
        "order": order,
    } | ({} if layer is None else {"layer": layer})
    if name == "json":
        document = Similarity.model_validate(
            {
                **about,
                "complete": ref.complete,
                "tasks": matrix.tasks,
                "labels": matrix.labels,
                "values": matrix.values.tolist(),
            }
        )
        return document.model_dump_json().encode()
    array = LabelledArray(matrix.values, matrix.tasks, matrix.labels, matrix.labels, about)
    return {"csv": to_csv, "npy": to_npy, "safetensors": to_safetensors}[name](array)


@router.get(
    "/{experiment_id}/context-vectors",
    summary="What was learned",
    responses=_formats(ContextVectors, "json", "npy", "safetensors", "csv"),
    response_class=Response,
)
def context_vectors(
    experiment_id: ExperimentId,
    parts: PartsDep,
    request: Request,
    stage: Stage = "after",
    format: Format = None,
) -> Response:
    """The context vectors v_t = g_t·c_t, one row a task: T×H."""
    name = choose(request, format, ("json", "npy", "safetensors", "csv"))
    ref = find_stage(parts.database, experiment_id, stage)

    def make() -> bytes:
        return _encode_vectors(ref, load_stage(parts.artifacts, ref), name)

    key = ("context-vectors", experiment_id, ref.digest, str(ref.complete))
    return answer(request, parts.cache, key, name, f"context-vectors-{experiment_id}-{stage}", make)


def _encode_vectors(ref: StageRef, values: np.ndarray, name: str) -> bytes:
    if name in ("json", "csv") and values.size > MAX_TEXT_VALUES:
        raise NotAcceptable(
            f"{values.shape[0]} × {values.shape[1]} numbers are too many for {name}; take npy or safetensors"
        )
    about = {"experiment_id": ref.experiment_id, "base_id": ref.base_id, "stage": ref.stage}
    if name == "json":
        document = ContextVectors.model_validate(
            {
                **about,
                "complete": ref.complete,
                "tasks": ref.tasks,
                "labels": ref.labels,
                "values": values.tolist(),
            }
        )
        return document.model_dump_json().encode()
    array = LabelledArray(values, ref.tasks, ref.labels, None, about)
    return {"csv": to_csv, "npy": to_npy, "safetensors": to_safetensors}[name](array)


@router.get(
    "/{experiment_id}/accuracy",
    summary="How well each task was learned",
    responses=_formats(Accuracy, "json", "csv"),
    response_class=Response,
)
def accuracy(
    experiment_id: ExperimentId, parts: PartsDep, request: Request, format: Format = None
) -> Response:
    """Test accuracy per task, its mean and range; tasks that are not done are left out."""
    name = choose(request, format, ("json", "csv"))
    document = _accuracy(parts, experiment_id)
    body = document.model_dump_json()

    def make() -> bytes:
        if name == "json":
            return body.encode()
        return table_csv(
            ["task", "label", "accuracy"], [(t.index, t.label, t.accuracy) for t in document.tasks]
        )

    return answer(request, parts.cache, ("accuracy", body), name, f"accuracy-{experiment_id}", make)


def _accuracy(parts: Parts, experiment_id: str) -> Accuracy:
    mean = reads.experiment(parts.database, experiment_id).record.mean_accuracy
    return accuracy_view(experiment_id, reads.tasks(parts.database, experiment_id), mean)
