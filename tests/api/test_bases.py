"""Random bases: nearest tasks across experiments and the map, equal to an exact search; rights; deletion."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy import update

from service import atlas as index
from service.app import create_app
from service.dependencies import Services
from service.settings import ServiceSettings
from tests.api.conftest import EPOCHS, finish, submit, vectors_of, work
from tests.support.browser import BROWSER
from tests.support.people import people
from tests.support.serving import in_process
from tgsh.analysis.sketches import SKETCH_WIDTH
from tgsh.store import analyses, jobs
from tgsh.store.analyses import AnalysisRequest
from tgsh.store.models import ExperimentRecord, Job

WIDTH = SKETCH_WIDTH + 200
"""More numbers than a sketch has."""


def manifold(seed: int, tasks: int, width: int = WIDTH) -> np.ndarray:
    """Contexts on a smooth closed curve with noise, as rotations give: float32 [T, width]."""
    rng = np.random.default_rng(seed)
    axes = rng.standard_normal((10, width))
    angles = np.linspace(0, 2 * np.pi, tasks, endpoint=False)
    waves = [wave(order * angles) / order for order in range(1, 6) for wave in (np.cos, np.sin)]
    found = np.array(waves).T @ axes + 0.15 * rng.standard_normal((tasks, width))
    return np.asarray(found, np.float32)


def learned(client: httpx.Client, services: Services, vectors: np.ndarray, **changes: Any) -> str:
    """The id of a completed experiment with these contexts [T, H]."""
    suite = {"kind": "rotation", "tasks": len(vectors), "step_degrees": 1}
    experiment_id = submit(client, **{"suite": suite, **changes})
    for task, vector in enumerate(vectors):
        claim = jobs.lease_job(services.database, Job(experiment_id=experiment_id, index=task), "w", 60)
        assert claim is not None
        trajectory = np.stack([np.zeros_like(vector)] * EPOCHS + [vector])
        for epoch in range(1, EPOCHS + 1):
            key = f"{experiment_id}/tasks/{task}-{epoch}"
            kept = np.concatenate([trajectory[:epoch], trajectory[-1:]])
            sha256 = services.artifacts.save(key, {"vectors": kept}, {})
            jobs.record_epoch(services.database, claim, tuple([0.5] * epoch), 1.0, key, sha256)
        jobs.complete_task(services.database, claim, 0.5, "cpu", {"torch": "2"}, 0.1, None)
    finish(services, experiment_id)
    return experiment_id


def base_of(client: httpx.Client, experiment_id: str) -> str:
    return str(client.get(f"/experiments/{experiment_id}").json()["base_id"])


def nearest(client: httpx.Client, experiment_id: str, task: int, base: str = "", **query: Any) -> Any:
    path = f"/bases/{base or base_of(client, experiment_id)}/nearest"
    return client.get(path, params={"experiment": experiment_id, "task": task, **query})


def exact(vectors: dict[str, np.ndarray], experiment: str, task: int) -> list[tuple[str, int, float]]:
    """All other tasks by their cosines with one, the greatest first."""
    one = vectors[experiment][task].astype(np.float64)
    found = [
        (id, row, float(other @ one / np.linalg.norm(other) / np.linalg.norm(one)))
        for id, rows in vectors.items()
        for row, other in enumerate(rows.astype(np.float64))
        if (id, row) != (experiment, task)
    ]
    return sorted(found, key=lambda each: -each[2])


def test_nearest_tasks_are_those_of_an_exact_search(
    client: httpx.Client, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three experiments whose tasks lie on curves; more tasks than candidates, so that sketches decide."""
    monkeypatch.setattr(index, "CANDIDATES", 64)
    monkeypatch.setattr(index, "FEW_TASKS", 100)
    monkeypatch.setattr(index, "FIRST_CANDIDATES", 15)  # enough for some of them, not for others
    sizes = (120, 60, 20)
    vectors = {
        learned(client, services, manifold(seed, size), seed=seed): manifold(seed, size)
        for seed, size in enumerate(sizes)
    }
    assert sum(sizes) > 3 * index.CANDIDATES
    for id, task in itertools.product(list(vectors)[:2], (0, 31)):
        answer = nearest(client, id, task, count=10).json()
        expected = exact(vectors, id, task)[:10]
        assert [(near["experiment"], near["task"]) for near in answer["nearest"]] == [
            (other, row) for other, row, _ in expected
        ]
        np.testing.assert_allclose(
            [near["similarity"] for near in answer["nearest"]], [value for *_, value in expected], atol=1e-9
        )
        assert (answer["compared"], answer["experiments"], answer["left_out"]) == (sum(sizes) - 1, 3, [])


