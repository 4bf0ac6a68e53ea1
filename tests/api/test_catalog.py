"""What the catalog says can be asked for, and that it is so."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from service.dependencies import Services
from tests.api.conftest import finish, submit, work
from tgsh.networks.registry import context_of, vector_size
from tgsh.specs import ExperimentSpec
from tgsh.specs.results import RESULT_SPECS

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
    assert set(links) - {"self", "tasks", "events", "bundle"} == set(promised)


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
