"""Similarity of tasks: the matrix, blocks of it, nearest tasks, and similarity over epochs."""

from __future__ import annotations

import math
from dataclasses import dataclass

from service import subprocesses
from service.dependencies import Services
from service.errors import NotAcceptable
from service.parsing import parse_indices
from service.responses import Stream
from service.results import base
from service.results.base import (
    Computed,
    Params,
    Result,
    Sketch,
    Source,
    StageParams,
    as_arrays,
    as_json,
    check_text,
    find_params_stage,
    layer_slice,
    vectors,
)
from service.results.classes import overlap_of
from service.results.warnings import warnings_of
from service.subprocesses import FIGURE_FORMATS
from tgsh.analysis.blockwise import NearestNeighbours, Similarities
from tgsh.analysis.similarity import (
    SimilarityMatrix,
    Trajectory,
    representative_pairs,
    similarity_over_epochs,
    similarity_range,
)
from tgsh.arrays import LabelledArray, npy_in_chunks, table_csv
from tgsh.errors import Conflict, InvalidSpec
from tgsh.schemas import (
    ClassOverlap,
    Measure,
    NearestTasks,
    NullRange,
    Order,
    Similarity,
    SimilarityBlock,
    SimilarityCourse,
    SimilarityEpochs,
)
from tgsh.specs import ExperimentSpec, figure_options
from tgsh.specs.results import RESULT_SPECS
from tgsh.store.results import (
    StageRef,
    Trajectories,
    find_stage,
    find_trajectories,
    load_result,
    load_stage,
    load_trajectory,
)

MOST_AT_ONCE = 2_000
"""Tasks whose matrix is made as a whole (32 MB)."""

DRAWN_ROWS = 1_000
"""Rows of a picture of more; no page and no screen shows more apart."""

MOST_VALUES = 4_000_000
"""Numbers of a block (32 MB)."""

MOST_PAIRS = 20
"""As many lines as a figure can tell apart, and as many arrays as one request may read."""


# --- the matrix


class SimilarityParams(StageParams):
    """Parameters of a similarity matrix."""

    order: Order = "task"
    measure: Measure = "cosine"
    null: int | None = None


@dataclass(frozen=True)
class ComparedTasks:
    """A matrix, what unrelated labels give beside it, and which classes its tasks share."""

    matrix: SimilarityMatrix | Similarities
    null: NullRange | None = None
    overlap: ClassOverlap | None = None


Matrix = Computed[ComparedTasks, StageRef, SimilarityParams]


def _find_matrix(services: Services, experiment_id: str, params: SimilarityParams) -> Source[StageRef]:
    """Raises what `_shuffles` does."""
    source = find_params_stage(services, experiment_id, params)
    spec = base.spec_of(services, experiment_id)
    digest = f"{source.digest} null {_shuffles(spec, source.content, params.null)}"
    return Source(source.content, digest, source.subject, source.final)


def _shuffles(spec: ExperimentSpec, ref: StageRef, asked: int | None) -> int:
    """Number of shuffles that are told beside a matrix: as many as were trained, or as are asked for.

    Raises InvalidSpec for another stage, Conflict where there are not as many (yet).
    """
    trained = spec.null_shuffles if ref.finished else 0
    compares = ref.epoch == spec.training.epochs and 2 <= len(ref.tasks) <= MOST_AT_ONCE
    if asked is None:
        return trained if compares else 0
    if ref.epoch < spec.training.epochs:
        raise InvalidSpec("null", "tasks of shuffled classes are kept after training only; leave stage out")
    if spec.null_shuffles and not ref.finished:
        raise Conflict(
            "tasks of shuffled classes are trained when all others are done; wait for the experiment"
        )
    if trained < asked or not compares:
        raise Conflict(
            f"{trained} shuffles of its classes were trained, not {asked}: submit the spec with "
            f'"null_shuffles": {asked} (its other answers stay the same)'
        )
    return asked


def _compared(services: Services, ref: StageRef, params: SimilarityParams) -> ComparedTasks:
    spec = base.spec_of(services, ref.experiment_id)
    count = _shuffles(spec, ref, params.null)
    return ComparedTasks(
        _matrix(services, ref, params),
        unrelated_labels(services, ref, params, count) if count else None,
        overlap_of(services, ref.experiment_id, spec),
    )


def null_of(services: Services, ref: StageRef, params: SimilarityParams) -> NullRange | None:
    """Range that unrelated labels give at a stage, where the experiment trained tasks of shuffled classes."""
    count = _shuffles(base.spec_of(services, ref.experiment_id), ref, params.null)
    return unrelated_labels(services, ref, params, count) if count else None


