"""Agreement with a stated geometry over HTTP: formulas, matrices, other experiments; and what is refused."""

from __future__ import annotations

from typing import Any

import httpx
import numpy as np
import pytest

from service.dependencies import Services
from service.results import agreement as agreements
from tests.api.conftest import completed, finish, submit, work
from tests.support.people import people
from tgsh.analysis.comparison import correlations, entries_above
from tgsh.analysis.model_geometry import formula_geometry, geometry_agreement, parse_formula
from tgsh.analysis.replicate_design import Replicates
from tgsh.client import Client
from tgsh.errors import InvalidSpec

JSON = {"Content-Type": "application/json"}
ANGLES = [0.0, 10.0, 20.0, 30.0, 40.0, 50.0]
CIRCLE = formula_geometry(parse_formula("circular(angle)"), {"angle": ANGLES}, {"angle": 360.0})
ABSOLUTE = formula_geometry(parse_formula("abs(index)"), {"index": [0.0, 1, 2, 3, 4, 5]})


@pytest.fixture
def path(client: httpx.Client, services: Services) -> str:
    """Six rotations by 0°, 10°, … 50°."""
    return completed(client, services, 6)


def ask(client: httpx.Client, path: str, geometry: Any, **others: Any) -> dict[str, Any]:
    answer = client.post(f"{path}/agreement", json={"geometry": geometry, **others})
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


def similarities(client: httpx.Client, path: str) -> np.ndarray:
    return np.array(client.get(f"{path}/similarity").json()["values"])


def test_a_formula_over_the_parameters(client: httpx.Client, path: str) -> None:
    found = ask(client, path, "circular(angle)")
    values = similarities(client, path)
    expected = geometry_agreement(values[None], CIRCLE, Replicates((0,), (0,)))
    assert found["agreement"] == pytest.approx(expected.agreement)
    assert (found["p"], found["permutations"]) == (expected.p, 719)  # all orders of six
    assert (found["tasks"], found["labels"][3]) == ([0, 1, 2, 3, 4, 5], "30°")
    assert found["experiments"] == [path.rpartition("/")[2]]
    assert (found["low"], found["high"], found["ceiling"]["lower"]) == (None, None, None)
    assert found["reason"] == expected.reason
    assert found["values"] == [found["agreement"]]
    assert "warnings" not in found
    same = ask(client, path, "circular(angle, 360)")
    assert same == found
    assert ask(client, path, "abs(angle)")["agreement"] == ask(client, path, "abs(index)")["agreement"]


@pytest.mark.parametrize("correlation", ["pearson", "spearman", "kendall", "cosine"])
def test_every_correlation_and_what_is_held_constant(
    client: httpx.Client, path: str, correlation: Any
) -> None:
    matrix = np.random.default_rng(3).standard_normal((6, 6))
    matrix = matrix + matrix.T
    found = ask(client, path, matrix.tolist(), correlation=correlation, partial="abs(index)", seed=4)
    values = similarities(client, path)
    expected = geometry_agreement(
        values[None], matrix, Replicates((0,), (0,)), other=ABSOLUTE, correlation=correlation, seed=4
    )
    assert found["agreement"] == pytest.approx(expected.agreement)
    assert found["partial"] == pytest.approx(expected.partial)
    assert found["p"] == expected.p
    own = correlations(entries_above(values)[None], entries_above(matrix)[None], correlation)[0, 0]
    assert found["agreement"] == pytest.approx(own)


def test_tasks_without_a_place_are_left_out(client: httpx.Client, path: str) -> None:
    rows: list[list[float | None]] = CIRCLE.tolist()
    for place in range(6):
        rows[2][place] = rows[place][2] = None
    found = ask(client, path, rows)
    assert found["tasks"] == [0, 1, 3, 4, 5]
    for place in range(6):
        for gone in (2, 3, 4, 5):
            rows[gone][place] = rows[place][gone] = None
    none = ask(client, path, rows)
    assert (none["agreement"], none["p"]) == (None, None)
    assert none["reason"].startswith("fewer than 3 tasks")


