"""What the endpoints of results share: their parameters, their documentation, the vectors they start from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
from fastapi import Query

from service.dependencies import Services
from service.errors import NotAcceptable
from service.responses import MEDIA_TYPES
from tgsh.analysis.similarity import SimilarityMatrix, similarity
from tgsh.arrays import LabelledArray, to_csv, to_npy, to_safetensors
from tgsh.errors import Conflict, InvalidSpec
from tgsh.execution.planning import layers
from tgsh.schemas import Measure
from tgsh.specs import ExperimentSpec
from tgsh.store import queries
from tgsh.store.results import StageRef, load_result, load_stage

Stage = Annotated[
    str, Query(max_length=8, description='"before" or "after" training, or the number of an epoch')
]
Layer = Annotated[
    str | None, Query(max_length=32, description="one layer's part of the vectors only, such as layer-1")
]
Format = Annotated[str | None, Query(max_length=16, description="overrides the Accept header")]

ARRAYS: dict[str, Callable[[LabelledArray], bytes]] = {
    "csv": to_csv,
    "npy": to_npy,
    "safetensors": to_safetensors,
}
"""Writers of labelled arrays by the name of their format."""


MAX_TEXT_VALUES = 1_000_000
"""Arrays of more numbers than this are served as npy or safetensors only."""


def documented(model: type, *names: str, **examples: str) -> dict[int | str, dict[str, Any]]:
    """The documented answers of an endpoint that serves these formats, with examples of those of text."""
    content: dict[str, dict[str, Any]] = {
        MEDIA_TYPES[name]: {"schema": {"type": "string"}} for name in names if name != "json"
    }
    for name, text in examples.items():
        content[MEDIA_TYPES[name]]["example"] = text
    return {
        200: {"model": model, "content": content},
        304: {"description": "the caller has it (If-None-Match)"},
    }


def part(services: Services, experiment_id: str, layer: str | None) -> slice:
    """Where a layer lies in the experiment's context vectors; all of them where it is None.

    Raises InvalidSpec for a layer that the network does not have.
    """
    if layer is None:
        return slice(None)
    spec = ExperimentSpec.model_validate(queries.experiment(services.database, experiment_id).record.spec)
    known = layers(spec, services.uploads.info)
    if layer not in known:
        raise InvalidSpec("layer", f"a {spec.network.kind} like this has {', '.join(known)}")
    return known[layer]


def vectors(services: Services, ref: StageRef, layer: str | None = None) -> np.ndarray:
    """The context vectors of a stage, float32 [T, H], or one layer's part of them. Raises as `part` does."""
    return load_stage(services.artifacts, ref)[:, part(services, ref.experiment_id, layer)]


def similarities(
    services: Services, ref: StageRef, measure: Measure, layer: str | None = None
) -> SimilarityMatrix:
    """How alike the tasks are at a stage, in all layers or one."""
    return similarity(vectors(services, ref, layer), ref.labels, ref.tasks, measure)


def measured(
    services: Services, experiment_id: str, name: str
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """What the finish of an experiment measured under this name: tensors, and text about them.

    Raises NotFound for an unknown experiment, Conflict where it has no such result (yet).
    """
    record = queries.experiment(services.database, experiment_id).record
    found = load_result(services.database, services.artifacts, experiment_id, name)
    if found is None and record.status == "completed":
        raise Conflict(f"{experiment_id} has no {name}: a version that did not measure it completed it")
    if found is None:
        raise Conflict(f"{name} is measured when an experiment completes; {experiment_id} is {record.status}")
    return found


def about(ref: StageRef, layer: str | None = None) -> dict[str, str]:
    """What every answer about a stage says of itself."""
    found = {"experiment_id": ref.experiment_id, "base_id": ref.base_id, "stage": ref.stage}
    return found if layer is None else {**found, "layer": layer}


def file_name(what: str, experiment_id: str, *parts: str | None) -> str:
    """The name of a file with a result, without its ending: stage and layer are told where they matter."""
    return "-".join([what, experiment_id, *(part for part in parts if part is not None)])


def shown(layer: str | None) -> str:
    """What a figure of context vectors says that it shows."""
    return "context vectors" if layer is None else f"context vectors of {layer}"


def title(services: Services, ref: StageRef, what: str) -> str:
    """A figure's title: the experiment's name, what is shown, and when."""
    when = {"before": "before training", "after": "after training"}.get(ref.stage, f"after epoch {ref.stage}")
    return f"{queries.experiment(services.database, ref.experiment_id).record.name}: {what} {when}"


def check_text(name: str, rows: int, columns: int) -> None:
    """Refuse to write so many numbers as text. Raises NotAcceptable."""
    if name in ("json", "csv") and rows * columns > MAX_TEXT_VALUES:
        raise NotAcceptable(f"{rows} × {columns} numbers are too many for {name}; take npy or safetensors")


def require_at_most(ref: StageRef, most: int, what: str) -> None:
    """Refuse to compute what grows faster than the tasks. Raises InvalidSpec."""
    if len(ref.tasks) > most:
        raise InvalidSpec(
            "experiment_id",
            f"{len(ref.tasks):,} tasks are too many for {what}, which is for {most:,} at most; "
            "similarity/nearest tells what each is most like, and similarity has them all as npy",
        )


def require_tasks(ref: StageRef, fewest: int = 1) -> None:
    """Refuse to draw what has too few tasks. Raises Conflict."""
    if not ref.tasks:
        raise Conflict("no task has a vector at this stage yet, so there is nothing to draw")
    if len(ref.tasks) < fewest:
        raise Conflict(
            f"{len(ref.tasks)} task(s) have a vector at this stage, and this figure needs {fewest}"
        )