def unrelated_labels(
    services: Services, ref: StageRef, params: SimilarityParams, count: int
) -> NullRange | None:
    """Range of similarities of the first so many shuffles; None where an earlier version trained none."""
    stored = load_result(services.database, services.artifacts, ref.experiment_id, "null-shuffles")
    if stored is None:
        return None
    learned = stored[0]["vectors"][:count]
    if ref.is_update:  # a task of shuffled classes starts where the task itself does
        learned = learned - load_stage(
            services.artifacts, find_stage(services.database, ref.experiment_id, "before")
        )
    part = layer_slice(services, ref.experiment_id, params.layer)
    low, high, mean = similarity_range(learned[:, :, part], params.measure)
    return NullRange(shuffles=count, low=low, high=high, mean=mean)


def null_text(null: NullRange | None) -> str:
    """The range in words; nothing where there is none."""
    if null is None:
        return ""
    low, high = (f"{value:.2f}".replace("-", "−") for value in (null.low, null.high))
    times = "classes shuffled once" if null.shuffles == 1 else f"classes shuffled {null.shuffles} times"
    return f"unrelated labels give {low} to {high} ({times})"


def _check_matrix(ref: StageRef, params: SimilarityParams, format: str) -> None:
    tasks = len(ref.tasks)
    check_text(format, tasks, tasks)
    if tasks <= MOST_AT_ONCE:
        return
    if params.order == "cluster":
        raise InvalidSpec("order", f"like is put beside like for {MOST_AT_ONCE:,} tasks at most")
    if format != "npy" and format not in FIGURE_FORMATS:
        raise NotAcceptable(f"{tasks:,} tasks are too many for {format}; take npy, or a part of them")


def _matrix(services: Services, ref: StageRef, params: SimilarityParams) -> SimilarityMatrix | Similarities:
    """Of many tasks the similarities alone, of which a picture shows means."""
    if len(ref.tasks) > MOST_AT_ONCE:
        return Similarities(vectors(services, ref, params.layer), params.measure)
    if params.order == "cluster":
        layer = layer_slice(services, ref.experiment_id, params.layer)
        return services.analysis_process.run(
            subprocesses.compute_clustered_similarity, ref, layer, params.measure
        )
    return base.similarities(services, ref, params.measure, params.layer)


def _matrix_rows(services: Services, ref: StageRef, params: SimilarityParams) -> Stream | None:
    """The matrix of so many tasks that it is never held: its rows as they are computed."""
    tasks = len(ref.tasks)
    if tasks <= MOST_AT_ONCE:
        return None
    rows = Similarities(vectors(services, ref, params.layer), params.measure).in_rows()
    return Stream(*npy_in_chunks(tasks, rows))


def _matrix_document(computed: Matrix) -> Similarity:
    matrix = _held(computed.value.matrix)
    return Similarity.model_validate(
        {
            **_matrix_about(computed),
            "complete": computed.content.complete,
            "tasks": matrix.tasks,
            "labels": matrix.labels,
            "values": matrix.values.tolist(),
            "warnings": list(computed.warnings),
            "null": computed.value.null,
            "class_overlap": computed.value.overlap,
        }
    )


def _matrix_array(computed: Matrix) -> LabelledArray:
    matrix = _held(computed.value.matrix)
    return LabelledArray(matrix.values, matrix.tasks, matrix.labels, matrix.labels, _matrix_about(computed))


def _held(matrix: SimilarityMatrix | Similarities) -> SimilarityMatrix:
    assert isinstance(matrix, SimilarityMatrix), "of more tasks, `_check_matrix` refuses text"
    return matrix


def _matrix_about(computed: Matrix) -> dict[str, str]:
    params = computed.params
    return {
        **base.about(computed.content, params.layer),
        "measure": params.measure,
        "order": params.order,
    }


def _matrix_figure(services: Services, computed: Matrix) -> Sketch:
    """The matrix; of many tasks the means of groups of neighbouring tasks."""
    matrix, ref, params = computed.value.matrix, computed.content, computed.params
    what = base.vectors_title(params.layer)
    if isinstance(matrix, SimilarityMatrix):
        base.require_tasks(ref)
    else:
        starts = matrix.groups(DRAWN_ROWS)
        labels = tuple(ref.labels[start] for start in starts)
        tasks = tuple(ref.tasks[start] for start in starts)
        matrix = SimilarityMatrix(matrix.averaged(DRAWN_ROWS), labels, tasks, params.measure)
        what = f"means of {what}"
    note = null_text(computed.value.null)
    return Sketch(subprocesses.draw_similarity, (matrix, base.stage_title(services, ref, what), note))


