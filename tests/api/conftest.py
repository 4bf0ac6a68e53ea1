"""The application behind a real server, over a real store; no queue is there."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from starlette.routing import BaseRoute

from service import subprocesses
from service.app import create_app
from service.dependencies import Services
from service.settings import ServiceSettings
from service.subprocesses import ChildProcess
from tests.support.serving import in_process
from tgsh.analysis.confusion import balanced_accuracy, chance
from tgsh.store import jobs
from tgsh.store.confusions import RecognisedCounts
from tgsh.store.models import Job
from tgsh.store.results import consolidate

Measured = Mapping[str, tuple[dict[str, np.ndarray], dict[str, str]]]

EPOCHS = 2
SPEC = {
    "name": "three",
    "dataset": "mnist5k",
    "suite": {"kind": "rotation", "tasks": 3, "step_degrees": 10},
    "training": {"epochs": EPOCHS},
    "tags": ["a"],
}


@pytest.fixture(scope="session", autouse=True)
def shared_processes() -> Iterator[None]:
    """Processes that draw and analyse, one of each kind for all applications: starting one takes seconds."""

    class Shared(ChildProcess):
        def close(self) -> None:
            pass

    with pytest.MonkeyPatch.context() as patch:
        made = {}
        patch.setattr(subprocesses, "ChildProcess", lambda calls: made.setdefault(calls, Shared(calls)))
        yield
    for process in made.values():
        ChildProcess.close(process)


_resolved: list[BaseRoute] = []


def _routes(app: FastAPI) -> list[BaseRoute]:
    """Routes of the first application that asks: FastAPI takes a fifth of a second to resolve them anew."""
    _resolved.extend([] if _resolved else app.router.routes)
    return list(_resolved)


@pytest.fixture
def app(tmp_path: Path, migrated_sqlite: Path) -> FastAPI:
    """The application; its store is in `tmp_path`."""
    shutil.copy(migrated_sqlite, tmp_path)
    app = create_app(ServiceSettings(home=tmp_path, redis_url=SecretStr("redis://127.0.0.1:1/0")))
    app.router.routes = _routes(app)
    return app


@pytest.fixture
def client(app: FastAPI) -> Iterator[httpx.Client]:
    """A client of the application in this process."""
    with in_process(app) as client:
        yield client


@pytest.fixture
def services(app: FastAPI, client: httpx.Client) -> Services:
    """What the application works with, once it is up."""
    services: Services = app.state.services
    return services


def submit(client: httpx.Client, **changes: object) -> str:
    """The id of a new experiment, whatever was computed before."""
    answer = client.post("/experiments", params={"anew": True}, json={**SPEC, **changes})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def completed(
    client: httpx.Client,
    services: Services,
    tasks: int = 3,
    measured: Measured = MappingProxyType({}),
    counted: bool = False,
) -> str:
    """The path of a completed experiment of so many rotations by 10°, with what its finish measured."""
    suite = {"kind": "rotation", "tasks": tasks, "step_degrees": 10}
    experiment_id = submit(client, suite=suite)
    work(services, experiment_id, *range(tasks), counted=counted)
    finish(services, experiment_id, measured)
    return f"/experiments/{experiment_id}"


def vectors_of(index: int, width: int = 5) -> np.ndarray:
    """What the work below learns: float32 [EPOCHS + 1, width]."""
    return np.random.default_rng(index).standard_normal((EPOCHS + 1, width)).astype(np.float32)


def counts_of(index: int) -> RecognisedCounts:
    """What the work below takes test images for: 4 of each class, of which `index` are right."""
    counts = np.diag(np.full(10, index)) + np.roll(np.diag(np.full(10, 4 - index)), 1, axis=1)
    return RecognisedCounts(counts, balanced_accuracy(counts), chance(counts))


def work(
    services: Services, experiment_id: str, *indices: int, width: int = 5, counted: bool = False
) -> None:
    """Do what a worker does, with vectors of our own. counted: with test images, which older ones did not."""
    for index in indices:
        claim = jobs.lease_job(services.database, Job(experiment_id=experiment_id, index=index), "w", 60)
        assert claim is not None
        for epoch in range(1, EPOCHS + 1):
            key = f"{experiment_id}/tasks/{index}-{epoch}"
            sha256 = services.artifacts.save(key, {"vectors": vectors_of(index, width)[: epoch + 1]}, {})
            jobs.record_epoch(services.database, claim, tuple([0.5] * epoch), 1.0, key, sha256)
        tested = counts_of(index) if counted else None
        jobs.complete_task(services.database, claim, 0.25 * index, "cpu", {"torch": "2"}, 0.1, tested)


def finish(services: Services, experiment_id: str, measured: Measured = MappingProxyType({})) -> None:
    """Do what the finish job does, with measurements of our own: tensors, and text about them."""
    claim = jobs.lease_job(services.database, Job(experiment_id=experiment_id), "w", 60)
    assert claim is not None
    key = f"{experiment_id}/vectors.npy"
    sha256 = consolidate(services.database, services.artifacts, experiment_id, key)
    results = {"vectors": (key, sha256)}
    for name, (tensors, about) in measured.items():
        key = f"{experiment_id}/{name}.safetensors"
        results[name] = (key, services.artifacts.save(key, tensors, about))
    jobs.complete_finish(services.database, claim, results)
