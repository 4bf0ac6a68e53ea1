"""Plot endpoint of the page of a study."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from types import MappingProxyType
from typing import Annotated, Any
from urllib.parse import urlencode

import numpy as np
from fastapi import APIRouter, Path, Query, Request, Response

from service.dashboard.map_traces import spread_map_plot
from service.dashboard.matrix_colours import Diagonal, Range, colours_query, read_colours
from service.dashboard.matrix_traces import AS_DESIGNED
from service.dashboard.study_traces import (
    DifferencePlot,
    IntervalRow,
    accuracies_plot,
    ceilings_plot,
    cells_plot,
    intervals_plot,
    statistic_plot,
    supported_plot,
)
from service.dashboard.study_words import cell_words, difference_sentence
from service.dashboard.traces import Plot, counted, names
from service.dependencies import CallerDep, Services, ServicesDep, StudyId
from service.errors import NotAcceptable
from service.responses import respond
from service.results.base import Computed, Params, Result, Source, source_itself
from service.results.study_matrices import STUDY_MATRICES
from service.results.study_measurements import (
    STUDY_ACCURACY,
    STUDY_EFFECTS,
    EffectsParams,
    cell_differences,
)
from service.results.study_replicates import (
    CellParams,
    EstimateParams,
    StudyKey,
    StudyParams,
    find_cell,
    is_large,
)
from service.results.study_similarity import (
    STUDY_CEILING,
    STUDY_DIFFERENCES,
    STUDY_SIMILARITY,
    DifferencesParams,
    StatisticParams,
)
from service.results.study_structure import (
    STUDY_DENDROGRAM,
    STUDY_EMBEDDING,
    StudyEmbeddingParams,
    TreeParams,
    mean_map,
)
from tgsh.errors import Conflict, InvalidSpec, NotFound
from tgsh.schemas import Measure, Order, Over, Statistic
from tgsh.specs.base import WITHOUT_NUL
from tgsh.specs.figure_options import FigureOptions
from tgsh.specs.results import PICTURES, ResultSpec
from tgsh.specs.studies import MAX_MEMBERS
from tgsh.store import studies
from tgsh.task_names import told_apart

router = APIRouter(prefix="/dashboard/studies", include_in_schema=False)

FORMAT = "tgsh.study-plot/3"
"""Of what is drawn from the same numbers; another one is no longer what a browser keeps."""

MAX_ROWS = 200
"""Tasks of a matrix, whose cells tell their intervals to the pointer, or of a tree."""

MAX_CELLS = 12
"""Small matrices side by side, and cells whose accuracies have a colour each."""

REFUSED = (Conflict, InvalidSpec, NotAcceptable)
"""Errors whose words stand in a plot's place."""


class StudyPlotParams(Params):
    """name: one of PLOTS. The others are those of the answers that the plots show."""

    name: str
    statistic: Statistic = "mean"
    order: Order = "task"
    measure: Measure = "cosine"
    over: Over | None = None
    pairs: str = ""
    dimensions: int = 2
    colours: FigureOptions = AS_DESIGNED


@dataclass(frozen=True)
class StudyPlotQuery:
    """Source of a plot. cells: how many the study has; digest: of what is completed."""

    services: Services
    key: StudyKey
    params: StudyPlotParams
    cells: int

    def computed(
        self, result: Result[StudyKey, Any, Any, Any], params: Params, cell: int | None = None
    ) -> Any:
        """The value of an answer and what it is of; of another cell than the one that is looked at."""
        key = self.key if cell is None else replace(self.key, cell=cell)
        source = result.find(self.services, key, params)
        result.limits(source.content, params, "npy")
        value = result.compute(self.services, source.content, params)
        return Computed(value, source.content, params)

    def files(
        self,
        result: Result[StudyKey, Any, Any, Any],
        params: Params,
        *,
        of_cell: bool = True,
        of_pictures: dict[str, str] | None = None,
    ) -> dict[str, str]:
        """Paths of the answer as a file, by format. of_pictures: parameters that pictures have, too."""
        query = {
            k: v for k, v in params.model_dump(mode="json", exclude_defaults=True).items() if v is not None
        }
        if of_cell and self.key.cell:
            query["cell"] = self.key.cell
        root = f"/studies/{self.key.study_id}/{result.name}"
        own = {name: of_pictures or {} if name in PICTURES else {} for name in result.formats}
        return {name: f"{root}?{urlencode(query | own[name] | {'format': name})}" for name in result.formats}


def _similarity(query: StudyPlotQuery) -> Plot:
    params = StatisticParams(
        statistic=query.params.statistic,
        over=query.params.over,
        order=query.params.order,
        measure=query.params.measure,
    )
    colours = query.params.colours
    files = query.files(STUDY_SIMILARITY, params, of_pictures=colours_query(colours))
    found = query.computed(STUDY_SIMILARITY, params)
    cell, value = found.content, found.value
    if len(cell.tasks) > MAX_ROWS:
        return Plot(
            f"A matrix of {counted(len(cell.tasks), 'task')} is not drawn here; the files have it.",
            links=files,
        )
    plot = statistic_plot(
        value.estimate, value.order, cell.labels, cell.tasks, params.statistic, cell.replicates, colours
    )
    return replace(plot, links=files)


