"""Plot endpoint of the page of an experiment."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from types import MappingProxyType
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Path, Query, Request, Response

from service import subprocesses
from service.dashboard.map_traces import map_plot
from service.dashboard.matrix_colours import Diagonal, Range, colours_query, read_colours
from service.dashboard.matrix_traces import AS_DESIGNED, matrix_plot, means_plot
from service.dashboard.reuse_traces import accuracy_matrix_plot
from service.dashboard.traces import (
    Plot,
    accuracy_plot,
    counted,
    geometry_plot,
    loss_plot,
    tree_plot,
)
from service.dependencies import ExperimentId, Layer, Services, ServicesDep, Stage
from service.responses import respond
from service.results import base
from service.results.base import Computed, Result, Source, StageParams, source_itself
from service.results.measurements import accuracy_matrix, accuracy_warnings_of, require_common_classes
from service.results.similarity import SIMILARITY, SimilarityParams, null_of, null_text
from service.results.structure import MOST_TASKS, scale_of
from service.subprocesses import FIGURE_FORMATS
from tgsh.analysis.blockwise import Similarities
from tgsh.errors import Conflict, NotFound
from tgsh.schemas import TERMINAL, GeometryStage, Measure, Order
from tgsh.specs.figure_options import FigureOptions
from tgsh.specs.results import ResultSpec
from tgsh.store import queries
from tgsh.store.analyses import MATRIX
from tgsh.store.results import StageRef, epoch_of, find_stage, load_result

router = APIRouter(prefix="/dashboard/experiments", include_in_schema=False)

MAX_ROWS = 500
"""Rows of a matrix or dendrogram with a row for each task: browsers draw 250,000 cells at once."""

FORMAT = "tgsh.plot/6"
"""Of what is drawn from the same numbers; another one is no longer what a browser keeps."""

MEAN_ROWS = 250
"""Rows of means of a larger matrix."""


@dataclass(frozen=True)
class PlotQuery:
    """Query parameters of a plot, with its stage. total: number of tasks of the experiment.

    is_over: it has ended, so that no task is still to come.
    """

    services: Services
    ref: StageRef
    total: int
    order: Order
    measure: Measure
    layer: str | None
    colours: FigureOptions = AS_DESIGNED
    is_over: bool = False
    dimensions: int = 2

    @property
    def part(self) -> slice:
        """The columns of the layer in the context vectors."""
        return base.layer_slice(self.services, self.ref.experiment_id, self.layer)

    @property
    def when(self) -> str:
        """The stage in words."""
        named = {"before": "before training", "after": "after training"}
        return named.get(self.ref.stage, f"after epoch {self.ref.stage}")

    def files(self, path: str, *formats: str, **more: str) -> dict[str, str]:
        """Paths of the same result as a file, by format."""
        query = {"stage": self.ref.stage, "measure": self.measure, **more}
        if self.layer is not None:
            query["layer"] = self.layer
        root = f"/experiments/{self.ref.experiment_id}/{path}"
        return {name: f"{root}?{urlencode(query | {'format': name})}" for name in formats}

    def matrix_files(self, *formats: str, **more: str) -> dict[str, str]:
        """Paths of the matrix; its pictures have the colours that are shown."""
        pictures = tuple(name for name in formats if name in FIGURE_FORMATS)
        plain = self.files("similarity", *formats, **more)
        return plain | self.files("similarity", *pictures, **more, **colours_query(self.colours))


def _similarity(query: PlotQuery) -> Plot:
    ref, services = query.ref, query.services
    measure = "cosine of updates v − v₀" if query.measure == "update" else f"{query.measure} similarity"
    what = f"{measure} {query.when}"
    if len(ref.tasks) > MAX_ROWS:
        similarities = Similarities(base.vectors(services, ref, query.layer), query.measure)
        averages, groups = similarities.averaged(MEAN_ROWS), similarities.groups(MEAN_ROWS)
        plot = means_plot(averages, groups, len(ref.tasks), what, query.colours)
        as_text = ("csv",) if len(ref.tasks) ** 2 <= base.MAX_TEXT_VALUES else ()
        return _with_links(plot, query.matrix_files(*as_text, "npy", "png", "svg", "pdf"))
    files = query.matrix_files(*SIMILARITY.formats, order=query.order) if ref.tasks else {}
    if query.order == "cluster":
        matrix = services.analysis_process.run(
            subprocesses.compute_clustered_similarity, ref, query.part, query.measure
        )
    else:
        matrix = base.similarities(services, ref, query.measure, query.layer)
    labels, tasks = matrix.labels, matrix.tasks
    if query.order == "task" and query.total <= MAX_ROWS and not query.is_over:
        # With empty rows for tasks to come.
        every = queries.tasks(services.database, ref.experiment_id)
        labels, tasks = tuple(task.label for task in every), tuple(task.index for task in every)
    subject = f"of {counted(query.total, 'task')}: {what}"
    plot = matrix_plot(matrix, labels, tasks, subject, query.colours)
    params = SimilarityParams(stage=ref.stage, measure=query.measure, layer=query.layer)
    if told := null_text(null_of(services, ref, params)):
        plot = replace(plot, summary=f"{plot.summary} {_sentence(told)}")
    return _with_links(plot, files)


def _dendrogram(query: PlotQuery) -> Plot:
    tasks = len(query.ref.tasks)
    files = query.files("dendrogram", "csv", "newick", "png", "svg", "pdf")
    if tasks > MAX_ROWS:
        return Plot(f"A tree of {tasks:,} tasks is not drawn here; the files have it.", links=files)
    tree = query.services.analysis_process.run(
        subprocesses.compute_dendrogram, query.ref, query.part, "average", query.measure
    )
    return _with_links(tree_plot(tree), files)


def _embedding(query: PlotQuery) -> Plot:
    if (tasks := len(query.ref.tasks)) > MOST_TASKS:
        return Plot(f"{tasks:,} tasks are too many for a map, which is for {MOST_TASKS:,} at most.")
    task_map = query.services.analysis_process.run(
        subprocesses.compute_embedding, query.ref, query.part, "mds", query.dimensions, query.measure
    )
    plot = map_plot(task_map, scale_of(query.services, query.ref))
    space = {} if query.dimensions == 2 else {"dimensions": str(query.dimensions)}
    return _with_links(plot, query.files("embedding", "csv", "npy", "png", "svg", "pdf", **space))


def _accuracy(query: PlotQuery) -> Plot:
    root = f"/experiments/{query.ref.experiment_id}/accuracy?format="
    plot = accuracy_plot(queries.tasks(query.services.database, query.ref.experiment_id))
    plot = replace(plot, warnings=accuracy_warnings_of(query.services, query.ref.experiment_id))
    return _with_links(plot, {name: root + name for name in ("csv", "png", "svg", "pdf")})


def _accuracy_matrix(query: PlotQuery) -> Plot:
    experiment_id = query.ref.experiment_id
    matrix = accuracy_matrix(query.services, experiment_id)
    if matrix is None:
        return Plot("The accuracy matrix is measured when the experiment completes.")
    root = f"/experiments/{experiment_id}/accuracy/matrix?format="
    files = {name: root + name for name in ("csv", "npy", "png", "svg", "pdf")}
    if len(matrix.tasks) > MAX_ROWS:
        return Plot(
            f"A matrix of {len(matrix.tasks):,} tasks is not drawn here; the files have it.", links=files
        )
    return _with_links(accuracy_matrix_plot(matrix), files)


def _losses(query: PlotQuery) -> Plot:
    plot = loss_plot(queries.tasks(query.services.database, query.ref.experiment_id))
    root = f"/dashboard/experiments/{query.ref.experiment_id}"
    return _with_links(
        plot, {"csv": f"{root}/losses.csv", "json": f"/experiments/{query.ref.experiment_id}/tasks"}
    )


def _geometry(query: PlotQuery) -> Plot:
    try:
        require_common_classes(query.services, query.ref.experiment_id)
        tensors, about = base.measured(query.services, query.ref.experiment_id, "geometry")
    except Conflict as error:
        return Plot(_sentence(str(error)))
    summaries = json.loads(about["summaries"])
    before, after = (
        GeometryStage.model_validate(
            summaries[stage] | {kind: tensors[f"{stage}.{kind}"].tolist() for kind in ("intra", "inter")}
        )
        for stage in ("before", "after")
    )
    root = f"/experiments/{query.ref.experiment_id}/geometry?format="
    files = {name: root + name for name in ("csv", "png", "svg", "pdf")}
    return _with_links(geometry_plot(tensors["edges"].tolist(), before, after), files)


PLOTS: Mapping[str, Callable[[PlotQuery], Plot]] = MappingProxyType(
    {
        "similarity": _similarity,
        "dendrogram": _dendrogram,
        "embedding": _embedding,
        "accuracy": _accuracy,
        "accuracy-matrix": _accuracy_matrix,
        "losses": _losses,
        "geometry": _geometry,
    }
)


COMPARED = ("similarity", "dendrogram", "embedding")
"""Plots that a measure decides."""


def _without_updates(query: PlotQuery, name: str) -> Plot | None:
    if query.measure == "update" and query.ref.epoch == 0 and name in COMPARED:
        return Plot("Updates are what training adds to a vector: there are none before training.")
    return None


@router.get("/{experiment_id}/plots/{name}")
def plot(
    experiment_id: ExperimentId,
    name: Annotated[str, Path(max_length=32)],
    services: ServicesDep,
    request: Request,
    stage: Stage = "after",
    order: Annotated[Order, Query()] = "task",
    measure: Measure = "cosine",
    layer: Layer = None,
    range: Range = None,
    diagonal: Diagonal = None,
    dimensions: Annotated[int, Query(ge=2, le=3)] = 2,
) -> Response:
    """A plot as {summary, data, layout, links}; without data where nothing is completed yet.

    range, diagonal: of the matrix alone, as of its picture. dimensions: of the map alone.
    """
    params = PlotParams(
        name=name,
        stage=stage,
        order=order,
        measure=measure,
        layer=layer,
        colours=read_colours(range, diagonal, of_matrix=name == "similarity"),
        dimensions=dimensions if name == "embedding" else 2,
    )
    return respond(request, services, PLOT, experiment_id, params, "json")


class PlotParams(StageParams):
    """name: one of PLOTS."""

    name: str
    order: Order = "task"
    measure: Measure = "cosine"
    colours: FigureOptions = AS_DESIGNED
    dimensions: int = 2


def _find(services: Services, experiment_id: str, params: PlotParams) -> Source[PlotQuery]:
    if params.name not in PLOTS:
        raise NotFound(f"there is no plot {params.name!r}: ask for one of {', '.join(PLOTS)}")
    record = queries.experiment(services.database, experiment_id).record
    stage = _stage_name(params.stage, record.epochs_total // record.tasks_total)
    ref = find_stage(services.database, experiment_id, stage)
    if ref.epoch:  # what is not there before training says so in its place, beside plots that are
        ref = base.measured_stage(ref, params.measure)
    query = PlotQuery(
        services,
        ref,
        record.tasks_total,
        params.order,
        params.measure,
        params.layer,
        params.colours,
        record.status in TERMINAL,
        params.dimensions,
    )
    progress = f"{record.status} {record.tasks_done} {record.epochs_done}"
    if params.name == "accuracy-matrix":  # it may be computed after the experiment completed
        progress += (
            f" {load_result(services.database, services.artifacts, experiment_id, MATRIX) is not None}"
        )
    return Source(query, f"{FORMAT} {base.stage_digest(ref)} {progress}", experiment_id)


def _json(computed: Computed[PlotQuery, PlotQuery, PlotParams]) -> bytes:
    name, query = computed.params.name, computed.value
    plot = asdict(_without_updates(query, name) or PLOTS[name](query))
    return json.dumps(plot, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


PLOT = Result(
    spec=ResultSpec("plot", ("json",)),
    params=PlotParams,
    find=_find,
    compute=source_itself,
    encoders={"json": _json},
)


def _stage_name(stage: str, epochs: int) -> str:
    """`before` or `after` for the first and last epoch, else the stage as it is."""
    return {0: "before", epochs: "after"}.get(epoch_of(stage, epochs), stage)


def _with_links(plot: Plot, links: Mapping[str, str]) -> Plot:
    """The plot with its links; none where it has no data."""
    return replace(plot, links=links if plot.data else {})


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}."
