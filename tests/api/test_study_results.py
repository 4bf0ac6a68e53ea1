"""Answers of studies: numbers against NumPy over the members' own answers, formats, gaps, wrong questions."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Sequence
from itertools import product
from typing import Any

import httpx
import numpy as np
import pytest
import safetensors.numpy

from service.dependencies import Services
from service.responses import ArrayCache
from service.results import base, study_replicates, study_similarity, study_structure
from tests.api.conftest import EPOCHS, SPEC, finish
from tgsh import schemas
from tgsh.analysis.consensus import consensus_map, supported_tree
from tgsh.analysis.differences import cell_effects, pair_differences
from tgsh.analysis.noise_ceilings import noise_ceiling
from tgsh.analysis.replicate_design import Replicates
from tgsh.analysis.replicates import estimate
from tgsh.analysis.similarity import SimilarityMatrix
from tgsh.execution import runner
from tgsh.execution.context import WorkerContext
from tgsh.store import jobs
from tgsh.store.models import Job
from tgsh.store.results import StageRef

TASKS = 5
SUITE = {"kind": "rotation", "tasks": TASKS, "step_degrees": 10}
FORMATS = {"similarity": "json csv npy safetensors png svg pdf", "ceiling": "json csv png svg pdf"} | {
    "differences?pairs=0-1:0-2,0-1:3-4": "json csv png svg pdf",
    "dendrogram": "json csv newick png svg pdf",
    "accuracy": "json csv png svg pdf",
    "effects": "json csv png svg pdf",
    "matrices": "json csv npz safetensors",
    "embedding": "json csv npy safetensors png svg pdf",
}
MAGIC = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF", "npy": b"\x93NUMPY", "newick": b"("}


def learn(
    services: Services, experiment_id: str, seed: int, base_seed: int, like: Sequence[int] = range(TASKS)
) -> None:
    """Do what a worker does, with vectors that depend on task, seed and base; task 0 is like 1.

    like: of each task the one whose share of what all have in common it has.
    """
    for index in range(TASKS):
        lease = jobs.lease_job(services.database, Job(experiment_id=experiment_id, index=index), "w", 60)
        assert lease is not None
        common = np.random.default_rng(base_seed).standard_normal((EPOCHS + 1, 40)) * (1 - 0.2 * like[index])
        own = np.random.default_rng([index, seed, base_seed]).standard_normal((EPOCHS + 1, 40))
        vectors = (common + 0.5 * own).astype(np.float32)
        for epoch in range(1, EPOCHS + 1):
            key = f"{experiment_id}/tasks/{index}-{epoch}"
            sha256 = services.artifacts.save(key, {"vectors": vectors[: epoch + 1]}, {})
            jobs.record_epoch(services.database, lease, tuple([0.5] * epoch), 1.0, key, sha256)
        accuracy = 0.5 + 0.05 * index + 0.01 * seed + 0.02 * base_seed
        jobs.complete_task(services.database, lease, accuracy, "cpu", {"torch": "2"}, 0.1, None)
    finish(services, experiment_id)


def submitted(client: httpx.Client, **changes: Any) -> dict[str, Any]:
    body = {
        "name": "s",
        "spec": {**SPEC, "suite": SUITE},
        "replicates": {"seeds": 3, "base_seeds": 2},
        **changes,
    }
    answer = client.post("/studies", json=body)
    assert answer.status_code == 202, answer.text
    document: dict[str, Any] = answer.json()
    return document


def completed(client: httpx.Client, services: Services, **changes: Any) -> str:
    """The path of a study whose experiments are all completed."""
    study = submitted(client, **changes)
    for each in study["members"]:
        learn(services, each["experiment"], each["seed"] + 10 * each["cell"], each["base_seed"])
    return f"/studies/{study['id']}"


def replicates_of(client: httpx.Client, path: str, cell: int = 0, query: str = "") -> tuple[Any, Replicates]:
    """The matrices of the members themselves, and their seeds."""
    members = [each for each in client.get(path).json()["members"] if each["cell"] == cell]
    members = [each for each in members if each["status"] == "completed"]
    matrices = [client.get(f"/experiments/{each['experiment']}/similarity{query}").json() for each in members]
    seeds = Replicates(tuple(each["seed"] for each in members), tuple(each["base_seed"] for each in members))
    return np.array([matrix["values"] for matrix in matrices]), seeds


def values_of(document: dict[str, Any]) -> np.ndarray:
    return np.array(document["values"], np.float64)


def test_statistics_are_those_of_the_members(client: httpx.Client, services: Services) -> None:
    path = completed(client, services, grid={"training.learning_rate": [0.01, 0.02]})
    for cell, query in product((0, 1), ("", "?measure=correlation&stage=1")):
        matrices, seeds = replicates_of(client, path, cell, query)
        joined = query.replace("?", "&")
        document = client.get(f"{path}/similarity?cell={cell}{joined}").json()
        schemas.StudySimilarity.model_validate(document)
        np.testing.assert_allclose(values_of(document), matrices.mean(axis=0), atol=1e-12)
        assert (document["replicates"], document["complete"], document["over"]) == (6, True, "both")
        assert document["cell_values"] == {"training.learning_rate": [0.01, 0.02][cell]}
        for over in ("seeds", "base_seeds", "both"):
            expected = estimate(matrices, seeds, over, 0.9, (-1, 1))  # type: ignore[arg-type]
            for statistic in ("sd", "low", "high"):
                asked = f"{path}/similarity?cell={cell}&over={over}&statistic={statistic}&level=0.9{joined}"
                found = values_of(client.get(asked).json())
                off = ~np.eye(TASKS, dtype=bool)
                np.testing.assert_allclose(found[off], getattr(expected, statistic)[off], atol=1e-12)
    first, second = (client.get(f"{path}/similarity?cell={cell}").json()["values"] for cell in (0, 1))
    assert first != second


def test_cluster_order_rearranges_every_statistic(client: httpx.Client, services: Services) -> None:
    path = completed(client, services)
    for statistic in ("mean", "high"):
        plain, ordered = (
            client.get(f"{path}/similarity?statistic={statistic}&order={order}").json()
            for order in ("task", "cluster")
        )
        assert sorted(ordered["tasks"]) == plain["tasks"]
        places = np.ix_(ordered["tasks"], ordered["tasks"])
        np.testing.assert_array_equal(values_of(ordered), values_of(plain)[places])
        assert ordered["labels"] == [plain["labels"][place] for place in ordered["tasks"]]


def test_ceilings_differences_tree_and_map(client: httpx.Client, services: Services) -> None:
    path = completed(client, services)
    matrices, seeds = replicates_of(client, path)
    ceilings = client.get(f"{path}/ceiling").json()["ceilings"]
    assert {(each["over"], each["measure"]) for each in ceilings} == set(
        product(("seeds", "base_seeds", "both"), ("pearson", "spearman"))
    )
    for each in ceilings:
        expected = noise_ceiling(matrices, seeds, each["over"], each["measure"])
        np.testing.assert_allclose((each["lower"], each["upper"]), (expected.lower, expected.upper))
    asked = [((0, 1), (3, 4)), ((0, 2), (0, 4))]
    document = client.get(f"{path}/differences?pairs=0-1:3-4,0-2:0-4&over=seeds").json()
    for told, test in zip(
        document["differences"], pair_differences(matrices, asked, seeds, "seeds"), strict=True
    ):
        assert told["pairs"] == [list(pair) for pair in test.pairs]
        for name in ("difference", "low", "high", "p", "p_holm"):
            np.testing.assert_allclose(told[name], getattr(test.result, name), rtol=1e-9)
        assert told["distinguishable"] is test.result.distinguishable
    assert document["differences"][0]["labels"] == [["0°", "10°"], ["30°", "40°"]]
    mean = SimilarityMatrix(matrices.mean(axis=0), tuple("01234"), tuple(range(TASKS)), "cosine")
    tree = client.get(f"{path}/dendrogram").json()
    assert tree["support"] == list(supported_tree(matrices, mean, seeds).support)
    assert len(tree["linkage"]) == TASKS - 1
    assert client.get(f"{path}/dendrogram?format=newick").text.strip() == tree["newick"]
    assert f"){tree['support'][-1]:.3g};" in tree["newick"]
    points = client.get(f"{path}/embedding?dimensions=3").json()
    expected_map = consensus_map(matrices, 3)
    np.testing.assert_allclose(values_of(points), expected_map.points, atol=1e-9)
    np.testing.assert_allclose(points["spread"], expected_map.spread, atol=1e-9)


def test_accuracies_and_effects(client: httpx.Client, services: Services) -> None:
    path = completed(client, services, grid={"training.learning_rate": [0.01, 0.02]})
    document = client.get(f"{path}/accuracy").json()
    accuracies = np.array(
        [
            [0.5 + 0.05 * task + 0.01 * seed + 0.02 * base for task in range(TASKS)]
            for base in (0, 1)
            for seed in (10, 11, 12)
        ]
    )
    second = document["cells"][1]
    assert (second["replicates"], second["values"]) == (6, {"training.learning_rate": 0.02})
    seeds = Replicates.crossed((0, 1, 2), (0, 1))
    expected = estimate(accuracies, seeds, None, 0.95, (0, 1))
    for name in ("mean", "sd", "low", "high"):
        found = [each[name] for each in second["tasks"]]
        np.testing.assert_allclose(found, getattr(expected, name), atol=1e-12)
    np.testing.assert_allclose(second["overall"]["mean"], accuracies.mean())
    effects = client.get(f"{path}/effects?lags=2").json()
    assert len(effects["rows"]) == 2 * 6 * TASKS
    row = next(each for each in effects["rows"] if each["cell"] == 1 and each["task"] == 2)
    own = np.array(client.get(f"/experiments/{row['experiment']}/similarity").json()["values"])
    np.testing.assert_allclose(row["similarity"], [own[2, [1, 3]].mean(), own[2, [0, 4]].mean()])
    np.testing.assert_allclose(
        row["accuracy"], 0.5 + 0.1 + 0.01 * (10 + row["seed"]) + 0.02 * row["base_seed"]
    )
    assert [each["quantity"] for each in effects["effects"]] == [
        "accuracy",
        "similarity at lag 1",
        "similarity at lag 2",
    ]
    np.testing.assert_allclose(effects["effects"][0]["difference"], 0.1)
    cells = np.stack([accuracies - 0.1, accuracies]).mean(axis=2, keepdims=True)
    assert cell_effects(cells, seeds)[0].result.replicates == effects["effects"][0]["replicates"] == 6
    table = list(csv.reader(io.StringIO(client.get(f"{path}/effects?format=csv").text)))
    assert table[0][:5] == ["cell", "training.learning_rate", "seed", "base_seed", "experiment"]
    assert len(table) == 1 + 2 * 6 * TASKS


def test_every_format_and_no_other(client: httpx.Client, services: Services) -> None:
    path = completed(client, services, grid={"training.learning_rate": [0.01, 0.02]})
    for asked, formats in FORMATS.items():
        joint = "&" if "?" in asked else "?"
        for format in ("json", "csv", "npy", "npz", "safetensors", "newick", "png", "svg", "pdf", "zip"):
            answer = client.get(f"{path}/{asked}{joint}format={format}")
            if format not in formats.split():
                assert answer.status_code == 406, (asked, format)
                continue
            assert answer.status_code == 200, (asked, format, answer.text[:300])
            assert answer.content.startswith(MAGIC.get(format, b"")), (asked, format)
            tagged = {"If-None-Match": answer.headers["etag"]}
            again = client.get(f"{path}/{asked}{joint}format={format}", headers=tagged)
            assert again.status_code == 304
    document = client.get(f"{path}/similarity").json()
    npy = np.load(io.BytesIO(client.get(f"{path}/similarity?format=npy").content))
    np.testing.assert_array_equal(npy, values_of(document))
    tensors = safetensors.numpy.load(client.get(f"{path}/similarity?format=safetensors").content)
    np.testing.assert_array_equal(tensors["values"], npy)
    rows = list(csv.reader(io.StringIO(client.get(f"{path}/similarity?format=csv").text)))
    assert rows[0] == ["", *document["labels"]]
    for statistic in ("sd", "low"):
        assert client.get(f"{path}/similarity?statistic={statistic}&format=png").content[:4] == MAGIC["png"]


def test_the_matrices_of_all_cells_are_in_one_file(client: httpx.Client, services: Services) -> None:
    path = completed(client, services, grid={"training.learning_rate": [0.01, 0.02]})
    asked = f"{path}/matrices?level=0.9&over=both"
    document = client.get(asked).json()
    npz = np.load(io.BytesIO(client.get(f"{asked}&format=npz").content))
    content = client.get(f"{asked}&format=safetensors").content
    tensors = safetensors.numpy.load(content)
    assert {*npz} - {*tensors} == {"about"}
    about = json.loads(str(npz["about"]))
    assert [each["values"] for each in about["cells"]] == [each["values"] for each in document["cells"]]
    rows = list(csv.DictReader(io.StringIO(client.get(f"{asked}&format=csv").text)))
    assert len(rows) == 2 * TASKS * (TASKS - 1) // 2
    for cell in document["cells"]:
        place = cell["cell"]
        for statistic in ("mean", "sd", "low", "high"):
            own = client.get(
                f"{path}/similarity?level=0.9&over=both&cell={place}&statistic={statistic}"
            ).json()
            assert cell[statistic] == own["values"]
            for arrays in (npz, tensors):
                np.testing.assert_array_equal(arrays[f"{place}.{statistic}"], values_of(own))
        assert npz[f"{place}.tasks"].tolist() == cell["tasks"]
        row = next(
            each for each in rows if (each["cell"], each["task"], each["other"]) == (str(place), "1", "3")
        )
        assert float(row["training.learning_rate"]) == cell["values"]["training.learning_rate"]
        assert [float(row[name]) for name in ("mean", "low")] == [
            cell[name][1][3] for name in ("mean", "low")
        ]
        assert int(row["replicates"]) == cell["replicates"] == 6


def test_one_replicate_has_no_interval_and_says_why(client: httpx.Client, services: Services) -> None:
    path = completed(client, services, replicates=None)
    for statistic in ("sd", "low", "high"):
        document = client.get(f"{path}/similarity?statistic={statistic}").json()
        assert document["values"][0][1] is None
        assert document["reason"].startswith("one seed")
        assert np.isnan(
            np.load(io.BytesIO(client.get(f"{path}/similarity?statistic={statistic}&format=npy").content))
        )[0, 1]
        assert client.get(f"{path}/similarity?statistic={statistic}&format=png").status_code == 200
    assert client.get(f"{path}/similarity").json()["reason"] is None
    assert all(each["reason"] for each in client.get(f"{path}/ceiling").json()["ceilings"])
    (difference,) = client.get(f"{path}/differences?pairs=0-1:2-3").json()["differences"]
    assert difference["difference"] is not None
    assert (difference["p"], difference["distinguishable"]) == (None, None)
    assert difference["reason"]
    tree = client.get(f"{path}/dendrogram").json()
    assert (tree["support"], bool(tree["reason"])) == ([None] * (TASKS - 1), True)
    points = client.get(f"{path}/embedding").json()
    assert (points["spread"], bool(points["reason"])) == ([None] * TASKS, True)
    (cell,) = client.get(f"{path}/accuracy").json()["cells"]
    assert (cell["overall"]["low"], bool(cell["reason"])) == (None, True)
    for asked in ("differences?pairs=0-1:2-3&format=png", "dendrogram?format=svg", "embedding?format=pdf"):
        assert client.get(f"{path}/{asked}").status_code == 200
    assert client.get(f"{path}/effects?format=png").status_code == 406


def test_what_is_missing_is_left_out_and_told(client: httpx.Client, services: Services) -> None:
    study = submitted(client)
    path, members = f"/studies/{study['id']}", study["members"]
    refused = client.get(f"{path}/similarity")
    assert (refused.status_code, "6 of 6 are queued" in refused.json()["detail"]) == (409, True)
    assert client.get(f"{path}/accuracy").status_code == client.get(f"{path}/effects").status_code == 409
    for each in members[:4]:
        learn(services, each["experiment"], each["seed"], each["base_seed"])
    client.post(f"/experiments/{members[4]['experiment']}/cancel")
    client.delete(f"/experiments/{members[0]['experiment']}")
    document = client.get(f"{path}/similarity").json()
    assert (document["replicates"], document["complete"]) == (3, False)
    assert [text.split(" experiments ")[0] for text in document["warnings"]] == ["1 of 6"] * 3
    matrices, seeds = replicates_of(client, path)
    np.testing.assert_allclose(values_of(document), estimate(matrices, seeds).mean, atol=1e-12)
    for asked in ("accuracy", "effects", "ceiling", "dendrogram", "embedding", "differences?pairs=0-1:2-3"):
        assert client.get(f"{path}/{asked}").json()["warnings"] == document["warnings"], asked
    etag = client.get(f"{path}/similarity").headers["etag"]
    learn(services, members[5]["experiment"], members[5]["seed"], members[5]["base_seed"])
    assert client.get(f"{path}/similarity", headers={"If-None-Match": etag}).status_code == 200


@pytest.fixture
def single(client: httpx.Client, services: Services) -> str:
    return completed(client, services, replicates={"seeds": 2})


def test_wrong_questions_name_the_field(client: httpx.Client, single: str) -> None:
    for asked, field, count in (
        ("similarity?statistic=median", "statistic", 1),
        ("similarity?level=1", "level", 1),
        ("similarity?level=nan", "level", 1),
        ("similarity?over=tasks", "over", 1),
        ("similarity?cell=1", "cell", 1),
        ("similarity?cell=-1", "cell", 1),
        ("similarity?layer=layer-9", "layer", 1),
        ("similarity?measure=update&stage=before", "measure", 1),
        ("similarity?nonsense=1", "nonsense", 1),
        ("differences", "pairs", 1),
        ("differences?pairs=0-1", "pairs", 1),
        ("differences?pairs=0-1:0-9,1-1:2-3,x,0-1:1-0", "pairs", 4),
        ("differences?pairs=" + ",".join(["0-1:2-3"] * 201), "pairs", 1),
        ("dendrogram?method=ward", "method", 1),
        ("dendrogram?method=none", "method", 1),
        ("dendrogram?resampling=all", "resampling", 1),
        ("embedding?dimensions=4", "dimensions", 1),
        ("effects?reference=1", "reference", 1),
        ("effects?lags=0", "lags", 1),
        ("accuracy?cell=0", "cell", 1),
    ):
        answer = client.get(f"{single}/{asked}")
        assert answer.status_code == 422, (asked, answer.text)
        assert [each["field"] for each in answer.json()["errors"]] == [field] * count, asked
    assert client.get(f"{single}/similarity?stage=9").status_code == 404
    assert client.get(f"/studies/{'f' * 16}/similarity").status_code == 404
    assert client.get("/studies/nonsense/similarity").status_code == 422


def test_real_members_are_averaged(client: httpx.Client, services: Services) -> None:
    """Everything really trained: 3 seeds × 2 bases of a tiny spec."""
    spec = {
        "dataset": "mnist5k",
        "suite": {"kind": "rotation", "tasks": 3, "step_degrees": 30},
        "network": {"kind": "flynet", "expansion": 1},
        "training": {"epochs": 1},
    }
    study = submitted(client, spec=spec)
    context = WorkerContext(services.database, services.artifacts, services.settings.data, 60, "cpu", "test")
    while runner.run_next(context, lambda: False) is not None:
        pass
    path = f"/studies/{study['id']}"
    seen = client.get(path).json()
    assert (seen["status"], seen["progress"]["experiments_done"]) == ("completed", 6)
    matrices, seeds = replicates_of(client, path)
    assert len({matrix.tobytes() for matrix in matrices}) == 6
    started = time.perf_counter()
    document = client.get(f"{path}/similarity").json()
    assert time.perf_counter() - started < 5
    np.testing.assert_allclose(values_of(document), matrices.mean(axis=0), atol=1e-12)
    low, high = (
        values_of(client.get(f"{path}/similarity?statistic={end}").json()) for end in ("low", "high")
    )
    expected = estimate(matrices, seeds, "both", 0.95, (-1, 1))
    np.testing.assert_allclose(low[0, 1], expected.low[0, 1])
    np.testing.assert_allclose(high[0, 2], expected.high[0, 2])
    again = submitted(client, spec=spec)
    assert (again["status"], again["members"]) == ("completed", seen["members"])


LARGE_ANSWERS = (
    *(f"similarity?statistic={each}" for each in ("mean", "sd", "low", "high")),
    "similarity?statistic=sd&over=seeds&order=cluster&measure=correlation",
    "similarity?measure=update&stage=1",
    "differences?pairs=0-1:3-4,4-0:2-1",
    "effects?lags=20",
    "matrices",
    "dendrogram",
    "embedding?dimensions=3",
)


def test_large_cells_are_read_in_parts(
    client: httpx.Client, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same numbers, and never the matrices of all replicates at once."""
    path = completed(client, services, grid={"training.learning_rate": [0.01, 0.02]})
    before = {answer: client.get(f"{path}/{answer}").json() for answer in LARGE_ANSWERS}
    services.cache._bodies.clear()
    services.arrays._arrays.clear()
    monkeypatch.setattr(study_replicates, "MOST_NUMBERS", 6 * TASKS**2 - 1)
    whole: list[object] = []
    for module in (study_replicates, study_similarity, study_structure):
        monkeypatch.setattr(module, "matrices", lambda *asked: whole.append(asked))
    for answer, document in before.items():
        _assert_close(client.get(f"{path}/{answer}").json(), document)
    assert whole == []
    assert len(services.arrays._arrays) == 0
    assert client.get(f"{path}/similarity?format=npy").content[:6] == MAGIC["npy"]
    refused = client.get(f"{path}/ceiling").json()
    assert (refused["status"], refused["errors"][0]["field"]) == (422, "cell")
    assert "make a study of 5 of its experiments" in refused["detail"]
    refused = client.get(f"{path}/dendrogram?resampling=jackknife").json()
    assert (refused["status"], refused["errors"][0]["field"]) == (422, "resampling")
    monkeypatch.setattr(study_similarity, "MOST_NUMBERS", 6 * 3**2 - 1)
    named = client.get(f"{path}/differences?pairs=0-1:1-2&level=0.9")
    assert (named.status_code, named.json()["errors"][0]["field"]) == (422, "pairs")
    monkeypatch.setattr(study_replicates, "MOST_STREAMED", 6 * TASKS**2 - 1)
    assert client.get(f"{path}/similarity?level=0.9").status_code == 422


