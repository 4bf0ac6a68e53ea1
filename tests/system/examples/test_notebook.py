"""The example notebook, run as a reader runs it: a real kernel against a real stack."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from tgsh.stack.stack import Stack

NOTEBOOK = files("tgsh.examples") / "rotations.ipynb"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("notebook") / "home") as running:
        yield running


@pytest.fixture(scope="module")
def ran(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The notebook with its outputs."""
    notebook = nbformat.reads(NOTEBOOK.read_text("utf-8"), as_version=4)
    folder = str(tmp_path_factory.mktemp("kernel"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TGSH_URL", stack.url)
        patch.setenv("IPYTHONDIR", folder)
        client = NotebookClient(
            notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": folder}}
        )
        return client.execute()


def outputs(notebook: Any, part: str) -> list[Any]:
    """What the one cell that contains `part` has put out."""
    (cell,) = [each for each in notebook.cells if each.cell_type == "code" and part in each.source]
    return list(cell.outputs)


def shown(notebook: Any, part: str, kind: str) -> list[str]:
    return [str(each["data"][kind]) for each in outputs(notebook, part) if kind in each.get("data", {})]


def test_it_is_kept_without_outputs() -> None:
    notebook = nbformat.reads(NOTEBOOK.read_text("utf-8"), as_version=4)
    nbformat.validate(notebook)
    assert not [cell for cell in notebook.cells if cell.get("outputs") or cell.get("execution_count")]


def test_every_cell_ran_and_nothing_complained(ran: Any) -> None:
    for cell in ran.cells:
        for output in cell.get("outputs", []):
            assert output.output_type != "error"
            assert output.get("name") != "stderr", output  # where warnings go


@pytest.mark.parametrize(
    "part",
    [
        "client.similarity(experiment.id)\n",
        "client.dendrogram",
        "client.embedding",
        "plt.subplots",
        "client.similarity_epochs",
        "client.geometry",
        "client.samples",
        "client.reconstructions",
    ],
)
def test_a_cell_made_one_figure(ran: Any, part: str) -> None:
    (picture,) = shown(ran, part, "image/png")
    assert picture.startswith("iVBORw0KGgo")  # a PNG file in Base64
    assert len(picture) > 10_000
    if part != "plt.subplots":  # pyplot shows that one
        (size,) = [
            each["metadata"]["image/png"]
            for each in outputs(ran, part)
            if "image/png" in each.get("data", {})
        ]
        assert 100 < size["width"] < 900


def test_the_bar_came_to_its_end(ran: Any) -> None:
    models = [
        widget["state"]
        for widget in ran.metadata.widgets["application/vnd.jupyter.widget-state+json"]["state"].values()
    ]
    (bar,) = [model for model in models if model["_model_name"] == "FloatProgressModel"]
    assert bar["value"] == bar["max"] == 1.0
    texts = [
        model["value"].replace("\N{FIGURE SPACE}", " ")
        for model in models
        if model["_model_name"] == "HTMLModel"
    ]
    assert any("12/12 tasks, completed" in text for text in texts), texts


def test_an_experiment_shows_itself(ran: Any) -> None:
    (page,) = shown(ran, "client.wait", "text/html")[-1:]
    assert "12 of 12 tasks" in page
    assert "/dashboard/experiments/" in page


def test_tables_have_labels_and_the_right_numbers(ran: Any) -> None:
    (table,) = shown(ran, "to_dataframe", "text/html")
    assert "<th>330°</th>" in table
    (right,) = shown(ran, "pd.DataFrame", "text/plain")
    rows = [[float(number) for number in line.split()[1:]] for line in right.splitlines()[1:]]
    assert all(row[place] == max(row) and row[place] > 0.6 for place, row in enumerate(rows)), right
