"""Result: parameters, computation, encoders and cache key of a result of an experiment.

Knows neither requests nor responses.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

import numpy as np
from cachetools import LRUCache
from pydantic import BaseModel, ConfigDict

from service.dependencies import Services
from service.errors import NotAcceptable
from service.responses import Rendered, Stream, entity_tag
from service.subprocesses import FIGURE_FORMATS, draw_warned
from tgsh.analysis.similarity import SimilarityMatrix, similarity
from tgsh.arrays import LabelledArray, to_csv, to_npy, to_safetensors
from tgsh.errors import Conflict, InvalidSpec
from tgsh.execution.planning import layers
from tgsh.schemas import Measure
from tgsh.specs import ExperimentSpec
from tgsh.specs.figure_options import NAMED, FigureOptions
from tgsh.specs.results import ResultSpec
from tgsh.store import queries
from tgsh.store.results import StageRef, find_stage, load_result, load_stage

if TYPE_CHECKING:
    from matplotlib.figure import Figure

AS_DESIGNED = FigureOptions()

MAX_TEXT_VALUES = 1_000_000
"""Arrays of more numbers than this are served as npy or safetensors only."""


class Params(BaseModel):
    """Parameters of a result. All of them are in its cache key."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class NoParams(Params):
    """Of a result that has none."""


class StageParams(Params):
    """Of a result that is computed from the context vectors of a stage."""

    stage: str = "after"
    layer: str | None = None


K = TypeVar("K")
P = TypeVar("P", bound=Params)
S = TypeVar("S")
V = TypeVar("V")


@dataclass(frozen=True)
class Source(Generic[S]):
    """Input of a result and its digest; cheap to find.

    Parameters
    ----------
    content : what `Result.compute` starts from.
    digest : follows from everything but the parameters that decides the bytes.
    subject : what file names call it, such as the experiment's id.
    final : whether it can no longer change.
    """

    content: S
    digest: str
    subject: str
    final: bool = False


@dataclass(frozen=True)
class Computed(Generic[V, S, P]):
    """The value of a result, and what it was computed from."""

    value: V
    content: S
    params: P
    warnings: tuple[str, ...] = ()


class Sketch(NamedTuple):
    """A function of service/subprocesses.py that draws a figure, and its arguments."""

    draw: Callable[..., Figure]
    args: tuple[Any, ...]


def no_warnings(_services: Services, _subject: Any) -> Sequence[str]:
    """Of a result that compares nothing."""
    return ()


def no_limits(_content: Any, _params: Any, _format: str) -> None:
    """Refuse nothing."""


def source_itself(_services: Services, content: S, _params: Any) -> S:
    """The value of a result that was computed before, and only has to be encoded."""
    return content


