"""What the server writes for an experiment's page, in every state, for everybody who may see it."""

from __future__ import annotations

import html
from pathlib import Path

import httpx
import numpy as np
import pytest

from service.dependencies import Services
from tests.api.conftest import completed, submit, work
from tests.support.people import cancelled_experiment, people
from tgsh.store import jobs
from tgsh.store.models import Job

PLOTS = ("similarity", "dendrogram", "embedding", "accuracy", "losses", "geometry")


def page(client: httpx.Client, experiment_id: str) -> str:
    answer = client.get(f"/dashboard/experiments/{experiment_id}")
    assert answer.status_code == 200, answer.text
    assert "script-src 'self';" in answer.headers["content-security-policy"]
    return answer.text


def plot(client: httpx.Client, experiment_id: str, name: str, **query: str) -> dict[str, object]:
    answer = client.get(f"/dashboard/experiments/{experiment_id}/plots/{name}", params=query)
    assert answer.status_code == 200, answer.text
    document: dict[str, object] = answer.json()
    return document


def test_queued_experiment_has_nothing_to_draw_and_can_be_cancelled(client: httpx.Client) -> None:
    experiment_id = submit(client)
    shown = page(client, experiment_id)
    assert 'class="status status-queued"' in shown
    assert "waiting for a worker" in shown
    assert f'data-path="/experiments/{experiment_id}/cancel"' in shown
    assert 'id="delete"' not in shown
    assert "Bundle (zip)" not in shown
    for name in PLOTS:
        described = plot(client, experiment_id, name)
        assert described["summary"]
        assert described["links"] == {} or name == "similarity"
    [grid] = plot(client, experiment_id, "similarity")["data"]  # type: ignore[misc]
    assert grid["z"] == [[None] * 3] * 3  # a place for every task


def test_plots_show_what_there_is_by_now(client: httpx.Client, services: Services) -> None:
    experiment_id = submit(client)
    work(services, experiment_id, 0, 2)
    [grid] = plot(client, experiment_id, "similarity")["data"]  # type: ignore[misc]
    values = np.array(grid["z"], float)
    assert np.isfinite(values).tolist() == [[True, False, True], [False] * 3, [True, False, True]]
    known = client.get(f"/experiments/{experiment_id}/similarity").json()["values"]
    assert np.allclose(values[np.ix_([0, 2], [0, 2])], known, atol=1e-4)
    assert "2 of 3 tasks" in str(plot(client, experiment_id, "similarity")["summary"])
    assert "2 of 3 tasks" in page(client, experiment_id)


def test_plot_is_not_sent_again_before_it_changes(client: httpx.Client, services: Services) -> None:
    experiment_id = submit(client)
    path = f"/dashboard/experiments/{experiment_id}/plots/similarity"
    tag = client.get(path).headers["etag"]
    assert client.get(path, headers={"If-None-Match": tag}).status_code == 304
    work(services, experiment_id, 0)
    assert client.get(path, headers={"If-None-Match": tag}).status_code == 200


def test_failed_experiment_says_why_and_can_be_tried_again(client: httpx.Client, services: Services) -> None:
    experiment_id = submit(client)
    for index, reason in enumerate(("no <memory> left", "no <memory> left", "the images are gone")):
        claim = jobs.lease_job(services.database, Job(experiment_id=experiment_id, index=index), "w", 60)
        assert claim is not None
        jobs.fail(services.database, claim, reason)
    shown = page(client, experiment_id)
    assert 'class="status status-failed"' in shown
    assert html.escape("no <memory> left") in shown
    assert "<b>0°, 10°</b>" in shown  # one reason, told once
    assert "the images are gone" in shown
    assert "Retry what failed" in shown
    assert f'data-path="/experiments/{experiment_id}/resume"' in shown


def test_completed_experiment_can_be_deleted_and_downloaded(client: httpx.Client, services: Services) -> None:
    path = completed(client, services)
    shown = page(client, path.rpartition("/")[2])
    assert 'data-method="DELETE"' in shown
    assert f'href="{path}/bundle"' in shown
    assert f'href="{path}/similarity?format=safetensors"' in shown
    assert "<progress" not in shown


@pytest.mark.parametrize("network", [{"kind": "neuromodnet"}, {"kind": "tgsh"}])
def test_where_there_are_no_reconstructions_the_page_says_why(
    client: httpx.Client, network: dict[str, str]
) -> None:
    shown = page(client, submit(client, network=network))
    assert f"A {network['kind']} has no reconstructions: they invert FlyNet&#39;s matrix A." in shown
    assert "noise samples" not in shown
    assert ('name="layer"' in shown) == (network["kind"] == "neuromodnet")


def test_names_are_words_never_markup(client: httpx.Client) -> None:
    name = "<img src=x onerror=alert(1)> “q\" ' & </script>"
    tasks = [{"label": "<b>bold</b>"}, {"label": "same"}, {"label": "x" * 60}]
    experiment_id = submit(client, name=name, tags=["<i>"], suite={"kind": "custom", "tasks": tasks})
    shown = page(client, experiment_id)
    assert "<img" not in shown
    assert "<b>bold" not in shown
    [grid] = plot(client, experiment_id, "similarity")["data"]  # type: ignore[misc]
    assert grid["x"][0] == "&lt;b&gt;bold&lt;/b&gt;"  # plotly has tags of its own
    assert len(grid["x"][2]) < 40


@pytest.mark.parametrize("path", ["", "/plots/similarity", "/losses.csv"])
def test_what_others_own_is_not_there_unless_shared(tmp_path: Path, client: httpx.Client, path: str) -> None:
    with people(tmp_path, client) as who:
        owned = cancelled_experiment(who["alice"])
        where = f"/dashboard/experiments/{owned}{path}"
        assert who["alice"].get(where).status_code == who["root"].get(where).status_code == 200
        assert who["bob"].get(where).status_code == who["rita"].get(where).status_code == 404
        who["alice"].patch(f"/experiments/{owned}", json={"shared": True})
        assert who["bob"].get(where).status_code == 200
        assert client.get(where).status_code == 401


def test_only_who_may_change_it_is_offered_to(tmp_path: Path, client: httpx.Client) -> None:
    with people(tmp_path, client) as who:
        owned = cancelled_experiment(who["alice"], shared=True)
        own, others = (page(who[name], owned) for name in ("alice", "bob"))
        assert 'id="share"' in own
        assert 'data-method="DELETE"' in own
        assert "data-method" not in others
        assert 'id="share"' not in others
        assert "$TGSH_API_KEY" in own  # the command takes a key where one is needed
        assert "by <b>alice</b>, shared" in others


def test_bad_requests_are_problems(client: httpx.Client) -> None:
    experiment_id = submit(client)
    root = f"/dashboard/experiments/{experiment_id}"
    assert client.get(f"{root}/plots/nothing").status_code == 404
    assert client.get(f"{root}/plots/similarity?stage=9").status_code == 404
    assert client.get(f"{root}/plots/similarity?layer=layer-7").status_code == 422
    assert client.get(f"{root}/plots/similarity?order=sideways").status_code == 422
    assert client.get("/dashboard/experiments/0123456789abcdef").status_code == 404
    assert client.get("/dashboard/experiments/nonsense").status_code == 422


def test_losses_are_a_table(client: httpx.Client, services: Services) -> None:
    experiment_id = submit(client)
    work(services, experiment_id, 1)
    answer = client.get(f"/dashboard/experiments/{experiment_id}/losses.csv")
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.text.split() == ["task,label,epoch,loss", "1,10°,1,0.5", "1,10°,2,0.5"]
