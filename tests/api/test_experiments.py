"""Submit, list, look, cancel, resume, delete."""

from __future__ import annotations

import httpx
import pytest

from service.dependencies import Services
from tests.api.conftest import finish, submit, work
from tgsh.schemas.examples import SUBMISSIONS
from tgsh.store import jobs
from tgsh.store.models import Job


def test_a_submission_is_answered_at_once_though_no_queue_is_there(client: httpx.Client) -> None:
    answer = client.post("/experiments", json={"preset": "rotation-mnist", "training": {"epochs": 1}})
    assert answer.status_code == 202
    experiment = answer.json()
    assert answer.headers["Location"] == f"/experiments/{experiment['id']}" == experiment["links"]["self"]
    assert int(answer.headers["Retry-After"]) > 0
    assert experiment["status"] == "queued"
    assert experiment["spec"]["training"] == {
        "epochs": 1,
        "batch_size": 128,
        "learning_rate": 0.01,
        "train_limit": None,
    }
    assert experiment["progress"] == {
        "tasks_total": 36,
        "tasks_done": 0,
        "fraction": 0.0,
        "eta_seconds": None,
    }
    assert client.get(answer.headers["Location"]).json() == experiment
    tasks = client.get(experiment["links"]["tasks"]).json()["items"]
    assert [task["label"] for task in tasks][:3] == ["0°", "10°", "20°"]
    assert tasks[35]["params"] == {"angle": 350.0}


def test_the_base_depends_on_base_seed_and_the_digest_not_on_the_name(client: httpx.Client) -> None:
    one, renamed, reseeded, rebased = (
        client.post("/experiments", json=spec).json()
        for spec in ({}, {"name": "x", "tags": ["t"]}, {"seed": 1}, {"base_seed": 1})
    )
    assert one["digest"] == renamed["digest"] != reseeded["digest"]
    assert one["base_id"] == reseeded["base_id"] != rebased["base_id"]


def test_idempotency_key(client: httpx.Client) -> None:
    headers = {"Idempotency-Key": "k1"}
    first = client.post("/experiments", json={"preset": "demo"}, headers=headers)
    again = client.post("/experiments", json={"preset": "demo"}, headers=headers)
    assert again.status_code == 202
    assert again.json()["id"] == first.json()["id"]
    other = client.post("/experiments", json={"preset": "demo", "seed": 1}, headers=headers)
    assert other.status_code == 422
    assert other.json()["errors"][0]["field"] == "Idempotency-Key"
    assert len(client.get("/experiments").json()["items"]) == 1


def test_pages_filters_and_links(client: httpx.Client) -> None:
    ids = [submit(client, name=f"run {index}", tags=["odd"] if index % 2 else []) for index in range(5)]
    page = client.get("/experiments", params={"limit": 2})
    seen = [item["id"] for item in page.json()["items"]]
    while "next" in page.links:
        page = client.get(page.links["next"]["url"])
        seen += [item["id"] for item in page.json()["items"]]
    assert seen == ids[::-1]
    assert page.json()["next"] is None

    def found(**params: str) -> list[str]:
        return [item["id"] for item in client.get("/experiments", params=params).json()["items"]]

    assert found(tag="odd") == [ids[3], ids[1]]
    assert found(q="RUN 2") == [ids[2]]
    assert found(status="completed") == []
    assert found(dataset="mnist5k", suite="rotation", status="queued") == ids[::-1]


def test_cancel_resume_delete(client: httpx.Client, services: Services) -> None:
    experiment_id = submit(client)
    path = f"/experiments/{experiment_id}"
    work(services, experiment_id, 0)
    assert client.delete(path).status_code == 409
    answer = client.post(f"{path}/cancel")
    assert answer.status_code == 202
    assert (answer.json()["status"], answer.json()["cancel_requested"]) == ("cancelled", True)
    assert client.post(f"{path}/cancel").status_code == 202
    answer = client.post(f"{path}/resume")
    assert (answer.status_code, answer.json()["status"]) == (202, "queued")
    statuses = [task["status"] for task in client.get(f"{path}/tasks").json()["items"]]
    assert statuses == ["completed", "queued", "queued"]
    refused = client.post(f"{path}/resume")
    assert refused.status_code == 409
    assert "queued" in refused.json()["detail"]
    client.post(f"{path}/cancel")
    assert services.artifacts.keys(experiment_id)
    assert client.delete(path).status_code == 204
    assert client.get(path).status_code == 404
    assert client.delete(path).status_code == 404
    assert services.artifacts.keys(experiment_id)
    assert client.post(f"{path}/restore").json()["id"] == experiment_id
    assert client.delete(f"{path}?forever=true").status_code == 204
    assert services.artifacts.keys(experiment_id) == []
    assert client.post(f"{path}/restore").status_code == 404