def test_another_experiment_is_aligned_by_task(client: httpx.Client, services: Services, path: str) -> None:
    other = submit(client, suite={"kind": "rotation", "tasks": 5, "step_degrees": 20}, seed=2)
    work(services, other, *range(5))
    finish(services, other)
    found = ask(client, path, {"experiment": other})
    assert found["labels"] == ["0°", "20°", "40°"]
    compared = client.get(f"/comparison?ids={path.rpartition('/')[2]},{other}").json()["pairs"][0]
    assert found["agreement"] == pytest.approx(compared["pearson"])
    assert found["p"] == pytest.approx(compared["mantel"]["p_value"])
    partial = ask(client, path, "circular(angle)", partial={"experiment": other})
    assert partial["tasks"] == [0, 2, 4]
    itself = ask(client, path, {"experiment": path.rpartition("/")[2]})
    assert itself["agreement"] == pytest.approx(1)


def test_stages_measures_and_running_experiments(client: httpx.Client, services: Services) -> None:
    running = submit(client, suite={"kind": "rotation", "tasks": 6, "step_degrees": 10})
    nothing = ask(client, f"/experiments/{running}", "circular(angle)")
    assert (nothing["tasks"], nothing["agreement"]) == ([], None)
    work(services, running, 0, 2, 3, 5)
    found = ask(client, f"/experiments/{running}", "circular(angle)", measure="update", stage="1")
    assert (found["tasks"], found["measure"], found["stage"]) == ([0, 2, 3, 5], "update", "1")
    before = ask(client, f"/experiments/{running}", CIRCLE.tolist(), stage="before")
    assert before["agreement"] != found["agreement"]


def test_what_shares_no_base_has_no_p(client: httpx.Client, services: Services) -> None:
    apart = submit(
        client,
        suite={"kind": "rotation", "tasks": 6, "step_degrees": 10},
        network={"kind": "gsh", "hidden": 20, "rank": 6},
    )
    work(services, apart, *range(6))
    finish(services, apart)
    found = ask(client, f"/experiments/{apart}", "circular(angle)")
    assert found["p"] is None
    assert "share no random base" in found["reason"]
    assert "every task of a gsh" in found["warnings"][0]


BAD_QUESTIONS: list[tuple[dict[str, Any], str, str]] = [
    ({}, "geometry", "missing"),
    ({"geometry": None}, "geometry", "circular(angle)"),
    ({"geometry": 7}, "geometry", "a matrix of all tasks"),
    ({"geometry": "circle(angle)"}, "geometry", "circular, abs, same"),
    ({"geometry": "circular(shift)"}, "geometry", "they have: angle, index"),
    ({"geometry": "circular(index)"}, "geometry", "circular(index, 360)"),
    ({"geometry": "abs(angle, 3)"}, "geometry", "no period"),
    ({"geometry": "x" * 201}, "geometry", "200"),
    ({"geometry": []}, "geometry", "0×0"),
    ({"geometry": [[1, 2], [2, 1]]}, "geometry", "the experiment has 6 tasks"),
    ({"geometry": [[1] * 6] * 5 + [[1] * 5]}, "geometry", "6×5 or 6"),
    ({"geometry": [[1] * 6] * 5 + [[1, 1, 1, 1, 2, 1]]}, "geometry", "not symmetric: 1 in row 4, column 5"),
    ({"geometry": [["a"] * 6] * 6}, "geometry.0.0", "number"),
    ({"geometry": [1, 2]}, "geometry.0", "list"),
    ({"geometry": {"experiment": "nope"}}, "geometry.experiment", "16 digits"),
    ({"geometry": {"study": "0" * 16}}, "geometry.experiment", "missing"),
    ({"geometry": "abs(angle)", "partial": "abs(nothing)"}, "partial", "no parameter"),
    ({"geometry": "abs(angle)", "partial": [[0]]}, "partial", "1×1"),
    ({"geometry": "abs(angle)", "permutations": 98}, "permutations", "99"),
    ({"geometry": "abs(angle)", "permutations": 10_000}, "permutations", "9,999"),
    ({"geometry": "abs(angle)", "correlation": "mantel"}, "correlation", "pearson"),
    ({"geometry": "abs(angle)", "alternative": "equal"}, "alternative", "greater"),
    ({"geometry": "abs(angle)", "measure": "dot"}, "measure", "cosine"),
    ({"geometry": "abs(angle)", "measure": "update", "stage": "before"}, "measure", "before training"),
    ({"geometry": "abs(angle)", "layer": "layer-9"}, "layer", "layer-1"),
    ({"geometry": "abs(angle)", "seed": -1}, "seed", "0"),
    ({"geometry": "abs(angle)", "order": "task"}, "order", "unknown key"),
]


