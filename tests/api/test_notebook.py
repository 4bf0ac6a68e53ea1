"""The notebook of a lab over HTTP: edit, find, export, change in batches, delete and bring back."""

from __future__ import annotations

import csv
import io
import statistics

import httpx
import pytest

from service.dependencies import Services
from tests.api.conftest import SPEC, completed, submit


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


def test_groups_have_means_and_deviations_of_what_is_chosen(client: httpx.Client, services: Services) -> None:
    done = [completed(client, services, tasks, counted=True).rpartition("/")[2] for tasks in (2, 3, 3)]
    waits = submit(client, training={"epochs": 5}, tags=["a", "b"])
    client.patch(f"/experiments/{done[0]}", json={"project": "thesis"})

    def table(query: str) -> dict[str, list[object]]:
        answer = client.get(f"/experiments/table?{query}")
        assert answer.status_code == 200, answer.text
        found = answer.json()
        return {"": found["columns"]} | {str(row[0]): row[1:] for row in found["rows"]}

    by_epochs = table("group_by=epochs&columns=accuracy,balanced,tasks,seed,name")
    assert by_epochs[""] == [
        *("epochs", "experiments", "completed", "accuracy_mean", "accuracy_sd"),
        *("balanced_mean", "balanced_sd", "tasks_mean", "tasks_sd", "seed"),
    ]
    accuracies = [statistics.mean(0.25 * index for index in range(tasks)) for tasks in (2, 3, 3)]
    mean, deviation = statistics.mean(accuracies), statistics.stdev(accuracies)
    numbers = [mean, deviation, mean, deviation, 8 / 3, statistics.stdev([2, 3, 3])]
    assert by_epochs["2"][:2] == [3, 3]
    assert by_epochs["2"][2:8] == pytest.approx(numbers)
    assert by_epochs["5"] == [1, 0, None, None, None, None, 3.0, None, 0]
    assert by_epochs["2"][8] == 0  # all have this seed, and the mean of seeds says nothing
    by_tag = table("group_by=tag&columns=accuracy")
    assert [by_tag[tag][0] for tag in ("a", "b")] == [4, 1]
    assert [each[0] for each in list(table("group_by=project").values())[1:]] == [1, 3]
    by_suite = table("group_by=suite.kind&columns=seconds&spec.training.epochs=5")
    assert by_suite["rotation"] == [1, 0, None, None]
    body = {"name": "pair", "spec": SPEC | {"training": {"epochs": 7}}, "replicates": {"seeds": 2}}
    assert client.post("/studies", json=body).status_code == 202
    assert table("group_by=study&columns=status,seed") == {
        "": ["study", "experiments", "completed", "status", "seed"],
        "pair": [2, 0, "queued", "2 different"],
        "None": [4, 3, "2 different", 0],
    }
    member = table("spec.seed=1&columns=id,study,balanced")
    assert list(member.values())[1:] == [["pair", None]]
    assert table("columns=id,network.expansion,study&spec.training.epochs=5")[waits] == [10, None]
    text = client.get("/experiments/table?group_by=epochs&columns=accuracy&format=csv").text
    assert text.splitlines()[0] == "epochs,experiments,completed,accuracy_mean,accuracy_sd"
    for query, field in (
        ("group_by=colour", "group_by"),
        ("group_by=name", "group_by"),
        ("columns=a,b", "columns"),
    ):
        answer = client.get(f"/experiments/table?{query}")
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)


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
