"""Results as labelled arrays: what they hold, how they look."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from scipy.cluster import hierarchy

from tgsh.client import Client
from tgsh.client.results import Accuracy, Experiment, Similarity
from tgsh.client.results.base import LabelledResult, PlottableResult
from tgsh.errors import MachineProblem

PNG = b"\x89PNG"
Ask = Callable[[Client, str], Any]

ANSWERS: dict[str, tuple[Ask, tuple[int, ...]]] = {
    "similarity": (lambda c, i: c.similarity(i), (2, 2)),
    "block": (lambda c, i: c.similarity_block(i, "1"), (1, 2)),
    "nearest": (lambda c, i: c.nearest(i, 1), (2, 1)),
    "epochs": (lambda c, i: c.similarity_epochs(i), (2, 1)),
    "dendrogram": (lambda c, i: c.dendrogram(i), (1, 4)),
    "embedding": (lambda c, i: c.embedding(i, dimensions=3), (2, 3)),
    "context vectors": (lambda c, i: c.context_vectors(i), (2, 7840)),
    "accuracy": (lambda c, i: c.accuracy(i), (2,)),
    "confusion": (lambda c, i: c.confusion(i, 1), (10, 10)),
    "accuracy matrix": (lambda c, i: c.accuracy_matrix(i), (2, 2)),
    "geometry": (lambda c, i: c.geometry(i), (100, 4)),
    "geometry and baseline": (lambda c, i: c.geometry(i, baseline=i), (100, 8)),
    "reconstructions": (lambda c, i: c.reconstructions(i, "1", "0-3", samples=2), (1, 4, 2, 28, 28)),
    "samples": (lambda c, i: c.samples(i, "0"), (1, 10, 28, 28)),
    "predictions": (lambda c, i: c.predictions(i, 0, np.zeros((3, 28, 28))), (3, 10)),
}


@pytest.fixture(scope="module")
def answers(client: Client, done: Experiment) -> dict[str, LabelledResult]:
    return {name: ask(client, done.id) for name, (ask, _) in ANSWERS.items()}


@pytest.mark.parametrize("name", ANSWERS)
def test_arrays_and_tables_hold_the_same(answers: dict[str, LabelledResult], name: str) -> None:
    value, shape = answers[name], ANSWERS[name][1]
    array = value.to_numpy()
    assert array.shape == shape
    assert np.array_equal(np.asarray(value, np.float32), array.astype(np.float32))
    table = value.to_dataframe()
    beside = ["nearest", "seen", "balanced", "chance", "low", "high", "balanced_low", "balanced_high"]
    numbers = table.drop(columns=beside, errors="ignore")
    assert np.allclose(numbers.to_numpy().ravel(), array.ravel(), equal_nan=True)
    assert repr(value).startswith(f"<{type(value).__name__}: ")
    assert len(repr(value)) < 120


@pytest.mark.parametrize("name", ANSWERS)
def test_parts_keep_their_labels(answers: dict[str, LabelledResult], name: str, tmp_path: Path) -> None:
    value, shape = answers[name], ANSWERS[name][1]
    array = value.to_numpy()
    assert (value.shape, len(value), value.ndim) == (shape, shape[0], len(shape))
    assert value[(0,) * len(shape)] == array[(0,) * len(shape)]
    last = value[-1:]
    assert np.array_equal(last, array[-1:])
    frame = value.to_xarray()
    assert frame.shape == shape
    assert last.labels == {
        dim: frame.coords[dim].to_numpy()[-1:].tolist()
        if place == 0
        else frame.coords[dim].to_numpy().tolist()
        for place, dim in enumerate(frame.dims)
    }
    saved = np.load(value.save(tmp_path / "x.npz"))
    assert np.array_equal(saved["values"], array, equal_nan=True)
    assert saved["dims"].tolist() == list(frame.dims)
    assert [saved[dim].tolist() for dim in frame.dims] == [
        frame.coords[dim].to_numpy().tolist() for dim in frame.dims
    ]
    names = [each for each in dir(value) if not each.startswith("_")]
    assert "plot" in names or not isinstance(value, PlottableResult)
    assert {"shape", "sel", "save", "to_dataframe", "warnings"} - {"warnings"} <= set(names)
    assert not [each for each in names if each.startswith("model_") and not each.startswith("model_dump")]
    assert "parse_obj" not in names


@pytest.mark.parametrize("name", ANSWERS)
def test_pictures(answers: dict[str, LabelledResult], name: str) -> None:
    value = answers[name]
    if not isinstance(value, PlottableResult):
        assert name in {"block", "nearest", "predictions"}
        return
    figure = Figure()
    axes = figure.subplots()
    assert value.plot(ax=axes) is axes
    assert axes.has_data()
    whole = value.plot()
    assert whole.axes
    picture = value._repr_png_()
    assert picture
    content, size = picture
    assert content.startswith(PNG)
    assert content == whole._repr_png_()[0]  # type: ignore[attr-defined]  # a figure that shows itself
    assert 100 < size["width"] < 900
    bundle, sizes = value._repr_mimebundle_()
    assert (bundle["image/png"], sizes["image/png"]) == (content, size)
    assert bundle["text/html"] == value._repr_html_()
    assert 'src="data:image/png;base64,iVBOR' in value._repr_html_()


def test_labels_travel_with_the_matrix(answers: dict[str, LabelledResult]) -> None:
    table = answers["similarity"].to_dataframe()
    assert list(table.index) == list(table.columns) == ["0°", "10°"]
    assert table.loc["0°", "0°"] == pytest.approx(1)
    assert list(answers["block"].to_dataframe().index) == ["10°"]
    nearest = answers["nearest"].to_dataframe()
    assert nearest.loc[("0°", 1), "nearest"] == "10°"
    assert nearest.loc[("0°", 1), "similarity"] == pytest.approx(table.loc["0°", "10°"])
    assert list(answers["epochs"].to_dataframe().columns) == ["0° · 10°"]
    geometry = answers["geometry and baseline"].to_dataframe()
    assert geometry["flynet", "after", "intra"].equals(geometry["baseline flynet", "after", "intra"])
    shown = answers["reconstructions"].to_dataframe()
    assert shown.index.names == ["task", "class", "sample"]
    assert ("10°", 3, 1) in shown.index
    assert list(answers["predictions"].to_dataframe()["seen"]) == answers["predictions"].classes  # type: ignore[attr-defined]


def test_scipy_takes_the_linkage(answers: dict[str, LabelledResult]) -> None:
    assert hierarchy.is_valid_linkage(answers["dendrogram"].to_numpy())


def test_what_is_not_there_yet_is_nan_or_empty(answers: dict[str, LabelledResult]) -> None:
    empty = {"tasks": [], "labels": [], "values": [], "complete": False}
    matrix = answers["similarity"]
    assert isinstance(matrix, Similarity)
    nothing = matrix.model_copy(update=empty)
    assert nothing.to_numpy().shape == (0, 0)
    assert nothing.to_dataframe().empty
    assert "no tasks yet, not all tasks yet" in repr(nothing)
    with pytest.raises(ValueError, match="does not fit 0 labels"):
        nothing.plot()
    assert nothing._repr_html_() == f"<div>{nothing._summary()}</div>"  # words instead of a traceback
    assert nothing._repr_png_() is None
    trajectories = answers["epochs"]
    pair = trajectories.pairs[0].model_copy(update={"values": [0.5, None]})  # type: ignore[attr-defined]
    assert np.isnan(trajectories.model_copy(update={"pairs": [pair]}).to_numpy()[1, 0])  # type: ignore[attr-defined]


def test_values_are_frozen_documents(answers: dict[str, LabelledResult]) -> None:
    accuracy = answers["accuracy"]
    assert isinstance(accuracy, Accuracy)
    with pytest.raises(ValueError, match="frozen"):
        accuracy.mean = 1.0  # type: ignore[misc]
    accuracy._repr_png_()
    assert Accuracy.model_validate_json(accuracy.model_dump_json()) == accuracy
    array = accuracy.to_numpy()
    array[:] = 0
    assert accuracy.to_numpy().all()


def test_an_experiment_shows_itself_and_links_to_its_page(client: Client, done: Experiment) -> None:
    assert done.url == f"{client.url}/dashboard/experiments/{done.id}"
    (listed,) = [one for one in client.experiments(q="two") if one.id == done.id]
    assert listed.url == done.url
    shown = done._repr_html_()
    assert f'href="{done.url}"' in shown
    assert "&lt;i&gt;two&lt;/i&gt;" in shown
    assert "<i>" not in shown
    assert "100%, 2 of 2 tasks" in shown
    failed = done.model_copy(update={"status": "failed", "reason": "<script>"})
    assert "&lt;script&gt;" in failed._repr_html_()
    assert repr(done) == f"<Experiment {done.id}: '<i>two</i>', completed, 100%, 2 of 2 tasks>"


def test_without_pandas_one_line_says_what_to_install(
    answers: dict[str, LabelledResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MachineProblem, match=r"pip install 'tgsh\[notebook\]'"):
        answers["similarity"].to_dataframe()
    assert isinstance(answers["similarity"].to_numpy(), np.ndarray)


def test_the_client_loads_no_matplotlib_and_no_pandas() -> None:
    program = "import sys, tgsh.client; print({'matplotlib', 'pandas', 'tqdm', 'scipy'} & sys.modules.keys())"
    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "set()\n"
    assert pd.__version__
