"""/experiments/{id}/transfer, …/scenarios and …/hashing: one declared endpoint a result, as in results.py."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from service.dependencies import AskedOptions, Bits, ExperimentId, Format, Layer, ServicesDep
from service.responses import documented, respond
from service.results.hash_codes import HASHING, HashParams
from service.results.scenarios import SCENARIOS, ScenarioParams
from service.results.transfer import TRANSFER, TransferParams
from tgsh import schemas
from tgsh.schemas import HashKind, LogitRule, Measure

router = APIRouter(prefix="/experiments", tags=["results"])

SOURCES = (
    "task,label,chosen,chosen label,similarity,accuracy,best,best task,random,own,expected,low,high\n"
    "0,0°,35,350°,0.743,0.917,0.917,35,0.292,0.948,0.913,0.894,0.926\n"
)
SETTINGS = (
    "images,task known,task known low,task known high,domain,domain low,domain "
    "high,class,class low,class high,"
    "task,task low,task high,batches\n"
    "10,0.944,0.938,0.949,0.914,0.903,0.924,0.69,0.64,0.74,0.73,0.68,0.78,7200\n"
)
CODES = (
    "kind,name,same task,same class,same class within,cosine,agreement,theory,pairs\n"
    "retrieval,own context,1.0,0.55,0.55,,,,\n"
    "curve,within after,,,,0.25,0.58,0.58,120\n"
)


@router.get(
    "/{experiment_id}/transfer",
    summary="Which context to reuse, and what to expect of it",
    responses=documented(schemas.ContextTransfer, TRANSFER.formats, csv=SOURCES),
    response_class=Response,
)
def transfer(
    experiment_id: ExperimentId,
    services: ServicesDep,
    request: Request,
    asked: AskedOptions,
    measure: Measure = "cosine",
    layer: Layer = None,
    format: Format = None,
) -> Response:
    """Whether the similarity of two tasks predicts how well the context of one does on the other.

    Correlations of similarity and accuracy over ordered pairs of tasks; for every task the source that
    similarity chooses, its accuracy, and those of the best source and of a random one. A curve that never
    falls (isotonic regression) turns similarities into accuracies to expect, with an interval: every number
    is of tasks that were left out of the fit. Needs the accuracy matrix: without it 409, which says how to
    get it.
    """
    params = TransferParams(measure=measure, layer=layer)
    return respond(request, services, TRANSFER, experiment_id, params, format, asked)


@router.get(
    "/{experiment_id}/scenarios",
    summary="Accuracy with and without the task's number",
    responses=documented(schemas.Scenarios, SCENARIOS.formats, csv=SETTINGS),
    response_class=Response,
)
def scenarios(
    experiment_id: ExperimentId,
    services: ServicesDep,
    request: Request,
    asked: AskedOptions,
    images: Annotated[
        int | None,
        Query(ge=1, le=1_000, description="a batch, all of one task; 1, 10 and 100 where not told"),
    ] = None,
    rule: Annotated[LogitRule, Query(description="by which the task of a batch is inferred")] = "margin",
    format: Format = None,
) -> Response:
    """The three settings of continual learning (van de Ven & Tolias, 2019).

    `task_known`: the context is told. `domain`: it is inferred, the class within the task counts. `class`:
    the task and the class within it count. Measured on up to 300 test images a task, run under all contexts
    when the experiment completed: a third of them fits the calibration, the others are counted here.
    Intervals (95 %) are over tasks.
    """
    params = ScenarioParams(images=images, rule=rule)
    return respond(request, services, SCENARIOS, experiment_id, params, format, asked)


@router.get(
    "/{experiment_id}/hashing",
    summary="The network as a hash: collisions and retrieval",
    responses=documented(schemas.HashProperties, HASHING.formats, csv=CODES),
    response_class=Response,
)
def hashing(
    experiment_id: ExperimentId,
    services: ServicesDep,
    request: Request,
    asked: AskedOptions,
    kind: Annotated[
        HashKind, Query(description="signs of random products, or the largest units")
    ] = "simhash",
    bits: Bits = 256,
    count: Annotated[int, Query(ge=1, le=100, description="k: nearest codes that are looked at")] = 10,
    format: Format = None,
) -> Response:
    """r_t(x) of test images as hash codes: share of equal bits against cosine, and precision at k.

    Pairs within and across tasks, before and after training, beside 1 − θ/π of random planes. A context that
    query and database share gives the task away; the `blind` rows are without it. Baselines: SimHash of
    centred pixels, and FlyHash (5 % of φ(x), no context).
    """
    params = HashParams(kind=kind, bits=bits, count=count)
    return respond(request, services, HASHING, experiment_id, params, format, asked)
