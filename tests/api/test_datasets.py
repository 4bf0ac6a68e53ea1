"""/datasets over HTTP: what is taken, what is refused, and whose it is."""

from __future__ import annotations

import io
import os
from pathlib import Path

import httpx
import numpy as np
import pytest
from fastapi import FastAPI

from service.dependencies import Services
from tests.api.conftest import SPEC, finish, submit, work
from tests.support.people import people
from tests.support.uploads import NPZ, ZIP, coloured, grey, npz, picture, post, upload, zipped
from tgsh.store.models import ExperimentRecord

MB = 1 << 20


def left_behind(home: Path) -> list[str]:
    """Files of uploads and datasets. A folder may be removed meanwhile: os.walk goes on, rglob does not."""
    uploads, datasets = (os.walk(home / folder) for folder in ("uploads", "artifacts/datasets"))
    names = [name for _, folders, files in uploads for name in (*folders, *files)]
    names += [name for _, _, files in datasets for name in files if name.endswith(".npy")]
    return sorted(names)


def test_upload_look_and_delete(client: httpx.Client, tmp_path: Path) -> None:
    x, y = coloured(3, 5, (4, 6, 3))
    answer = post(client, npz(x=x, y=np.array(["oak", "ash", "yew"])[y]), name="leaves")
    assert answer.status_code == 201
    found = answer.json()
    wanted = {"name": "leaves", "images": 15, "train": 12, "test": 3, "classes": 3, "height": 4, "width": 6,
              "channels": 3, "class_names": ["ash", "oak", "yew"], "used_by": 0, "owner": None}  # fmt: skip
    assert {key: found[key] for key in wanted} == wanted
    assert answer.headers["location"] == f"/datasets/{found['id']}" == found["links"]["self"]
    assert client.get(answer.headers["location"]).json() == found
    assert left_behind(tmp_path) == ["images.npy", "labels.npy"]
    assert found["bytes"] == sum(path.stat().st_size for path in (tmp_path / "artifacts").rglob("*.npy"))

    again = post(client, npz(x=x, y=np.array(["oak", "ash", "yew"])[y]), name="other")
    assert (again.status_code, again.json()) == (200, found | {"same_as": "leaves"})
    files = {f"{name}/{n:02}.png": picture(x[n]) for n, name in enumerate(np.array(["oak", "ash", "yew"])[y])}
    packed = post(client, zipped(files), ZIP).json()
    assert packed | {"report": None} == found | {"same_as": "leaves", "report": None}
    assert packed["report"]["container"] == "zip"  # of this upload
    assert left_behind(tmp_path) == ["images.npy", "labels.npy"]

    assert client.delete(f"/datasets/{found['id']}").status_code == 204
    assert (client.get(f"/datasets/{found['id']}").status_code, left_behind(tmp_path)) == (404, [])


def test_pages(client: httpx.Client) -> None:
    ids = [upload(client, *grey(seed), name=f"d{seed}") for seed in range(3)]
    page = client.get("/datasets?limit=2")
    assert [item["id"] for item in page.json()["items"]] == ids[:0:-1]
    assert 'rel="next"' in page.headers["link"]
    rest = client.get("/datasets", params={"cursor": page.json()["next"], "limit": 2}).json()
    assert ([item["name"] for item in rest["items"]], rest["next"]) == (["d0"], None)
    assert client.get("/datasets?cursor=x").status_code == 422


@pytest.mark.slow
def test_samples_in_every_format(client: httpx.Client) -> None:
    x, y = coloured(3, 9, (4, 6, 3))
    path = f"/datasets/{upload(client, x, y, name='mine')}/samples"
    document = client.get(f"{path}?classes=2,0&examples=3").json()
    assert np.array(document["images"]).shape == (2, 3, 4, 6, 3)
    assert (document["classes"], document["class_names"]) == ([2, 0], ["2", "0"])
    kept = {image.tobytes() for image in x[y == 2]}
    assert {np.array(image, np.uint8).tobytes() for image in document["images"][0]} <= kept
    array = np.load(io.BytesIO(client.get(f"{path}?format=npy").content))
    assert array.shape == (3, 7, 4, 6, 3)  # eight were asked for, and each has seven to train on
    for name in ("png", "svg", "pdf"):
        drawn = client.get(path, params={"format": name})
        assert drawn.status_code == 200
        assert client.get(path, params={"format": name}, headers={"If-None-Match": drawn.headers["etag"]}).status_code == 304  # fmt: skip  # noqa: E501
    assert client.get(f"{path}?classes=3").json()["errors"][0]["field"] == "classes"
    assert client.get(f"{path}?format=csv").status_code == 406


