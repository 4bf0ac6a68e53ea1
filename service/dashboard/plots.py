"""Plot endpoint."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Path, Query, Request, Response

from service import subprocesses
from service.dashboard.traces import (
    Plot,
    accuracy_plot,
    counted,
    geometry_plot,
    loss_plot,
    map_plot,
    matrix_plot,
    means_plot,
    tree_plot,
)
from service.dependencies import ExperimentId, Layer, Services, ServicesDep, Stage
from service.responses import respond
from service.results import base
from service.results.base import Computed, Result, Source, StageParams, source_itself
from service.results.similarity import SIMILARITY
from service.results.structure import MOST_TASKS
from tgsh.analysis.blockwise import Similarities
from tgsh.errors import Conflict, NotFound
from tgsh.schemas import GeometryStage, Measure, Order
from tgsh.specs.results import ResultSpec
from tgsh.store import queries
from tgsh.store.results import StageRef, epoch_of, find_stage

router = APIRouter(prefix="/dashboard/experiments", include_in_schema=False)

MOST_ROWS = 500
"""Tasks of a matrix and of a tree that are drawn one by one: 250,000 cells are what browsers draw at once."""

MEANS = 250
"""Rows of a matrix of more."""


@dataclass(frozen=True)
class Choice:
    """What a viewer chose to see. total: how many tasks there will be."""

    services: Services
    ref: StageRef
    total: int
    order: Order
    measure: Measure
    layer: str | None

    @property
    def part(self) -> slice:
        """Where the layer lies in the vectors."""
        return base.layer_slice(self.services, self.ref.experiment_id, self.layer)

    @property
    def when(self) -> str:
        """The stage in words."""
        named = {"before": "before training", "after": "after training"}
        return named.get(self.ref.stage, f"after epoch {self.ref.stage}")

    def files(self, path: str, *formats: str, **more: str) -> dict[str, str]:
        """Where the same is as a file."""
        query = {"stage": self.ref.stage, "measure": self.measure, **more}
        if self.layer is not None:
            query["layer"] = self.layer
        root = f"/experiments/{self.ref.experiment_id}/{path}"
        return {name: f"{root}?{urlencode(query | {'format': name})}" for name in formats}


def _similarity(choice: Choice) -> Plot:
    ref, services = choice.ref, choice.services
    what = f"{choice.measure} similarity {choice.when}"
    if len(ref.tasks) > MOST_ROWS:
        found = Similarities(base.vectors(services, ref, choice.layer), choice.measure)
        plot = means_plot(found.averaged(MEANS), found.groups(MEANS), len(ref.tasks), what)
        as_text = ("csv",) if len(ref.tasks) ** 2 <= base.MAX_TEXT_VALUES else ()
        return _with(plot, choice.files("similarity", *as_text, "npy", "png", "svg", "pdf"))
    files = choice.files("similarity", *SIMILARITY.formats, order=choice.order) if ref.tasks else {}
    if choice.order == "cluster":
        matrix = services.analysis_process.run(subprocesses.clustered, ref, choice.part, choice.measure)
    else:
        matrix = base.similarities(services, ref, choice.measure, choice.layer)
    labels, tasks = matrix.labels, matrix.tasks
    if choice.order == "task" and choice.total <= MOST_ROWS:  # those to come have their places
        every = queries.tasks(services.database, ref.experiment_id)
        labels, tasks = tuple(task.label for task in every), tuple(task.index for task in every)
    return _with(matrix_plot(matrix, labels, tasks, f"of {counted(choice.total, 'task')}: {what}"), files)


def _dendrogram(choice: Choice) -> Plot:
    tasks = len(choice.ref.tasks)
    files = choice.files("dendrogram", "csv", "newick", "png", "svg", "pdf")
    if tasks > MOST_ROWS:
        return Plot(f"A tree of {tasks:,} tasks is not drawn here; the files have it.", links=files)
    tree = choice.services.analysis_process.run(
        subprocesses.tree, choice.ref, choice.part, "average", choice.measure
    )
    return _with(tree_plot(tree), files)


def _embedding(choice: Choice) -> Plot:
    if (tasks := len(choice.ref.tasks)) > MOST_TASKS:
        return Plot(f"{tasks:,} tasks are too many for a map, which is for {MOST_TASKS:,} at most.")
    found = choice.services.analysis_process.run(
        subprocesses.embedding, choice.ref, choice.part, "mds", 2, choice.measure
    )
    suite = queries.experiment(choice.services.database, choice.ref.experiment_id).record.suite
    plot = map_plot(found, in_a_row=suite in ("rotation", "shift"))
    return _with(plot, choice.files("embedding", "csv", "npy", "png", "svg", "pdf"))


def _accuracy(choice: Choice) -> Plot:
    root = f"/experiments/{choice.ref.experiment_id}/accuracy?format="
    plot = accuracy_plot(queries.tasks(choice.services.database, choice.ref.experiment_id))
    return _with(plot, {name: root + name for name in ("csv", "png", "svg", "pdf")})


def _losses(choice: Choice) -> Plot:
    plot = loss_plot(queries.tasks(choice.services.database, choice.ref.experiment_id))
    root = f"/dashboard/experiments/{choice.ref.experiment_id}"
    return _with(
        plot, {"csv": f"{root}/losses.csv", "json": f"/experiments/{choice.ref.experiment_id}/tasks"}
    )


def _geometry(choice: Choice) -> Plot:
    try:
        tensors, about = base.measured(choice.services, choice.ref.experiment_id, "geometry")
    except Conflict as nothing_yet:
        return Plot(_sentence(str(nothing_yet)))
    summaries = json.loads(about["summaries"])
    before, after = (
        GeometryStage.model_validate(
            summaries[stage] | {kind: tensors[f"{stage}.{kind}"].tolist() for kind in ("intra", "inter")}
        )
        for stage in ("before", "after")
    )
    root = f"/experiments/{choice.ref.experiment_id}/geometry?format="
    files = {name: root + name for name in ("csv", "png", "svg", "pdf")}
    return _with(geometry_plot(tensors["edges"].tolist(), before, after), files)


PLOTS: Mapping[str, Callable[[Choice], Plot]] = MappingProxyType(
    {
        "similarity": _similarity,
        "dendrogram": _dendrogram,
        "embedding": _embedding,
        "accuracy": _accuracy,
        "losses": _losses,
        "geometry": _geometry,
    }
)


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
) -> Response:
    """What there is to see by now, as {summary, data, layout, links}; without data where that is nothing."""
    params = PlotParams(name=name, stage=stage, order=order, measure=measure, layer=layer)
    return respond(request, services, PLOT, experiment_id, params, "json")


class PlotParams(StageParams):
    """name: one of PLOTS."""

    name: str
    order: Order = "task"
    measure: Measure = "cosine"


def _find(services: Services, experiment_id: str, params: PlotParams) -> Source[Choice]:
    if params.name not in PLOTS:
        raise NotFound(f"there is no plot {params.name!r}: ask for one of {', '.join(PLOTS)}")
    record = queries.experiment(services.database, experiment_id).record
    stage = _named(params.stage, record.epochs_total // record.tasks_total)
    ref = find_stage(services.database, experiment_id, stage)
    choice = Choice(services, ref, record.tasks_total, params.order, params.measure, params.layer)
    progress = f"{record.status} {record.tasks_done} {record.epochs_done}"
    return Source(choice, f"{base.stage_digest(ref)} {progress}", experiment_id)


def _json(computed: Computed[Choice, Choice, PlotParams]) -> bytes:
    plot = asdict(PLOTS[computed.params.name](computed.value))
    return json.dumps(plot, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


PLOT = Result(
    spec=ResultSpec("plot", ("json",)),
    params=PlotParams,
    find=_find,
    compute=source_itself,
    encoders={"json": _json},
)


def _named(stage: str, epochs: int) -> str:
    """The stage by its name, where it has one."""
    return {0: "before", epochs: "after"}.get(epoch_of(stage, epochs), stage)


def _with(plot: Plot, links: Mapping[str, str]) -> Plot:
    """The plot and its files; none of what is not there yet."""
    return Plot(plot.summary, plot.data, plot.layout, links if plot.data else {})


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}."