@pytest.fixture
def several(client: httpx.Client, services: Services) -> dict[str, str]:
    """Three experiments on one base, one on another, one without a base."""
    shift = {"kind": "shift", "step_pixels": 9, "tasks": 3}
    return {
        "rotations": learned(client, services, manifold(0, 5), name="rotations"),
        "shifts": learned(client, services, manifold(1, 3), name="shifts", suite=shift),
        "mnist": learned(client, services, manifold(2, 4), name="full", dataset="mnist"),
        "elsewhere": learned(client, services, manifold(0, 5), base_seed=1),
        "gsh": learned(client, services, manifold(0, 5), network={"kind": "gsh", "hidden": 20, "rank": 6}),
    }


def test_bases(client: httpx.Client, several: dict[str, str]) -> None:
    found = client.get("/bases").json()
    assert found["next"] is None
    elsewhere, first = found["items"]
    assert elsewhere["base_id"] == base_of(client, several["elsewhere"])
    assert first["base_id"] == base_of(client, several["rotations"])
    assert (first["experiments"], first["tasks"]) == (3, 12)
    assert (first["datasets"], first["suites"]) == (["mnist", "mnist5k"], ["rotation", "shift"])
    assert (first["pixels"], first["classes"], first["width"]) == (784, 10, 7840)
    assert first["network"] == {"kind": "flynet", "expansion": 10, "fan_in": 7}
    assert client.get(first["links"]["self"]).json() == first
    pages = client.get("/bases", params={"limit": 1})
    assert pages.json()["items"] == [elsewhere]
    assert f"cursor={pages.json()['next']}"[:20] in pages.headers["link"]
    after = client.get("/bases", params={"limit": 1, "cursor": pages.json()["next"]}).json()
    assert after == {"items": [first], "next": None}
    gsh = base_of(client, several["gsh"])
    assert client.get(f"/bases/{gsh}").status_code == 404
    assert nearest(client, several["gsh"], 0).status_code == 404


def test_no_base_at_all(client: httpx.Client) -> None:
    assert client.get("/bases").json() == {"items": [], "next": None}
    assert client.get(f"/bases/{'f' * 64}").status_code == 404
    assert client.get(f"/bases/{'f' * 64}/map").status_code == 404


def test_filters(client: httpx.Client, several: dict[str, str]) -> None:
    def found(**query: Any) -> set[str]:
        return {near["name"] for near in nearest(client, several["rotations"], 0, **query).json()["nearest"]}

    assert found() == {"rotations", "shifts", "full"}
    assert found(other=True) == {"shifts", "full"}
    assert found(dataset="mnist") == {"full"}
    assert found(suite="shift") == {"shifts"}
    assert found(dataset="mnist5k", other=True) == {"shifts"}
    assert found(owner="nobody") == set()
    client.patch(f"/experiments/{several['mnist']}", json={"project": "thesis"})
    assert found(project="thesis") == {"full"}
    assert found(project="other") == set()
    [first] = nearest(client, several["rotations"], 0, other=True, count=1).json()["nearest"]
    described = {"experiment", "name", "task", "label", "dataset", "suite", "owner"}
    assert set(first) == described | {"kind", "placement", "similarity"}
    table = nearest(client, several["rotations"], 0, format="csv").text.splitlines()
    assert table[0].startswith("rank,experiment,name,task,label")
    assert len(table) == 12


