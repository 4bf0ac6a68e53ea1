"""The client against the real service, and against connections that break."""

from __future__ import annotations

import io
import socket

import httpx
import numpy as np
import pytest

from tests.system.client.conftest import TINY
from tests.system.client.cutting import CuttingProxy
from tgsh import schemas
from tgsh.client import Client
from tgsh.errors import ServiceProblem, ServiceUnreachable
from tgsh.specs.presets import Submission
from tgsh.stack.stack import Stack


def test_results_of_a_finished_experiment(client: Client, done: schemas.Experiment) -> None:
    assert done.progress.fraction == 1
    assert [task.status for task in client.tasks(done.id)] == ["completed", "completed"]
    assert client.task(done.id, 1).index == 1
    matrix = client.similarity(done.id)
    assert matrix.complete
    assert np.allclose(np.diag(matrix.values), 1)
    before = client.similarity(done.id, stage="before", order="cluster", measure="correlation")
    assert (before.stage, before.order, before.measure) == ("before", "cluster", "correlation")
    course = client.similarity_epochs(done.id, [(1, 0)]).pairs[0]
    assert course.values[-1] == pytest.approx(matrix.values[0][1])
    tree = client.dendrogram(done.id, method="single")
    assert (len(tree.linkage), tree.method, sorted(tree.leaves)) == (1, "single", [0, 1])
    points = client.embedding(done.id, method="pca", dimensions=3)
    assert (points.method, np.shape(points.values)) == ("pca", (2, 3))
    for ask in (client.similarity, client.dendrogram, client.embedding, client.context_vectors):
        assert ask(done.id, layer="layer-1").layer == "layer-1"
    assert client.similarity_epochs(done.id, layer="layer-1").layer == "layer-1"
    beside = client.geometry(done.id, baseline=done.id)
    assert client.geometry(done.id).baseline is None
    assert beside.baseline is not None
    assert beside.baseline.after == beside.after
    assert client.accuracy(done.id).mean == pytest.approx(done.mean_accuracy)


def test_fetched_bytes_are_the_vectors(client: Client, done: schemas.Experiment) -> None:
    file = io.BytesIO(client.fetch(done.id, "context-vectors", format="npy", params={"stage": "after"}))
    vectors = np.load(file, allow_pickle=False)
    assert np.allclose(vectors, client.context_vectors(done.id).values)
    picture = client.fetch(done.id, "similarity", format="png")
    assert picture.startswith(b"\x89PNG")
    assert client.figure(done.id, "similarity") == picture


def test_experiments_follows_cursors_and_filters(client: Client, done: schemas.Experiment) -> None:
    queued = [client.submit(TINY | {"tags": ["many"], "name": f"number {n}"}, anew=True) for n in range(3)]
    newest_first = [experiment.id for experiment in reversed(queued)]
    assert [experiment.id for experiment in client.experiments(tag="many", page_size=1)] == newest_first
    assert [experiment.name for experiment in client.experiments(q="number 1")] == ["number 1"]
    assert done.id in {experiment.id for experiment in client.experiments(status="completed")}
    for experiment in queued:
        client.wait(experiment.id, timeout=60)
        client.delete(experiment.id)
    assert not list(client.experiments(tag="many"))


def test_a_key_makes_one_experiment(client: Client) -> None:
    spec = Submission.model_validate(TINY | {"tags": ["keyed"]}).spec()
    first, second = (client.submit(spec, "one key", anew=True) for _ in range(2))
    assert first.id == second.id
    assert client.wait(first.id, timeout=60).spec == spec


def test_an_answer_lost_on_its_way_makes_no_second_experiment(stack: Stack, client: Client) -> None:
    with CuttingProxy(stack.port, cuts=1, limit=20) as proxy, Client(proxy.url) as shaky:
        experiment = shaky.submit(TINY | {"tags": ["lost"]}, anew=True)
    assert proxy.requests == 2
    assert [found.id for found in client.experiments(tag="lost")] == [experiment.id]


def test_events_go_on_where_the_connection_broke(
    stack: Stack, client: Client, done: schemas.Experiment
) -> None:
    whole = list(client.events(done.id))
    assert isinstance(whole[-1], schemas.StatusEvent)
    assert whole[-1].status == "completed"
    kinds = {type(event) for event in whole}
    assert kinds == {schemas.ProgressEvent, schemas.TaskEvent, schemas.StatusEvent}
    with CuttingProxy(stack.port, cuts=2, limit=700) as proxy, Client(proxy.url) as shaky:
        assert list(shaky.events(done.id)) == whole
    assert proxy.requests == 3


def test_a_refused_spec_names_the_field(client: Client) -> None:
    with pytest.raises(ServiceProblem, match="epocks") as refused:
        client.submit(TINY | {"epocks": 3})
    assert refused.value.status == 422
    with pytest.raises(ServiceProblem) as missing:
        list(client.events("0" * 16))
    assert missing.value.status == 404


def test_catalog_and_readiness(client: Client) -> None:
    assert {"demo", "rotation-mnist"} <= {preset.name for preset in client.catalog().presets}
    assert client.ready().ready


def test_wait_gives_up(client: Client) -> None:
    slow = client.submit({"preset": "demo", "training": {"epochs": 1000}})
    with pytest.raises(TimeoutError, match="still"):
        client.wait(slow.id, timeout=0.2)
    client.cancel(slow.id)
    assert client.wait(slow.id, timeout=150).status == "cancelled"


def test_nothing_there_says_how_to_start_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    with Client(url) as client, pytest.raises(ServiceUnreachable, match=rf"{url}.*tgsh up"):
        client.catalog()


def test_the_url_and_the_key_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TGSH_URL", "http://lab:8000/")
    monkeypatch.setenv("TGSH_API_KEY", "secret")
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, text="<html>")

    with (
        Client(transport=httpx.MockTransport(answer)) as client,
        pytest.raises(ServiceProblem, match="is this a tgsh service"),
    ):
        client.catalog()
    assert str(seen[0].url) == "http://lab:8000/catalog"
    assert seen[0].headers["Authorization"] == "Bearer secret"


def test_a_proxy_page_is_no_problem_document() -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(404, text="<html>"))
    with Client(transport=transport) as client, pytest.raises(ServiceProblem, match="404"):
        client.get("0" * 16)
