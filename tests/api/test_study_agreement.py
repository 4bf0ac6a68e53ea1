"""Agreement of studies with a stated geometry over HTTP, in the client and in `tgsh agree`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from typer.testing import CliRunner

from service.dependencies import Services
from service.results import agreement as agreements
from tests.api.conftest import completed as completed_experiment
from tests.api.test_study_results import completed, learn, replicates_of, submitted
from tests.support.people import people
from tests.support.serving import serving
from tgsh import schemas
from tgsh.analysis.model_geometry import formula_geometry, geometry_agreement, parse_formula
from tgsh.cli.application import app as application
from tgsh.client import Client
from tgsh.errors import NotFound

ANGLES = [0.0, 10.0, 20.0, 30.0, 40.0]
CIRCLE = formula_geometry(parse_formula("circular(angle)"), {"angle": ANGLES}, {"angle": 360.0})
FLAT = {"kind": "rotation", "tasks": 3, "step_degrees": 10}


def ask(client: httpx.Client, path: str, geometry: Any, query: str = "", **others: Any) -> dict[str, Any]:
    answer = client.post(f"{path}/agreement{query}", json={"geometry": geometry, **others})
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    schemas.StudyGeometryAgreement.model_validate(document)
    return document


def test_agreement_is_that_of_the_members(client: httpx.Client, services: Services) -> None:
    path = completed(client, services, grid={"training.learning_rate": [0.01, 0.02]})
    for cell in (0, 1):
        matrices, seeds = replicates_of(client, path, cell)
        for over in ("seeds", "base_seeds", "both"):
            found = ask(client, path, "circular(angle)", f"?cell={cell}&over={over}&level=0.9", seed=3)
            expected = geometry_agreement(matrices, CIRCLE, seeds, over=over, level=0.9, seed=3)
            assert found["agreement"] == pytest.approx(expected.agreement)
            assert (found["low"], found["high"]) == pytest.approx((expected.low, expected.high))
            assert found["low"] < found["agreement"] < found["high"]
            assert found["values"] == pytest.approx(expected.values)
            assert (found["p"], found["permutations"]) == (expected.p, 119)
            ceiling = expected.ceiling
            assert found["ceiling"]["lower"] == pytest.approx(ceiling.lower)
            assert found["ceiling"]["upper"] == pytest.approx(ceiling.upper)
            assert (found["within_ceiling"], found["over"]) == (expected.within_ceiling, over)
            assert found["experiments"] == client.get(path).json()["cells"][cell]["experiments"]
            assert found["cell_values"] == {"training.learning_rate": [0.01, 0.02][cell]}
            assert (found["replicates"], found["complete"], found["level"]) == (6, True, 0.9)
    narrow, wide = (ask(client, path, CIRCLE.tolist(), f"?level={level}") for level in (0.5, 0.99))
    assert wide["low"] < narrow["low"] < narrow["high"] < wide["high"]
    assert (narrow["over"], narrow["agreement"]) == ("both", wide["agreement"])


def test_partial_and_other_correlations(client: httpx.Client, services: Services) -> None:
    path = completed(client, services)
    matrices, seeds = replicates_of(client, path, query="?measure=correlation&stage=1")
    line = formula_geometry(parse_formula("abs(index)"), {"index": [0.0, 1, 2, 3, 4]})
    for correlation in ("spearman", "kendall", "cosine"):
        matrix = np.random.default_rng(1).standard_normal((5, 5))
        matrix += matrix.T
        found = ask(
            client,
            path,
            matrix.tolist(),
            partial="abs(index)",
            correlation=correlation,
            measure="correlation",
            stage="1",
        )
        expected = geometry_agreement(matrices, matrix, seeds, other=line, correlation=correlation)
        assert found["partial"] == pytest.approx(expected.partial)
        assert (found["low"], found["high"]) == pytest.approx((expected.low, expected.high))
        assert found["values"] == pytest.approx(expected.values)
    other = completed_experiment(client, services, 4).rpartition("/")[2]
    of_four = ask(client, path, {"experiment": other})
    assert of_four["labels"] == ["0°", "10°", "20°", "30°"]


def test_the_mean_of_the_replicates_reaches_the_ceiling(client: httpx.Client, services: Services) -> None:
    path = completed(client, services)
    mean = client.get(f"{path}/similarity").json()["values"]
    best, worst = ask(client, path, mean), ask(client, path, (-np.array(mean)).tolist())
    assert (best["within_ceiling"], worst["within_ceiling"]) == (True, False)
    assert best["agreement"] == pytest.approx(-worst["agreement"])


def test_what_is_missing_is_told(client: httpx.Client, services: Services) -> None:
    study = submitted(client, replicates={"seeds": 2})
    path = f"/studies/{study['id']}"
    early = client.post(f"{path}/agreement", json={"geometry": "circular(angle)"})
    assert (early.status_code, "no experiment of cell 0 is completed" in early.text) == (409, True)
    first = study["members"][0]
    learn(services, first["experiment"], first["seed"], first["base_seed"])
    found = ask(client, path, "circular(angle)")
    assert (found["replicates"], found["complete"], found["low"]) == (1, False, None)
    assert found["agreement"] is not None
    assert found["reason"]
    assert any("1 of 2 experiments" in text or "1 " in text for text in found["warnings"])


BAD: list[tuple[str, dict[str, Any], str, str]] = [
    ("", {}, "geometry", "missing"),
    ("", {"geometry": [[1]]}, "geometry", "the experiment has 5 tasks"),
    ("", {"geometry": "circular(shift)"}, "geometry", "they have: angle, index"),
    ("", {"geometry": "abs(angle)", "partial": "abs(nothing)"}, "partial", "no parameter"),
    ("", {"geometry": "abs(angle)", "layer": "layer-9"}, "layer", "layer-1"),
    ("", {"geometry": "abs(angle)", "over": "seeds"}, "over", "unknown key"),
    ("?cell=2", {"geometry": "abs(angle)"}, "cell", "there is no cell 2"),
    ("?cell=-1", {"geometry": "abs(angle)"}, "cell", "0"),
    ("?level=1", {"geometry": "abs(angle)"}, "level", "1"),
    ("?level=nan", {"geometry": "abs(angle)"}, "level", "1"),
    ("?over=tasks", {"geometry": "abs(angle)"}, "over", "base_seeds"),
    ("?stage=1", {"geometry": "abs(angle)"}, "stage", "no such parameter"),
]


def test_bad_questions_name_the_field(
    client: httpx.Client, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = completed(client, services, replicates={"seeds": 2})
    for query, body, field, words in BAD:
        answer = client.post(f"{path}/agreement{query}", json=body)
        assert answer.status_code == 422, (query, body, answer.text)
        error = answer.json()["errors"][0]
        assert (error["field"], words in error["message"]) == (field, True), answer.text
    assert client.post(f"{path}/agreement", json={"geometry": "abs(angle)", "stage": "9"}).status_code == 404
    here = ask(client, path, "abs(angle)")
    monkeypatch.setattr(agreements, "AGREED_HERE", 0)
    assert ask(client, path, "abs(angle)") == here  # in a process of its own
    monkeypatch.setattr(agreements, "MOST_MOVED", 25 * 4 * agreements.KENDALL_SLOWNESS - 1)
    slow = client.post(f"{path}/agreement", json={"geometry": "abs(angle)", "correlation": "kendall"})
    assert slow.json()["errors"][0]["field"] == "correlation"


def test_what_others_do_not_share_is_not_there(client: httpx.Client, services: Services) -> None:
    with people(services.settings.home, client) as known:
        path = completed(known["bob"], services, replicates={"seeds": 2})
        hidden = completed_experiment(known["alice"], services, 3).rpartition("/")[2]
        body = {"geometry": "abs(angle)"}
        assert known["alice"].post(f"{path}/agreement", json=body).status_code == 404
        told = [
            known["bob"].post(f"{path}/agreement", json=body | {"partial": {"experiment": id}})
            for id in (hidden, "0" * 16)
        ]
        assert [answer.status_code for answer in told] == [404, 404]
        assert told[0].text.replace(hidden, "") == told[1].text.replace("0" * 16, "")


@pytest.fixture
def url(app: FastAPI, client: httpx.Client) -> Iterator[str]:
    with serving(app) as http:
        yield str(http.base_url)


def test_client_and_command(
    url: str, client: httpx.Client, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = completed(client, services)
    study, experiment = path.rpartition("/")[2], client.get(path).json()["cells"][0]["experiments"][0]
    with Client(url) as connected:
        found = connected.study_agreement(study[:8], CIRCLE, over="seeds", level=0.8)
        assert found.study_id == study
        assert (found.over, found.level, len(found.values)) == ("seeds", 0.8, 6)
        assert found.model_dump(exclude={"warnings"}) == schemas.StudyGeometryAgreement.model_validate(
            ask(client, path, CIRCLE.tolist(), "?over=seeds&level=0.8")
        ).model_dump(exclude={"warnings"})
        for reference, kind, id in (
            (study, "study", study),
            (study[:8], "study", study),
            (experiment, "experiment", experiment),
            (experiment[:8], "experiment", experiment),
        ):
            assert connected.experiment_or_study_id(reference) == (kind, id)
        with pytest.raises(NotFound, match="no experiment and no study"):
            connected.experiment_or_study_id("0" * 16)
        with pytest.raises(NotFound, match=r"fits 7"):
            connected.experiment_or_study_id("")
    monkeypatch.setenv("TGSH_URL", url)
    monkeypatch.setenv("COLUMNS", "140")

    def tgsh(*arguments: str) -> Any:
        return CliRunner().invoke(application, ["agree", *arguments])

    told = tgsh(study[:8], "circular(angle)", "--over", "seeds", "--level", "0.8", "--json")
    assert json.loads(told.stdout)["low"] == pytest.approx(found.low)
    printed = tgsh(study, "circular(angle)").stdout
    assert all(words in printed for words in ("noise ceiling", "interval", " to "))
    of_one = tgsh(experiment, "circular(angle)").stdout
    assert "noise ceiling" not in of_one
    refused = tgsh(experiment, "circular(angle)", "--cell", "1")
    assert refused.exit_code == 2
    assert "--cell" in refused.stderr
