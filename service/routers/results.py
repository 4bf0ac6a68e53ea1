"""/experiments/{id}/…: one declared endpoint a result. No logic: service/results has it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from service.dependencies import (
    AskedOptions,
    BaselineId,
    ExperimentId,
    Format,
    Layer,
    ServicesDep,
    Stage,
)
from service.responses import MEDIA_TYPES, NOT_MODIFIED, documented, respond
from service.results import BUNDLE, FIGURES
from service.results.base import NoParams, StageParams
from service.results.confusion import CONFUSION, TaskKey
from service.results.figures import find_figure
from service.results.images import RECONSTRUCTIONS, SAMPLES, ReconstructionParams, SamplesParams
from service.results.measurements import ACCURACY, ACCURACY_MATRIX, GEOMETRY, GeometryParams
from service.results.similarity import (
    BLOCK,
    EPOCHS,
    MOST_PAIRS,
    NEAREST,
    SIMILARITY,
    BlockParams,
    EpochsParams,
    NearestParams,
    SimilarityParams,
)
from service.results.structure import (
    CONTEXT_VECTORS,
    DENDROGRAM,
    EMBEDDING,
    DendrogramParams,
    EmbeddingParams,
)
from service.subprocesses import FIGURE_FORMATS
from tgsh import schemas
from tgsh.analysis.clustering import METHODS
from tgsh.schemas import EmbeddingMethod, Measure, Order, ReconstructionMethod
from tgsh.specs import MAX_TASKS, Seed

router = APIRouter(prefix="/experiments", tags=["results"])
bundle_router = APIRouter(prefix="/experiments", tags=["results"])
"""Apart, as the API pages show it behind others."""

# --- examples that the API page shows

MATRIX = ",0°,10°,20°\n0°,1.0,0.715,0.493\n10°,0.715,1.0,0.716\n20°,0.493,0.716,1.0\n"
ROWS = ",0°,10°,180°\n0°,1.0,0.715,0.115\n"
NEIGHBOURS = "task,label,rank,nearest,nearest label,similarity\n0,0°,1,1,10°,0.715\n0,0°,2,35,350°,0.714\n"
CURVES = "epoch,0-1,0-2\n0,0.004,-0.011\n1,0.612,0.377\n2,0.683,0.452\n"
MERGES = "node,left,right,distance,tasks\n3,0,1,0.285,2\n4,2,3,0.395,3\n"
NEWICK = "('20°':0.1975,('0°':0.1425,'10°':0.1425):0.055);\n"
POINTS = "task,label,x,y\n0,0°,-0.254,0.071\n1,10°,0.001,-0.142\n2,20°,0.253,0.071\n"
VECTORS = ",0,1,2\n0°,1.31,0.02,-0.45\n10°,1.18,0.1,-0.31\n20°,0.97,0.16,-0.12\n"
ACCURACIES = (
    "task,label,accuracy,balanced,chance,low,high,balanced low,balanced high,recall of 0,recall of 1\n"
    "0,0°,0.9447,0.944,0.1135,0.9402,0.9491,0.9395,0.9485,0.98,0.99\n"
    "1,10°,0.9461,0.9453,0.1135,0.9416,0.9505,0.9408,0.9498,0.981,0.988\n"
    "2,20°,0.9454,0.9446,0.1135,0.9409,0.9498,0.9401,0.9491,0.979,0.989\n"
)
TAKEN_FOR = ",beech,oak\nbeech,480,20\noak,3,7\n"
ACCURACIES_BY_CONTEXT = ",0°,10°,20°\n0°,0.9447,0.83,0.58\n10°,0.84,0.9461,0.83\n20°,0.57,0.84,0.9454\n"
HISTOGRAMS = (
    "from,to,before intra,before inter,after intra,after inter\n"
    "-1.0,-0.33,0,0,0,0\n"
    "-0.33,0.33,0,37800,9120,34900\n"
    "0.33,1.0,58320,0,49200,2900\n"
)


@router.get(
    "/{experiment_id}/samples",
    summary="What the images of each task look like",
    responses=documented(schemas.Samples, SAMPLES.formats),
    response_class=Response,
)
def samples(
    experiment_id: ExperimentId,
    services: ServicesDep,
    request: Request,
    asked: AskedOptions,
    tasks: Annotated[
        str | None, Query(max_length=2000, description="such as 0,9,18 or 0-35; all that are kept")
    ] = None,
    format: Format = None,
) -> Response:
    """The same few test images in every task, pixels from 0 (black) to 1 (white), before any scaling.

    They are kept when an experiment completes, of 36 tasks at most, evenly spread. The sheet has a row a
    task and a column an image.
    """
    return respond(request, services, SAMPLES, experiment_id, SamplesParams(tasks=tasks), format, asked)


@router.get(
    "/{experiment_id}/similarity",
    summary="How alike the tasks are",
    responses=documented(schemas.Similarity, SIMILARITY.formats, csv=MATRIX),
    response_class=Response,
)
def similarity(
    experiment_id: ExperimentId,
    services: ServicesDep,
    request: Request,
    asked: AskedOptions,
    stage: Stage = "after",
    order: Annotated[Order, Query(description="rows as the suite has them, or like beside like")] = "task",
    measure: Measure = "cosine",
    layer: Layer = None,
    null: Annotated[
        int | None,
        Query(
            ge=1, le=100, description="tell what so many shuffles of the classes give; all that were trained"
        ),
    ] = None,
    format: Format = None,
) -> Response:
    """The labelled T×T matrix of similarities between context vectors v_t = g_t·c_t.

    `null` tells what unrelated labels would give: the range of similarities of the same tasks trained on
    classes that are shuffled at random, where the experiment was submitted with `null_shuffles`.

    Tasks that have no vector at this stage yet are left out, and `complete` says so. The vectors of a
    network of several layers are v_1, v_2, … one after the other; `layer` compares one of them.

    More than 1,000 tasks are too many for text, and more than 2,000 for cluster order and safetensors; a
    picture of these shows means of neighbouring tasks. `similarity/block` and `similarity/nearest` answer
    parts of any matrix.
    """
    params = SimilarityParams(stage=stage, order=order, measure=measure, layer=layer, null=null)
    return respond(request, services, SIMILARITY, experiment_id, params, format, asked)


Chosen = Annotated[str | None, Query(max_length=2000, description="such as 0,9,18 or 0-99; all of them")]


@router.get(
    "/{experiment_id}/similarity/block",
    summary="How alike some tasks are to some tasks",
    responses=documented(schemas.SimilarityBlock, BLOCK.formats, csv=ROWS),
    response_class=Response,
)
def similarity_block(
    experiment_id: ExperimentId,
    services: ServicesDep,
    request: Request,
    rows: Chosen = None,
    columns: Chosen = None,
    stage: Stage = "after",
    measure: Measure = "cosine",
    layer: Layer = None,
    format: Format = None,
) -> Response:
    """A block, or with one row a task's similarities to all; only its vectors are read."""
    params = BlockParams(rows=rows, columns=columns, stage=stage, measure=measure, layer=layer)
    return respond(request, services, BLOCK, experiment_id, params, format)


