"""Experiments side by side: aligned by task, what differs, whether they agree; and what is refused."""

from __future__ import annotations

import csv
import io
import itertools
from typing import Any
from xml.etree import ElementTree

import httpx
import numpy as np
import pytest

from service.dependencies import Services
from service.results import base, comparison
from tests.api.conftest import EPOCHS, finish, submit, vectors_of, work
from tests.support.people import people
from tgsh.analysis.comparison import agreement

ROTATIONS: dict[str, Any] = {"kind": "rotation", "tasks": 6, "step_degrees": 10}
EVERY_SECOND: dict[str, Any] = {"kind": "rotation", "tasks": 5, "step_degrees": 20}


def trained(client: httpx.Client, services: Services, tasks: int, **changes: Any) -> str:
    """The id of a completed experiment, task i of which learned `vectors_of(i)`."""
    experiment_id = submit(client, **changes)
    work(services, experiment_id, *range(tasks))
    finish(services, experiment_id)
    return experiment_id


@pytest.fixture
def pair(client: httpx.Client, services: Services) -> tuple[str, str]:
    """Rotations by 0°, 10°, … 50°, and by 0°, 20°, … 80° with another seed."""
    return (
        trained(client, services, 6, suite=ROTATIONS),
        trained(client, services, 5, suite=EVERY_SECOND, name="two", tags=["b"], seed=3),
    )


def compare(client: httpx.Client, *ids: str, **params: Any) -> httpx.Response:
    return client.get("/comparison", params={"ids": ",".join(ids), **params})


def test_tasks_are_aligned_by_what_they_are(client: httpx.Client, pair: tuple[str, str]) -> None:
    answer = compare(client, *pair)
    assert answer.status_code == 200, answer.text
    document = answer.json()
    assert document["tasks"] == ["0°", "20°", "40°"]
    one, other = document["experiments"]
    assert (one["id"], other["id"], one["status"]) == (*pair, "completed")
    assert (one["tasks"], other["tasks"]) == ([0, 2, 4], [0, 1, 2])
    for experiment, matrix in zip(document["experiments"], document["matrices"], strict=True):
        whole = np.array(client.get(f"/experiments/{experiment['id']}/similarity").json()["values"])
        np.testing.assert_array_equal(matrix, whole[np.ix_(experiment["tasks"], experiment["tasks"])])
    reversed_ = compare(client, *pair[::-1]).json()
    assert [each["id"] for each in reversed_["experiments"]] == list(pair[::-1])
    assert reversed_["matrices"] == document["matrices"][::-1]


def test_updates_are_compared_too(client: httpx.Client, pair: tuple[str, str]) -> None:
    document = compare(client, *pair, measure="update").json()
    assert document["measure"] == "update"
    for experiment, matrix in zip(document["experiments"], document["matrices"], strict=True):
        path = f"/experiments/{experiment['id']}/similarity?measure=update"
        whole = np.array(client.get(path).json()["values"])
        np.testing.assert_allclose(matrix, whole[np.ix_(experiment["tasks"], experiment["tasks"])])
    assert compare(client, *pair, measure="update", stage="before").status_code == 422


def test_only_what_differs_is_told(client: httpx.Client, pair: tuple[str, str]) -> None:
    assert compare(client, *pair).json()["differences"] == [
        {"field": "suite.tasks", "values": [6, 5]},
        {"field": "suite.step_degrees", "values": [10.0, 20.0]},
        {"field": "seed", "values": [0, 3]},
    ]


def test_fields_that_one_kind_has_not_are_null(client: httpx.Client, services: Services) -> None:
    custom = {
        "kind": "custom",
        "tasks": [
            {"label": label, "transforms": [{"kind": "rotate", "degrees": 1}] if label != "0°" else []}
            for label in ("20°", "10°", "0°")
        ],
    }
    network = {"kind": "neuromodnet", "layers": [3, 4]}
    one = trained(client, services, 3)
    other = trained(client, services, 3, suite=custom, network=network)
    document = compare(client, one, other).json()
    assert document["experiments"][1]["tasks"] == [2, 1, 0]
    values = {each["field"]: each["values"] for each in document["differences"]}
    assert values["suite.kind"] == ["rotation", "custom"]
    assert values["network.layers"] == [None, [3, 4]]
    assert values["network.fan_in"] == [7, None]
    assert values["suite.tasks.0.transforms.0.degrees"] == [None, 1]
    assert (document["same_base"], document["pairs"][0]["same_task"]) == (False, None)


