"""Answers about a random base: the nearest tasks across experiments, and the map of all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np

from service import subprocesses
from service.atlas import Found, Gathered, TasksLeftOut
from service.dependencies import Services
from service.errors import NotAcceptable
from service.results.base import Computed, Params, Result, Sketch, Source, as_arrays, as_json
from service.subprocesses import CHILD_PROCESS_TASKS, FIGURE_FORMATS
from tgsh.analysis.landmark_maps import UMAP_PACKAGE, LandmarkMap, task_plane
from tgsh.arrays import LabelledArray, table_csv
from tgsh.errors import Conflict, InvalidSpec, NotFound
from tgsh.schemas.atlas import AtlasGroup, AtlasMap, AtlasMethod, NearestElsewhere
from tgsh.specs import figure_options
from tgsh.specs.results import PICTURES, ResultSpec
from tgsh.store import atlas, queries
from tgsh.store.atlas import AtlasFilters, Piece
from tgsh.store.results import StageRef

MOST_PLACED = 20_000
"""Points of a map, those of the newest experiments."""

EXACT_TASKS = 1_000
"""Tasks whose vectors a map reads; of more it takes sketches."""


@dataclass(frozen=True)
class AtlasKey:
    """A random base as one caller sees it: visible_to is that of the caller."""

    base_id: str
    visible_to: str | None


class AtlasParams(Params):
    """Conditions on the experiments that are compared; None: no condition."""

    dataset: str | None = None
    suite: str | None = None
    owner: str | None = None
    project: str | None = None


# --- the nearest tasks


class AtlasNearestParams(AtlasParams):
    """Parameters of a search: the task, how many are found, and whether its own experiment is left out."""

    experiment: str
    task: int
    count: int = 20
    other: bool = False


@dataclass(frozen=True)
class AtlasQuestion:
    """The task that is asked about, where its vector lies, and what it is compared with."""

    base_id: str
    ref: StageRef
    label: str
    pieces: Sequence[Piece]


def _find_nearest(services: Services, key: AtlasKey, params: AtlasNearestParams) -> Source[AtlasQuestion]:
    """Raises NotFound where the base or the task is not there, InvalidSpec for one on another base, Conflict.

    The caller must have been found to see the experiment.
    """
    atlas.require_base(services.database, key.base_id, key.visible_to)
    record = queries.experiment(services.database, params.experiment).record
    if record.base_id != key.base_id:
        raise InvalidSpec(
            "experiment",
            f"{params.experiment} lies on the random base {record.base_id}; contexts of different bases are "
            "unrelated, so ask about it there",
        )
    task = queries.task(services.database, params.experiment, params.task)
    own = [
        piece
        for piece in atlas.pieces_of(services.database, key.base_id, AtlasFilters(only=params.experiment))
        if piece.task in (None, params.task)
    ]
    if not own:
        raise Conflict(
            f"task {params.task} of {params.experiment} has no context to compare yet: it is {task.status}"
        )
    try:
        ref = atlas.find_piece(services.database, own[0])
    except NotFound as error:
        raise Conflict(f"{params.experiment} changes just now; ask again") from error
    pieces = atlas.pieces_of(services.database, key.base_id, _filters(key, params, params.experiment))
    question = AtlasQuestion(key.base_id, ref, task.label, pieces)
    digest = f"{ref.digest} {record.name} {_state(services, pieces)}"
    return Source(question, digest, f"{params.experiment}-{params.task}")


def _state(services: Services, pieces: Sequence[Piece]) -> str:
    """Follows from what is compared, and from what of it cannot be."""
    most, damage = services.settings.atlas_bytes, services.atlas.damage_of(pieces)
    return f"{atlas.digest_of(pieces)} {most} {damage}"


def _filters(key: AtlasKey, params: AtlasParams, experiment: str | None = None) -> AtlasFilters:
    without = experiment if getattr(params, "other", False) else None
    how = (params.dataset, params.suite, params.owner, params.project)
    return AtlasFilters(key.visible_to, *how, without)


def _nearest(services: Services, question: AtlasQuestion, params: AtlasNearestParams) -> Found:
    row = question.ref.tasks.index(params.task)
    vector = np.array(atlas.load_piece(services.artifacts, question.ref)[row])
    if not np.isfinite(vector).all():
        raise Conflict(f"the context of task {params.task} holds a number that is not finite")
    return services.atlas.nearest(question.pieces, vector, params.count, (params.experiment, params.task))


Nearest = Computed[Found, AtlasQuestion, AtlasNearestParams]


def _nearest_document(computed: Nearest) -> NearestElsewhere:
    found, params = computed.value, computed.params
    itself = sum(
        piece.experiment == params.experiment and params.task in sketched.ref.tasks
        for piece, sketched in zip(found.gathered.pieces, found.gathered.sketched, strict=True)
    )
    return NearestElsewhere.model_validate(
        {
            "base_id": computed.content.base_id,
            "experiment": params.experiment,
            "task": params.task,
            "label": computed.content.label,
            "compared": found.gathered.tasks - itself,
            "experiments": len({piece.experiment for piece in found.gathered.pieces}),
            "nearest": [
                {
                    **_described(near.piece),
                    "task": near.task,
                    "label": near.label,
                    "similarity": near.similarity,
                }
                for near in found.nearest
            ],
            "left_out": _told(found.gathered.left_out),
        }
    )


def _described(piece: Piece) -> dict[str, str | None]:
    return {
        "experiment": piece.experiment,
        "name": piece.name,
        "dataset": piece.dataset,
        "suite": piece.suite,
        "owner": piece.owner,
    }


def _told(left_out: Sequence[TasksLeftOut]) -> list[dict[str, object]]:
    return [{"reason": each.reason, "tasks": each.tasks, "experiment": each.experiment} for each in left_out]


NEAREST_COLUMNS = ("rank", "experiment", "name", "task", "label", "dataset", "suite", "owner", "similarity")


def _nearest_table(computed: Nearest) -> bytes:
    rows = (
        (rank, piece.experiment, piece.name, near.task, near.label, piece.dataset, piece.suite,
         piece.owner or "", near.similarity)
        for rank, near in enumerate(computed.value.nearest, start=1)
        for piece in (near.piece,)
    )  # fmt: skip
    return table_csv(NEAREST_COLUMNS, rows)


ATLAS_NEAREST = Result(
    spec=ResultSpec("nearest", ("json", "csv")),
    params=AtlasNearestParams,
    find=_find_nearest,
    compute=_nearest,
    encoders={"json": as_json(_nearest_document), "csv": _nearest_table},
)
"""Of a random base."""


# --- the map


class AtlasMapParams(AtlasParams):
    """Parameters of a map: method of placing the tasks, and groups that a picture colours."""

    method: AtlasMethod = "mds"
    colour: AtlasGroup = "experiment"


@dataclass(frozen=True)
class AtlasPieces:
    """Pieces that are placed; beyond: tasks of older experiments that are too many."""

    base_id: str
    pieces: Sequence[Piece]
    beyond: int


def _find_map(services: Services, key: AtlasKey, params: AtlasMapParams) -> Source[AtlasPieces]:
    """Raises NotFound, and InvalidSpec for a method whose package is missing."""
    atlas.require_base(services.database, key.base_id, key.visible_to)
    if params.method == "umap" and find_spec("umap") is None:
        raise InvalidSpec(
            "method",
            f"umap needs a package where the service runs: pip install {UMAP_PACKAGE}; mds and pca need none",
        )
    pieces = atlas.pieces_of(services.database, key.base_id, _filters(key, params))
    kept, total = [], 0
    for piece in pieces:
        total += piece.tasks
        if total <= MOST_PLACED:
            kept.append(piece)
    beyond = total - sum(piece.tasks for piece in kept)
    content = AtlasPieces(key.base_id, kept, beyond)
    digest = f"{_state(services, kept)} {beyond}"
    return Source(content, digest, key.base_id[:16])


@dataclass(frozen=True, eq=False)
class Placed:
    """The map, what is in it, and whether it is of vectors or sketches."""

    plane: LandmarkMap
    gathered: Gathered
    is_exact: bool


def _place(services: Services, content: AtlasPieces, params: AtlasMapParams) -> Placed:
    directions, is_exact, gathered = services.atlas.directions(content.pieces, EXACT_TASKS)
    moves = len(directions) >= CHILD_PROCESS_TASKS or params.method == "umap"
    plane = (
        services.analysis_process.call(task_plane, directions, params.method)
        if moves
        else task_plane(directions, params.method)
    )
    return Placed(plane, gathered, is_exact)


Mapped = Computed[Placed, AtlasPieces, AtlasMapParams]


def _gaps(computed: Mapped) -> tuple[TasksLeftOut, ...]:
    if not computed.content.beyond:
        return computed.value.gathered.left_out
    most = TasksLeftOut(
        f"a map has {MOST_PLACED:,} points at most, those of the newest experiments; filters show the others",
        computed.content.beyond,
    )
    return (*computed.value.gathered.left_out, most)


def map_document(computed: Mapped) -> AtlasMap:
    """The map with its experiments, each once."""
    placed = computed.value
    places: dict[str, int] = {}
    experiments, points = [], []
    rows = iter(placed.plane.points.tolist())
    for piece, sketched in zip(placed.gathered.pieces, placed.gathered.sketched, strict=True):
        if piece.experiment not in places:
            places[piece.experiment] = len(places)
            described = _described(piece)
            experiments.append({"id": described.pop("experiment"), **described})
        for task, label in zip(sketched.ref.tasks, sketched.ref.labels, strict=True):
            x, y = next(rows)
            place = places[piece.experiment]
            points.append({"experiment": place, "task": task, "label": label, "x": x, "y": y})
    return AtlasMap.model_validate(
        {
            "base_id": computed.content.base_id,
            "method": placed.plane.method,
            "vectors": "exact" if placed.is_exact else "sketches",
            "landmarks": placed.plane.landmarks,
            "stress": placed.plane.stress,
            "explained": list(placed.plane.explained),
            "experiments": experiments,
            "points": points,
            "left_out": _told(_gaps(computed)),
        }
    )


MAP_COLUMNS = ("experiment", "name", "task", "label", "dataset", "suite", "owner", "x", "y")


def _map_table(computed: Mapped) -> bytes:
    document = map_document(computed)
    rows = (
        (of.id, of.name, point.task, point.label, of.dataset, of.suite, of.owner or "", point.x, point.y)
        for point in document.points
        for of in (document.experiments[point.experiment],)
    )
    return table_csv(MAP_COLUMNS, rows)


def _map_array(computed: Mapped) -> LabelledArray:
    points = map_document(computed).points
    tasks, labels = [point.task for point in points], [point.label for point in points]
    return LabelledArray(computed.value.plane.points, tasks, labels, ("x", "y"), {})


def _check_drawn(content: AtlasPieces, _params: AtlasMapParams, format: str) -> None:
    if format in FIGURE_FORMATS and not content.pieces:
        raise NotAcceptable("no learned task fits, so there is nothing to draw")


def _draw(_services: Services, computed: Mapped) -> Sketch:
    document = map_document(computed)
    of_each = [document.experiments[point.experiment] for point in document.points]
    groups = [
        {"experiment": each.name or each.id, "dataset": each.dataset, "suite": each.suite}[
            computed.params.colour
        ]
        for each in of_each
    ]
    plane, gaps = computed.value.plane, sum(each.tasks for each in _gaps(computed))
    told = [f"{len(groups):,} tasks of {len(document.experiments):,} experiments", METHODS[plane.method]]
    told.append(f"stress {plane.stress:.2f}")
    if not computed.value.is_exact:
        told.append("from sketches")
    if gaps:
        told.append(f"{gaps:,} tasks left out")
    names = [f"axis {number} ({share:.1%})" for number, share in enumerate(plane.explained, start=1)]
    title = f"random base {computed.content.base_id[:12]}: learned tasks"
    args = (np.array(plane.points), groups, title, "; ".join(told), names or ["", ""])
    return Sketch(subprocesses.draw_atlas, args)


METHODS = {
    "mds": "landmark MDS of 1 − cosine",
    "pca": "PCA of directions",
    "umap": "UMAP of cosines",
}

ATLAS_MAP = Result(
    spec=ResultSpec("map", ("json", "csv", "npy", *PICTURES)),
    params=AtlasMapParams,
    find=_find_map,
    compute=_place,
    encoders={"json": as_json(map_document), "csv": _map_table, **as_arrays(_map_array, "npy")},
    figure=_draw,
    figure_options=figure_options.SHAPE,
    limits=_check_drawn,
)
"""Of a random base."""