@router.get(
    "/{experiment_id}/similarity/nearest",
    summary="What each task is most like",
    responses=documented(schemas.NearestTasks, NEAREST.formats, csv=NEIGHBOURS),
    response_class=Response,
)
def similarity_nearest(
    experiment_id: ExperimentId,
    services: ServicesDep,
    request: Request,
    count: Annotated[int, Query(ge=1, le=100, description="neighbours of each task")] = 20,
    stage: Stage = "after",
    measure: Measure = "cosine",
    layer: Layer = None,
    format: Format = None,
) -> Response:
    """The most similar other tasks of every task, best first, of 10,000 tasks as of ten."""
    params = NearestParams(count=count, stage=stage, measure=measure, layer=layer)
    return respond(request, services, NEAREST, experiment_id, params, format)


@router.get(
    "/{experiment_id}/similarity/epochs",
    summary="How the similarity of tasks changes while they are learned",
    responses=documented(schemas.SimilarityEpochs, EPOCHS.formats, csv=CURVES),
    response_class=Response,
)
def similarity_epochs(
    experiment_id: ExperimentId,
    services: ServicesDep,
    request: Request,
    asked: AskedOptions,
    pairs: Annotated[
        str | None,
        Query(
            pattern=r"^\d{1,5}-\d{1,5}(,\d{1,5}-\d{1,5})*$",
            max_length=20 * MOST_PAIRS,
            description=f"indices of at most {MOST_PAIRS} pairs of tasks; by default the first task with "
            "each other one, or where these are more than seven, with those 1, 2, T/4 and T/2 steps away",
            examples=["0-1,0-18"],
        ),
    ] = None,
    measure: Measure = "cosine",
    layer: Layer = None,
    format: Format = None,
) -> Response:
    """Similarity of chosen pairs of tasks at every epoch, from before training to after the last one.

    What a running experiment has not reached yet is null, and `complete` says so.
    """
    params = EpochsParams(pairs=pairs, measure=measure, layer=layer)
    return respond(request, services, EPOCHS, experiment_id, params, format, asked)