def _assert_close(found: Any, expected: Any) -> None:
    """Equal, and numbers up to rounding, but for the text of a tree."""
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            if name == "newick":
                continue
            _assert_close(found[name], value)
    elif isinstance(expected, list):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            _assert_close(one, other)
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, rel=1e-12, abs=1e-12)
    else:
        assert found == expected


def test_answers_share_the_matrices_of_replicates(
    client: httpx.Client, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is computed once, whatever is asked of it, and anew where the vectors are others."""
    path = completed(client, services)
    computed: list[str] = []
    similarities = base.similarities

    def counted(services: Services, ref: StageRef, *how: Any) -> SimilarityMatrix:
        computed.append(ref.experiment_id)
        return similarities(services, ref, *how)

    monkeypatch.setattr(base, "similarities", counted)
    for answer in ("similarity", "similarity?statistic=sd", "ceiling", "dendrogram", "embedding", "effects"):
        assert client.get(f"{path}/{answer}").status_code == 200
        assert len(computed) == 6, answer
    assert client.get(f"{path}/differences?pairs=0-1:1-2").status_code == 200
    assert len(set(computed)) == len(computed) == 6
    for number, query in enumerate(("stage=1", "measure=correlation", "measure=update")):
        assert client.get(f"{path}/similarity?{query}").status_code == 200
        assert len(computed) == 6 * (number + 2), query


def test_an_array_cache_is_bounded_and_hands_out_nothing_to_change() -> None:
    cache, made = ArrayCache(16 * 80), []

    def make(size: int) -> np.ndarray:
        made.append(size)
        return np.zeros(size)

    first = cache.get("a", lambda: make(10))
    assert cache.get("a", lambda: make(10)) is first
    with pytest.raises(ValueError, match="read-only"):
        first[0] = 1
    cache.get("large", lambda: make(11))  # more than a sixteenth
    cache.get("large", lambda: make(11))
    assert made == [10, 11, 11]
    for number in range(16):
        cache.get(str(number), lambda: make(10))
    cache.get("a", lambda: make(10))
    assert made == [10, 11, 11, *[10] * 17]