@pytest.mark.parametrize("method", ["mds", "pca"])
def test_map(client: httpx.Client, several: dict[str, str], method: str) -> None:
    base = base_of(client, several["rotations"])
    path = f"/bases/{base}/map?method={method}"
    document = client.get(path).json()
    assert [each["name"] for each in document["experiments"]] == ["full", "shifts", "rotations"]
    assert len(document["points"]) == 12
    assert (document["vectors"], document["landmarks"], document["left_out"]) == ("exact", 12, [])
    array = np.load(io.BytesIO(client.get(f"{path}&format=npy").content))
    assert array.tolist() == [[point["x"], point["y"]] for point in document["points"]]
    table = client.get(f"{path}&format=csv").text.splitlines()
    assert len(table) == 13
    for format, start in (("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")):
        for colour in ("experiment", "dataset", "suite"):
            answer = client.get(f"{path}&format={format}&colour={colour}")
            assert answer.content.startswith(start), answer.text[:300]
    alone = client.get(f"{path}&suite=shift").json()
    assert [each["name"] for each in alone["experiments"]] == ["shifts"]


def test_a_map_of_nothing(client: httpx.Client, services: Services) -> None:
    base = base_of(client, submit(client))
    document = client.get(f"/bases/{base}/map").json()
    assert (document["points"], document["stress"]) == ([], 0)
    assert client.get(f"/bases/{base}/map?method=pca").json()["points"] == []
    assert client.get(f"/bases/{base}/map?format=png").status_code == 406


def test_umap_names_its_package(client: httpx.Client, several: dict[str, str]) -> None:
    if find_spec("umap") is not None:
        pytest.skip("UMAP is installed")
    answer = client.get(f"/bases/{base_of(client, several['rotations'])}/map?method=umap")
    assert answer.status_code == 422
    assert "pip install umap-learn" in answer.json()["detail"]


def test_what_one_may_not_see_is_in_no_count_and_no_rank(
    client: httpx.Client, services: Services, tmp_path: Path
) -> None:
    """Alice's private tasks lie nearest of all to Bob's; Bob's answers are those without them."""
    with people(tmp_path, client) as known:
        alice, bob = known["alice"], known["bob"]
        own = learned(bob, services, manifold(0, 6), name="own")
        base = base_of(bob, own)
        paths = (
            "/bases",
            f"/bases/{base}",
            f"/bases/{base}/map",
            f"/bases/{base}/map?format=csv&method=pca",
            f"/bases/{base}/nearest?experiment={own}&task=0",
            f"/bases/{base}/nearest?experiment={own}&task=0&owner=alice",
        )
        before = [(bob.get(path).text, bob.get(path).headers.get("etag")) for path in paths]
        hidden = learned(alice, services, manifold(0, 6) * 1.5, name="secret", seed=1)
        learned(alice, services, manifold(5, 6), name="secret", base_seed=3)
        assert nearest(alice, hidden, 0).json()["compared"] == 5
        services.artifacts.remove([f"{hidden}/vectors.npy"])  # nor does damage tell of it
        assert nearest(alice, hidden, 1).status_code == 500  # as of any damaged experiment
        assert len(nearest(known["root"], own, 0).json()["left_out"]) == 1
        assert [(bob.get(path).text, bob.get(path).headers.get("etag")) for path in paths] == before
        absent = "f" * 16
        answers = [nearest(bob, id, 0, base) for id in (hidden, absent)]
        assert answers[0].status_code == 404
        assert answers[0].text.replace(hidden, absent) == answers[1].text
        assert alice.get(f"/bases/{base}").json()["experiments"] == 1


def test_shared_experiments_are_seen(client: httpx.Client, services: Services, tmp_path: Path) -> None:
    with people(tmp_path, client) as known:
        alice, bob = known["alice"], known["bob"]
        own = learned(bob, services, manifold(0, 4))
        theirs = learned(alice, services, manifold(0, 4), seed=1)
        assert nearest(bob, own, 0, other=True).json()["nearest"] == []
        alice.patch(f"/experiments/{theirs}", json={"shared": True})
        [first, *_] = nearest(bob, own, 0, other=True).json()["nearest"]
        assert (first["experiment"], first["task"], first["owner"]) == (theirs, 0, "alice")
        assert first["similarity"] == pytest.approx(1)
        assert nearest(bob, own, 0, owner="alice").json()["compared"] == 4
        alice.patch(f"/experiments/{theirs}", json={"shared": False})
        assert nearest(bob, own, 0, other=True).json()["nearest"] == []