SIMILARITY = Result(
    spec=RESULT_SPECS["similarity"],
    warnings=warnings_of,
    params=SimilarityParams,
    find=_find_matrix,
    compute=_compared,
    encoders={"json": as_json(_matrix_document), **as_arrays(_matrix_array, "csv", "npy", "safetensors")},
    figure=_matrix_figure,
    figure_options=figure_options.MATRIX,
    limits=_check_matrix,
    streams={"npy": _matrix_rows},
    file_params=("stage", "layer"),
    bundled={
        f"similarity/{stage}.{format}": (SimilarityParams(stage=stage), format)
        for stage in ("after", "before")
        for format in ("csv", "npy")
    },
)


# --- blocks


class BlockParams(StageParams):
    """Parameters of a block of a similarity matrix."""

    rows: str | None = None
    columns: str | None = None
    measure: Measure = "cosine"


@dataclass(frozen=True)
class TaskBlock:
    """The rows and columns of a block, by the indices of their tasks."""

    ref: StageRef
    rows: list[int]
    columns: list[int]

    def places(self, tasks: list[int]) -> list[int]:
        """Indices of tasks in the whole matrix."""
        place = {task: row for row, task in enumerate(self.ref.tasks)}
        return [place[task] for task in tasks]

    def labels(self, tasks: list[int]) -> list[str]:
        """Of the tasks."""
        return [self.ref.labels[place] for place in self.places(tasks)]


BlockArray = Computed[LabelledArray, TaskBlock, BlockParams]


def _find_block(services: Services, experiment_id: str, params: BlockParams) -> Source[TaskBlock]:
    source = find_params_stage(services, experiment_id, params)
    tasks = source.content.tasks
    block = TaskBlock(
        source.content,
        parse_indices(params.rows, tasks, "rows"),
        parse_indices(params.columns, tasks, "columns"),
    )
    return Source(block, source.digest, experiment_id, source.final)


def _check_block(block: TaskBlock, _params: BlockParams, format: str) -> None:
    check_text(format, len(block.rows), len(block.columns))
    if (count := len(block.rows) * len(block.columns)) > MOST_VALUES:
        raise InvalidSpec("rows", f"{count:,} similarities are more than {MOST_VALUES:,}; choose fewer")


def _block(services: Services, block: TaskBlock, params: BlockParams) -> LabelledArray:
    similarities = Similarities(vectors(services, block.ref, params.layer), params.measure)
    values = similarities.block(block.places(block.rows), block.places(block.columns))
    about = {**base.about(block.ref, params.layer), "measure": params.measure}
    return LabelledArray(values, block.rows, block.labels(block.rows), block.labels(block.columns), about)


def _block_document(computed: BlockArray) -> SimilarityBlock:
    return SimilarityBlock.model_validate(
        {
            **computed.value.about,
            "rows": computed.content.rows,
            "row_labels": computed.value.labels,
            "columns": computed.content.columns,
            "column_labels": computed.value.columns,
            "values": computed.value.values.tolist(),
            "warnings": list(computed.warnings),
        }
    )


BLOCK = Result(
    spec=RESULT_SPECS["similarity/block"],
    warnings=warnings_of,
    params=BlockParams,
    find=_find_block,
    compute=_block,
    encoders={
        "json": as_json(_block_document),
        **as_arrays(lambda block: block.value, "csv", "npy", "safetensors"),
    },
    limits=_check_block,
    file_params=("stage", "layer"),
)


# --- nearest tasks


class NearestParams(StageParams):
    """Parameters of the nearest tasks."""

    count: int = 20
    measure: Measure = "cosine"


Nearest = Computed[NearestNeighbours, StageRef, NearestParams]


def _nearest(services: Services, ref: StageRef, params: NearestParams) -> NearestNeighbours:
    return Similarities(vectors(services, ref, params.layer), params.measure).nearest(params.count)


def _nearest_table(computed: Nearest) -> bytes:
    ref, places, values = computed.content, computed.value.indices.tolist(), computed.value.values.tolist()
    rows = (
        (ref.tasks[row], ref.labels[row], rank, ref.tasks[other], ref.labels[other], value)
        for row in range(len(places))
        for rank, (other, value) in enumerate(zip(places[row], values[row], strict=True), 1)
    )
    return table_csv(["task", "label", "rank", "nearest", "nearest label", "similarity"], rows)


def _nearest_document(computed: Nearest) -> NearestTasks:
    ref = computed.content
    return NearestTasks.model_validate(
        {
            **base.about(ref, computed.params.layer),
            "measure": computed.params.measure,
            "complete": ref.complete,
            "tasks": ref.tasks,
            "labels": ref.labels,
            "nearest": [[ref.tasks[place] for place in row] for row in computed.value.indices.tolist()],
            "values": computed.value.values.tolist(),
            "warnings": list(computed.warnings),
        }
    )


NEAREST = Result(
    spec=RESULT_SPECS["similarity/nearest"],
    warnings=warnings_of,
    params=NearestParams,
    find=find_params_stage,
    compute=_nearest,
    encoders={"json": as_json(_nearest_document), "csv": _nearest_table},
    file_params=("stage", "layer"),
)


