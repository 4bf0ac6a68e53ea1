"""/experiments/{id}/geometry: is the network a task-specific geometric-sensitive hash?"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from reprlib import Repr
from typing import Any

import numpy as np
import safetensors.numpy
from fastapi import APIRouter, Request, Response

from service import results, subprocesses
from service.dependencies import BaselineId, ExperimentId, Services, ServicesDep
from service.responses import choose, respond
from service.results import Format, documented
from service.subprocesses import DRAWN
from tgsh.arrays import table_csv
from tgsh.errors import InvalidSpec
from tgsh.schemas import Geometry
from tgsh.specs import ExperimentSpec
from tgsh.store import queries

router = APIRouter(prefix="/experiments", tags=["results"])

OFFERED = ("json", "csv", "safetensors", "png", "svg", "pdf")

EXAMPLE = (
    "from,to,before intra,before inter,after intra,after inter\n"
    "-1.0,-0.33,0,0,0,0\n"
    "-0.33,0.33,0,37800,9120,34900\n"
    "0.33,1.0,58320,0,49200,2900\n"
)
"""What the API page shows."""

STAGES = ("before", "after")


@dataclass(frozen=True)
class Measured:
    """What was measured of one experiment, and of which one."""

    experiment_id: str
    base_id: str
    name: str
    network: str
    sample: dict[str, Any]
    tensors: dict[str, np.ndarray]
    stages: dict[str, dict[str, Any]]


@router.get(
    "/{experiment_id}/geometry",
    summary="Is it a task-specific geometric-sensitive hash",
    responses=documented(Geometry, *OFFERED, csv=EXAMPLE),
    response_class=Response,
)
def geometry(
    experiment_id: ExperimentId,
    services: ServicesDep,
    request: Request,
    baseline: BaselineId = None,
    format: Format = None,
) -> Response:
    """Definition 1 and Fig. 2a of the paper, measured on test images when the experiment completes.

    Cosines of representations r_t(x), such as v_t ⊙ φ(x) of FlyNet: `intra` pairs share the task and
    differ in class, `inter` pairs share the class and differ in task. T-GSH means that intra exceeds
    inter. Beside the trained contexts stand the untrained ones: their P(intra > inter) is near 1 too, as
    independent random contexts share nothing; what training adds is that alike tasks come closer (inter
    grows above 0).
    Recoverability of γ: a ridge map from representations to the task, and to its angle or shift, fitted
    on one half of the images and scored on the other.
    `baseline` names another completed experiment on the same tasks and images, such as one with the
    network `gsh`, which shares nothing: what the two have not in common is what its modulation adds.
    """
    name = choose(request, format, OFFERED)
    own = _measured(services, experiment_id)
    beside = None if baseline is None else _baseline(services, own, baseline)
    document = _document(own, beside)
    body = document.model_dump_json()
    title = own.name if beside is None else f"{own.name}, beside {beside.name}"
    return respond(
        request,
        services.cache,
        ("geometry", body, title),
        name,
        results.file_name("geometry", experiment_id, baseline),
        lambda: _encode(services, document, _tensors(own, beside), title, name),
        final=True,
    )


def _measured(services: Services, experiment_id: str) -> Measured:
    tensors, about = results.measured(services, experiment_id, "geometry")
    record = queries.experiment(services.database, experiment_id).record
    stages = json.loads(about["summaries"])
    for stage in STAGES:
        stages[stage] |= {kind: tensors[f"{stage}.{kind}"].tolist() for kind in ("intra", "inter")}
    return Measured(
        experiment_id=experiment_id,
        base_id=record.base_id,
        name=record.name,
        network=_spec(services, experiment_id).network.kind,
        sample=json.loads(about["sample"]),
        tensors=tensors,
        stages=stages,
    )


def _spec(services: Services, experiment_id: str) -> ExperimentSpec:
    return ExperimentSpec.model_validate(queries.experiment(services.database, experiment_id).record.spec)


def _baseline(services: Services, own: Measured, experiment_id: str) -> Measured:
    """Raises InvalidSpec, saying what differs, where it was not measured on the same tasks and images."""
    _require_equal(*(_tasks(_spec(services, which)) for which in (own.experiment_id, experiment_id)))
    found = _measured(services, experiment_id)
    _require_equal(*({**which.sample, "edges": which.tensors["edges"].tolist()} for which in (own, found)))
    return found


def _tasks(spec: ExperimentSpec) -> dict[str, object]:
    suite = spec.suite.model_dump(mode="json")
    return {"dataset": spec.dataset_key, **{f"suite.{key}": value for key, value in suite.items()}}


def _require_equal(ours: Mapping[str, object], theirs: Mapping[str, object]) -> None:
    short = Repr()
    differing = [
        f"its {key} is {short.repr(theirs[key])} instead of {short.repr(value)}"
        for key, value in ours.items()
        if key in theirs and theirs[key] != value
    ]
    if differing:
        raise InvalidSpec(
            "baseline", f"was not measured on the same tasks and images: {', '.join(differing)}"
        )


def _document(own: Measured, beside: Measured | None) -> Geometry:
    return Geometry.model_validate(
        {
            "experiment_id": own.experiment_id,
            "base_id": own.base_id,
            "network": own.network,
            "sample": own.sample,
            "edges": own.tensors["edges"].tolist(),
            **own.stages,
            "baseline": None
            if beside is None
            else {
                "experiment_id": beside.experiment_id,
                "name": beside.name,
                "network": beside.network,
                **beside.stages,
            },
        }
    )


def _tensors(own: Measured, beside: Measured | None) -> dict[str, np.ndarray]:
    other = {} if beside is None else beside.tensors
    return own.tensors | {f"baseline.{name}": tensor for name, tensor in other.items() if name != "edges"}


def _encode(
    services: Services, document: Geometry, tensors: dict[str, np.ndarray], title: str, name: str
) -> bytes:
    if name == "json":
        return document.model_dump_json().encode()
    if name == "safetensors":
        return safetensors.numpy.save(tensors)
    if name in DRAWN:
        return services.figure_process.render(subprocesses.draw_geometry, DRAWN[name], document, title)
    measured = {"": document, "baseline ": document.baseline}
    columns = {
        f"{whose}{stage} {kind}": getattr(getattr(of, stage), kind)
        for whose, of in measured.items()
        if of is not None
        for stage in STAGES
        for kind in ("intra", "inter")
    }
    edges = document.edges
    return table_csv(["from", "to", *columns], zip(edges[:-1], edges[1:], *columns.values(), strict=True))