@pytest.mark.parametrize(
    ("content", "media_type", "params", "status", "field"),
    [
        (b"", NPZ, {}, 422, "body"),
        (b"hello", ZIP, {}, 422, "body"),
        (npz(x=grey()[0] / 50, y=grey()[1] / 3), NPZ, {}, 422, "y"),
        (npz(x=grey()[0] - 99.0, y=grey()[1]), NPZ, {}, 422, "x"),
        (npz(x=grey()[0]), NPZ, {}, 422, "y"),
        (zipped({"a.png": b"", "b.png": b""}), ZIP, {}, 422, "body"),
        (npz(x=grey()[0], y=grey()[1]), NPZ, {"size": "500x500"}, 422, "x"),
        (npz(x=grey()[0], y=grey()[1]), NPZ, {"fit": "x"}, 422, "fit"),
        (npz(x=grey()[0], y=grey()[1]), NPZ, {"channels": "2"}, 422, "channels"),
        (npz(x=grey()[0], y=grey()[1]), NPZ, {"size": "5"}, 422, "size"),
        (npz(x=grey()[0], y=grey()[1]), NPZ, {"name": "a\0"}, 422, "name"),
        (npz(x=grey()[0], y=grey()[1]), NPZ, {"name": "x" * 65}, 422, "name"),
    ],
)
def test_refusals_name_the_field(
    client: httpx.Client, tmp_path: Path, content: bytes, media_type: str, params: dict[str, str],
    status: int, field: str,
) -> None:  # fmt: skip
    answer = post(client, content, media_type, **params)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (status, field), answer.text
    assert left_behind(tmp_path) == []


OWN = {"dataset": {"id": "f" * 16}}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        (OWN, "dataset.id"),
        ({"dataset": {"id": "x"}}, "dataset.id"),
        ({"dataset": {}}, "dataset.id"),
        ({"dataset": {"id": "f" * 16, "name": "x"}}, "dataset.name"),
        ({"dataset": "imagenet"}, "dataset"),
        ({"dataset": 3}, "dataset"),
        ({"dataset": ["mnist"]}, "dataset"),
        ({"dataset": None}, "dataset"),
        ({"suite": {"kind": "datasets", "datasets": ["mnist5k"]}}, "dataset"),
        ({"dataset": None, "suite": {"kind": "datasets", "datasets": []}}, "suite.datasets"),
        ({"dataset": None, "suite": {"kind": "datasets", "datasets": ["mnist5k"] * 2}}, "suite.datasets"),
        ({"dataset": None, "suite": {"kind": "datasets", "datasets": ["mnist5k", "x"]}}, "suite.datasets.1"),
        ({"dataset": None, "suite": {"kind": "datasets", "datasets": ["f" * 16]}}, "suite.datasets.0"),
        ({"dataset": None, "suite": {"kind": "datasets", "datasets": ["synthetic"]}}, "suite.datasets.0"),
    ],
)
def test_a_spec_that_names_no_dataset_is_refused(
    client: httpx.Client, changes: dict[str, object], field: str
) -> None:
    answer = client.post("/experiments", json={**SPEC, **changes})
    assert answer.status_code == 422
    assert field in [error["field"] for error in answer.json()["errors"]], answer.text


def test_a_spec_uses_it_and_keeps_it(client: httpx.Client) -> None:
    dataset = upload(client, *coloured(2, 6, (5, 6)), name="mine")
    use = {"dataset": {"id": dataset}, "network": {"kind": "flynet", "expansion": 2}}
    experiment = submit(client, **use)
    answered = client.get(f"/experiments/{experiment}").json()
    assert answered["spec"]["dataset"] == {"id": dataset}
    assert client.get(f"/experiments?dataset={dataset}").json()["items"] == [answered]
    for changes, field in (
        ({"training": {"train_limit": 11}}, "training.train_limit"),
        ({"suite": {"kind": "shift", "step_pixels": 6}}, "suite.step_pixels"),
        ({"network": {"kind": "flynet", "fan_in": 31}}, "network.fan_in"),
        (
            {"dataset": None, "suite": {"kind": "datasets", "datasets": [dataset, "mnist5k"]}},
            "suite.datasets.1",
        ),
    ):
        answer = client.post("/experiments", json={**SPEC, **use, **changes})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)
    refused = client.delete(f"/datasets/{dataset}")
    assert (refused.status_code, experiment in refused.json()["detail"]) == (409, True)
    assert client.get(f"/datasets/{dataset}").json()["used_by"] == 1
    client.post(f"/experiments/{experiment}/cancel")
    client.delete(f"/experiments/{experiment}")
    assert client.delete(f"/datasets/{dataset}").status_code == 204


