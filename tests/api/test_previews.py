"""Previews over HTTP: asked for, drawn by a runner as a worker has one, and read in every format."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import safetensors.numpy

from service.dependencies import Services
from tests.api.conftest import SPEC, submit
from tests.api.test_bad_requests import BAD_BODIES
from tests.api.test_samples import MAGIC
from tests.api.test_trained_results import train
from tests.support.people import people
from tests.support.uploads import coloured, upload
from tgsh.client import Client
from tgsh.execution import runner
from tgsh.execution.context import WorkerContext
from tgsh.store import leases
from tgsh.store.models import PreviewJob, PreviewRecord

NETWORK = {"kind": "flynet", "expansion": 1}


def draw(services: Services, data_dir: Path | None = None) -> None:
    """What a worker does with what is most due, which is a preview."""
    context = WorkerContext(
        services.database, services.artifacts, data_dir or services.settings.data, 60, "cpu", "test"
    )
    work = runner.run_next(context, lambda: False)
    assert work is not None
    assert isinstance(work.jobs[0], PreviewJob)


def asked(client: httpx.Client, **changes: object) -> str:
    """The path of a preview that is not drawn yet."""
    answer = client.post("/previews", json={**SPEC, **changes})
    assert answer.status_code == 202, answer.text
    assert int(answer.headers["Retry-After"]) > 0
    return str(answer.headers["Location"])


@pytest.fixture
def drawn(client: httpx.Client, services: Services) -> str:
    """The path of one of three tasks."""
    path = asked(client)
    draw(services)
    return path


def test_it_waits_says_why_and_is_there_at_once_from_then_on(
    client: httpx.Client, services: Services
) -> None:
    path = asked(client)
    found = client.get(path).json()
    assert (found["status"], found["key"]) == ("queued", path.removeprefix("/previews/"))
    assert "no worker runs" in found["reason"]
    assert (found["tasks"], found["indices"], found["tasks_total"]) == (["0°", "10°", "20°"], [0, 1, 2], 3)
    refused = client.get(f"{path}?format=png")
    assert (refused.status_code, refused.headers["Retry-After"]) == (409, "1")
    assert refused.json()["type"] == "urn:tgsh:problem:not-drawn"
    assert "no worker runs" in refused.json()["detail"]
    leases.heartbeat(services.database, "w", "h", 1, ["cpu"])
    assert client.get(path).json()["reason"] is None
    draw(services)
    at_once = client.post("/previews", json={**SPEC, "network": NETWORK, "name": "another"})
    assert (at_once.status_code, at_once.headers["Location"]) == (200, path)
    assert at_once.json() == client.get(path).json()
    assert at_once.json()["status"] == "ready"
    assert set(at_once.json()["links"]) == {"self", "npy", "safetensors", "png", "svg", "pdf"}
    with Client(str(client.base_url), transport=client._transport) as reader:
        assert reader.preview(SPEC).status == "ready"


@pytest.mark.slow
def test_every_format_shows_what_the_samples_of_an_experiment_show(
    client: httpx.Client, services: Services, drawn: str
) -> None:
    root = train(
        client, services, **{**SPEC, "network": NETWORK, "training": {"epochs": 1, "train_limit": 99}}
    )
    content = {name: client.get(f"{drawn}?format={name}").content for name in ("npy", "safetensors", *MAGIC)}
    assert content["npy"] == client.get(f"{root}/samples?format=npy").content
    assert np.load(io.BytesIO(content["npy"])).shape == (3, 10, 28, 28)
    tensors = safetensors.numpy.load(content["safetensors"])
    assert tensors["tasks"].tolist() == [0, 1, 2]
    assert all(content[name].startswith(start) for name, start in MAGIC.items())
    accepted = client.get(drawn, headers={"Accept": "image/png"})
    assert (accepted.headers["content-type"], accepted.content) == ("image/png", content["png"])
    assert client.get(f"{drawn}?format=csv").status_code == 406


def test_who_has_it_is_told_so(client: httpx.Client, drawn: str) -> None:
    tags = {client.get(f"{drawn}?format={name}").headers["ETag"] for name in ("json", "png", "npy")}
    assert len(tags) == 3
    for tag, name in ((client.get(f"{drawn}?format={n}").headers["ETag"], n) for n in ("json", "png")):
        known = client.get(f"{drawn}?format={name}", headers={"If-None-Match": tag})
        assert (known.status_code, known.content) == (304, b"")


def test_what_failed_says_so_and_is_tried_again(
    client: httpx.Client, services: Services, tmp_path: Path
) -> None:
    nowhere = tmp_path / "nowhere"
    nowhere.write_text("a file where a folder is expected: nothing can be downloaded there")
    path = asked(client, dataset="kmnist")
    draw(services, nowhere)
    found = client.get(path).json()
    assert found["status"] == "failed"
    assert "train-images-idx3-ubyte" in found["reason"]
    refused = client.get(path, headers={"Accept": "image/png"})
    assert refused.status_code == 409
    assert found["reason"] in refused.json()["detail"]
    assert "Retry-After" not in refused.headers
    assert asked(client, dataset="kmnist") == path
    assert client.get(path).json()["status"] == "queued"


def test_a_damaged_picture_is_drawn_again(client: httpx.Client, services: Services, drawn: str) -> None:
    [file] = (services.settings.home / "artifacts" / "previews").iterdir()
    file.write_bytes(b"no images")
    assert "damaged" in client.get(drawn).json()["reason"]
    assert client.get(f"{drawn}?format=npy").status_code == 409
    assert asked(client) == drawn
    draw(services)
    assert client.get(f"{drawn}?format=npy").status_code == 200


@pytest.mark.parametrize("endpoint", ["/previews", "/estimates"])
def test_bad_specs_are_refused_as_by_experiments(
    client: httpx.Client, services: Services, endpoint: str
) -> None:
    for name, (body, status, field) in BAD_BODIES.items():
        json = {"Content-Type": "application/json"}
        answers = [client.post(path, content=body, headers=json) for path in (endpoint, "/experiments")]
        assert [answer.status_code for answer in answers] == [status] * 2, name
        assert field in [error["field"] for error in answers[0].json()["errors"]], name
        ours, theirs = ({**answer.json(), "instance": ""} for answer in answers)
        assert ours == theirs, name
    with services.database.read() as session:
        assert session.query(PreviewRecord).count() == 0


@pytest.mark.parametrize("key", ["0" * 64, "x", "0" * 63, "G" * 64, "..%2f..%2fetc"])
def test_keys_that_are_none(client: httpx.Client, key: str) -> None:
    assert client.get(f"/previews/{key}").status_code in (404, 422)


def test_who_may_have_one_drawn_and_who_may_look(
    client: httpx.Client, services: Services, tmp_path: Path
) -> None:
    with people(tmp_path, client) as known:
        assert known["rita"].post("/previews", json=SPEC).status_code == 403
        assert known["rita"].post("/estimates", json=SPEC).status_code == 403
        path = asked(known["alice"])
        draw(services)
        for name in ("alice", "bob", "rita", "root"):
            assert known[name].get(f"{path}?format=npy").status_code == 200
        assert client.get(path).status_code == 401


UPLOADED: list[Callable[[str], dict[str, Any]]] = [
    lambda id: {"dataset": {"id": id}, "suite": {"kind": "rotation", "tasks": 2}},
    lambda id: {"dataset": None, "suite": {"kind": "datasets", "datasets": [id]}},
]


@pytest.mark.parametrize("spec", UPLOADED)
def test_images_that_are_not_everybodys_are_not_there(
    client: httpx.Client, services: Services, tmp_path: Path, spec: Callable[[str], dict[str, Any]]
) -> None:
    with people(tmp_path, client) as known:
        dataset = upload(known["alice"], *coloured(classes=3))
        path = asked(known["alice"], **spec(dataset))
        draw(services)
        for name in ("bob", "rita"):
            refused = known[name].get(path)
            assert refused.status_code == 404
            other = path[:-1] + ("0" if path[-1] != "0" else "1")
            assert refused.json()["detail"] == known[name].get(other).json()["detail"].replace(
                other.removeprefix("/previews/"), path.removeprefix("/previews/")
            )
        assert known["bob"].post("/previews", json={**SPEC, **spec(dataset)}).status_code in (404, 422)
        for name in ("alice", "root"):
            shown = known[name].get(f"{path}?format=npy")
            assert np.load(io.BytesIO(shown.content)).shape[2:] == (10, 14, 3)
        assert known["alice"].patch(f"/datasets/{dataset}", json={"shared": True}).status_code == 200
        assert known["bob"].get(path).json()["status"] == "ready"


def test_a_preview_is_no_experiment(client: httpx.Client, drawn: str) -> None:
    assert client.get("/experiments").json()["items"] == []
    assert submit(client)
