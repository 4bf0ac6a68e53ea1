"""Every endpoint answers for every network and suite that can serve it, in every format that it lists."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from service.app import create_app
from service.deps import Parts
from service.settings import ServiceSettings
from tests.service.serving import serving
from tests.service.test_trained_results import train
from tgsh.datasets.info import info_of
from tgsh.networks.answers import SOME
from tgsh.presets import Submission

SMALL: dict[str, Any] = {
    "suite": {"kind": "rotation", "tasks": 3, "step_degrees": 90},
    "network": {"kind": "flynet", "expansion": 2},
    "training": {"epochs": 1, "train_limit": 200},
    "accuracy_matrix": True,
}
NETWORKS = (
    {"kind": "flynet", "expansion": 2},
    {"kind": "neuromodnet", "layers": [20, 12]},
    {"kind": "tgsh", "hidden": 20, "rank": 6},
    {"kind": "gsh", "hidden": 20, "rank": 6},
)
SUITES = (
    {"kind": "shift", "step_pixels": 9, "tasks": 3},
    {"kind": "augment"},
    {"kind": "permutation", "tasks": 3},
    {
        "kind": "custom",
        "tasks": [{"label": "as it is"}, {"label": "=inverted", "transforms": [{"kind": "invert"}]}],
    },
    {"kind": "manifold", "tasks": 3, "side": 8, "train_images": 300, "test_images": 100},
)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    home = tmp_path_factory.mktemp("home")
    return create_app(ServiceSettings(home=home, redis_url=SecretStr("redis://127.0.0.1:1/0")))


@pytest.fixture(scope="module")
def client(app: FastAPI) -> Iterator[httpx.Client]:
    """One server for all."""
    with serving(app) as client:
        yield client


@pytest.fixture(scope="module")
def parts(app: FastAPI, client: httpx.Client) -> Parts:
    parts: Parts = app.state.parts
    return parts


def results(app: FastAPI, method: str) -> Iterator[tuple[str, list[str]]]:
    """Paths below an experiment that answer this method, with the media types that they list."""
    for path, operations in app.openapi()["paths"].items():
        if path.startswith("/experiments/{experiment_id}") and method in operations:
            yield path, list(operations[method]["responses"].get("200", {}).get("content", {}))


def answers(client: httpx.Client, app: FastAPI, root: str, network: str) -> int:
    """Ask for everything that the API page lists; how many answers there were."""
    counted = 0
    for path, media_types in results(app, "get"):
        below = path.removeprefix("/experiments/{experiment_id}").replace("{index}", "1")
        if below == "/events" or below.startswith("/figures/"):
            continue
        for media_type in media_types:
            answer = client.get(f"{root}{below}", headers={"Accept": media_type})
            can = network == "flynet" or below.removeprefix("/") not in SOME
            assert answer.status_code == (200 if can else 409), (below, media_type, answer.text[:300])
            if can:
                assert answer.headers["content-type"].split(";")[0] == media_type
                counted += 1
    return counted


def shown(client: httpx.Client, app: FastAPI, root: str, body: dict[str, Any]) -> None:
    """Ask of a task's network what it sees in images."""
    pixels = info_of(Submission.model_validate(body).spec()).pixels
    images = np.random.default_rng(0).random((2, pixels)).tolist()
    for path, media_types in results(app, "post"):
        for media_type in media_types:
            below = path.removeprefix("/experiments/{experiment_id}").replace("{index}", "1")
            answer = client.post(f"{root}{below}", json={"images": images}, headers={"Accept": media_type})
            assert answer.status_code == 200, (below, media_type, answer.text[:300])


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network["kind"])
def test_every_network(client: httpx.Client, app: FastAPI, parts: Parts, network: dict[str, Any]) -> None:
    body = {**SMALL, "network": network}
    root = train(client, parts, **body)
    assert answers(client, app, root, network["kind"]) > 50
    shown(client, app, root, body)


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite["kind"])
def test_every_suite(client: httpx.Client, app: FastAPI, parts: Parts, suite: dict[str, Any]) -> None:
    body = {**SMALL, "suite": suite, "dataset": "synthetic" if suite["kind"] == "manifold" else "mnist5k"}
    root = train(client, parts, **body)
    assert answers(client, app, root, "flynet") > 50
    shown(client, app, root, body)
    for name in ("samples", "dendrogram"):
        assert client.get(f"{root}/figures/{name}.png").content.startswith(b"\x89PNG")
