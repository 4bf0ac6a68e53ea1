"""Tasks of one label: documents keep the label, and pictures and pages tell the tasks apart by number."""

from __future__ import annotations

import httpx
import pytest

from service.dependencies import Services
from tests.api.conftest import finish, submit, work
from tests.support.drawn import Drawn

NAMES = ["0° #0", "0° #1", "0° #2"]


@pytest.fixture
def path(client: httpx.Client, services: Services) -> str:
    """The path of a completed experiment of three tasks that are all turned by 0°."""
    experiment_id = submit(client, suite={"kind": "rotation", "tasks": 3, "step_degrees": 0})
    work(services, experiment_id, 0, 1, 2)
    finish(services, experiment_id)
    return f"/experiments/{experiment_id}"


def test_documents_and_tables_have_the_labels(client: httpx.Client, path: str) -> None:
    assert client.get(f"{path}/similarity").json()["labels"] == ["0°"] * 3
    assert client.get(f"{path}/similarity?format=csv").text.splitlines()[0] == ",0°,0°,0°"


@pytest.mark.parametrize(
    ("figure", "order"),
    [
        ("similarity", "sorted"),
        ("similarity?order=cluster", "any"),
        ("accuracy", "sorted"),
        ("dendrogram", "any"),
        ("embedding", "any"),
        ("figures/similarity-before-after", "sorted"),
    ],
)
def test_pictures_tell_them_apart(client: httpx.Client, path: str, figure: str, order: str) -> None:
    address = (
        f"{figure}.svg?"
        if figure.startswith("figures")
        else f"{figure}{'&' if '?' in figure else '?'}format=svg&"
    )
    answer = client.get(f"{path}/{address}svg_text=text&width=200")
    assert answer.status_code == 200, answer.text
    words = [word for word, _ in Drawn(answer.text).texts if word.startswith("0°")]
    assert set(words) == set(NAMES)
    if order == "sorted":
        assert words[:3] == NAMES


def test_pages_and_print_have_the_same_names(client: httpx.Client, path: str) -> None:
    plots = f"/dashboard{path}/plots"
    clustered = client.get(f"{plots}/similarity?order=cluster").json()
    picture = Drawn(client.get(f"{clustered['links']['svg']}&svg_text=text").text)
    assert clustered["data"][0]["x"] == [word for word, _ in picture.texts if word.startswith("0°")][:3]
    assert "Most alike are 0° #" in clustered["summary"]