def test_a_pair_is_tested(client: httpx.Client, services: Services) -> None:
    one = trained(client, services, 6, suite=ROTATIONS)
    other = trained(client, services, 6, suite=ROTATIONS, training={"epochs": EPOCHS, "batch_size": 64})
    document = compare(client, one, other, permutations=300, seed=4, alternative="two-sided").json()
    (found,) = document["pairs"]
    wanted = agreement(*map(np.array, document["matrices"]), 300, "two-sided", 4)  # type: ignore[arg-type]
    assert (found["a"], found["b"], found["tasks"]) == (one, other, 6)
    assert found["pearson"] == found["spearman"] == pytest.approx(1)
    assert wanted.mantel is not None
    assert found["mantel"] == {
        "statistic": pytest.approx(1),
        "p_value": pytest.approx(wanted.mantel.p_value),
        "permutations": 300,
        "alternative": "two-sided",
        "seed": 4,
    }
    assert found["mantel"]["p_value"] < 0.05
    exact = compare(client, one, other).json()["pairs"][0]["mantel"]
    assert (exact["permutations"], exact["p_value"]) == (719, 1 / 720)


def test_vectors_over_one_base_are_compared_themselves(client: httpx.Client, pair: tuple[str, str]) -> None:
    document = compare(client, *pair, stage=1).json()
    assert document["same_base"] is True
    found = document["pairs"][0]["same_task"]
    for value, (a, b) in zip(found["values"], [(0, 0), (2, 1), (4, 2)], strict=True):
        u, v = (vectors_of(task)[1].astype(float) for task in (a, b))
        assert value == pytest.approx(u @ v / np.linalg.norm(u) / np.linalg.norm(v))
    assert found["mean"] == pytest.approx(np.mean(found["values"]))


def test_three_have_three_pairs_and_another_base(client: httpx.Client, services: Services) -> None:
    ids = [
        trained(client, services, 4, suite={**ROTATIONS, "tasks": 4}, base_seed=base) for base in (0, 0, 1)
    ]
    document = compare(client, *ids).json()
    assert [(each["a"], each["b"]) for each in document["pairs"]] == list(itertools.combinations(ids, 2))
    assert [each["same_base"] for each in document["pairs"]] == [True, False, False]
    assert document["same_base"] is False
    assert document["differences"] == [{"field": "base_seed", "values": [0, 0, 1]}]


def test_the_table_has_a_row_a_pair_of_tasks(client: httpx.Client, pair: tuple[str, str]) -> None:
    document = compare(client, *pair).json()
    header, *rows = csv.reader(io.StringIO(compare(client, *pair, format="csv").text))
    assert header == ["task", "other", *pair]
    above = np.triu_indices(3, 1)
    for place, matrix in enumerate(document["matrices"]):
        np.testing.assert_array_equal([float(row[2 + place]) for row in rows], np.array(matrix)[above])
    assert [row[:2] for row in rows] == [["0°", "20°"], ["0°", "40°"], ["20°", "40°"]]


