"""The notebook of a lab over HTTP: edit, find, export, change in batches, delete and bring back."""

from __future__ import annotations

import csv
import io

import httpx
import pytest

from service.dependencies import Services
from tests.api.conftest import submit


def names(client: httpx.Client, query: str) -> list[str]:
    answer = client.get(f"/experiments?{query}")
    assert answer.status_code == 200, answer.text
    return [item["name"] for item in answer.json()["items"]]


def test_an_experiment_is_edited_and_its_history_tells(client: httpx.Client) -> None:
    path = f"/experiments/{submit(client)}"
    digest = client.get(path).json()["digest"]
    body = {"name": "found it", "tags": ["pilot"], "notes": "# T7 is *odd*", "project": "thesis"}
    changed = client.patch(path, json=body).json()
    assert {key: changed[key] for key in ("name", "notes", "project", "digest")} == {
        "name": "found it",
        "notes": "# T7 is *odd*",
        "project": "thesis",
        "digest": digest,
    }
    assert changed["spec"]["tags"] == ["pilot"]
    assert client.patch(path, json={"notes": "", "project": None}).json()["notes"] is None
    fields = [item["field"] for item in client.get(f"{path}/history").json()["items"]]
    assert fields == ["project", "notes", "project", "notes", "tags", "name"]
    assert client.get(f"/experiments/{'f' * 16}/history").status_code == 404


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "changes nothing"),
        ({"name": None}, "cannot be null"),
        ({"name": " "}, "cannot be empty"),
        ({"tags": ["x" * 65]}, "64"),
        ({"notes": "x" * 10_001}, "10000"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_what_cannot_be_said_is_refused(client: httpx.Client, body: object, message: str) -> None:
    answer = client.patch(f"/experiments/{submit(client)}", json=body)
    assert answer.status_code == 422
    assert message in answer.text.replace("10,000", "10000")


def test_notes_and_project_come_with_a_submission_and_belong_to_its_key(client: httpx.Client) -> None:
    body = {"preset": "demo", "notes": "first", "project": "thesis"}
    headers = {"Idempotency-Key": "one"}
    answer = client.post("/experiments", json=body, headers=headers).json()
    assert (answer["notes"], answer["project"]) == ("first", "thesis")
    assert client.post("/experiments", json=body, headers=headers).json()["id"] == answer["id"]
    other = client.post("/experiments", json=body | {"notes": "second"}, headers=headers)
    assert (other.status_code, other.json()["errors"][0]["field"]) == (422, "Idempotency-Key")


def test_it_is_found_by_fields_of_its_spec_and_dates(client: httpx.Client) -> None:
    for epochs in (1, 5):
        spec = {"preset": "demo", "name": f"{epochs} epochs", "training": {"epochs": epochs}}
        assert client.post("/experiments", json=spec).status_code == 202
    assert names(client, "spec.training.epochs=5") == ["5 epochs"]
    assert names(client, "network=flynet&spec.dataset=mnist5k&spec.training.epochs=1") == ["1 epochs"]
    assert names(client, "created_after=2020-01-01&created_before=2021-01-01T00:00:00Z") == []
    assert names(client, "created_after=2020-01-01") == ["5 epochs", "1 epochs"]
    for query, field in (
        ("spec.epochs=5", "spec.epochs"),
        ("spec.=5", "spec."),
        ("colour=red", "colour"),
        ("limit=201", "limit"),
        ("columns=name", "columns"),
        ("format=csv&columns=name,colour", "columns"),
        ("created_after=yesterday", "created_after"),
    ):
        answer = client.get(f"/experiments?{query}")
        assert (answer.status_code, query) == (422, query)
        assert answer.json()["errors"][0]["field"] == field
    hint = client.get("/experiments?spec.epochs=5").json()["detail"]
    assert "training.epochs" in hint


def test_a_csv_has_exactly_the_columns_that_were_asked_for(client: httpx.Client) -> None:
    for name in ("=1+1", "plain"):
        client.patch(f"/experiments/{submit(client)}", json={"name": name})
    answer = client.get("/experiments?format=csv&columns=name,training.epochs,suite.kind,accuracy&sort=name")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.reader(io.StringIO(answer.text)))
    assert rows[0] == ["name", "training.epochs", "suite.kind", "accuracy"]
    assert [row[0] for row in rows[1:]] == ["'=1+1", "plain"]
    assert {row[2] for row in rows[1:]} == {"rotation"}
    assert "seed" in client.get("/experiments?format=csv").text.splitlines()[0]


def test_a_batch_tells_what_became_of_each(client: httpx.Client, services: Services) -> None:
    one, two = submit(client), submit(client, seed=1)

    def batch(action: str, value: str | None = None) -> list[tuple[str, bool]]:
        body = {"action": action, "ids": [one, two, "f" * 16, "nonsense", one]}
        answer = client.post("/experiments/batch", json=body | ({} if value is None else {"value": value}))
        assert answer.status_code == 200, answer.text
        return [(each["id"], each["done"]) for each in answer.json()["outcomes"]]

    both = [(one, True), (two, True), ("f" * 16, False), ("nonsense", False)]
    assert batch("tag", "pilot") == both
    assert client.get(f"/experiments/{one}").json()["spec"]["tags"][-1] == "pilot"
    assert batch("untag", "pilot") == batch("project", "thesis") == batch("cancel") == both
    assert client.get(f"/experiments/{two}").json()["project"] == "thesis"
    assert batch("resume") == batch("cancel") == batch("delete") == both
    assert client.get("/experiments").json()["items"] == []
    kept = client.get("/experiments/deleted").json()["items"]
    assert {each["id"] for each in kept} == {one, two}
    assert batch("restore") == both
    assert client.post("/experiments/batch", json={"action": "tag", "ids": [one]}).status_code == 422
    assert client.post("/experiments/batch", json={"action": "delete", "ids": []}).status_code == 422


def test_deleted_ones_are_listed_in_pages(client: httpx.Client) -> None:
    ids = [submit(client, seed=seed) for seed in range(3)]
    for id in ids:
        assert client.delete(f"/experiments/{id}").status_code == 204
    first = client.get("/experiments/deleted?limit=2").json()
    rest = client.get(f"/experiments/deleted?limit=2&cursor={first['next']}").json()
    assert [each["id"] for each in first["items"] + rest["items"]] == ids[::-1]
    assert rest["next"] is None