@dataclass(frozen=True, eq=False)
class Result(Generic[K, P, S, V]):
    """One result of an experiment (or of several, or of a dataset).

    Parameters
    ----------
    spec : its name, its formats, and which experiments have it.
    params : frozen model of the query parameters; with the digest of the source it is the cache key.
    find : ``(services, subject, params) -> Source``: refuses what there is not, and touches no large array.
    compute : ``(services, content, params) -> value``, of the source's content.
    encoders : format name -> ``computed -> bytes``.
    figure : ``(services, computed) -> Sketch`` of png, svg and pdf; None: there is no picture.
    limits : ``(content, params, format)``: refuses what takes too long or too much memory.
    streams : format name -> ``(services, content, params) -> Stream`` of bytes that are never held at once;
        None where they are few enough to be held.
    file_stem : what a download is called; "": by its name.
    file_params : names of the parameters that its name tells.
    bundled : files of a bundle that hold it, with parameters and format.
    warnings : ``(services, subject)``: what a reader must know, for documents and below pictures.
    figure_options : names of the options that the picture can use.
    """

    spec: ResultSpec
    params: type[P]
    find: Callable[[Services, K, P], Source[S]]
    compute: Callable[[Services, S, P], V]
    encoders: Mapping[str, Callable[[Computed[V, S, P]], bytes]] = field(default_factory=dict)
    figure: Callable[[Services, Computed[V, S, P]], Sketch] | None = None
    limits: Callable[[S, P, str], None] = no_limits
    streams: Mapping[str, Callable[[Services, S, P], Stream | None]] = field(default_factory=dict)
    file_stem: str = ""
    file_params: tuple[str, ...] = ()
    bundled: Mapping[str, tuple[P, str]] = field(default_factory=dict)
    warnings: Callable[[Services, K], Sequence[str]] = no_warnings
    figure_options: Collection[str] = NAMED

    @property
    def name(self) -> str:
        """Path below ``/experiments/{id}``."""
        return self.spec.name

    @property
    def formats(self) -> tuple[str, ...]:
        """Names of the formats offered, the default one first."""
        return self.spec.formats

    def render(
        self,
        services: Services,
        subject: K,
        params: P,
        format: str,
        options: FigureOptions = AS_DESIGNED,
    ) -> Rendered:
        """In a format that is offered; the bytes are made when they are needed.

        Raises what `find` and `limits` raise.
        """
        source = self.find(services, subject, params)
        self.limits(source.content, params, format)
        warnings = tuple(self.warnings(services, subject))
        etag = self.etag(source, params, format, warnings, options)
        return Rendered(
            format=format,
            file_name=self._file_name(source.subject, params),
            etag=etag,
            final=source.final,
            body=partial(self._body, services, source.content, params, format, warnings, options, etag),
        )

    def etag(
        self,
        source: Source[S],
        params: P,
        format: str,
        warnings: tuple[str, ...] = (),
        options: FigureOptions = AS_DESIGNED,
    ) -> str:
        """Equal ones mean equal bytes. Also the key of the cache."""
        digest = "\n".join([source.digest, *warnings])
        drawn = options.model_dump_json() if options.chosen else ""  # a figure as designed keeps its tag
        return entity_tag(self.name, format, params.model_dump_json() + drawn, digest)

    def _body(
        self,
        services: Services,
        content: S,
        params: P,
        format: str,
        warnings: tuple[str, ...],
        options: FigureOptions,
        etag: str,
    ) -> bytes | Stream:
        if format in self.streams and (stream := self.streams[format](services, content, params)) is not None:
            return stream
        encode = partial(self._encode, services, content, params, format, warnings, options)
        return services.cache.get(etag, encode)

    def _encode(
        self,
        services: Services,
        content: S,
        params: P,
        format: str,
        warnings: tuple[str, ...],
        options: FigureOptions,
    ) -> bytes:
        computed = Computed(self.compute(services, content, params), content, params, warnings)
        if format in FIGURE_FORMATS and self.figure is not None:
            sketch = self.figure(services, computed)
            if warnings:
                sketch = Sketch(draw_warned, (sketch.draw, sketch.args, warnings))
            drawn_as = FIGURE_FORMATS[format]
            return services.figure_process.render(sketch.draw, drawn_as, options, *sketch.args)
        return self.encoders[format](computed)

    def _file_name(self, subject: str, params: P) -> str:
        values = (getattr(params, name) for name in self.file_params)
        stem = self.file_stem or self.name.replace("/", "-")
        return "-".join([stem, subject, *(str(value) for value in values if value is not None)])


AnyResult = Result[str, Any, Any, Any]
"""A result of one experiment."""


T = TypeVar("T")


class KeptValues(Generic[T]):
    """Values that took seconds, kept for the other formats of the same result. most: how many."""

    def __init__(self, most: int = 16) -> None:
        self._values: LRUCache[str, T] = LRUCache(most)
        self._lock = threading.Lock()

    def get(self, key: str, make: Callable[[], T]) -> T:
        """The value under a key from which it follows; two that come at once may both make it."""
        with self._lock:
            if (kept := self._values.get(key)) is not None:
                return kept
        made = make()
        with self._lock:
            self._values[key] = made
        return made


WHERE_THERE_IS_ONE = ("warnings", "null", "class_overlap")
"""Fields of documents that only those have who have something to say there."""


def as_json(document: Callable[[T], BaseModel]) -> Callable[[T], bytes]:
    """An encoder of the document that this function makes, without fields that say that there is nothing."""

    def encode(computed: T) -> bytes:
        made = document(computed)
        silent = {name for name in WHERE_THERE_IS_ONE if not getattr(made, name, True)}
        return made.model_dump_json(exclude=silent).encode()

    return encode


def as_arrays(array: Callable[[T], LabelledArray], *formats: str) -> dict[str, Callable[[T], bytes]]:
    """Encoders of the labelled array that this function makes."""
    return {format: partial(_write_array, ARRAY_WRITERS[format], array) for format in formats}


def _write_array(
    write: Callable[[LabelledArray], bytes], array: Callable[[T], LabelledArray], computed: T
) -> bytes:
    return write(array(computed))


ARRAY_WRITERS: Mapping[str, Callable[[LabelledArray], bytes]] = {
    "csv": to_csv,
    "npy": to_npy,
    "safetensors": to_safetensors,
}


# --- the context vectors of a stage


def stage_source(services: Services, experiment_id: str, stage: str) -> Source[StageRef]:
    """Location of a stage's context vectors. Raises NotFound for an unknown experiment or stage."""
    ref = find_stage(services.database, experiment_id, stage)
    return Source(ref, stage_digest(ref), experiment_id, ref.finished)


def stage_digest(ref: StageRef) -> str:
    """Follows from the vectors, whose they are, and whether there will be more."""
    return f"{ref.experiment_id} {ref.digest} {ref.complete} {ref.finished}"