def test_its_parts_are_tables_and_pictures(
    client: httpx.Client, services: Services, pair: tuple[str, str]
) -> None:
    shift = trained(client, services, 4, suite={"kind": "shift", "tasks": 4}, name="a shift")
    three = (pair[0], shift, pair[1])
    document = compare(client, *three).json()

    def table(part: str, *ids: str) -> list[dict[str, str]]:
        answer = compare(client, *ids, format="csv", part=part)
        assert answer.status_code == 200, answer.text
        return list(csv.DictReader(io.StringIO(answer.text)))

    [correlated] = table("correlations", *three)
    [agreed] = document["pairs"]
    assert (correlated["a"], correlated["b"], correlated["name_b"]) == (*pair, "two")
    assert float(correlated["pearson"]) == agreed["pearson"]
    assert float(correlated["mantel_p"]) == agreed["mantel"]["p_value"]
    one, other = (np.array(document["matrices"][place]) for place in (0, 2))
    differences = [float(row["difference"]) for row in table("difference", *three)]
    np.testing.assert_array_equal(differences, (one - other)[np.triu_indices(3, 1)])
    specs = {
        row.pop("field"): list(row.values()) for row in table("specs", pair[0], shift)
    }  # nothing in common
    assert specs["name"] == ["three", "a shift"]
    assert list(map(float, specs["mean_accuracy"])) == [0.625, 0.375]
    assert specs["suite.kind"] == ["rotation", "shift"]
    assert "3 common tasks are needed" in specs["left_out"][1]

    words = {
        "matrices": ("A: three", "C: two", "similarities after training, 3 common tasks", "20°"),
        "correlations": ("A: three", "C: two", "correlations (Pearson)"),
        "difference": ("A: three − C: two", "difference of cosine similarity", "40°"),
    }
    for part, expected in words.items():
        svg = compare(client, *three, format="svg", part=part, svg_text="text", width=120, font=7)
        assert svg.status_code == 200, svg.text
        drawn = " ".join(ElementTree.fromstring(svg.text).itertext())
        for each in (*expected, "cannot be aligned: B: a shift"):
            assert each in drawn, (part, each, drawn)
    assert compare(client, *three, format="pdf").content.startswith(b"%PDF")
    small = compare(client, *pair, format="png").content
    assert small.startswith(b"\x89PNG")
    assert small != compare(client, *pair, format="png", diagonal="mask").content

    for ids, params, field in [
        (three, {"format": "json", "part": "specs"}, "part"),
        (three, {"format": "svg", "part": "specs"}, "part"),
        ((*pair, trained(client, services, 6, suite=ROTATIONS, seed=9)), {"part": "difference"}, "part"),
        ((pair[0], shift), {"format": "svg"}, "ids"),
        (pair, {"format": "json", "width": "85"}, "width"),
    ]:
        refused = compare(client, *ids, **{"format": "csv", **params})
        assert refused.status_code == 422
        assert [error["field"] for error in refused.json()["errors"]] == [field]


def test_who_has_it_is_told_so(client: httpx.Client, pair: tuple[str, str]) -> None:
    answer = compare(client, *pair)
    etag = answer.headers["ETag"]
    again = client.get(answer.url, headers={"If-None-Match": etag})
    assert (again.status_code, again.content) == (304, b"")
    assert compare(client, *pair).content == answer.content
    for params in ({"seed": 1}, {"measure": "correlation"}, {"stage": "before"}, {"format": "csv"}):
        assert compare(client, *pair, **params).headers["ETag"] != etag
    assert compare(client, *pair[::-1]).headers["ETag"] != etag


