"""Results of studies: one endpoint a result, and agreement with a geometry that the caller states."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from service.dependencies import (
    AskedOptions,
    CallerDep,
    Format,
    Layer,
    ServicesDep,
    Stage,
    StudyId,
    require_visible,
)
from service.responses import MEDIA_TYPES, NOT_MODIFIED, documented, respond
from service.results.agreement import others_of
from service.results.base import NoParams, as_json
from service.results.study_agreement import study_agreement
from service.results.study_bundle import STUDY_BUNDLE
from service.results.study_matrices import STUDY_MATRICES
from service.results.study_measurements import MAX_LAGS, STUDY_ACCURACY, STUDY_EFFECTS, EffectsParams
from service.results.study_replicates import CellParams, EstimateParams, StudyKey, StudyParams
from service.results.study_similarity import (
    STUDY_CEILING,
    STUDY_DIFFERENCES,
    STUDY_SIMILARITY,
    DifferencesParams,
    StatisticParams,
)
from service.results.study_structure import (
    STUDY_DENDROGRAM,
    STUDY_EMBEDDING,
    StudyEmbeddingParams,
    TreeParams,
)
from tgsh import schemas
from tgsh.analysis.clustering import METHODS
from tgsh.analysis.consensus import Resampling
from tgsh.schemas import Measure, Order, Statistic
from tgsh.specs import Seed
from tgsh.specs.studies import MAX_MEMBERS

router = APIRouter(prefix="/studies", tags=["studies"])

# --- examples that the API page shows

MATRIX = ",0°,10°,20°\n0°,1.0,0.715,0.493\n10°,0.715,1.0,0.716\n20°,0.493,0.716,1.0\n"
PAIRS = (
    "cell,training.epochs,task,label,other,other_label,mean,sd,low,high,replicates\n"
    "0,1,0,0°,1,10°,0.715,0.003,0.688,0.742,2\n1,3,0,0°,1,10°,0.741,0.004,0.705,0.777,2\n"
)
CEILINGS = "over,measure,lower,upper,between,replicates,reason\nseeds,pearson,0.994,0.999,0.994,2,\n"
DIFFERENCES = (
    "pair,other,difference,low,high,p,p_holm,distinguishable,replicates,reason\n"
    "0-1,0-2,0.222,0.18,0.264,0.009,0.009,True,2,\n"
)
MERGES = "node,left,right,distance,tasks,support\n3,0,1,0.285,2,0.5\n4,2,3,0.395,3,1.0\n"
NEWICK = "('20°':0.1975,('0°':0.1425,'10°':0.1425)0.5:0.055)1;\n"
POINTS = "task,label,x,y,spread\n0,0°,-0.254,0.071,0.01\n1,10°,0.001,-0.142,0.012\n2,20°,0.253,0.071,0.009\n"
ACCURACIES = "cell,task,label,mean,sd,low,high,replicates\n0,0,0°,0.9447,0.001,0.9357,0.9537,2\n"
ROWS = (
    "cell,seed,base_seed,experiment,task,label,accuracy,similarity at lag 1\n"
    "0,0,0,47341124ceace8e6,0,0°,0.9447,0.715\n"
)


def _key(study_id: StudyId, caller: CallerDep) -> StudyKey:
    return StudyKey(study_id, caller.visible_to)


def _cell_key(
    study_id: StudyId,
    caller: CallerDep,
    cell: Annotated[
        int, Query(ge=0, lt=MAX_MEMBERS, description="number of the cell, where the grid has several")
    ] = 0,
) -> StudyKey:
    return StudyKey(study_id, caller.visible_to, cell)


Key = Annotated[StudyKey, Depends(_key)]
CellKey = Annotated[StudyKey, Depends(_cell_key)]

Level = Annotated[float, Query(gt=0, lt=1, description="confidence of intervals")]
Over = Annotated[
    schemas.Over | None,
    Query(description="what intervals generalise over; by default what varies: seeds, bases, or both"),
]


@router.get(
    "/{study_id}/similarity",
    summary="How alike the tasks are, with uncertainty",
    responses=documented(schemas.StudySimilarity, STUDY_SIMILARITY.formats, csv=MATRIX),
    response_class=Response,
)
def similarity(
    key: CellKey,
    services: ServicesDep,
    request: Request,
    asked: AskedOptions,
    statistic: Annotated[Statistic, Query(description="low and high: ends of the interval")] = "mean",
    level: Level = 0.95,
    over: Over = None,
    stage: Stage = "after",
    order: Annotated[Order, Query(description="rows as the suite has them, or as the mean's tree")] = "task",
    measure: Measure = "cosine",
    layer: Layer = None,
    format: Format = None,
) -> Response:
    """A statistic of the similarities over the completed replicates of a cell.

    `sd` is that of one replicate when what `over` names is drawn anew; `low` and `high` are the ends of the t
    interval of the mean (over both: a two-way random model). With one replicate they are null, and `reason`
    says why.
    """
    params = StatisticParams(
        statistic=statistic, level=level, over=over, stage=stage, order=order, measure=measure, layer=layer
    )
    return respond(request, services, STUDY_SIMILARITY, key, params, format, asked)


@router.get(
    "/{study_id}/matrices",
    summary="The matrices of all cells in one file",
    responses=documented(schemas.StudyMatrices, STUDY_MATRICES.formats, csv=PAIRS),
    response_class=Response,
)
def matrices(
    key: Key,
    services: ServicesDep,
    request: Request,
    level: Level = 0.95,
    over: Over = None,
    stage: Stage = "after",
    measure: Measure = "cosine",
    layer: Layer = None,
    format: Format = None,
) -> Response:
    """Mean, sd and interval of the similarity of every two tasks, in every cell with a completed experiment.

    csv is a long table, a row for each pair of tasks of each cell. npz and safetensors have `0.mean`, `0.sd`,
    `0.low`, `0.high` and `0.tasks` of cell 0, and so on; what the cells are is JSON, in npz as `about`.
    """
    params = EstimateParams(level=level, over=over, stage=stage, measure=measure, layer=layer)
    return respond(request, services, STUDY_MATRICES, key, params, format)


@router.get(
    "/{study_id}/ceiling",
    summary="How well any matrix could agree with single replicates",
    responses=documented(schemas.StudyCeiling, STUDY_CEILING.formats, csv=CEILINGS),
    response_class=Response,
)
def ceiling(
    key: CellKey,
    services: ServicesDep,
    request: Request,
    asked: AskedOptions,
    stage: Stage = "after",
    measure: Measure = "cosine",
    layer: Layer = None,
    format: Format = None,
) -> Response:
    """Noise ceilings (Nili et al. 2014) over seeds, over bases and over both, by Pearson and by Spearman."""
    params = CellParams(stage=stage, measure=measure, layer=layer)
    return respond(request, services, STUDY_CEILING, key, params, format, asked)


@router.get(
    "/{study_id}/differences",
    summary="Which similarities differ",
    responses=documented(schemas.StudyDifferences, STUDY_DIFFERENCES.formats, csv=DIFFERENCES),
    response_class=Response,
)
def differences(
    key: CellKey,
    services: ServicesDep,
    request: Request,
    asked: AskedOptions,
    pairs: Annotated[
        str,
        Query(
            max_length=6_000,
            description="indices of tasks, two pairs a difference",
            examples=["0-1:9-10,0-9:0-18"],
        ),
    ],
    level: Level = 0.95,
    over: Over = None,
    stage: Stage = "after",
    measure: Measure = "cosine",
    layer: Layer = None,
    format: Format = None,
) -> Response:
    """Similarity of one pair of tasks less that of another, with interval, p, and p after Holm's correction.

    Differences are taken within each replicate. `distinguishable`: p after the correction is at most
    1 − level.
    """
    params = DifferencesParams(pairs=pairs, level=level, over=over, stage=stage, measure=measure, layer=layer)
    return respond(request, services, STUDY_DIFFERENCES, key, params, format, asked)


@router.get(
    "/{study_id}/dendrogram",
    summary="Which tasks belong together, and how surely",
    responses=documented(schemas.StudyDendrogram, STUDY_DENDROGRAM.formats, csv=MERGES, newick=NEWICK),
    response_class=Response,
)
def dendrogram(
    key: CellKey,
    services: ServicesDep,
    request: Request,
    asked: AskedOptions,
    method: Annotated[
        str,
        Query(
            max_length=32,
            description="how far apart two groups are",
            json_schema_extra={"enum": list(METHODS)},
        ),
    ] = "average",
    resampling: Annotated[
        Resampling, Query(description="trees of single replicates, of means without one, of means redrawn")
    ] = "replicates",
    seed: Annotated[Seed, Query(description="of the bootstrap")] = 0,
    stage: Stage = "after",
    measure: Measure = "cosine",
    layer: Layer = None,
    format: Format = None,
) -> Response:
    """The tree of the mean similarities with the share of replicates that have each of its groups."""
    params = TreeParams(
        method=method, resampling=resampling, seed=seed, stage=stage, measure=measure, layer=layer
    )
    return respond(request, services, STUDY_DENDROGRAM, key, params, format, asked)


@router.get(
    "/{study_id}/embedding",
    summary="The tasks as points, with their spread",
    responses=documented(schemas.StudyEmbedding, STUDY_EMBEDDING.formats, csv=POINTS),
    response_class=Response,
)
def embedding(
    key: CellKey,
    services: ServicesDep,
    request: Request,
    asked: AskedOptions,
    dimensions: Annotated[int, Query(ge=2, le=3, description="in a plane or in space")] = 2,
    stage: Stage = "after",
    measure: Measure = "cosine",
    layer: Layer = None,
    format: Format = None,
) -> Response:
    """Classical MDS of every replicate, turned onto their mean (generalised Procrustes analysis)."""
    params = StudyEmbeddingParams(dimensions=dimensions, stage=stage, measure=measure, layer=layer)
    return respond(request, services, STUDY_EMBEDDING, key, params, format, asked)


@router.get(
    "/{study_id}/accuracy",
    summary="How well each task was learned, with uncertainty",
    responses=documented(schemas.StudyAccuracy, STUDY_ACCURACY.formats, csv=ACCURACIES),
    response_class=Response,
)
def accuracy(
    key: Key,
    services: ServicesDep,
    request: Request,
    asked: AskedOptions,
    level: Level = 0.95,
    over: Over = None,
    format: Format = None,
) -> Response:
    """Mean, sd and interval of the test accuracy of each task and of their mean, in every cell."""
    params = StudyParams(level=level, over=over)
    return respond(request, services, STUDY_ACCURACY, key, params, format, asked)


@router.get(
    "/{study_id}/effects",
    summary="All numbers as one long table, and what cells differ in",
    responses=documented(schemas.StudyEffects, STUDY_EFFECTS.formats, csv=ROWS),
    response_class=Response,
)
def effects(
    key: Key,
    services: ServicesDep,
    request: Request,
    asked: AskedOptions,
    reference: Annotated[
        int, Query(ge=0, lt=MAX_MEMBERS, description="cell that the others are compared with")
    ] = 0,
    lags: Annotated[int, Query(ge=1, le=MAX_LAGS, description="mean similarities up to so many places")] = 3,
    level: Level = 0.95,
    over: Over = None,
    stage: Stage = "after",
    measure: Measure = "cosine",
    layer: Layer = None,
    format: Format = None,
) -> Response:
    """A row for each task of each completed experiment: cell, seeds, accuracy, mean similarity at each lag.

    `effects` (json) and the picture compare every cell with the reference, replicate by replicate, with
    Holm's correction.
    """
    params = EffectsParams(
        reference=reference, lags=lags, level=level, over=over, stage=stage, measure=measure, layer=layer
    )
    return respond(request, services, STUDY_EFFECTS, key, params, format, asked)


@router.get(
    "/{study_id}/bundle",
    summary="Everything of a study in one file",
    responses={
        200: {"content": {MEDIA_TYPES["zip"]: {"schema": {"type": "string", "format": "binary"}}}},
        **NOT_MODIFIED,
    },
    response_class=Response,
)
def bundle(key: Key, services: ServicesDep, request: Request, format: Format = None) -> Response:
    """What POST /studies takes, statistics of every cell, and a bundle of each completed experiment.

    Made while it is sent. `tgsh replay` checks its hashes, trains every experiment anew and compares the
    vectors byte by byte. 409 while an experiment is queued or running; what failed is left out, as the
    manifest says.
    """
    return respond(request, services, STUDY_BUNDLE, key, NoParams(), format)


@router.post(
    "/{study_id}/agreement",
    summary="Whether tasks are as alike as a geometry says, against the noise ceiling",
    responses={200: {"model": schemas.StudyGeometryAgreement}},
    response_class=Response,
)
def agreement(
    key: CellKey,
    question: schemas.AgreementQuestion,
    services: ServicesDep,
    caller: CallerDep,
    level: Level = 0.95,
    over: Over = None,
) -> Response:
    """Correlate the similarities of each completed replicate of a cell with a geometry, as for an experiment.

    `agreement` is the mean over replicates, `low` and `high` the ends of its t interval (of `partial` where
    there is one). `ceiling` is what the best possible geometry could have; `within_ceiling` tells whether
    this one reaches its lower end. p permutes the tasks of the pooled replicates. Nothing is stored.
    """
    for other in others_of(question):
        require_visible(services, caller, other)
    with services.cache.turns.turn():
        found = study_agreement(services, key, question, level, over)
    return Response(as_json(lambda each: each)(found), media_type=MEDIA_TYPES["json"])