@router.get(
    "/{experiment_id}/dendrogram",
    summary="Which tasks belong together",
    responses=documented(schemas.Dendrogram, DENDROGRAM.formats, csv=MERGES, newick=NEWICK),
    response_class=Response,
)
def dendrogram(
    experiment_id: ExperimentId,
    services: ServicesDep,
    request: Request,
    asked: AskedOptions,
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
    params = DendrogramParams(stage=stage, method=method, measure=measure, layer=layer)
    return respond(request, services, DENDROGRAM, experiment_id, params, format, asked)


@router.get(
    "/{experiment_id}/embedding",
    summary="The tasks as points",
    responses=documented(schemas.Embedding, EMBEDDING.formats, csv=POINTS),
    response_class=Response,
)
def embedding(
    experiment_id: ExperimentId,
    services: ServicesDep,
    request: Request,
    asked: AskedOptions,
    stage: Stage = "after",
    method: Annotated[
        EmbeddingMethod, Query(description="classical MDS of 1 − similarity, or PCA of the context vectors")
    ] = "mds",
    dimensions: Annotated[int, Query(ge=2, le=3, description="in a plane or in space")] = 2,
    measure: Annotated[Measure, Query(description="of the similarity behind mds")] = "cosine",
    layer: Layer = None,
    format: Format = None,
) -> Response:
    """Points that lie near each other where tasks are alike, and how much of the truth they show.

    Axes that so few tasks do not have are 0. A picture of three dimensions has two panels.
    """
    params = EmbeddingParams(stage=stage, method=method, dimensions=dimensions, measure=measure, layer=layer)
    return respond(request, services, EMBEDDING, experiment_id, params, format, asked)


@router.get(
    "/{experiment_id}/context-vectors",
    summary="What was learned",
    responses=documented(schemas.ContextVectors, CONTEXT_VECTORS.formats, csv=VECTORS),
    response_class=Response,
)
def context_vectors(
    experiment_id: ExperimentId,
    services: ServicesDep,
    request: Request,
    stage: Stage = "after",
    layer: Layer = None,
    format: Format = None,
) -> Response:
    """The context vectors v_t = g_t·c_t, one row a task: T×H, or the part of one layer."""
    params = StageParams(stage=stage, layer=layer)
    return respond(request, services, CONTEXT_VECTORS, experiment_id, params, format)


@router.get(
    "/{experiment_id}/accuracy",
    summary="How well each task was learned",
    responses=documented(schemas.Accuracy, ACCURACY.formats, csv=ACCURACIES),
    response_class=Response,
)
def accuracy(
    experiment_id: ExperimentId,
    services: ServicesDep,
    request: Request,
    asked: AskedOptions,
    format: Format = None,
) -> Response:
    """Test accuracy per task, its mean and range; tasks that are not done are left out.

    Where classes are not equally common, always saying the commonest is right in a share of `chance` of the
    images. `balanced` is the mean of the shares that are recognised of each class, `per_class`.
    `low` to `high` is the 95 % interval of the accuracy over test images, which are drawn anew 2,000 times;
    `balanced_low` to `balanced_high` that of the balanced one.
    Where the accuracy matrix was asked for, `matrix` has forgetting and forward transfer.
    """
    return respond(request, services, ACCURACY, experiment_id, NoParams(), format, asked)


@router.get(
    "/{experiment_id}/tasks/{index}/confusion",
    summary="What the test images of each class are taken for",
    responses=documented(schemas.Confusion, CONFUSION.formats, csv=TAKEN_FOR),
    response_class=Response,
)
def confusion(
    experiment_id: ExperimentId,
    index: Annotated[int, Path(ge=0, le=MAX_TASKS)],
    services: ServicesDep,
    request: Request,
    asked: AskedOptions,
    format: Format = None,
) -> Response:
    """Row i, column j: test images of class i that a task's network takes for class j, after training.

    Counted when a task completes; a task that a version completed which did not count has none (409).
    """
    return respond(request, services, CONFUSION, TaskKey(experiment_id, index), NoParams(), format, asked)


@router.get(
    "/{experiment_id}/accuracy/matrix",
    summary="How well each context does on every task",
    responses=documented(schemas.AccuracyMatrix, ACCURACY_MATRIX.formats, csv=ACCURACIES_BY_CONTEXT),
    response_class=Response,
)
def accuracy_matrix(
    experiment_id: ExperimentId,
    services: ServicesDep,
    request: Request,
    asked: AskedOptions,
    format: Format = None,
) -> Response:
    """Row i, column j: test accuracy with the context of task i on the data of task j, all learned.

    Measured when an experiment completes, where it was submitted with `"accuracy_matrix": true`.
    Forgetting compares the diagonal with what was recorded right after each task; contexts are learned
    apart, so it is exactly 0.
    """
    return respond(request, services, ACCURACY_MATRIX, experiment_id, NoParams(), format, asked)


@router.get(
    "/{experiment_id}/geometry",
    summary="Is it a task-specific geometric-sensitive hash",
    responses=documented(schemas.Geometry, GEOMETRY.formats, csv=HISTOGRAMS),
    response_class=Response,
)
def geometry(
    experiment_id: ExperimentId,
    services: ServicesDep,
    request: Request,
    asked: AskedOptions,
    baseline: BaselineId = None,
    format: Format = None,
) -> Response:
    """Definition 1 and Fig. 2a of the paper, measured on test images when the experiment completes.

    Cosines of representations r_t(x), such as v_t ⊙ φ(x) of FlyNet: `intra` pairs share the task and
    differ in class, `inter` pairs share the class and differ in task. T-GSH means that intra exceeds
    inter. Beside the trained contexts stand the untrained ones: their P(intra > inter) is near 1 too, as
    independent random contexts share nothing; what training adds is that alike tasks come closer (inter
    grows above 0).
    Recoverability of γ: a ridge map from representations to the task, and to its angle or shift, fitted
    on one half of the images and scored on the other.
    `baseline` names another completed experiment on the same tasks and images, such as one with the
    network `gsh`, which shares nothing: what the two have not in common is what its modulation adds.
    """
    return respond(
        request, services, GEOMETRY, experiment_id, GeometryParams(baseline=baseline), format, asked
    )


@router.get(
    "/{experiment_id}/reconstructions",
    summary="What the network believes a class looks like in a task",
    responses=documented(schemas.Reconstructions, RECONSTRUCTIONS.formats),
    response_class=Response,
)
def reconstructions(
    experiment_id: ExperimentId,
    services: ServicesDep,
    request: Request,
    asked: AskedOptions,
    tasks: Annotated[
        str | None, Query(max_length=2000, description="such as 0,9,18 or 0-35; all of them")
    ] = None,
    classes: Annotated[str | None, Query(max_length=2000, description="such as 0-9; all of them")] = None,
    samples: Annotated[int, Query(ge=1, le=100, description="draws of the noise ε a task and class")] = 1,
    seed: Annotated[Seed, Query(description="of the noise")] = 0,
    method: ReconstructionMethod = "pinv",
    ridge: Annotated[float, Query(gt=0, le=1e6, description="λ of method=ridge")] = 1.0,
    stage: Stage = "after",
    format: Format = None,
) -> Response:
    """x̂ = A⁺(v_t ⊙ w_k + ε), ε ~ N(0, 1/H²): Eq. 3 and Fig. 3 of the paper, with its score.

    `pinv` is the paper's pseudo-inverse, `ridge` is (AᵀA + λI)⁻¹Aᵀ. The sheet has a row a task and a
    column a class and shows the mean over samples; with a thousand images at most, choose tasks.
    """
    params = ReconstructionParams(
        tasks=tasks, classes=classes, samples=samples, seed=seed, method=method, ridge=ridge, stage=stage
    )
    return respond(request, services, RECONSTRUCTIONS, experiment_id, params, format, asked)


@router.get(
    "/{experiment_id}/figures/{name}.{format}",
    summary="A figure under its stable name",
    responses={
        200: {"content": {MEDIA_TYPES[name]: {"schema": {"type": "string"}} for name in FIGURE_FORMATS}},
        **NOT_MODIFIED,
    },
    response_class=Response,
)
def figure(
    experiment_id: ExperimentId,
    name: Annotated[str, Path(json_schema_extra={"enum": list(FIGURES)}, examples=["similarity"])],
    format: Annotated[str, Path(json_schema_extra={"enum": list(FIGURE_FORMATS)}, examples=["png"])],
    services: ServicesDep,
    request: Request,
    asked: AskedOptions,
) -> Response:
    """The figure of a result as it is after training; the result's own endpoint draws other stages."""
    result, params = find_figure(name, format)
    return respond(request, services, result, experiment_id, params, format, asked)


@bundle_router.get(
    "/{experiment_id}/bundle",
    summary="Everything in one zip that can be replayed",
    responses={
        200: {"content": {MEDIA_TYPES["zip"]: {"schema": {"type": "string", "format": "binary"}}}},
        **NOT_MODIFIED,
    },
    response_class=Response,
)
def bundle(
    experiment_id: ExperimentId, services: ServicesDep, request: Request, format: Format = None
) -> Response:
    """Spec, seeds, versions, digests of the images, arrays, tables, figures, and how to cite them.

    Made while it is sent. `tgsh replay` checks its hashes, trains the spec anew and compares the vectors byte
    by byte. The same experiment makes the same bytes. Only completed experiments have one.
    """
    return respond(request, services, BUNDLE, experiment_id, NoParams(), format)