# --- over epochs


class EpochsParams(Params):
    """Parameters of similarity over epochs."""

    pairs: str | None = None
    measure: Measure = "cosine"
    layer: str | None = None


@dataclass(frozen=True)
class PairTrajectories:
    """The vectors of all epochs, and the pairs of tasks that are compared in each."""

    trajectories: Trajectories
    pairs: list[tuple[int, int]]


Curves = Computed[list[Trajectory], PairTrajectories, EpochsParams]


def _find_pairs(services: Services, experiment_id: str, params: EpochsParams) -> Source[PairTrajectories]:
    trajectories = find_trajectories(services.database, experiment_id)
    tasks = len(trajectories.tasks)
    pairs = list(representative_pairs(tasks)) if params.pairs is None else _parse_pairs(params.pairs, tasks)
    digest = f"{experiment_id} {trajectories.digest(*(task for pair in pairs for task in pair))} {pairs}"
    return Source(PairTrajectories(trajectories, pairs), digest, experiment_id, trajectories.finished)


def _parse_pairs(text: str, tasks: int) -> list[tuple[int, int]]:
    """Raises InvalidSpec for too many pairs, or one that names a task that is not there."""
    pairs: dict[tuple[int, int], None] = {}  # keeps the order, not what is named twice
    for pair in text.split(","):
        one, other = (int(index) for index in pair.split("-"))
        if max(one, other) >= tasks:
            raise InvalidSpec("pairs", f"{pair} names a task that is not there: they are 0 to {tasks - 1}")
        pairs[one, other] = None
    if len(pairs) > MOST_PAIRS:
        raise InvalidSpec("pairs", f"{len(pairs)} pairs are too many; ask for at most {MOST_PAIRS}")
    return list(pairs)


def _over_epochs(services: Services, content: PairTrajectories, params: EpochsParams) -> list[Trajectory]:
    layer = layer_slice(services, content.trajectories.experiment_id, params.layer)
    return [
        _trajectory(services, content.trajectories, pair, params.measure, layer) for pair in content.pairs
    ]


def _trajectory(
    services: Services, trajectories: Trajectories, pair: tuple[int, int], measure: Measure, layer: slice
) -> Trajectory:
    one, other = (trajectories.tasks[index] for index in pair)
    first, second = (load_trajectory(services.artifacts, task)[:, layer] for task in (one, other))
    values = similarity_over_epochs(first, second, trajectories.epochs, measure)
    return Trajectory(pair, (one.label, other.label), values)


def _epochs_figure(services: Services, computed: Curves) -> Sketch:
    if not any(math.isfinite(value) for curve in computed.value for value in curve.values):
        raise Conflict("no pair of tasks has vectors yet, so there is nothing to draw")
    name = base.figure_name(services, computed.content.trajectories.experiment_id)
    what = "updates of " if computed.params.measure == "update" else ""
    title = f"{name}: {what}{base.vectors_title(computed.params.layer)} while learning"
    return Sketch(subprocesses.draw_trajectories, (computed.value, computed.params.measure, title))


def _epochs_table(computed: Curves) -> bytes:
    header = ["epoch", *(f"{one}-{other}" for one, other in (curve.tasks for curve in computed.value))]
    epochs = range(computed.content.trajectories.epochs + 1)
    return table_csv(header, zip(epochs, *map(_finite, computed.value), strict=True))


def _epochs_document(computed: Curves) -> SimilarityEpochs:
    values = [_finite(curve) for curve in computed.value]
    first = 1 if computed.params.measure == "update" else 0  # before training nothing was added
    return SimilarityEpochs(
        experiment_id=computed.content.trajectories.experiment_id,
        base_id=computed.content.trajectories.base_id,
        measure=computed.params.measure,
        layer=computed.params.layer,
        complete=all(value is not None for row in values for value in row[first:]),
        epochs=list(range(computed.content.trajectories.epochs + 1)),
        pairs=[
            SimilarityCourse(tasks=curve.tasks, labels=curve.labels, values=row)
            for curve, row in zip(computed.value, values, strict=True)
        ],
        warnings=list(computed.warnings),
    )


def _finite(curve: Trajectory) -> list[float | None]:
    """None where an epoch is not reached yet."""
    return [float(value) if math.isfinite(value) else None for value in curve.values]


EPOCHS = Result(
    spec=RESULT_SPECS["similarity/epochs"],
    warnings=warnings_of,
    params=EpochsParams,
    find=_find_pairs,
    compute=_over_epochs,
    encoders={"json": as_json(_epochs_document), "csv": _epochs_table},
    figure=_epochs_figure,
    figure_options=figure_options.SHAPE,
    file_params=("layer",),
)
