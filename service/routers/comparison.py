"""/comparison: several experiments side by side."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from service.dependencies import ComparedIds, Format, Layer, ServicesDep, Stage
from service.responses import documented, respond
from service.results.comparison import COMPARISON, ComparisonParams
from tgsh.schemas import Alternative, Comparison, Measure
from tgsh.specs import Seed

router = APIRouter(tags=["results"])

TABLE = (
    "task,other,47341124ceace8e6,9326c31d29f87427\n0°,10°,0.715,0.66\n0°,20°,0.493,0.41\n10°,20°,0.716,0.65\n"
)
"""CSV example on the API page."""


@router.get(
    "/comparison",
    summary="Whether experiments agree",
    responses=documented(Comparison, COMPARISON.formats, csv=TABLE),
    response_class=Response,
)
def comparison(
    ids: ComparedIds,
    services: ServicesDep,
    request: Request,
    stage: Stage = "after",
    measure: Measure = "cosine",
    layer: Layer = None,
    permutations: Annotated[int, Query(ge=99, le=9_999, description="of Mantel's test")] = 999,
    alternative: Annotated[
        Alternative, Query(description="agree more than by chance, less, or either")
    ] = "greater",
    seed: Annotated[Seed, Query(description="decides the permutations")] = 0,
    format: Format = None,
) -> Response:
    """Two to six experiments: what differs in their specs, and their matrices over the tasks that all have.

    A task is the same in another experiment where its label is, and for permutations and manifolds their
    seeds, too; the images may be others. Of each pair: Pearson's and Spearman's correlation of the entries
    above the diagonals, and Mantel's permutation test of the first. Where two have one random base, their
    vectors are comparable themselves: `same_task` is how similar those of the same task are.
    As csv: a row for each pair of tasks, a column for each experiment.
    """
    params = ComparisonParams(
        stage=stage,
        measure=measure,
        layer=layer,
        permutations=permutations,
        alternative=alternative,
        seed=seed,
    )
    return respond(request, services, COMPARISON, ids, params, format)