def test_a_failure_is_told_everywhere(client: httpx.Client, services: Services) -> None:
    experiment_id = submit(client)
    work(services, experiment_id, 0, 2)
    claim = jobs.lease_job(services.database, Job(experiment_id=experiment_id, index=1), "w", 60)
    assert claim is not None
    jobs.fail(services.database, claim, "ValueError: broken")
    experiment = client.get(f"/experiments/{experiment_id}").json()
    assert experiment["status"] == "failed"
    assert experiment["reason"] == "1 of 3 tasks failed; task 1 (10°): ValueError: broken"
    assert client.get(f"/experiments/{experiment_id}/tasks/1").json()["reason"] == "ValueError: broken"
    stream = client.get(f"/experiments/{experiment_id}/events").text
    assert stream.count("ValueError: broken") == 2  # the task's event and the experiment's


def test_events_replay_from_any_point_and_end(client: httpx.Client, services: Services) -> None:
    experiment_id = submit(client)
    work(services, experiment_id, 0, 1, 2)
    finish(services, experiment_id)
    whole = client.get(f"/experiments/{experiment_id}/events")
    assert whole.headers["content-type"].startswith("text/event-stream")
    events = [event for event in whole.text.split("\n\n") if "event:" in event]
    assert events[0].startswith("event: status\ndata: ")
    assert '"queued"' in events[0]
    assert '"completed"' in events[-1]
    ids = [int(line[4:]) for line in whole.text.splitlines() if line.startswith("id: ")]
    assert ids == sorted(ids)
    rest = client.get(f"/experiments/{experiment_id}/events", headers={"Last-Event-ID": str(ids[-3])})
    assert [int(line[4:]) for line in rest.text.splitlines() if line.startswith("id: ")] == ids[-2:]
    bad = client.get(f"/experiments/{experiment_id}/events", headers={"Last-Event-ID": "x"})
    assert (bad.status_code, bad.json()["errors"][0]["field"]) == (422, "last-event-id")


def test_health(client: httpx.Client, services: Services) -> None:
    assert client.get("/livez").json() == {"status": "alive"}
    answer = client.get("/readyz")
    assert answer.status_code == 503
    checks = answer.json()["checks"]
    assert {name: check["ok"] for name, check in checks.items()} == {
        "store": True,
        "redis": False,
        "disk": True,
        "workers": False,
    }
    assert "celery -A worker.app worker" in checks["workers"]["detail"]


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
def test_the_api_pages_load_nothing_from_elsewhere(client: httpx.Client, path: str) -> None:
    page = client.get(path)
    assert page.status_code == 200
    sources = [part.split('"')[0] for part in page.text.replace("href=", "src=").split('src="')[1:]]
    assert sources
    for source in sources:
        assert source.startswith("/"), source
        assert client.get(source).status_code == 200


def test_the_catalog_describes_what_can_be_posted(client: httpx.Client) -> None:
    catalog = client.get("/catalog").json()
    assert {entry["name"] for entry in catalog["datasets"]} >= {"mnist", "mnist5k"}
    assert [entry["name"] for entry in catalog["suites"]] == [
        "rotation",
        "shift",
        "permutation",
        "augment",
        "split",
        "domains",
        "corruption",
        "manifold",
        "datasets",
        "custom",
    ]
    assert [entry["name"] for entry in catalog["networks"]] == ["flynet", "neuromodnet", "tgsh", "gsh"]
    assert catalog["spec_schema"]["properties"]["preset"]
    for preset in catalog["presets"]:
        assert client.post("/experiments", json={"preset": preset["name"]}).status_code == 202
        assert client.post("/experiments", json=preset["details"]["spec"]).status_code == 202


@pytest.mark.parametrize("name", SUBMISSIONS)
def test_the_examples_of_the_api_pages_can_be_posted(client: httpx.Client, name: str) -> None:
    assert client.post("/experiments", json=SUBMISSIONS[name]["value"]).status_code == 202