def placed(
    services: Services, experiment: str, vectors: np.ndarray, owner: str | None = None, **params: Any
) -> str:
    """The id of a completed placement with these replicates [R, H]."""
    database, artifacts = services.database, services.artifacts
    params = {"name": "leaves", "dataset": None, **params}
    request = AnalysisRequest(analyses.new_id(), experiment, "placement", owner, params)
    record = analyses.create(database, request)
    lease = analyses.lease_next(database, "w", 60)
    assert lease is not None
    sha256 = artifacts.save(lease.artifact, {"vectors": vectors}, {})
    analyses.complete_placement(database, lease, {}, sha256, vectors.nbytes)
    return record.id


def test_placements_are_in_it_told_apart_and_with_rights(
    client: httpx.Client, services: Services, tmp_path: Path
) -> None:
    """The mean direction of the replicates is one context; who may not see a placement learns nothing."""
    with people(tmp_path, client) as known:
        alice, bob = known["alice"], known["bob"]
        vectors = manifold(0, 5)
        own = learned(bob, services, vectors, name="own", shared=True)
        base = base_of(bob, own)
        paths = (f"/bases/{base}", f"/bases/{base}/map", f"/bases/{base}/nearest?experiment={own}&task=0")
        before = [(bob.get(path).text, bob.get(path).headers.get("etag")) for path in paths]
        replicates = np.stack([2 * vectors[0], vectors[1], np.zeros_like(vectors[0])])
        id = placed(services, own, replicates, "alice")
        assert [(bob.get(path).text, bob.get(path).headers.get("etag")) for path in paths] == before

        found = nearest(alice, own, 0).json()
        assert (found["compared"], found["placements"], found["experiments"]) == (5, 1, 1)
        [near] = [each for each in found["nearest"] if each["kind"] == "placement"]
        assert near == {
            "kind": "placement", "experiment": own, "name": "own", "task": None, "placement": id,
            "label": "leaves", "dataset": "images sent", "suite": None, "owner": "alice",
            "similarity": near["similarity"],
        }  # fmt: skip
        one, other = (v.astype(np.float64) / np.linalg.norm(v.astype(np.float64)) for v in vectors[:2])
        mean = one + other
        assert near["similarity"] == pytest.approx(one @ mean / np.linalg.norm(mean), abs=1e-6)
        table = nearest(alice, own, 0, format="csv").text
        assert f"{own},own,,leaves,images sent,,alice,placement,{id}," in table
        assert nearest(alice, own, 0, suite="rotation").json()["placements"] == 0
        assert nearest(alice, own, 0, dataset="mnist5k").json()["placements"] == 0
        of_alice = nearest(alice, own, 0, owner="alice").json()
        assert [each["placement"] for each in of_alice["nearest"]] == [id]
        assert nearest(alice, own, 0, other=True).json()["compared"] == 0
        assert nearest(known["root"], own, 0).json()["placements"] == 1

        drawn = alice.get(f"/bases/{base}/map").json()
        [star] = [point for point in drawn["points"] if point["kind"] == "placement"]
        assert (star["task"], star["placement"], star["label"], star["experiment"]) == (None, id, "leaves", 0)
        assert len(drawn["points"]) == 6
        assert "placements (1)" in alice.get(f"/bases/{base}/map?format=svg").text
        assert (
            f"leaves,mnist5k,rotation,bob,placement,{id}," in alice.get(f"/bases/{base}/map?format=csv").text
        )

        bob.patch(f"/experiments/{own}", json={"shared": False})
        absent = nearest(alice, own, 0, base)
        assert absent.status_code == 404  # who does not see the experiment does not see what is placed there
        bob.patch(f"/experiments/{own}", json={"shared": True, "project": "thesis"})
        assert nearest(alice, own, 0, project="thesis").json()["placements"] == 1
        page = bob.get(f"/dashboard/atlas/{base}?project=thesis", headers=BROWSER).text
        assert "<option selected>thesis</option>" in page
        assert alice.delete(f"/experiments/{own}/placements/{id}").status_code == 204
        assert nearest(alice, own, 0).json()["placements"] == 0


