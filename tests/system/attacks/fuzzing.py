"""Requests out of the OpenAPI document, against a store with an experiment in every state.

No answer may be an error of the server, and each must be one that the document describes: its status, its
type, its content.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import httpx
import hypothesis
import hypothesis.strategies as st
import numpy as np
import schemathesis
from schemathesis.checks import CheckFunction
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from service.dependencies import Services
from tests.api.conftest import Measured, finish, submit, work
from tests.support.uploads import grey, npz, upload
from tgsh.store import jobs
from tgsh.store.models import Job

CHECKS: list[CheckFunction] = [
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
]
WIDTH = 784
NETWORK = {"kind": "flynet", "expansion": 1}
UNKNOWN = "f" * 16
GOOD = {
    "format": ("json", "csv", "npy", "png"),
    "stage": ("before", "after", "1"),
    "layer": ("context", "layer-1"),
    "tasks": ("0", "0-1", "2,0"),
    "classes": ("3", "0-9"),
    "method": ("average", "pinv", "pca"),
    "pairs": ("0-1", "1-2,0-0"),
    "ridge": (1.0,),
    "size": ("5x6", "8x8"),
    "channels": ("1", "3"),
    "fit": ("squash", "pad"),
    "background": ("white", "#ff8800"),
    "encoding": ("cp437", "gbk"),
    "on_bad": ("refuse", "skip"),
    "duplicates": ("together", "keep"),
    "test_share": ("0.2", "0.5"),
}
"""Values of parameters whose schema allows far more than any experiment has."""


DATASETS = st.one_of(
    st.integers(0, 3).map(lambda seed: npz(x=grey(seed)[0], y=grey(seed)[1])),
    st.integers(0, 3).map(lambda seed: npz(x=grey(seed)[0] / 255, y=grey(seed)[1])),
    st.integers(0, 99).map(lambda cut: npz(x=grey()[0], y=grey()[1])[: 6 * cut]),
    st.binary(max_size=200),
)
"""What is sent to POST /datasets: good ones (also the first that is tried), nearly good ones, junk."""

FILE = "application/octet-stream"
schemathesis.openapi.media_type(FILE, DATASETS)


@schemathesis.serializer(FILE)
def _as_it_is(_: Any, value: Any) -> bytes:
    return value if isinstance(value, bytes) else json.dumps(value).encode()


@dataclass
class Told:
    """What was asked and answered."""

    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)

    def of(self, operation: str) -> str:
        """How often an operation answered with which status."""
        counts = [f"{status}: {n}" for (of, status), n in sorted(self.statuses.items()) if of == operation]
        return f"{operation:62} {', '.join(counts)}"


def populate(client: httpx.Client, parts: Services) -> dict[str, str]:
    """An experiment in every state, by the state, and a dataset."""
    ids = {
        state: submit(client, name=state, network=NETWORK)
        for state in ("queued", "running", "completed", "failed")
    }
    work(parts, ids["running"], 0, width=WIDTH)
    held = jobs.lease_job(parts.database, Job(ids["running"], 1), "w", 3600)
    assert held is not None
    key = f"{ids['running']}/tasks/1-1"
    sha256 = parts.artifacts.save(key, {"vectors": np.ones((2, WIDTH), np.float32)}, {})
    jobs.record_epoch(parts.database, held, (0.5,), 1.0, key, sha256)
    work(parts, ids["completed"], 0, 1, 2, width=WIDTH)
    finish(parts, ids["completed"], _measured())
    work(parts, ids["failed"], 0, width=WIDTH)
    claim = jobs.lease_job(parts.database, Job(ids["failed"], 1), "w", 60)
    assert claim is not None
    jobs.fail(parts.database, claim, "it broke", with_siblings=True)
    upload(client)
    return ids


def _measured() -> Measured:
    rng = np.random.default_rng(0)
    matrix = {"matrix": rng.random((3, 3)), "untrained": rng.random(3)}
    means = {"means": rng.random((3, 10, 784)).astype(np.float32)}
    samples = {"images": rng.random((3, 2, 784)).astype(np.float32), "classes": np.arange(2)}
    return {
        "accuracy-matrix": (matrix, {}),
        "class-means": (means, {}),
        "samples": (samples, {"tasks": "[0, 1, 2]"}),
    }


def fuzz(
    client: httpx.Client,
    parts: Services,
    examples: int,
    *,
    derandomize: bool,
    headers: Mapping[str, str] = MappingProxyType({}),
    only: Collection[str] = (),
    say: Callable[[str], object] = str,
) -> Told:
    """So many requests to every operation; raises at the first answer that must not be.

    client: whoever owns the experiments that are asked about. headers: of who asks. only: operations such
    as "POST /datasets"; without one, all. say: is told of each operation when its requests are answered.
    """
    ids, told = populate(client, parts), Told()
    schema = schemathesis.openapi.from_dict(_without_tuples(client.get("/openapi.json").json()))
    settings = hypothesis.settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=derandomize,
        suppress_health_check=list(hypothesis.HealthCheck),
        phases=[hypothesis.Phase.generate],
    )
    operations = [operation.ok() for operation in schema.get_all_operations()]
    unknown = set(only) - {operation.label for operation in operations}
    assert not unknown, f"no operations: {', '.join(sorted(unknown))}"
    for operation in operations:
        if only and operation.label not in only:
            continue
        for mode in schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE:
            try:
                settings(_asking(client, operation, mode, ids, told, headers))()
            except hypothesis.errors.Unsatisfiable:
                if mode is schemathesis.GenerationMode.POSITIVE:
                    raise  # nothing about some operations can be wrong
        say(told.of(operation.label))
    return told


def _without_tuples(schema: Any) -> Any:
    """The same document, where a position of an array may hold what any of its positions may.

    schemathesis takes `prefixItems` for an older draft's `items` and refuses to check answers with it.
    """
    if isinstance(schema, list):
        return [_without_tuples(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    parts = {key: _without_tuples(part) for key, part in schema.items() if key != "prefixItems"}
    if "prefixItems" in schema:
        parts["items"] = {"anyOf": schema["prefixItems"]}
    return parts


def _asking(
    client: httpx.Client,
    operation: Any,
    mode: schemathesis.GenerationMode,
    ids: dict[str, str],
    told: Told,
    headers: Mapping[str, str],
) -> Any:
    """A property of hypothesis: whatever is asked, the answer is a described one."""

    @hypothesis.given(
        case=operation.as_strategy(generation_mode=mode),
        state=st.sampled_from(list(ids)),
        known=st.integers(0, 9),
    )
    def ask(case: Any, state: str, known: int) -> None:
        _aim(case, client, ids[state], state, known)
        response = case.call(base_url=str(client.base_url), timeout=60, headers=dict(headers))
        told.statuses[operation.label, response.status_code] += 1
        assert response.status_code < 500 or response.status_code == 503, response.text
        case.validate_response(response, checks=CHECKS)

    return ask


def _aim(case: Any, client: httpx.Client, experiment_id: str, state: str, known: int) -> None:
    """Mostly at what is there, so that requests come further than to 404."""
    if known < 8:
        for name, values in GOOD.items():
            if name in (case.query or {}):
                case.query[name] = values[known % len(values)]
    parameters = case.path_parameters or {}
    if "dataset_id" in parameters and known > 3:
        there = client.get("/datasets").json()["items"]
        if there:
            parameters["dataset_id"] = there[0]["id"]
        elif known > 8:  # now and then: an upload takes a process
            parameters["dataset_id"] = upload(client)
        case.path_parameters = parameters
    if "experiment_id" not in parameters or known == 0:
        return
    endless = case.path.endswith("/events") and state not in ("completed", "failed")
    if endless:
        parameters["experiment_id"] = UNKNOWN
    elif case.method in ("DELETE", "POST") and case.path.count("/") < 4:
        parameters["experiment_id"] = submit(client)
    else:
        parameters["experiment_id"] = experiment_id
    if "index" in parameters and known < 8:
        parameters["index"] = known % 3
    case.path_parameters = parameters