def test_bad_questions_name_the_field(client: httpx.Client, path: str) -> None:
    for body, field, words in BAD_QUESTIONS:
        answer = client.post(f"{path}/agreement", json=body)
        assert answer.status_code == 422, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        error = answer.json()["errors"][0]
        assert (error["field"], words in error["message"]) == (field, True), answer.text


def test_what_is_not_there_or_takes_too_long(
    client: httpx.Client, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    geometry = {"geometry": {"experiment": "0" * 16}}
    missing = client.post(f"{path}/agreement", json=geometry)
    assert (missing.status_code, "0" * 16 in missing.json()["detail"]) == (404, True)
    stage = client.post(f"{path}/agreement", json={"geometry": "abs(angle)", "stage": "7"})
    assert stage.status_code == 404
    text = client.post(f"{path}/agreement", content=b'{"geometry": [[NaN]]}', headers=JSON)
    assert (text.status_code, text.json()["errors"][0]["field"]) == (422, "geometry.0.0")
    assert client.post(f"{path}/agreement?stage=after", json={"geometry": "abs(angle)"}).status_code == 422
    here = ask(client, path, "abs(angle)")
    monkeypatch.setattr(agreements, "AGREED_HERE", 0)
    assert ask(client, path, "abs(angle)") == here
    monkeypatch.setattr(agreements, "MOST_MOVED", 36 * 500)
    refused = client.post(f"{path}/agreement", json={"geometry": "abs(angle)", "permutations": 501})
    assert refused.json()["errors"][0]["field"] == "permutations"
    assert "500 are possible" in refused.json()["detail"]


def test_what_others_do_not_share_is_not_there(client: httpx.Client, services: Services, path: str) -> None:
    with people(services.settings.home, client) as known:
        hidden = completed(known["alice"], services, 3).rpartition("/")[2]
        for key in ("geometry", "partial"):
            body = {"geometry": "abs(angle)"} | {key: {"experiment": hidden}}
            answers = [
                known["bob"].post(f"{path}/agreement", json=body),
                known["bob"].post(f"{path}/agreement", json=body | {key: {"experiment": "0" * 16}}),
            ]
            assert {answer.status_code for answer in answers} == {404}
            assert answers[0].text.replace(hidden, "") == answers[1].text.replace("0" * 16, "")
            assert known["alice"].post(f"{path}/agreement", json=body).status_code == 200


def test_the_client_states_geometries(client: httpx.Client, path: str) -> None:
    experiment = path.rpartition("/")[2]
    with Client(str(client.base_url), transport=client._transport) as connected:  # the application in process
        formula = connected.agreement(experiment, "circular(angle)", permutations=199)
        matrix = connected.agreement(experiment, CIRCLE, permutations=199)
        assert matrix == formula
        part = CIRCLE.copy()
        part[0] = part[:, 0] = np.nan
        assert connected.agreement(experiment[:8], part).tasks == [1, 2, 3, 4, 5]
        other = connected.agreement(experiment, {"experiment": experiment[:8]}, partial="abs(index)")
        assert other.agreement == pytest.approx(1)
        for bad in (np.full((6, 6), np.inf), [1, 2], object()):
            with pytest.raises(InvalidSpec, match="geometry"):
                connected.agreement(experiment, bad)  # type: ignore[arg-type]
