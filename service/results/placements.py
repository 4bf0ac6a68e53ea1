"""Placements as results: ranking, map with the new point, samples beside the nearest task's."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import safetensors.numpy

from service import subprocesses
from service.dependencies import Services
from service.errors import NotAcceptable
from service.results import base
from service.results.base import Computed, NoParams, Result, Sketch, Source, as_json, source_itself
from service.results.classes import read_info
from service.results.structure import MOST_TASKS, scale_of
from tgsh.analysis.embedding import TaskMap, TaskScale
from tgsh.arrays import LabelledArray, table_csv, to_npy
from tgsh.datasets.classes import output_names
from tgsh.errors import ArtifactCorrupt, Conflict
from tgsh.execution.placement_views import placement_view
from tgsh.schemas import PlacedSamples, Placement, PlacementMap
from tgsh.specs import figure_options
from tgsh.specs.results import PICTURES, ResultSpec
from tgsh.store import analyses, queries
from tgsh.store.leases import live_workers
from tgsh.store.models import AnalysisRecord
from tgsh.store.results import StageRef, find_stage

MOST_DRAWN = 40
"""Tasks of a ranking that is drawn, the most alike ones."""

YOURS = "your images"


class PlacementKey(NamedTuple):
    """A placement of an experiment."""

    experiment_id: str
    placement_id: str


@dataclass(frozen=True, eq=False)
class LoadedPlacement:
    """A placement with its arrays; None until it is completed."""

    record: AnalysisRecord
    title: str
    document: Placement
    arrays: dict[str, np.ndarray] | None


def has_worker(services: Services) -> bool:
    """True if a worker lives."""
    return bool(live_workers(services.database))


def describe(services: Services, record: AnalysisRecord) -> Placement:
    """The document of a placement. Raises ArtifactError where its arrays are damaged."""
    return _load(services, record).document


def _load(services: Services, record: AnalysisRecord) -> LoadedPlacement:
    experiment = queries.experiment(services.database, record.experiment_id).record
    arrays = None
    if record.status == "completed" and record.artifact and record.artifact_sha256:
        arrays, _ = services.artifacts.load(record.artifact, record.artifact_sha256)
    labels = [task.label for task in queries.tasks(services.database, record.experiment_id)]
    info = read_info(services, record.experiment_id, base.spec_of(services, record.experiment_id))
    view = placement_view(
        record, experiment.base_id, labels, output_names(info), arrays, has_worker(services)
    )
    return LoadedPlacement(record, f"{view.name} among the tasks of {experiment.name}", view, arrays)


def _find(services: Services, key: PlacementKey, _params: NoParams) -> Source[LoadedPlacement]:
    record = analyses.get(services.database, *key)
    content = _load(services, record)
    is_final = record.status == "completed"
    digest = f"{content.document.model_dump_json()} {record.artifact_sha256} {content.title}"
    return Source(content, digest, f"{key.experiment_id}-{key.placement_id}", is_final)


def _require_completed(content: LoadedPlacement, _params: NoParams, format: str) -> None:
    if format != "json":
        _arrays_of(content)


def _arrays_of(content: LoadedPlacement) -> dict[str, np.ndarray]:
    """Raises Conflict."""
    if content.arrays is None:
        why = f": {content.document.reason}" if content.document.reason else ""
        raise Conflict(
            f"the placement is {content.document.status}{why}; it has a ranking when it is completed"
        )
    return content.arrays


Ranking = Computed[LoadedPlacement, LoadedPlacement, NoParams]


def _table(computed: Ranking) -> bytes:
    rows = ([row.task, row.label, row.similarity, row.low, row.high] for row in computed.value.document.tasks)
    return table_csv(["task", "label", "similarity", "low", "high"], rows)


def _vectors(computed: Ranking) -> LabelledArray:
    document = computed.value.document
    vectors = _arrays_of(computed.value)["vectors"]
    about = {
        "experiment_id": document.experiment_id,
        "placement_id": document.id,
        "base_id": document.base_id,
        "stage": "after",
    }
    labels = [f"replicate {number}" for number in range(len(vectors))]
    return LabelledArray(vectors, list(range(len(vectors))), labels, None, about)


def _tensors(computed: Ranking) -> bytes:
    arrays, document = _arrays_of(computed.value), computed.value.document
    kept = {name: arrays[name] for name in ("vectors", "cosines")}
    about = {"base_id": document.base_id, "placement_id": document.id}
    return safetensors.numpy.save(kept, {"about": json.dumps(about)})


def _ranking_figure(_services: Services, computed: Ranking) -> Sketch:
    tasks = computed.value.document.tasks[:MOST_DRAWN]
    rows = [[row.similarity, _number(row.low), _number(row.high)] for row in tasks]
    names = [row.label for row in tasks]
    axis = "cosine, with 95 % interval over replicates"
    return Sketch(subprocesses.draw_intervals, (np.array(rows), names, computed.value.title, axis))


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


PLACEMENT = Result(
    spec=ResultSpec("placement", ("json", "csv", "npy", "safetensors", *PICTURES)),
    params=NoParams,
    find=_find,
    compute=source_itself,
    encoders={
        "json": as_json(lambda computed: computed.value.document),
        "csv": _table,
        "npy": lambda computed: to_npy(_vectors(computed)),
        "safetensors": _tensors,
    },
    figure=_ranking_figure,
    limits=_require_completed,
)
"""Of one placement: (id of the experiment, id of the placement)."""


# --- the map


@dataclass(frozen=True, eq=False)
class MappedPlacement:
    """Input of a map: a placement and the vectors of the tasks, with the scale that orders them."""

    placed: LoadedPlacement
    ref: StageRef
    scale: TaskScale | None


@dataclass(frozen=True, eq=False)
class PlacedPoint:
    """A map of the tasks, and the point [2] of the new images."""

    task_map: TaskMap
    point: np.ndarray


Map = Computed[PlacedPoint, MappedPlacement, NoParams]


def _find_map(services: Services, key: PlacementKey, params: NoParams) -> Source[MappedPlacement]:
    source = _find(services, key, params)
    _arrays_of(source.content)
    ref = find_stage(services.database, key.experiment_id, "after")
    base.require_at_most(ref.tasks, MOST_TASKS, "a map")
    scale = scale_of(services, ref)
    content = MappedPlacement(source.content, ref, scale)
    return Source(content, f"{source.digest} {ref.digest} {scale}", source.subject, source.final)


def _point(services: Services, content: MappedPlacement, _params: NoParams) -> PlacedPoint:
    similarity = _arrays_of(content.placed)["similarity"]
    expected = content.placed.document.expected
    if expected is not None and expected > 0:
        similarity = np.clip(similarity / expected, -1.0, 1.0)
    if len(similarity) != len(content.ref.tasks):
        raise ArtifactCorrupt("the placement is of other tasks than the experiment has")
    return PlacedPoint(
        *services.analysis_process.run(subprocesses.compute_placed_map, content.ref, slice(None), similarity)
    )


def _map_document(computed: Map) -> PlacementMap:
    placed, found = computed.content.placed.document, computed.value
    return PlacementMap(
        experiment_id=placed.experiment_id,
        placement_id=placed.id,
        tasks=list(found.task_map.tasks),
        labels=list(found.task_map.labels),
        values=found.task_map.points.tolist(),
        placed=found.point.tolist(),
        explained=list(found.task_map.explained),
        stress=found.task_map.stress,
    )


def _map_table(computed: Map) -> bytes:
    task_map = computed.value.task_map
    points = zip(task_map.tasks, task_map.labels, task_map.points.tolist(), strict=True)
    rows = [[task, label, *point] for task, label, point in points]
    return table_csv(["task", "label", "x", "y"], [*rows, [None, YOURS, *computed.value.point.tolist()]])


def _map_figure(_services: Services, computed: Map) -> Sketch:
    content, found = computed.content, computed.value
    title = content.placed.title
    return Sketch(subprocesses.draw_placed_map, (found.task_map, content.scale, found.point, YOURS, title))


PLACEMENT_MAP = Result(
    spec=ResultSpec("placement-map", ("json", "csv", *PICTURES)),
    params=NoParams,
    find=_find_map,
    compute=_point,
    encoders={"json": as_json(_map_document), "csv": _map_table},
    figure=_map_figure,
    figure_options=figure_options.COLOURED,
)


# --- images beside those of the nearest task


@dataclass(frozen=True, eq=False)
class ImageRows:
    """Two rows of images, float [2, n, D], NaN where one has none; names of the rows and of the classes."""

    placed: LoadedPlacement
    task: int
    rows: tuple[str, str]
    classes: list[str]
    shape: tuple[int, ...]
    pixels: np.ndarray


Rows = Computed[ImageRows, ImageRows, NoParams]


def _find_rows(services: Services, key: PlacementKey, params: NoParams) -> Source[ImageRows]:
    source = _find(services, key, params)
    arrays = _arrays_of(source.content)
    tensors, about = base.measured(services, key.experiment_id, "samples")
    info = read_info(services, key.experiment_id, base.spec_of(services, key.experiment_id))
    kept = json.loads(about["tasks"])
    ranked = [row.task for row in source.content.document.tasks]
    task = next(each for each in ranked if each in kept)
    of_task, classes = tensors["images"][kept.index(task)], tensors["classes"]
    own = (classes if classes.ndim == 1 else classes[kept.index(task)]).tolist()
    shown = arrays["sample_outputs"].tolist()
    pixels = np.full((2, len(shown), info.pixels), np.nan)
    pixels[0] = arrays["samples"].astype(np.float64) / 255
    for place, output in enumerate(shown):
        if output in own:
            pixels[1, place] = of_task[own.index(output)]
    names = output_names(info)
    label = queries.task(services.database, key.experiment_id, task).label
    content = ImageRows(
        source.content, task, (YOURS, label), [names[output] for output in shown], info.shape, pixels
    )
    return Source(content, f"{source.digest} {task}", source.subject, source.final)


def _check_rows(content: ImageRows, _params: NoParams, format: str) -> None:
    if format == "json" and content.pixels.size > base.MAX_TEXT_VALUES:
        raise NotAcceptable("so many pixels are not written as text; take npy or a picture")


def _rows_document(computed: Rows) -> PlacedSamples:
    content = computed.value
    pixels = content.pixels.round(4).astype(object)
    pixels[np.isnan(content.pixels)] = None
    return PlacedSamples(
        experiment_id=content.placed.document.experiment_id,
        placement_id=content.placed.document.id,
        rows=list(content.rows),
        task=content.task,
        classes=content.classes,
        shape=list(content.shape),
        values=pixels.tolist(),
    )


def _rows_array(computed: Rows) -> bytes:
    content = computed.value
    flat = content.pixels.reshape(2, -1).astype(np.float32)
    return to_npy(LabelledArray(flat, [0, 1], content.rows, None, {}))


def _rows_figure(_services: Services, computed: Rows) -> Sketch:
    content = computed.value
    images = np.nan_to_num(content.pixels, nan=0.0).reshape(2, -1, *content.shape)
    return Sketch(
        subprocesses.draw_samples, (images, list(content.rows), content.classes, content.placed.title)
    )


PLACED_SAMPLES = Result(
    spec=ResultSpec("placement-samples", ("json", "npy", *PICTURES)),
    params=NoParams,
    find=_find_rows,
    compute=source_itself,
    encoders={"json": as_json(_rows_document), "npy": _rows_array},
    figure=_rows_figure,
    limits=_check_rows,
)