@pytest.mark.slow
def test_what_takes_long_is_done_elsewhere_and_what_takes_too_long_not_at_all(
    client: httpx.Client, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite = {"kind": "rotation", "tasks": 12, "step_degrees": 1}
    ids = [trained(client, services, 12, suite=suite, seed=seed) for seed in (0, 1)]
    here = compare(client, *ids)
    monkeypatch.setattr(comparison, "MOVED_HERE", 0)
    there = compare(client, *ids, seed=1).json()["pairs"][0]["mantel"]
    assert there["p_value"] == here.json()["pairs"][0]["mantel"]["p_value"] == 1 / 1000
    monkeypatch.setattr(comparison, "MOST_MOVED", 12**2 * 500)
    refused = compare(client, *ids, permutations=501)
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == "permutations"
    assert "500 are possible" in refused.json()["detail"]
    assert compare(client, *ids, permutations=500).status_code == 200
    untested = compare(client, *ids, seed=2).json()  # nobody asked for so many
    assert (untested["pairs"][0]["mantel"], untested["pairs"][0]["pearson"]) == (None, pytest.approx(1))
    assert untested["notes"][0].startswith("no Mantel test: 999 permutations of 1 pairs take too long")
    monkeypatch.setattr(base, "MAX_TEXT_VALUES", 2 * 12**2 - 1)
    large = compare(client, *ids, permutations=499, seed=2).json()
    assert (large["matrices"], len(large["pairs"])) == ([[], []], 1)
    assert "2 matrices of 12" in large["notes"][0]
    assert "2 matrices of 12" in compare(client, *ids, permutations=499, format="csv").json()["detail"]


@pytest.mark.parametrize(
    ("ids", "words"),
    [
        ("", "is no id"),
        ("{0}", "2 to 50 are compared, not 1"),
        ("{0},", "is no id"),
        ("{0},{0}", "twice"),
        ("{0},../etc/passwd", "is no id"),
        (",".join(f"{n:016x}" for n in range(51)), "not 51"),
        (",".join(f"{n:016x}" for n in range(80)), "1,200"),
    ],
)
def test_bad_lists_of_ids_name_the_field(client: httpx.Client, ids: str, words: str) -> None:
    answer = client.get("/comparison", params={"ids": ids.format("0" * 16)})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    (error,) = answer.json()["errors"]
    assert error["field"] == "ids"
    assert words in error["message"]


def test_what_is_not_there_is_named(client: httpx.Client, pair: tuple[str, str]) -> None:
    assert client.get("/comparison").json()["errors"][0]["field"] == "ids"
    missing = compare(client, pair[0], "0" * 16)
    assert missing.status_code == 404
    assert "0" * 16 in missing.json()["detail"]
    stage = compare(client, *pair, stage=7)
    assert stage.status_code == 404
    assert pair[0] in stage.json()["detail"]
    assert "stage '7'" in stage.json()["detail"]
    for params in ({"permutations": 1}, {"alternative": "equal"}, {"seed": -1}, {"layer": "layer-9"}):
        answer = compare(client, *pair, **params)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, next(iter(params)))
    assert compare(client, *pair, format="newick").status_code == 406


def test_nothing_in_common_leaves_what_differs(
    client: httpx.Client, services: Services, pair: tuple[str, str]
) -> None:
    other = trained(client, services, 4, suite={"kind": "shift", "tasks": 4})
    none = compare(client, pair[0], other).json()
    assert (none["tasks"], none["matrices"], none["pairs"]) == ([], [[], []], [])
    notes = [each["note"] for each in none["experiments"]]
    assert notes[0].startswith("it has 0°, 10°, 20°, 30°, 40° and 1 more, and 3 common tasks are needed")
    assert "0 px, 1 px, 2 px, 3 px" in notes[1]
    assert none["differences"][0]["field"] == "suite.kind"
    assert [each["mean_accuracy"] for each in none["experiments"]] == [0.625, 0.375]
    table = compare(client, pair[0], other, format="csv")
    assert (table.status_code, table.json()["errors"][0]["field"]) == (422, "ids")
    assert "no two of them have 3 tasks in common" in table.json()["detail"]
    running = submit(client, suite=ROTATIONS)
    waiting = compare(client, pair[0], running).json()
    assert waiting["experiments"][1]["note"].startswith("it has none")
    assert "more may come" in waiting["experiments"][1]["note"]
    assert compare(client, pair[0], running, format="csv").status_code == 409
    etag = compare(client, pair[0], running).headers["ETag"]
    work(services, running, 1, 3, 5)
    answer = compare(client, pair[0], running)
    partial = answer.json()
    assert answer.headers["ETag"] != etag
    assert partial["tasks"] == ["10°", "30°", "50°"]
    assert [each["complete"] for each in partial["experiments"]] == [True, False]
    assert [each["note"] for each in partial["experiments"]] == [None, None]


