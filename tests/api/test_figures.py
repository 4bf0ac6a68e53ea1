"""Figures under their stable names are those of the results."""

from __future__ import annotations

import httpx
import numpy as np
import pytest

from service.dependencies import Services
from service.results import FIGURES
from tests.api.conftest import completed, submit, vectors_of, work
from tests.api.test_accuracy_matrix import measured as matrix_measured
from tests.api.test_samples import measured as samples_measured
from tgsh.store import jobs
from tgsh.store.models import Job

MEASURED = (
    "geometry",
    "reconstructions",
    "samples",
    "accuracy-matrix",
    "transfer",
    "scenarios",
    "hashing",
)
"""Drawn from what training leaves beside the vectors, which the work in conftest.py does not make."""

TYPES = {"png": "image/png", "svg": "image/svg+xml", "pdf": "application/pdf"}


@pytest.fixture
def done(client: httpx.Client, services: Services) -> str:
    """The path of an experiment of four tasks."""
    return completed(client, services, 4)


@pytest.mark.slow
def test_every_figure_in_every_format(client: httpx.Client, done: str) -> None:
    seen = set()
    drawn = [name for name in FIGURES if name not in MEASURED]
    for name in drawn:
        for format, media_type in TYPES.items():
            answer = client.get(f"{done}/figures/{name}.{format}", headers={"Accept": "text/html"})
            assert answer.status_code == 200, answer.text
            assert answer.headers["content-type"] == media_type
            seen.add(answer.content)
            again = client.get(
                f"{done}/figures/{name}.{format}", headers={"If-None-Match": answer.headers["ETag"]}
            )
            assert again.status_code == 304
    assert len(seen) == len(drawn) * len(TYPES)


@pytest.mark.slow
def test_a_figure_is_its_results(client: httpx.Client, done: str) -> None:
    for name in ("similarity", "dendrogram", "embedding", "accuracy"):
        figure = client.get(f"{done}/figures/{name}.png").content
        assert figure == client.get(f"{done}/{name}?format=png").content


@pytest.mark.slow
def test_a_measured_figure_is_its_results(client: httpx.Client, services: Services) -> None:
    measured = {**samples_measured(), **matrix_measured(np.eye(4), np.zeros(4))}
    path = completed(client, services, 4, measured)
    for name, resource in (
        ("samples", "samples"),
        ("accuracy-matrix", "accuracy/matrix"),
        ("transfer", "transfer"),
    ):
        for format in TYPES:
            figure = client.get(f"{path}/figures/{name}.{format}").content
            assert figure == client.get(f"{path}/{resource}?format={format}").content


@pytest.mark.slow
def test_before_after_shows_the_tasks_that_are_done(client: httpx.Client, services: Services) -> None:
    experiment_id = submit(client)
    path = f"/experiments/{experiment_id}/figures/similarity-before-after.png"
    work(services, experiment_id, 1)
    alone = client.get(path)
    assert alone.content.startswith(b"\x89PNG")
    claim = jobs.lease_job(services.database, Job(experiment_id=experiment_id, index=0), "w", 60)
    assert claim is not None
    key = f"{experiment_id}/tasks/0-1"
    sha256 = services.artifacts.save(key, {"vectors": vectors_of(0)[:2]}, {})
    jobs.record_epoch(services.database, claim, (0.5,), 1.0, key, sha256)  # has a first vector, not the last
    assert client.get(path).content == alone.content


@pytest.mark.parametrize(
    ("name", "status"), [("portrait.png", 404), ("similarity.gif", 406), ("similarity", 404)]
)
def test_what_is_not_there(client: httpx.Client, done: str, name: str, status: int) -> None:
    answer = client.get(f"{done}/figures/{name}")
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("name", FIGURES)
def test_before_there_is_anything_to_draw(client: httpx.Client, name: str) -> None:
    answer = client.get(f"/experiments/{submit(client)}/figures/{name}.png")
    assert answer.status_code == 409
    assert "nothing to draw" in answer.json()["detail"] or name in MEASURED


def test_the_api_pages_name_them(client: httpx.Client) -> None:
    document = client.get("/openapi.json").json()
    [operation] = document["paths"]["/experiments/{experiment_id}/figures/{name}.{format}"].values()
    named = {parameter["name"]: parameter["schema"].get("enum") for parameter in operation["parameters"]}
    assert (named["name"], named["format"]) == (list(FIGURES), list(TYPES))