def test_a_spec_of_before_keeps_its_answers(client: httpx.Client, services: Services) -> None:
    """A row that was written when suites of datasets had no `classes` means their order."""
    suite = {"kind": "datasets", "datasets": ["mnist5k", "mnist"], "classes": "order"}
    experiment = submit(client, dataset=None, suite=suite)
    digest = client.get(f"/experiments/{experiment}").json()["digest"]
    with services.database.write() as session:
        record = session.get_one(ExperimentRecord, experiment)
        later = ("classes", "size", "channels", "fit")
        old = {key: value for key, value in record.spec["suite"].items() if key not in later}
        record.spec = {key: value for key, value in record.spec.items() if key != "null_shuffles"} | {
            "suite": old
        }
    work(services, experiment, 0, 1)
    finish(services, experiment)
    answered = client.get(f"/experiments/{experiment}").json()
    assert (answered["spec"]["suite"]["classes"], answered["digest"]) == ("order", digest)
    similarity = client.get(f"/experiments/{experiment}/similarity").json()
    assert {"class_overlap", "null", "warnings"}.isdisjoint(similarity)
    body = {**SPEC, "dataset": None, "suite": old}
    assert client.post("/experiments", json={**body, "suite": suite}).json()["stored_answer"] is True
    anew = client.post("/experiments", json=body).json()  # who submits today means names
    assert (anew["stored_answer"], anew["spec"]["suite"]["classes"]) == (False, "names")


@pytest.mark.attacks
def test_whose_it_is(app: FastAPI, client: httpx.Client, services: Services, tmp_path: Path) -> None:
    old = upload(client, *grey(9), name="from before there were keys")
    with people(tmp_path, client) as known:
        alice, bob, rita, root = (known[name] for name in ("alice", "bob", "rita", "root"))
        mine = upload(alice, name="alice's")
        for other in (bob, rita):
            assert [item["id"] for item in other.get("/datasets").json()["items"]] == [old]
            for path in (f"/datasets/{mine}", f"/datasets/{mine}/samples"):
                assert other.get(path).status_code == 404
        assert {item["id"] for item in root.get("/datasets").json()["items"]} == {mine, old}
        for call in (bob.delete, lambda path: bob.patch(path, json={"shared": True})):
            assert call(f"/datasets/{mine}").status_code == 404
            assert call(f"/datasets/{old}").status_code == 403
        assert rita.delete(f"/datasets/{old}").status_code == post(rita, b"").status_code == 403
        spec = {**SPEC, "dataset": {"id": mine}, "network": {"kind": "flynet", "expansion": 2}}
        absent = {**SPEC, "dataset": {"id": "f" * 16}, "network": {"kind": "flynet", "expansion": 2}}
        refused, nothing = (bob.post("/experiments", json=body) for body in (spec, absent))
        assert refused.json()["errors"][0]["field"] == "dataset.id"
        assert refused.text.replace(mine, "f" * 16) == nothing.text  # no word more of what is there
        suite = {"kind": "datasets", "datasets": [mine]}
        several = {**SPEC, "dataset": None, "suite": suite, "network": {"kind": "flynet", "expansion": 2}}
        assert bob.post("/experiments", json=several).json()["errors"][0]["field"] == "suite.datasets.0"

        assert alice.patch(f"/datasets/{mine}", json={"shared": True}).json()["shared"] is True
        assert bob.get(f"/datasets/{mine}").json()["name"] == "alice's"
        assert bob.delete(f"/datasets/{mine}").status_code == 403
        used = bob.post("/experiments", json=spec).json()["id"]
        alice.patch(f"/datasets/{mine}", json={"shared": False})
        assert bob.post("/experiments", json=spec).status_code == 422
        assert [who.get(f"/datasets/{mine}").json()["used_by"] for who in (alice, root)] == [0, 1]
        assert used in root.delete(f"/datasets/{mine}").text
        assert alice.delete(f"/datasets/{mine}").status_code == 204  # bob's use of it is not hers to know
        assert bob.get(f"/experiments/{used}").status_code == 200

        again = post(bob, npz(x=grey()[0], y=grey()[1]), name="bob's")
        assert (again.status_code, again.json()["id"], again.json()["name"]) == (201, mine, "bob's")
        assert alice.get(f"/datasets/{mine}").status_code == 404
        assert bob.get(f"/datasets/{mine}/samples").status_code == 200