def test_what_cannot_be_aligned_is_left_out_with_a_note(
    client: httpx.Client, services: Services, pair: tuple[str, str]
) -> None:
    shift = trained(client, services, 4, suite={"kind": "shift", "tasks": 4}, base_seed=3)
    layered = trained(client, services, 6, suite=ROTATIONS, network={"kind": "neuromodnet", "layers": [3, 4]})
    longer = submit(client, suite=ROTATIONS, training={"epochs": 7})
    document = compare(client, shift, *pair, layered, longer).json()
    assert [each["note"] is None for each in document["experiments"]] == [False, True, True, True, False]
    assert document["tasks"] == ["0°", "20°", "40°"]
    assert [len(matrix) for matrix in document["matrices"]] == [0, 3, 3, 3, 0]
    assert [(each["a"], each["b"]) for each in document["pairs"]] == list(
        itertools.combinations((*pair, layered), 2)
    )
    assert document["experiments"][0]["tasks"] == []
    fields = {each["field"]: each["values"] for each in document["differences"]}
    assert fields["suite.kind"] == ["shift", *["rotation"] * 4]
    assert fields["training.epochs"] == [2, 2, 2, 2, 7]
    header, *_ = csv.reader(io.StringIO(compare(client, shift, *pair, format="csv").text))
    assert header == ["task", "other", *pair]
    layer = compare(client, *pair, layered, layer="layer-2").json()
    assert "layer-1" in layer["experiments"][0]["note"]
    assert [each["note"] is None for each in layer["experiments"]] == [False, False, False]
    stage = compare(client, *pair, longer, stage=7).json()
    assert [each["note"] is None for each in stage["experiments"]] == [False, False, False]
    assert f"{pair[0]}: there is no stage '7'" in stage["experiments"][0]["note"]


def test_fifty_are_compared(client: httpx.Client, services: Services) -> None:
    one, two = (trained(client, services, 4, suite={**ROTATIONS, "tasks": 4}, seed=seed) for seed in (0, 1))
    waiting = [submit(client, seed=seed) for seed in range(2, 50)]
    document = compare(client, one, two, *waiting).json()
    assert len(document["experiments"]) == len(document["matrices"]) == 50
    assert [place for place, each in enumerate(document["experiments"]) if each["note"] is None] == [0, 1]
    assert document["differences"][-1] == {"field": "seed", "values": list(range(50))}
    table = compare(client, one, two, *waiting, format="csv")
    assert f"{one}-and-49-more" in table.headers["content-disposition"]
    assert compare(client, one, two, *waiting, permutations=9_999).status_code == 200


def test_permutations_of_other_seeds_are_other_tasks(client: httpx.Client, services: Services) -> None:
    suites = [{"kind": "permutation", "tasks": 4, "permutation_seed": seed} for seed in (0, 0, 1)]
    ids = [trained(client, services, 4, suite=suite, seed=seed) for seed, suite in enumerate(suites)]
    assert len(compare(client, ids[0], ids[1]).json()["tasks"]) == 4
    notes = [each["note"] for each in compare(client, *ids).json()["experiments"]]
    assert notes[:2] == [None, None]
    assert "the others are compared over identity, permutation 1" in notes[2]


def test_what_others_do_not_share_is_not_there(client: httpx.Client, services: Services) -> None:
    nobodys = trained(client, services, 3)
    with people(services.settings.home, client) as known:
        alices = trained(known["alice"], services, 3)
        hidden, missing = (compare(known["bob"], nobodys, id) for id in (alices, "0" * 16))
        assert hidden.status_code == missing.status_code == 404
        assert hidden.text.replace(alices, "") == missing.text.replace("0" * 16, "")
        assert compare(known["root"], nobodys, alices).status_code == 200
        known["alice"].patch(f"/experiments/{alices}", json={"shared": True})
        shared = compare(known["rita"], nobodys, alices)
        assert shared.status_code == 200
        known["alice"].patch(f"/experiments/{alices}", json={"shared": False})
        again = known["rita"].get(shared.url, headers={"If-None-Match": shared.headers["ETag"]})
        assert again.status_code == 404
