"""The client, its tables and plots, and the commands about random bases."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from typer.testing import CliRunner

from service.dependencies import Services
from tests.api.test_bases import learned, manifold
from tests.support.serving import serving
from tgsh.cli.application import app as command
from tgsh.client import Client
from tgsh.errors import NotFound, ServiceProblem


@pytest.fixture
def url(app: FastAPI, client: httpx.Client, services: Services) -> Iterator[str]:
    """That of a service with two experiments on one base."""
    learned(client, services, manifold(0, 4), name="first")
    learned(client, services, manifold(0, 3), name="second", dataset="mnist")
    with serving(app) as http:
        yield str(http.base_url)


def test_client(url: str) -> None:
    with Client(url) as client:
        [base] = client.bases(page_size=1)
        assert (base.experiments, base.tasks) == (2, 7)
        assert client.base(base.base_id[:9]) == base
        first = next(each for each in client.experiments() if each.name == "first")
        found = client.atlas_nearest(first.id[:10], 0, other=True)
        assert [near.name for near in found.nearest] == ["second"] * 3
        assert found.to_numpy().tolist() == sorted(found.to_numpy(), reverse=True)
        table = found.to_dataframe()
        assert list(table["label"]) == [near.label for near in found.nearest]
        assert list(table.columns)[-1] == "similarity"
        assert "3 tasks" in repr(found)
        placed = client.atlas(base.base_id[:9], "pca")
        assert placed.to_numpy().shape == (7, 2)
        assert set(placed.to_dataframe()["name"]) == {"first", "second"}
        assert np.asarray(placed.plot().axes[0].get_xlim()).shape == (2,)
        assert client.atlas_file(base.base_id, "svg").startswith(b"<?xml")
        with pytest.raises(NotFound, match="tgsh bases"):
            client.atlas("nothing")
        with pytest.raises(ServiceProblem):
            client.atlas_nearest(first.id, 77)


def test_commands(url: str) -> None:
    def run(*arguments: str, status: int = 0) -> str:
        result = CliRunner().invoke(command, [*arguments, "--url", url], env={"COLUMNS": "200"})
        assert result.exit_code == status, result.output
        return result.output

    with Client(url) as client:
        first = next(each for each in client.experiments() if each.name == "first")
        table = run("bases")
        assert first.base_id[:12] in table
        assert "mnist, mnist5k" in table
        assert [each["tasks"] for each in json.loads(run("bases", "--json"))] == [7]
        shown = run("nearest", first.id[:8], "0", "--count", "2")
        assert "second" in shown
        assert "among 6 tasks of 2 experiments" in shown
        assert len(json.loads(run("nearest", first.id, "1", "--other", "--json"))["nearest"]) == 3
        assert "no task 9" in run("nearest", first.id, "9", status=4)
