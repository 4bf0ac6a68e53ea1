"""/comparison: several experiments side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from service import results
from service.comparing import Asked, Tested, encode
from service.dependencies import ComparedIds, Services, ServicesDep
from service.responses import choose, respond
from service.results import Format, Layer, Stage
from tgsh.analysis.comparison import FEWEST, aligned
from tgsh.errors import Conflict, InvalidSpec, NotFound
from tgsh.schemas import Alternative, Comparison, Measure
from tgsh.specs import ExperimentSpec, Seed
from tgsh.store import queries
from tgsh.store.results import StageRef, find_stage
from tgsh.suites.task_identity import task_identity

router = APIRouter(tags=["results"])

FORMATS = ("json", "csv")

EXAMPLE = (
    "task,other,47341124ceace8e6,9326c31d29f87427\n0°,10°,0.715,0.66\n0°,20°,0.493,0.41\n10°,20°,0.716,0.65\n"
)
"""What the API page shows."""

MOST_MOVED = 1_000_000_000
"""Entries that all permutations of all pairs move: about ten seconds."""

MOST_NAMED = 5
"""Tasks that an error names."""


@router.get(
    "/comparison",
    summary="Whether experiments agree",
    responses=results.documented(Comparison, *FORMATS, csv=EXAMPLE),
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
    name = choose(request, format, FORMATS)
    asked = _asked(services, ids, stage, measure, layer, Tested(permutations, alternative, seed))
    return respond(
        request,
        services.cache,
        asked.key,
        name,
        results.file_name("comparison", "-".join(ids), stage, layer),
        lambda: encode(services, asked, name),
        final=all(ref.finished for ref in asked.refs),
    )


def _asked(
    services: Services, ids: Sequence[str], stage: str, measure: Measure, layer: str | None, tested: Tested
) -> Asked:
    refs = [_stage(services, id, stage) for id in ids]
    records = [queries.experiment(services.database, id).record for id in ids]
    names = [
        [task_identity(ExperimentSpec.model_validate(record.spec).suite, label) for label in ref.labels]
        for record, ref in zip(records, refs, strict=True)
    ]
    common, rows = aligned(names)
    labels = [refs[0].labels[row] for row in rows[0]]
    if len(common) < FEWEST:
        raise _too_few(common, refs)
    _check_size(len(common), len(ids), tested.permutations)
    return Asked(records, refs, labels, rows, measure, layer, tested)


def _stage(services: Services, experiment_id: str, stage: str) -> StageRef:
    try:
        return find_stage(services.database, experiment_id, stage)
    except NotFound as error:
        raise NotFound(f"{experiment_id}: {error}") from error


def _too_few(common: Sequence[str], refs: Sequence[StageRef]) -> Conflict | InvalidSpec:
    """Tasks may be still to come, or experiments have others."""
    what = (
        f"{len(common)} task(s) are in all of them ({', '.join(common) or 'none'}), and {FEWEST} are needed"
    )
    has = "; ".join(f"{ref.experiment_id} has {_some(ref.labels)}" for ref in refs)
    if not all(ref.complete for ref in refs):
        return Conflict(f"at this stage {what}: {has}. Wait until more tasks are done")
    return InvalidSpec("ids", f"{what}: {has}")


def _some(labels: Sequence[str]) -> str:
    more = len(labels) - MOST_NAMED
    return ", ".join(labels[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "") if labels else "none"


def _check_size(tasks: int, experiments: int, permutations: int) -> None:
    if experiments * tasks**2 > results.MAX_TEXT_VALUES:
        raise InvalidSpec(
            "ids",
            f"{experiments} matrices of {tasks:,} common tasks are more than {results.MAX_TEXT_VALUES:,} "
            "numbers; compare fewer experiments, or take similarity as npy",
        )
    moved = experiments * (experiments - 1) // 2 * tasks**2
    if moved * permutations > MOST_MOVED:
        raise InvalidSpec(
            "permutations", f"take too long for so many tasks; {MOST_MOVED // moved:,} are possible here"
        )