def _cells(query: StudyPlotQuery) -> Plot:
    if query.cells < 2:
        return Plot("The study has one cell.")
    files = query.files(STUDY_MATRICES, EstimateParams(measure=query.params.measure), of_cell=False)
    drawn: list[tuple[str, np.ndarray, list[str]]] = []
    for cell in range(query.cells):
        if len(drawn) == MAX_CELLS:
            break
        try:
            found = query.computed(STUDY_SIMILARITY, StatisticParams(measure=query.params.measure), cell)
        except Conflict:
            continue  # none of its experiments is completed
        if len(found.content.tasks) > MAX_ROWS:
            return Plot("So many tasks are not drawn side by side; the files have them.", links=files)
        about = found.content
        title = f"{cell}: {cell_words(about.values)}"
        drawn.append((title, found.value.values("mean"), names(about.labels, about.tasks)))
    if not drawn:
        return Plot("No experiment is completed yet.")
    return replace(cells_plot(drawn, query.cells - len(drawn), query.params.colours), links=files)


def _dendrogram(query: StudyPlotQuery) -> Plot:
    params = TreeParams(measure=query.params.measure)
    files = query.files(STUDY_DENDROGRAM, params)
    tasks = len(find_cell(query.services, query.key, params).content.tasks)
    if tasks > MAX_ROWS:  # without having computed it
        return Plot(f"A tree of {counted(tasks, 'task')} is not drawn here; the files have it.", links=files)
    found = query.computed(STUDY_DENDROGRAM, params)
    return _with_links(supported_plot(found.value.supported), files)


def _embedding(query: StudyPlotQuery) -> Plot:
    params = StudyEmbeddingParams(dimensions=query.params.dimensions, measure=query.params.measure)
    if is_large(find_cell(query.services, query.key, params).content):  # it takes minutes
        text = "A map of so many tasks and replicates is not drawn here; the files have it."
        return Plot(text, links=query.files(STUDY_EMBEDDING, params))
    found = query.computed(STUDY_EMBEDDING, params)
    value = found.value
    plot = spread_map_plot(mean_map(value), value.found, value.scale)
    return _with_links(plot, query.files(STUDY_EMBEDDING, params))


def _ceiling(query: StudyPlotQuery) -> Plot:
    params = CellParams(measure=query.params.measure)
    found = query.computed(STUDY_CEILING, params)
    return replace(ceilings_plot(found.value), links=query.files(STUDY_CEILING, params))


def _differences(query: StudyPlotQuery) -> Plot:
    if not query.params.pairs.strip():
        return Plot("Choose two pairs of tasks.")
    params = DifferencesParams(pairs=query.params.pairs, over=query.params.over, measure=query.params.measure)
    found = query.computed(STUDY_DIFFERENCES, params)
    labels = told_apart(found.content.labels, found.content.tasks)
    rows, sentences = [], []
    for each in found.value:
        named = [[labels[row] for row in pair] for pair in each.pairs]
        result = each.result
        name = " less ".join(" and ".join(pair) for pair in named)
        rows.append(IntervalRow(name, result.difference, result.low, result.high))
        sentences.append(difference_sentence(named, result, params.level, len(found.value)))
    summary = "Similarity of the first pair less that of the second, replicate by replicate."
    plot = intervals_plot(rows, "difference of similarities", summary)
    return DifferencePlot(
        summary, plot.data, plot.layout, query.files(STUDY_DIFFERENCES, params), sentences=sentences
    )


def _accuracy(query: StudyPlotQuery) -> Plot:
    params = StudyParams(over=query.params.over)
    found = query.computed(STUDY_ACCURACY, params)
    files = query.files(STUDY_ACCURACY, params, of_cell=False)
    tables, value = found.content.cells, found.value
    rows = list(zip(tables, value.tasks, value.overall, strict=True))
    titles = [f"{table.cell}: {cell_words(table.values)}" if query.cells > 1 else "" for table in tables]
    chosen = [place for place, table in enumerate(tables) if table.labels == tables[0].labels][:MAX_CELLS]
    drawn = [(titles[place], rows[place][1], rows[place][2]) for place in chosen]
    plot = accuracies_plot(drawn, tables[0].labels, tables[0].tasks)
    if left := len(tables) - len(chosen):
        told = f"Not drawn: {counted(left, 'cell')} with other tasks, or beyond {MAX_CELLS}."
        plot = replace(plot, summary=f"{plot.summary} {told}")
    return replace(plot, links=files)


