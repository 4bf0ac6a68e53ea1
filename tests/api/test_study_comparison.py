"""Studies beside experiments: mean matrices, agreement against replicates, and what is left out."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from typer.testing import CliRunner

from service.dependencies import Services
from service.results import compared_subjects, comparison
from tests.api.conftest import EPOCHS, finish, submit, work
from tests.api.test_comparison import compare
from tests.api.test_study_results import SUITE, TASKS, completed, learn, replicates_of, submitted
from tests.support.people import people
from tests.support.serving import serving
from tgsh import schemas
from tgsh.analysis.noise_ceilings import noise_ceiling, study_agreement
from tgsh.cli.application import app as application
from tgsh.client import Client

GRID = {"training.learning_rate": [0.01, 0.02]}


def id_of(path: str) -> str:
    return path.rpartition("/")[2]


def experiment(client: httpx.Client, services: Services, **changes: Any) -> str:
    """Id of a completed experiment of the tasks of the studies."""
    id = submit(client, suite=SUITE, **changes)
    learn(services, id, changes.get("seed", 0), changes.get("base_seed", 0))
    return id


def one_base(
    client: httpx.Client,
    services: Services,
    first: int = 0,
    seeds: int = 4,
    like: Sequence[int] = range(TASKS),
) -> str:
    """Path of a study of seeds from `first` on, on one base. like: decides which tasks are alike."""
    replicates = {"seeds": list(range(first, first + seeds))}
    study = submitted(client, replicates=replicates, name=f"from {first}", spec=_spec(first))
    for each in study["members"]:
        learn(services, each["experiment"], each["seed"], 0, like)
    return f"/studies/{study['id']}"


def _spec(shift: int) -> dict[str, Any]:
    rate = 0.01 + 0.001 * shift
    return {
        "dataset": "mnist5k",
        "suite": SUITE,
        "training": {"epochs": EPOCHS, "learning_rate": rate},
    }


def test_means_are_compared_with_experiments(client: httpx.Client, services: Services) -> None:
    path = completed(client, services)
    alone = experiment(client, services, seed=9, training={"epochs": EPOCHS, "learning_rate": 0.05})
    answer = compare(client, alone, id_of(path))
    assert answer.status_code == 200, answer.text
    document = answer.json()
    schemas.Comparison.model_validate(document)
    matrices, seeds = replicates_of(client, path)
    mean = client.get(f"{path}/similarity").json()["values"]
    np.testing.assert_allclose(document["matrices"][1], mean, atol=1e-12)
    assert document["matrices"][0] == client.get(f"/experiments/{alone}/similarity").json()["values"]
    one, study = document["experiments"]
    assert "kind" not in one
    assert (study["kind"], study["id"], study["cell"]) == ("study", id_of(path), 0)
    assert (study["name"], study["replicates"], study["base_id"]) == ("s", 6, None)
    accuracies = [each["mean_accuracy"] for each in client.get(path).json()["members"]]
    assert study["mean_accuracy"] == pytest.approx(np.mean(accuracies))
    for each in study["ceilings"]:
        expected = noise_ceiling(matrices, seeds, None, each["measure"])
        assert (each["lower"], each["upper"]) == pytest.approx((expected.lower, expected.upper))
        assert each["over"] == "both"
    fields = {each["field"]: each["values"] for each in document["differences"]}
    assert fields["seed"] == [9, [0, 1, 2]]
    assert fields["base_seed"] == [0, [0, 1]]
    assert fields["training.learning_rate"][0] == 0.05
    (pair,) = document["pairs"]
    assert (pair["a"], pair["b"], pair["same_base"], pair["same_task"]) == (alone, id_of(path), False, None)
    off = np.triu_indices(TASKS, 1)
    both = [np.array(matrix)[off] for matrix in document["matrices"]]
    assert pair["pearson"] == pytest.approx(np.corrcoef(both[0], both[1])[0, 1])
    assert pair["mantel"]["permutations"] == 119
    assert pair["replicates"]["verdict"].startswith("not to be told: so few replicates")
    header, *rows = csv.reader(io.StringIO(compare(client, alone, id_of(path), format="csv").text))
    assert header == ["task", "other", alone, id_of(path)]
    np.testing.assert_allclose([float(row[3]) for row in rows], np.array(mean)[off], atol=1e-12)


def test_a_study_stands_for_all_its_cells(client: httpx.Client, services: Services) -> None:
    path = completed(client, services, grid=GRID, replicates={"seeds": 2})
    study = id_of(path)
    document = compare(client, study).json()
    assert [each["id"] for each in document["experiments"]] == [f"{study}:0", f"{study}:1"]
    assert [each["name"] for each in document["experiments"]] == [
        f"s, training.learning_rate={rate}" for rate in (0.01, 0.02)
    ]
    assert document["differences"] == [{"field": "training.learning_rate", "values": [0.01, 0.02]}]
    assert document["same_base"] is True
    for cell in (0, 1):
        mean = client.get(f"{path}/similarity?cell={cell}").json()["values"]
        np.testing.assert_allclose(document["matrices"][cell], mean, atol=1e-12)
    turned = compare(client, f"{study}:1", f"{study}:0").json()
    assert turned["matrices"] == document["matrices"][::-1]
    for ids, words in (
        (f"{study}:2,{study}:0", "there is no cell 2"),
        (f"{study},{study}:0", "twice"),
        (f"{study}:0", "not 1"),
        (f"{study}:x", "is no id"),
    ):
        refused = client.get("/comparison", params={"ids": ids})
        assert (refused.status_code, words in refused.text) == (422, True), refused.text
    single = id_of(completed(client, services, replicates={"seeds": 2}, spec=_spec(1)))
    missing = compare(client, f"{single}:0", f"{'0' * 16}:0")
    assert (missing.status_code, "no study" in missing.text) == (404, True)


def test_as_alike_as_replicates_are(client: httpx.Client, services: Services) -> None:
    """Other seeds of the same are alike, and what learned something else is not."""
    one, again = one_base(client, services, 0, 5), one_base(client, services, 5, 5)
    apart = one_base(client, services, 10, 5, [4, 2, 0, 3, 1])
    document = compare(client, id_of(one), id_of(again), permutations=9_999).json()
    (pair,) = document["pairs"]
    found = pair["replicates"]
    ones, seeds = replicates_of(client, one)
    others, further = replicates_of(client, again)
    expected = study_agreement(ones, others, (seeds, further), permutations=9_999)
    assert (found["p"], found["permutations"]) == (expected.p, 251)
    assert found["least_p"] == expected.least_p
    assert (found["as_alike"], found["over"]) == (True, "seeds")
    assert found["verdict"] == "as alike as replicates are"
    third = compare(client, id_of(apart), id_of(one)).json()["pairs"][0]["replicates"]
    assert (third["as_alike"], third["verdict"]) == (False, "less alike than replicates are")
    assert third["between"] < third["within"]
    for name, value in (
        ("agreement", expected.agreement),
        ("a_with_b", expected.one_by_other),
        ("b_with_a", expected.other_by_one),
        ("between", expected.between),
        ("within", expected.within),
    ):
        assert found[name] == pytest.approx(value), name
    strict = compare(client, id_of(one), id_of(again), level=0.999999).json()["pairs"][0]["replicates"]
    assert (strict["as_alike"], strict["level"]) == (None, 0.999999)
    words = {True: "as alike as replicates are", False: "less alike than replicates are"}
    loose = compare(client, id_of(one), id_of(again), level=1 - found["p"] * 0.99).json()
    assert loose["pairs"][0]["replicates"]["verdict"] == words[True]
    tight = compare(client, id_of(one), id_of(again), level=1 - found["p"] * 1.01).json()
    assert tight["pairs"][0]["replicates"]["verdict"] == words[False]


def test_a_replicate_of_the_study_is_told(client: httpx.Client, services: Services) -> None:
    path = one_base(client, services)
    member = client.get(path).json()["members"][1]["experiment"]
    document = compare(client, id_of(path), member).json()
    assert any(member in note and id_of(path) in note for note in document["notes"])
    assert document["same_base"] is True


def test_what_cannot_be_aligned_is_left_out(
    client: httpx.Client, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = completed(client, services, replicates={"seeds": 2})
    waiting = submitted(client, name="waits", replicates={"seeds": 2}, spec=_spec(3))["id"]
    shift = submit(client, suite={"kind": "shift", "tasks": 4})
    work(services, shift, *range(4))
    finish(services, shift)
    other = completed(client, services, replicates={"seeds": 2}, spec=_spec(4), name="other")
    document = compare(client, waiting, id_of(path), shift, id_of(other)).json()
    notes = [each["note"] for each in document["experiments"]]
    assert "no experiment of cell 0 is completed: 2 of 2 are queued or running" in notes[0]
    assert (notes[1], notes[3]) == (None, None)
    assert "3 common tasks are needed" in notes[2]
    assert [each["status"] for each in document["experiments"]] == ["queued", *["completed"] * 3]
    assert [len(matrix) for matrix in document["matrices"]] == [0, TASKS, 0, TASKS]
    assert "suite.kind" in {each["field"] for each in document["differences"]}
    early = compare(client, waiting, shift)
    assert (early.status_code, early.json()["pairs"]) == (200, [])
    assert compare(client, waiting, shift, format="csv").status_code == 409
    assert compare(client, id_of(path), id_of(other), stage=7).status_code == 404
    assert compare(client, id_of(path), id_of(other), layer="layer-9").status_code == 422
    monkeypatch.setattr(compared_subjects, "MOST_NUMBERS", 2 * TASKS**2)
    large = compare(client, id_of(path), id_of(other), seed=1).json()
    assert "are more than" in large["experiments"][1]["note"]
    monkeypatch.undo()
    monkeypatch.setattr(comparison, "MOST_MOVED", 10_000)
    untested = compare(client, id_of(path), id_of(other), permutations=99, seed=2).json()
    assert untested["pairs"][0]["replicates"]["verdict"] == "not to be told: no test: see notes"
    assert any("no test against replicates" in note for note in untested["notes"])


def test_elsewhere_and_here_are_the_same(
    client: httpx.Client, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [id_of(one_base(client, services, shift, 3)) for shift in (0, 3)]
    here = compare(client, *ids).json()
    monkeypatch.setattr(comparison, "MOVED_HERE", 0)
    there = compare(client, *ids, level=0.9500001).json()
    for document in (here, there):
        document["pairs"][0]["replicates"].pop("level")
    assert there == here


def test_the_tag_follows_from_the_replicates(client: httpx.Client, services: Services) -> None:
    study = submitted(client, replicates={"seeds": 3})
    alone = experiment(client, services, seed=9)
    first, second, _ = study["members"]
    learn(services, first["experiment"], first["seed"], first["base_seed"])
    before = compare(client, study["id"], alone)
    tag = before.headers["ETag"]
    assert client.get(before.url, headers={"If-None-Match": tag}).status_code == 304
    learn(services, second["experiment"], second["seed"], second["base_seed"])
    after = client.get(before.url, headers={"If-None-Match": tag})
    assert (after.status_code, after.json()["experiments"][0]["replicates"]) == (200, 2)
    assert any("1 " in warning and study["id"] in warning for warning in after.json()["warnings"])


def test_what_others_do_not_share_is_not_there(client: httpx.Client, services: Services) -> None:
    with people(services.settings.home, client) as known:
        mine = experiment(known["bob"], services)
        study = id_of(completed(known["alice"], services, replicates={"seeds": 2}))
        for cell in ("", ":0", ":7"):
            hidden, missing = (compare(known["bob"], mine, f"{id}{cell}") for id in (study, "0" * 16))
            assert hidden.status_code == missing.status_code == 404
            assert hidden.text.replace(study, "") == missing.text.replace("0" * 16, "")
        assert compare(known["root"], mine, study).status_code == 200
        known["alice"].patch(f"/studies/{study}", json={"shared": True})
        assert compare(known["bob"], mine, study).status_code == 200


def test_client_and_command(
    app: FastAPI, client: httpx.Client, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = completed(client, services, grid=GRID, replicates={"seeds": 2})
    study, alone = id_of(path), experiment(client, services, seed=9)
    with serving(app) as http, Client(str(http.base_url)) as connected:
        found = connected.comparison([alone[:8], f"{study[:8]}:1"], level=0.9)
        kinds = [type(each) for each in found.experiments]
        assert kinds == [schemas.ComparedExperiment, schemas.ComparedStudy]
        (pair,) = found.pairs
        assert isinstance(pair, schemas.ComparedStudyPair)
        assert pair.replicates.level == 0.9
        monkeypatch.setenv("TGSH_URL", str(http.base_url))
        monkeypatch.setenv("COLUMNS", "200")
        run: Callable[..., Any] = CliRunner().invoke
        told = run(application, ["compare", study, alone])
        assert told.exit_code == 0, told.stderr
        for words in (f"{study}:0", f"{study}:1", "replicates", "noise ceiling", "not to be told"):
            assert words in told.stdout, words
