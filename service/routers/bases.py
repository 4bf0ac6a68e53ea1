"""/bases: every random base, the nearest tasks on one across experiments, and the map of all of them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from service import cursors
from service.cursors import Cursor, PageLimit, next_link
from service.dependencies import ID, AskedOptions, CallerDep, Format, Services, ServicesDep, require_visible
from service.responses import documented, respond
from service.results.atlas import (
    ATLAS_MAP,
    ATLAS_NEAREST,
    AtlasKey,
    AtlasMapParams,
    AtlasNearestParams,
)
from tgsh.execution.atlas import base_view
from tgsh.schemas import AtlasGroup, AtlasMap, AtlasMethod, BasePage, NearestElsewhere, RandomBaseSummary
from tgsh.specs import MAX_TASKS, ExperimentSpec
from tgsh.specs.base import WITHOUT_NUL
from tgsh.store import atlas, queries
from tgsh.store.atlas import BaseCounts

router = APIRouter(prefix="/bases", tags=["results"])

BASE_ID = "^[0-9a-f]{64}$"

NEIGHBOURS = (
    "rank,experiment,name,task,label,dataset,suite,owner,similarity\n"
    "1,9326c31d29f87427,shifts,0,0 px,mnist,shift,,0.984\n"
)
POINTS = (
    "experiment,name,task,label,dataset,suite,owner,x,y\n"
    "47341124ceace8e6,rotations,0,0°,mnist,rotation,,-0.254,0.071\n"
)
"""CSV examples on the API page."""

BaseId = Annotated[str, Path(pattern=BASE_ID, description="as an experiment's `base_id` has it")]

OfDataset = Annotated[
    str | None, Query(max_length=64, pattern=WITHOUT_NUL, description="experiments on it only")
]
OfSuite = Annotated[
    str | None, Query(max_length=64, pattern=WITHOUT_NUL, description="experiments with it only")
]
OfOwner = Annotated[
    str | None, Query(max_length=64, pattern=WITHOUT_NUL, description="experiments of this key only")
]


OfProject = Annotated[
    str | None, Query(max_length=64, pattern=WITHOUT_NUL, description="experiments of this project only")
]


def summary(services: Services, counts: BaseCounts) -> RandomBaseSummary:
    """A random base as a document."""
    record = queries.experiment(services.database, counts.newest).record
    return base_view(counts, ExperimentSpec.model_validate(record.spec), services.uploads.info)


@router.get("", summary="List random bases, the one used last first")
def list_bases(
    request: Request,
    response: Response,
    services: ServicesDep,
    caller: CallerDep,
    limit: PageLimit = 50,
    cursor: Cursor = None,
) -> BasePage:
    """Every random base on which the caller sees an experiment, with how much was learned on it.

    Context vectors are comparable on one base, and unrelated on two. The `gsh` baseline has no common base.
    """
    after = None
    if cursor is not None:
        created_at, base_id = cursors.decode_cursor(cursor)
        after = float(created_at), str(base_id)
    found = atlas.bases(services.database, caller.visible_to, limit + 1, after)
    page, more = found[:limit], len(found) > limit
    next_cursor = cursors.encode_cursor(page[-1].created_at, page[-1].base_id) if more else None
    response.headers.update(next_link(request, next_cursor))
    return BasePage(items=[summary(services, counts) for counts in page], next=next_cursor)


@router.get("/{base_id}", summary="Look at a random base")
def get_base(base_id: BaseId, services: ServicesDep, caller: CallerDep) -> RandomBaseSummary:
    """Network, shape, and what the caller sees of the experiments and tasks on it."""
    return summary(services, atlas.base(services.database, base_id, caller.visible_to))


@router.get(
    "/{base_id}/nearest",
    summary="What a task is most like, across experiments",
    responses=documented(NearestElsewhere, ATLAS_NEAREST.formats, csv=NEIGHBOURS),
    response_class=Response,
)
def nearest(
    base_id: BaseId,
    services: ServicesDep,
    caller: CallerDep,
    request: Request,
    experiment: Annotated[str, Query(pattern=ID, description="id of the experiment of the task")],
    task: Annotated[int, Query(ge=0, lt=MAX_TASKS, description="index of the task")],
    count: Annotated[int, Query(ge=1, le=100, description="how many tasks")] = 20,
    dataset: OfDataset = None,
    suite: OfSuite = None,
    owner: OfOwner = None,
    project: OfProject = None,
    other: Annotated[bool, Query(description="leave out the task's own experiment")] = False,
    format: Format = None,
) -> Response:
    """The learned tasks on this base, of all experiments that the caller sees, whose contexts are most alike.

    Candidates are found by sketches, and their cosines computed from the vectors themselves; `compared` is
    how many tasks there are. Contexts learned from few images have lower cosines with everything: compare
    ranks before numbers.
    """
    require_visible(services, caller, experiment)
    params = AtlasNearestParams(
        experiment=experiment,
        task=task,
        count=count,
        dataset=dataset,
        suite=suite,
        owner=owner,
        project=project,
        other=other,
    )
    return respond(request, services, ATLAS_NEAREST, AtlasKey(base_id, caller.visible_to), params, format)


@router.get(
    "/{base_id}/map",
    summary="All learned tasks on a base as points",
    responses=documented(AtlasMap, ATLAS_MAP.formats, csv=POINTS),
    response_class=Response,
)
def task_map(
    base_id: BaseId,
    services: ServicesDep,
    caller: CallerDep,
    request: Request,
    asked: AskedOptions,
    method: Annotated[
        AtlasMethod,
        Query(description="landmark MDS of 1 − cosine, PCA of directions, or UMAP where it is installed"),
    ] = "mds",
    colour: Annotated[AtlasGroup, Query(description="what colours the points of a picture")] = "experiment",
    dataset: OfDataset = None,
    suite: OfSuite = None,
    owner: OfOwner = None,
    project: OfProject = None,
    format: Format = None,
) -> Response:
    """Every learned task on this base that the caller sees, of up to 20,000 of the newest experiments.

    Of up to 1,000 tasks the vectors are placed, of more their sketches. npy has the points alone, in the
    order of the csv.
    """
    params = AtlasMapParams(
        method=method, colour=colour, dataset=dataset, suite=suite, owner=owner, project=project
    )
    return respond(request, services, ATLAS_MAP, AtlasKey(base_id, caller.visible_to), params, format, asked)