def test_experiments_come_and_go(client: httpx.Client, services: Services) -> None:
    one = learned(client, services, manifold(0, 4))
    other = submit(client, suite={"kind": "rotation", "tasks": 3, "step_degrees": 1}, seed=1)
    assert nearest(client, one, 0).json()["compared"] == 3
    work(services, other, 0, width=WIDTH)  # a task that is learned counts before its experiment completes
    found = nearest(client, one, 0).json()
    assert (found["compared"], found["experiments"]) == (4, 2)
    near = next(each for each in found["nearest"] if each["experiment"] == other)
    vector = vectors_of(0, WIDTH)[-1].astype(np.float64)
    first = manifold(0, 4)[0].astype(np.float64)
    assert near["similarity"] == pytest.approx(
        vector @ first / np.linalg.norm(vector) / np.linalg.norm(first), abs=1e-9
    )
    assert nearest(client, other, 0).json()["compared"] == 4
    assert nearest(client, other, 1).status_code == 409
    work(services, other, 1, 2, width=WIDTH)
    finish(services, other)
    assert nearest(client, one, 0).json()["compared"] == 6
    assert client.delete(f"/experiments/{other}").status_code == 204
    assert nearest(client, one, 0).json()["compared"] == 3
    assert len(client.get(f"/bases/{base_of(client, one)}/map").json()["points"]) == 4


def test_a_new_process_has_the_same_answers(
    app: FastAPI, client: httpx.Client, several: dict[str, str], tmp_path: Path
) -> None:
    id = several["rotations"]
    path = f"/bases/{base_of(client, id)}/nearest?experiment={id}&task=1"
    again = create_app(ServiceSettings(home=tmp_path, redis_url=SecretStr("redis://127.0.0.1:1/0")))
    with in_process(again) as other:
        answers = [each.get(path) for each in (client, other)]
    assert answers[0].content == answers[1].content
    assert answers[0].headers["etag"] == answers[1].headers["etag"]