def find_params_stage(services: Services, experiment_id: str, params: StageParams) -> Source[StageRef]:
    """The source of a result whose parameters name the stage and, where it has one, the measure.

    Raises as `measured_stage` does.
    """
    source = stage_source(services, experiment_id, params.stage)
    ref = measured_stage(source.content, getattr(params, "measure", "cosine"))
    return Source(ref, stage_digest(ref), source.subject, source.final)


def measured_stage(ref: StageRef, measure: Measure) -> StageRef:
    """The vectors that a measure compares at a stage: for "update" what training added until then.

    Raises InvalidSpec for updates before training.
    """
    if measure != "update":
        return ref
    if ref.epoch == 0:
        raise InvalidSpec(
            "measure",
            "update compares v − v₀, what training added to each vector, and before training that is "
            "nothing; ask for stage=after or an epoch from 1 on",
        )
    return replace(ref, is_update=True)


def layer_slice(services: Services, experiment_id: str, layer: str | None) -> slice:
    """Slice of a layer within the context vectors; all of them where it is None.

    Raises InvalidSpec for a layer that the network does not have.
    """
    if layer is None:
        return slice(None)
    spec = spec_of(services, experiment_id)
    slices = layers(spec, services.uploads.info)
    if layer not in slices:
        raise InvalidSpec("layer", f"a {spec.network.kind} like this has {', '.join(slices)}")
    return slices[layer]


def vectors(services: Services, ref: StageRef, layer: str | None = None) -> np.ndarray:
    """The context vectors of a stage, float32 [T, H], or one layer's part of them.

    Raises as `layer_slice` does.
    """
    return load_stage(services.artifacts, ref)[:, layer_slice(services, ref.experiment_id, layer)]


def similarities(
    services: Services, ref: StageRef, measure: Measure, layer: str | None = None
) -> SimilarityMatrix:
    """Similarity matrix of the tasks at a stage, over all layers or one."""
    return similarity(vectors(services, ref, layer), ref.labels, ref.tasks, measure)


def about(ref: StageRef, layer: str | None = None) -> dict[str, str]:
    """Metadata that every document and array of a stage carries."""
    fields = {"experiment_id": ref.experiment_id, "base_id": ref.base_id, "stage": ref.stage}
    return fields if layer is None else {**fields, "layer": layer}


def vectors_title(layer: str | None) -> str:
    """Subject of a figure's title: the context vectors of all layers or one."""
    return "context vectors" if layer is None else f"context vectors of {layer}"


def stage_title(services: Services, ref: StageRef, what: str) -> str:
    """A figure's title: the experiment's name, what is drawn, and when."""
    what = f"updates of {what}" if ref.is_update else what
    return f"{figure_name(services, ref.experiment_id)}: {what} {stage_words(ref.stage)}"


def stage_words(stage: str) -> str:
    """The time of a stage in words."""
    known = {"before": "before training", "after": "after training"}
    return known.get(stage, f"after epoch {stage}")


def figure_name(services: Services, experiment_id: str) -> str:
    """An experiment's name for figures, with the choices of its spec that are not the default."""
    name = queries.experiment(services.database, experiment_id).record.name
    departures = spec_of(services, experiment_id).departures
    return f"{name} ({departures})" if departures else name


# --- what several results read, and what they refuse


def spec_of(services: Services, experiment_id: str) -> ExperimentSpec:
    """The spec of an experiment. Raises NotFound."""
    return ExperimentSpec.model_validate(queries.experiment(services.database, experiment_id).record.spec)


def measured(
    services: Services, experiment_id: str, name: str
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Tensors and metadata that the finish of an experiment measured under a name.

    Raises NotFound for an unknown experiment, Conflict where it has no such result (yet).
    """
    record = queries.experiment(services.database, experiment_id).record
    stored = load_result(services.database, services.artifacts, experiment_id, name)
    if stored is None and record.status == "completed":
        raise Conflict(f"{experiment_id} has no {name}: a version that did not measure it completed it")
    if stored is None:
        raise Conflict(f"{name} is measured when an experiment completes; {experiment_id} is {record.status}")
    return stored


def check_text(format: str, rows: int, columns: int) -> None:
    """Refuse to write so many numbers as text. Raises NotAcceptable."""
    if format in ("json", "csv") and rows * columns > MAX_TEXT_VALUES:
        raise NotAcceptable(f"{rows} × {columns} numbers are too many for {format}; take npy or safetensors")


def require_at_most(tasks: Sequence[int], most: int, what: str) -> None:
    """Refuse to compute what grows faster than the tasks. Raises InvalidSpec."""
    if len(tasks) > most:
        raise InvalidSpec(
            "experiment_id",
            f"{len(tasks):,} tasks are too many for {what}, which is for {most:,} at most; "
            "similarity/nearest tells what each is most like, and similarity has them all as npy",
        )


def require_tasks(ref: StageRef) -> None:
    """Refuse to draw what has no tasks. Raises Conflict."""
    if not ref.tasks:
        raise Conflict("no task has a vector at this stage yet, so there is nothing to draw")
