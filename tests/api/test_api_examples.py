"""The API page shows an example of everything, and each is what it is an example of."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.sse import KEEPALIVE_COMMENT
from httpx_sse import EventSource

from service.dependencies import Services
from service.routers import events
from tests.api.conftest import Measured, completed
from tests.api.test_accuracy_matrix import measured as matrix_measured
from tests.unit.analysis.test_clustering import leaf_paths
from tgsh import schemas
from tgsh.client import _requests
from tgsh.execution.planning import plan
from tgsh.schemas.examples import GEOMETRY
from tgsh.specs.presets import Submission

SHOWN = (
    "/experiments",
    "/comparison",
    "/bases",
    "/studies",
    "/reports",
    "/datasets",
    "/previews",
    "/estimates",
    "/workers",
    "/catalog",
    "/readyz",
    "/livez",
    "/metrics",
)
TEXTS = ("text/csv", "text/x-nh", "text/event-stream", "text/plain")


def contents(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every body of the API: (where, media type, what is documented of it)."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            bodies = [operation["requestBody"]] if "requestBody" in operation else []
            bodies += [answer for code, answer in operation["responses"].items() if code.startswith("2")]
            for body in bodies:
                for media_type, content in body.get("content", {}).items():
                    yield f"{method} {path}", media_type, content


def example_of(document: dict[str, Any], content: dict[str, Any]) -> bool:
    schema = content.get("schema", {})
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]]
    return any(key in where for where in (content, schema) for key in ("example", "examples"))


def test_every_document_and_every_text_has_one(app: FastAPI) -> None:
    document = app.openapi()
    found = list(contents(document))
    lacking = [
        f"{where}: {media_type}"
        for where, media_type, content in found
        if media_type in ("application/json", *TEXTS) and not example_of(document, content)
    ]
    assert not lacking
    paths = {where.split()[1] for where, _, _ in found}
    assert paths >= {"/experiments", "/catalog", "/readyz", "/experiments/{experiment_id}/events"}
    assert all(path.startswith(SHOWN) for path in paths), "a path that no example is asked of"
    assert not example_of(document, {"schema": {"type": "object"}})


def test_every_example_is_a_document_of_its_model(app: FastAPI) -> None:
    documented = app.openapi()["components"]["schemas"]
    shown = {name: schema["examples"] for name, schema in documented.items() if "examples" in schema}
    assert {"Experiment", "ExperimentPage", "Similarity", "Geometry", "Catalog", "Problem"} <= set(shown)
    for name, examples in shown.items():
        model = getattr(schemas, name)
        for example in examples:
            read = model.model_validate(example)
            assert read.model_dump(mode="json", exclude_unset=True) == example, name  # no unknown keys


def test_every_submission_can_be_run(app: FastAPI) -> None:
    body = app.openapi()["paths"]["/experiments"]["post"]["requestBody"]["content"]["application/json"]
    assert len(body["examples"]) > 1
    for example in body["examples"].values():
        assert plan(Submission.model_validate(example["value"]).spec()).tasks


def test_errors_have_one_too(app: FastAPI) -> None:
    for operations in app.openapi()["paths"].values():
        for operation in operations.values():
            content = operation["responses"]["4XX"]["content"]["application/problem+json"]
            schemas.Problem.model_validate(content["example"])


def test_the_event_stream_is_one(app: FastAPI) -> None:
    operation = app.openapi()["paths"]["/experiments/{experiment_id}/events"]["get"]
    text = operation["responses"]["200"]["content"]["text/event-stream"]["example"]
    stream = httpx.Response(200, headers={"Content-Type": "text/event-stream"}, text=text)
    found = [_requests.parse_event(sent) for sent in EventSource(stream).iter_sse()]
    kinds = {schemas.StatusEvent, schemas.TaskEvent, schemas.ProgressEvent}
    assert {type(event) for event in found} == kinds
    assert found[-1] is not None
    assert _requests.is_terminal(found[-1])


def test_a_client_takes_a_keep_alive_for_no_event() -> None:
    text = events.STREAM + KEEPALIVE_COMMENT.decode()
    stream = httpx.Response(200, headers={"Content-Type": "text/event-stream"}, text=text)
    *_, before, behind = [_requests.parse_event(sent) for sent in EventSource(stream).iter_sse()]
    assert before is not None
    assert _requests.is_terminal(before)
    assert behind is None


@pytest.mark.parametrize(
    "resource",
    [
        "similarity",
        "similarity/epochs",
        "dendrogram",
        "embedding",
        "context-vectors",
        "accuracy",
        "accuracy/matrix",
        "geometry",
    ],
)
def test_tables_look_like_that(client: httpx.Client, services: Services, app: FastAPI, resource: str) -> None:
    path = completed(client, services, 3, {**matrix_measured(), **geometry_measured()}, counted=True)
    operation = app.openapi()["paths"][f"/experiments/{{experiment_id}}/{resource}"]["get"]
    shown = table(operation["responses"]["200"]["content"]["text/csv"]["example"])
    answered = table(client.get(f"{path}/{resource}?format=csv").text)
    assert shown[0] == answered[0][: len(shown[0])]
    assert [len(row) for row in shown] == [len(shown[0])] * len(answered)
    assert np.isfinite([float(cell) for row in shown[1:] for cell in row[-1:]]).all()


def geometry_measured() -> Measured:
    """The finish's measurement that the example of the document is made of."""
    stages = {stage: GEOMETRY[stage] for stage in ("before", "after")}
    kinds = [(stage, kind) for stage in stages for kind in ("intra", "inter")]
    tensors = {f"{stage}.{kind}": np.array(stages[stage][kind]) for stage, kind in kinds}
    about = {"summaries": json.dumps(stages), "sample": json.dumps(GEOMETRY["sample"])}
    return {"geometry": ({**tensors, "edges": np.array(GEOMETRY["edges"])}, about)}


def test_the_example_of_geometry_is_what_is_answered(client: httpx.Client, services: Services) -> None:
    path = completed(client, services, 3, geometry_measured())
    answered = client.get(f"{path}/geometry").json()
    same = set(GEOMETRY) - {"experiment_id", "base_id", "baseline"}
    assert {name: answered[name] for name in same} == {name: GEOMETRY[name] for name in same}


def table(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


def test_the_tree_can_be_read(app: FastAPI) -> None:
    operation = app.openapi()["paths"]["/experiments/{experiment_id}/dendrogram"]["get"]
    text = operation["responses"]["200"]["content"]["text/x-nh"]["example"]
    assert set(leaf_paths(text.strip())) == {"0°", "10°", "20°"}


def test_the_metrics_look_like_that(client: httpx.Client, app: FastAPI) -> None:
    content = app.openapi()["paths"]["/metrics"]["get"]["responses"]["200"]["content"]["text/plain"]
    told = client.get("/metrics").text.splitlines()
    for line in content["example"].splitlines():
        assert line.rpartition(" ")[0] in {other.rpartition(" ")[0] for other in told}