def test_damaged_and_missing_artifacts_are_left_out_and_told(
    client: httpx.Client, services: Services, several: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = several["rotations"]
    assert nearest(client, one, 0).json()["compared"] == 11  # all of it is in memory now
    shifts = services.settings.home / "artifacts" / several["shifts"] / "vectors.npy"
    whole = shifts.read_bytes()
    shifts.write_bytes(whole[:-4] + b"1234")
    (services.settings.home / "artifacts" / several["mnist"] / "vectors.npy").unlink()
    for _ in range(2):
        found = nearest(client, one, 0, count=11).json()
        assert found["compared"] == 4
        gaps = {gap["experiment"]: gap for gap in found["left_out"]}
        assert set(gaps) == {several["shifts"], several["mnist"]}
        assert gaps[several["shifts"]]["tasks"] == 3
        assert "SHA-256" in gaps[several["shifts"]]["reason"]
    assert len(client.get(f"/bases/{base_of(client, one)}/map").json()["points"]) == 5
    shifts.write_bytes(whole)
    monkeypatch.setattr(index, "DAMAGE_SECONDS", 1e-9)  # what was damaged is looked at again now
    assert nearest(client, one, 0, count=11).json()["compared"] == 7


def test_numbers_that_are_not_finite_are_left_out(client: httpx.Client, services: Services) -> None:
    one = learned(client, services, manifold(0, 3))
    broken = manifold(1, 3)
    broken[1, 7] = np.nan
    other = learned(client, services, broken, seed=1)
    found = nearest(client, one, 0).json()
    assert found["compared"] == 2
    [gap] = found["left_out"]
    assert (gap["experiment"], gap["tasks"]) == (other, 3)
    assert "not finite" in gap["reason"]
    assert nearest(client, other, 1).status_code == 409


def test_contexts_of_zeros_are_like_nothing(client: httpx.Client, services: Services) -> None:
    vectors = manifold(0, 3)
    vectors[1] = 0
    one = learned(client, services, vectors)
    similarities = {near["task"]: near["similarity"] for near in nearest(client, one, 0).json()["nearest"]}
    assert similarities[1] == 0
    assert {near["similarity"] for near in nearest(client, one, 1).json()["nearest"]} == {0}


@pytest.fixture
def little(tmp_path: Path, migrated_sqlite: Path) -> Iterator[tuple[httpx.Client, Services]]:
    settings = ServiceSettings(
        home=tmp_path, redis_url=SecretStr("redis://127.0.0.1:1/0"), atlas_bytes=1 << 20
    )
    app = create_app(settings)
    with in_process(app) as client:
        yield client, app.state.services


def test_memory_is_bounded_and_what_does_not_fit_is_told(little: tuple[httpx.Client, Services]) -> None:
    """Of four experiments with 100 tasks the sketches of two fit in one MiB; the newest are compared."""
    client, services = little
    ids = [learned(client, services, manifold(seed, 100), name=f"{seed}", seed=seed) for seed in range(4)]
    for newest, id in enumerate(ids):  # submitted in one second: whose is the newest is ours to say
        with services.database.write() as session:
            this = ExperimentRecord.id == id
            session.execute(update(ExperimentRecord).where(this).values(created_at=1000.0 + newest))
    found = nearest(client, ids[0], 0).json()
    [gap] = found["left_out"]
    assert found["compared"] + gap["tasks"] in (399, 400)
    assert "TGSH_ATLAS_BYTES" in gap["reason"]
    assert {near["name"] for near in found["nearest"]} <= {"3", "2", "1"}
    assert services.atlas.bytes <= 1 << 20


def test_questions_that_cannot_be_answered(client: httpx.Client, several: dict[str, str]) -> None:
    one = several["rotations"]
    base = base_of(client, one)
    for query, status, field in (
        ({}, 422, "experiment"),
        ({"experiment": one}, 422, "task"),
        ({"experiment": "x", "task": 0}, 422, "experiment"),
        ({"experiment": one, "task": -1}, 422, "task"),
        ({"experiment": one, "task": "NaN"}, 422, "task"),
        ({"experiment": one, "task": 0, "count": 0}, 422, "count"),
        ({"experiment": one, "task": 0, "count": 1_000_000}, 422, "count"),
        ({"experiment": one, "task": 0, "nonsense": 1}, 422, "nonsense"),
        ({"experiment": one, "task": 0, "suite": "a\0b"}, 422, "suite"),
        ({"experiment": several["elsewhere"], "task": 0}, 422, "experiment"),
    ):
        answer = client.get(f"/bases/{base}/nearest", params=query)
        assert answer.status_code == status, (query, answer.text)
        assert field in [error["field"] for error in answer.json()["errors"]], answer.text
    assert nearest(client, one, 99).status_code == 404
    assert client.get(f"/bases/{base}/nearest?experiment={'f' * 16}&task=0").status_code == 404
    assert client.get(f"/bases/{base}/map?method=tsne").status_code == 422
    assert client.get(f"/bases/{base}/map?format=zip").status_code == 406
    assert client.get("/bases/xyz").status_code == 422
    assert client.get("/bases?cursor=xyz").status_code == 422
    assert client.get("/bases?limit=0").status_code == 422


def test_a_finish_of_another_time_is_another_piece(client: httpx.Client, services: Services) -> None:
    """An experiment that was reopened and completed anew is read again."""
    one = learned(client, services, manifold(0, 3))
    path = f"/bases/{base_of(client, one)}/nearest?experiment={one}&task=0"
    etag = client.get(path).headers["etag"]
    assert client.get(path, headers={"If-None-Match": etag}).status_code == 304
    with services.database.write() as session:
        changed = update(ExperimentRecord).where(ExperimentRecord.id == one)
        session.execute(changed.values(finished_at=ExperimentRecord.finished_at + 1))
    assert client.get(path).headers["etag"] != etag
