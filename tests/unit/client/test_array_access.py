"""Results as arrays: positions, labels, files; references and numbers of requests."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import httpx
import numpy as np
import pytest
from IPython.core.interactiveshell import InteractiveShell

from tgsh import schemas
from tgsh.client import Client
from tgsh.client._requests import ApiRequest, build_request, changed_submission
from tgsh.client.results import Comparison, Experiment, Similarity
from tgsh.errors import MachineProblem, ServiceUnreachable, UnknownLabel
from tgsh.schemas import examples

ANGLES = ["0°", "30°", "60°", "90°"]
MATRIX = np.cos(np.deg2rad(30 * np.abs(np.subtract.outer(range(4), range(4)))))


@pytest.fixture
def matrix() -> Similarity:
    document = examples.SIMILARITY | {"tasks": [0, 1, 2, 3], "labels": ANGLES, "values": MATRIX.tolist()}
    return Similarity.model_validate_json(json.dumps(document))


def test_positions_and_labels_name_the_same_numbers(matrix: Similarity) -> None:
    assert matrix[0, 1] == matrix["0°", "30°"] == matrix[np.int64(0), -3] == MATRIX[0, 1]
    assert isinstance(matrix[0, 1], float)
    row = matrix.sel(task="30°")
    assert row.labels == {"other": ANGLES}
    assert np.array_equal(row, MATRIX[1])
    assert np.array_equal(matrix["30°":"60°"], MATRIX[1:3])  # type: ignore[misc]  # both ends, as in pandas
    block = matrix[[0, 2], ["30°", "90°"]]
    assert block.labels == {"task": ["0°", "60°"], "other": ["30°", "90°"]}
    assert np.array_equal(block, MATRIX[np.ix_([0, 2], [1, 3])])
    assert block["60°", "90°"] == block[1][1] == MATRIX[2, 3]
    assert np.array_equal(matrix[..., 0], MATRIX[:, 0])
    assert np.array_equal(matrix[np.array([True, False, False, True])], MATRIX[[0, 3]])
    assert np.allclose(matrix[:] - matrix[:] * 0.5, MATRIX / 2)
    assert [len(each) for each in matrix] == [4, 4, 4, 4]
    assert matrix.sel(task=["90°"], other=slice("30°", None)).shape == (1, 3)


def test_what_is_not_there_is_said_in_a_sentence(matrix: Similarity) -> None:
    with pytest.raises(UnknownLabel, match=r"^there is no task '33°'; did you mean '30°'"):
        matrix["33°"]
    with pytest.raises(UnknownLabel, match="no dimension 'angle'; there are 'task', 'other'"):
        matrix.sel(angle="30°")
    with pytest.raises(IndexError, match="task 4 is not there: there are 4, from 0"):
        matrix[4]
    with pytest.raises(IndexError, match="3 indices for 2 dimensions"):
        matrix[0, 0, 0]


def test_tasks_of_one_label_are_told_apart_by_their_numbers(matrix: Similarity, tmp_path: Path) -> None:
    twice = matrix.model_copy(update={"labels": ["a", "b", "a", "c"], "tasks": [5, 3, 0, 1]})  # in any order
    refusal = "^'a' labels 2 of task: choose by position, 0, 2, or by name: 'a #5', 'a #0'$"
    for ask in (
        lambda: twice["a"],
        lambda: twice["a", "b"],
        lambda: twice.sel(task="a"),
        lambda: twice[["a"]],
    ):
        with pytest.raises(UnknownLabel, match=refusal):
            ask()
    with pytest.raises(UnknownLabel, match="'a' labels 2 of task"):
        twice["a":"c"]  # type: ignore[misc]
    assert twice["a #0", "b"] == twice[2, 1] == MATRIX[2, 1]
    assert twice.labels == ["a", "b", "a", "c"]  # the document stays as it is
    names = ["a #5", "b", "a #0", "c"]
    assert twice[:2].labels == {"task": names[:2], "other": names}
    assert twice.to_xarray().sel(task="a #0", other="b").item() == MATRIX[2, 1]
    assert list(twice.to_dataframe().columns) == names
    assert twice.save(tmp_path / "m.csv").read_text("utf-8").startswith("task,a #5,b,a #0,c\n")
    axes = twice.plot().axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == names


def test_files(matrix: Similarity, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert matrix.sel(task="30°").save(tmp_path / "row.csv").read_text("utf-8").splitlines()[:2] == [
        "other,value",
        f"0°,{MATRIX[1, 0]}",
    ]
    saved = np.load(matrix.save(tmp_path / "m.npz"))
    assert json.loads(saved["about"].item())["measure"] == "cosine"
    assert np.array_equal(np.load(matrix.save(tmp_path / "m.npy")), MATRIX)
    with pytest.raises(ValueError, match="ends in none of"):
        matrix.save(tmp_path / "m.xlsx")
    assert matrix.to_xarray().sel(task="0°", other="30°").item() == MATRIX[0, 1]
    monkeypatch.setitem(sys.modules, "xarray", None)
    with pytest.raises(MachineProblem, match="pip install"):
        matrix.to_xarray()


def test_a_comparison_has_tables_and_a_plot() -> None:
    comparison = Comparison.model_validate_json(json.dumps(examples.COMPARISON))
    table = comparison.to_dataframe()
    assert table["pearson"].tolist() == [pair.pearson for pair in comparison.pairs]
    one, other = comparison.names[:2]
    assert comparison[one, other] == comparison[other, one] == comparison.pairs[0].pearson
    assert comparison.differences_table().loc["mean_accuracy"].tolist() == [
        each.mean_accuracy for each in comparison.experiments
    ]
    assert comparison.plot().axes


def test_numbers_of_numpy_are_numbers_in_requests() -> None:
    changes = {"seed": np.int64(3), "suite.tasks": np.uint8(12), "training.learning_rate": np.float32(0.5)}
    body = changed_submission({"preset": "demo", "training": {"epochs": np.int32(2)}}, changes)
    request = ApiRequest(
        "POST", "/", lambda _: None, {"anew": np.bool_(True)}, {**body, "grid": np.arange(2)}
    )
    with httpx.Client(base_url="http://lab") as http:
        sent = build_request(http, request, None)
    assert sent.url.query == b"anew=true"
    assert json.loads(sent.content)["seed"] == 3
    assert json.loads(sent.content)["training"] == {"epochs": 2, "learning_rate": 0.5}
    assert json.loads(sent.content)["grid"] == [0, 1]


def test_an_experiment_stands_for_its_id() -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url.copy_with(scheme="", host="", port=None)))
        return httpx.Response(200, json=examples.SIMILARITY)

    experiment = Experiment.model_validate_json(json.dumps(examples.EXPERIMENT))
    with Client("http://lab", transport=httpx.MockTransport(answer)) as client:
        client.similarity(experiment)
        client.similarity(schemas.Experiment.model_validate(experiment.model_dump()).id)
    assert asked[0] == asked[1]
    assert experiment.id in asked[0]


def test_an_error_in_a_notebook_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    shell = InteractiveShell.instance()
    try:
        shell.run_cell("from tgsh.client import Client; Client('http://127.0.0.1:9').ready()")
    finally:
        InteractiveShell.clear_instance()
    out = capsys.readouterr().out
    assert out.startswith(f"{ServiceUnreachable.__name__}: no service answers at http://127.0.0.1:9")
    assert out.count("\n") == 1
