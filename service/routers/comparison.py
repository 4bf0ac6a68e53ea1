"""/comparison and …/agreement: experiments beside one another, and beside a stated geometry."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from service.dependencies import (
    AskedOptions,
    CallerDep,
    ComparedIds,
    ExperimentId,
    Format,
    Layer,
    ServicesDep,
    Stage,
    require_visible,
)
from service.responses import MEDIA_TYPES, documented, respond
from service.results.agreement import experiment_agreement, others_of
from service.results.base import as_json
from service.results.comparison import COMPARISON, ComparisonParams
from service.results.warnings import comparison_warnings
from tgsh.schemas import Agreement, AgreementQuestion, Alternative, Comparison, ComparisonPart, Measure
from tgsh.specs import Seed

router = APIRouter(tags=["results"])

TABLE = (
    "task,other,47341124ceace8e6,9326c31d29f87427\n0°,10°,0.715,0.66\n0°,20°,0.493,0.41\n10°,20°,0.716,0.65\n"
)
"""CSV example on the API page."""


@router.get(
    "/comparison",
    summary="Whether experiments and studies agree",
    responses=documented(Comparison, COMPARISON.formats, csv=TABLE),
    response_class=Response,
)
def comparison(
    ids: ComparedIds,
    services: ServicesDep,
    request: Request,
    asked: AskedOptions,
    stage: Stage = "after",
    measure: Measure = "cosine",
    layer: Layer = None,
    permutations: Annotated[
        int | None,
        Query(ge=99, le=9_999, description="of Mantel's test; 999, or no test where that takes too long"),
    ] = None,
    alternative: Annotated[
        Alternative, Query(description="agree more than by chance, less, or either")
    ] = "greater",
    seed: Annotated[Seed, Query(description="decides the permutations")] = 0,
    level: Annotated[
        float, Query(gt=0, lt=1, description="of studies: they differ where p is at most 1 − level")
    ] = 0.95,
    part: Annotated[
        ComparisonPart,
        Query(
            description="of csv and of pictures: all matrices, the correlations of every two, the difference "
            "of two (A − B), or (csv) what differs in the specs, with the accuracies"
        ),
    ] = "matrices",
    format: Format = None,
) -> Response:
    """Two to fifty experiments and studies: what differs in their specs, and matrices over common tasks.

    What cannot be aligned with the others, as it has other tasks, no vectors at this stage or no such layer,
    is left out of matrices and pairs, and its `note` says why; accuracies and differences are of all.

    A task is the same in another experiment where its label is, and for permutations and manifolds their
    seeds, too; the images may be others. Of each pair: Pearson's and Spearman's correlation of the entries
    above the diagonals, and Mantel's permutation test of the first. Where two have one random base, their
    vectors are comparable themselves: `same_task` is how similar those of the same task are.

    Of a study it is the mean matrix of its completed experiments, with noise ceilings; `replicates` of a pair
    says whether the two differ more than replicates do, in words, too: "as alike as replicates are".
    As csv: a row for each pair of tasks, a column for each experiment or study; other parts have other rows.
    As png, svg and pdf: the matrices side by side on one scale, named A, B, … in the order of `ids`.
    """
    params = ComparisonParams(
        stage=stage,
        measure=measure,
        layer=layer,
        permutations=permutations,
        alternative=alternative,
        seed=seed,
        level=level,
        part=part,
    )
    return respond(request, services, COMPARISON, ids, params, format, asked)


@router.post(
    "/experiments/{experiment_id}/agreement",
    summary="Whether tasks are as alike as a geometry says",
    responses={200: {"model": Agreement}},
    response_class=Response,
)
def agreement(
    experiment_id: ExperimentId, question: AgreementQuestion, services: ServicesDep, caller: CallerDep
) -> Response:
    """Correlate the similarities of the tasks with a geometry: a matrix, a formula, or another experiment.

    `circular(angle)` is 1 − d/180° with the distance d around the circle, `abs(shift)` 1 − |a − b| over the
    greatest distance, `same(transform)` 1 for equal values and 0 for others; a parameter that all suites have
    is `index`. Entries above the diagonals are compared, and p is by permuting the tasks, as entries are not
    independent of one another. `partial` holds another geometry constant: what the first explains beyond it.
    Nothing is stored. Intervals and noise ceiling need replicates.
    """
    others = others_of(question)
    for other in others:
        require_visible(services, caller, other)
    with services.cache.turns.turn():
        found = experiment_agreement(services, experiment_id, question)
    warnings = comparison_warnings(services, list(dict.fromkeys([experiment_id, *others])))
    document = found.model_copy(update={"warnings": warnings})
    return Response(as_json(lambda each: each)(document), media_type=MEDIA_TYPES["json"])
