"""What the catalog says can be asked for, and that it is so."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from service.dependencies import Services
from tests.api.conftest import SPEC, finish, submit, work
from tgsh.networks.registry import context_of, vector_size
from tgsh.specs import ExperimentSpec
from tgsh.specs.results import RESULT_SPECS
from tgsh.store import leases

KINDS = ("flynet", "neuromodnet", "tgsh", "gsh")


@pytest.fixture
def networks(client: httpx.Client) -> dict[str, dict[str, Any]]:
    return {entry["name"]: entry["details"] for entry in client.get("/catalog").json()["networks"]}


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_refuses_what_the_catalog_does_not_promise(
    client: httpx.Client, services: Services, networks: dict[str, dict[str, Any]], kind: str
) -> None:
    experiment_id = submit(client, network={"kind": kind})
    work(services, experiment_id, 0, 1, 2, width=sum(networks[kind]["layers"].values()))
    finish(services, experiment_id)
    promised = networks[kind]["answers"]
    for resource in [result.name for result in RESULT_SPECS.values() if not result.of_task]:
        answer = client.get(f"/experiments/{experiment_id}/{resource}")
        refused = answer.status_code == 409 and f"a {kind} has no" in answer.json()["detail"]
        assert refused == (resource not in promised), answer.text
    links = client.get(f"/experiments/{experiment_id}").json()["links"]
    assert set(links) - {"self", "tasks", "events", "bundle", "placements"} == set(promised)


def test_only_flynet_reconstructs(networks: dict[str, dict[str, Any]]) -> None:
    able = [name for name, details in networks.items() if "reconstructions" in details["answers"]]
    assert able == ["flynet"]
    assert set(networks) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_layers_are_those_of_the_defaults(networks: dict[str, dict[str, Any]], kind: str) -> None:
    spec = ExperimentSpec.model_validate({"network": {"kind": kind}})
    layers = networks[kind]["layers"]
    assert sum(layers.values()) == vector_size(context_of(spec.network, 784, 10))
    assert next(iter(layers)) == "layer-1"


def test_presets_are_whole_specs(client: httpx.Client) -> None:
    for preset in client.get("/catalog").json()["presets"]:
        spec = ExperimentSpec.model_validate(preset["details"]["spec"])
        assert spec.title == preset["description"]


TORCH_KINDS = {"augment", "neuromodnet", "tgsh", "gsh"}
AUGMENT = {"preset": "augment-mnist"}
BOTH = {"preset": "augment-mnist", "network": {"kind": "tgsh"}}


def unavailable(client: httpx.Client) -> dict[str, str]:
    """Reasons, by name, of all entries that no worker can run."""
    catalog = client.get("/catalog").json()
    entries = [*catalog["datasets"], *catalog["suites"], *catalog["networks"], *catalog["presets"]]
    return {entry["name"]: entry["unavailable"] for entry in entries if entry["unavailable"]}


def test_where_no_worker_has_torch_everything_that_needs_it_says_so(
    client: httpx.Client, services: Services
) -> None:
    assert unavailable(client) == {}  # nobody lives: who starts later may have it
    leases.heartbeat(services.database, "light", "h", 1, ["cpu"], has_torch=False, datasets=["mnist"])
    reasons = unavailable(client)
    assert set(reasons) >= TORCH_KINDS
    assert reasons["augment"] == "augment needs torch: pip install 'tgsh[worker]'"
    assert {"augment-mnist", "rotation-mnist-neuromodnet"} <= set(reasons)
    assert not {"rotation-mnist", "demo", "flynet", "rotation", "custom"} & set(reasons)


@pytest.mark.parametrize("path", ["/experiments", "/estimates"])
def test_a_request_that_needs_torch_is_refused_before_anything_is_queued(
    client: httpx.Client, services: Services, path: str
) -> None:
    assert client.post(path, json=AUGMENT).is_success
    leases.heartbeat(services.database, "light", "h", 1, ["cpu"], has_torch=False, datasets=["mnist"])
    before = len(client.get("/experiments").json()["items"])
    response = client.post(path, params={"anew": True} if path == "/experiments" else {}, json=BOTH)
    assert response.status_code == 422
    errors = {each["field"]: each["message"] for each in response.json()["errors"]}
    assert list(errors) == ["network.kind", "suite.kind"]
    assert errors["suite.kind"].startswith("augment needs torch: pip install 'tgsh[worker]'")
    assert len(client.get("/experiments").json()["items"]) == before
    leases.heartbeat(services.database, "whole", "h", 2, ["cpu"], has_torch=True, datasets=["mnist"])
    assert client.post(path, json=BOTH).is_success


def test_a_preview_is_refused_for_its_suite_alone(client: httpx.Client, services: Services) -> None:
    leases.heartbeat(services.database, "light", "h", 1, ["cpu"], has_torch=False, datasets=["mnist"])
    refused = client.post("/previews", json=AUGMENT)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "suite.kind")
    assert client.post("/previews", json={**SPEC, "network": {"kind": "tgsh"}}).status_code == 202


def test_a_retry_of_what_was_accepted_gets_the_same_answer_whatever_workers_live_now(
    client: httpx.Client, services: Services
) -> None:
    headers = {"Idempotency-Key": "k"}
    first = client.post("/experiments", json=AUGMENT, headers=headers)
    leases.heartbeat(services.database, "light", "h", 1, ["cpu"], has_torch=False, datasets=["mnist"])
    again = client.post("/experiments", json=AUGMENT, headers=headers)
    assert (again.status_code, again.json()["id"]) == (202, first.json()["id"])