def _effects(query: StudyPlotQuery) -> Plot:
    if query.cells < 2:
        return Plot("The study has one cell: there is nothing to compare it with.")
    params = EffectsParams(
        reference=query.key.cell or 0, over=query.params.over, measure=query.params.measure
    )
    found = query.computed(STUDY_EFFECTS, params)
    values = {table.cell: table.values for table in found.content.tables.cells}
    effects = [each for each in cell_differences(found) if each.quantity == "accuracy"]
    if not effects:
        return Plot("One cell alone has completed experiments: there is nothing to compare it with.")
    rows = [
        IntervalRow(f"{each.cell}: {cell_words(values[each.cell])}", each.difference, each.low, each.high)
        for each in effects
    ]
    differ = sum(bool(each.distinguishable) for each in effects)
    reference = f"cell {params.reference} ({cell_words(values[params.reference])})"
    known = [each for each in effects if each.distinguishable is not None]
    summary = f"Mean accuracy of each cell less that of {reference}, replicate by replicate."
    if known:
        some = f"{differ} of {len(known)}" if differ else "No cell"
        verb = "differ" if differ > 1 else "differs"
        summary += f" {some} {verb} from it, after Holm’s correction."
    elif effects[0].reason:
        summary += f" No intervals: {effects[0].reason}."
    plot = intervals_plot(rows, "difference of mean accuracy", summary, of=".1%")
    return replace(plot, links=query.files(STUDY_EFFECTS, params, of_cell=False))


PLOTS: Mapping[str, Callable[[StudyPlotQuery], Plot]] = MappingProxyType(
    {
        "similarity": _similarity,
        "cells": _cells,
        "dendrogram": _dendrogram,
        "embedding": _embedding,
        "ceiling": _ceiling,
        "differences": _differences,
        "accuracy": _accuracy,
        "effects": _effects,
    }
)


MATRICES = ("similarity", "cells")
"""Plots that have a range of colours and a diagonal."""


@router.get("/{study_id}/plots/{name}")
def plot(
    study_id: StudyId,
    name: Annotated[str, Path(max_length=32)],
    services: ServicesDep,
    caller: CallerDep,
    request: Request,
    cell: Annotated[int, Query(ge=0, lt=MAX_MEMBERS)] = 0,
    statistic: Statistic = "mean",
    order: Order = "task",
    measure: Measure = "cosine",
    over: Over | None = None,
    pairs: Annotated[str, Query(max_length=6_000, pattern=WITHOUT_NUL)] = "",
    range: Range = None,
    diagonal: Diagonal = None,
    dimensions: Annotated[int, Query(ge=2, le=3)] = 2,
) -> Response:
    """A plot as {summary, data, layout, links}; without data where nothing is completed yet.

    range, diagonal: of the matrices alone, as of their pictures. dimensions: of the map alone.
    """
    params = StudyPlotParams(
        name=name,
        statistic=statistic,
        order=order,
        measure=measure,
        over=over,
        pairs=pairs,
        dimensions=dimensions if name == "embedding" else 2,
        colours=read_colours(range, diagonal, of_matrix=name in MATRICES),
    )
    key = StudyKey(study_id, caller.visible_to, cell)
    return respond(request, services, STUDY_PLOT, key, params, "json")


def _find(services: Services, key: StudyKey, params: StudyPlotParams) -> Source[StudyPlotQuery]:
    if params.name not in PLOTS:
        raise NotFound(f"there is no plot {params.name!r}: ask for one of {', '.join(PLOTS)}")
    record = studies.study(services.database, key.study_id, key.visible_to).record
    members = studies.members(services.database, key.study_id, key.visible_to)
    # All that an answer may depend on: names, cells, and which experiments are completed with which digest.
    parts = [FORMAT, record.name, json.dumps(record.cells), json.dumps(record.replicates), str(key.cell)]
    for each in members:
        record_of = each.record
        state = "-" if record_of is None else f"{record_of.id} {record_of.status} {record_of.mean_accuracy}"
        parts.append(f"{each.cell} {each.seed} {each.base_seed} {state}")
    query = StudyPlotQuery(services, key, params, len(record.cells))
    return Source(query, "\n".join(parts), key.study_id)


def _json(computed: Computed[StudyPlotQuery, StudyPlotQuery, StudyPlotParams]) -> bytes:
    query = computed.value
    try:
        drawn = PLOTS[query.params.name](query)
    except REFUSED as error:
        drawn = Plot(_sentence(error))
    return json.dumps(
        _plain(asdict(drawn)), ensure_ascii=False, allow_nan=False, separators=(",", ":")
    ).encode()


def _plain(value: Any) -> Any:
    """Without types of NumPy."""
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value.item() if isinstance(value, np.generic) else value


STUDY_PLOT = Result(
    spec=ResultSpec("plot", ("json",)),
    params=StudyPlotParams,
    find=_find,
    compute=source_itself,
    encoders={"json": _json},
)


def _with_links(plot: Plot, links: Mapping[str, str]) -> Plot:
    """The plot with its links; none where it has no data."""
    return replace(plot, links=links if plot.data else {})


def _sentence(error: Exception) -> str:
    words = (
        "; ".join(message for _, message in error.fields) if isinstance(error, InvalidSpec) else str(error)
    )
    return f"{words[0].upper()}{words[1:]}."
