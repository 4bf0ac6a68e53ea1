"""The types of both clients, as a user's mypy --strict sees them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.compose import ROOT

BLOCKING = """
from collections.abc import Iterator
from typing import assert_type
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from tgsh import schemas
from tgsh.client import Client
from tgsh.client.results import Experiment, Similarity

def main(ax: Axes) -> None:
    with Client("http://lab:8000", key="k") as client:
        experiment = client.wait(client.submit("demo").id, timeout=60, progress=False)
        assert_type(experiment, Experiment)
        assert_type(client.experiments(status="completed"), Iterator[Experiment])
        matrix = client.similarity(experiment.id, stage=3, order="cluster")
        assert_type(matrix, Similarity)
        as_schema: schemas.Similarity = matrix
        assert_type(matrix.to_numpy(), "np.ndarray")
        assert_type(matrix.to_dataframe(), pd.DataFrame)
        assert_type(matrix.plot(), Figure)
        assert_type(matrix.plot(ax=ax), Axes)
        assert_type(client.tasks(experiment.id), list[schemas.Task])
        assert_type(client.fetch(experiment.id, "similarity", format="csv"), bytes)
        print(as_schema.labels, [event for event in client.events(experiment.id)])
"""

AWAITING = """
from collections.abc import AsyncIterator
from typing import assert_type
from tgsh.client import AsyncClient
from tgsh.client.results import Embedding, Experiment

async def main() -> None:
    async with AsyncClient() as client:
        experiment = await client.wait((await client.submit({"preset": "demo"})).id)
        assert_type(experiment, Experiment)
        assert_type(client.experiments(tag="mine"), AsyncIterator[Experiment])
        assert_type(await client.embedding(experiment.id, dimensions=3), Embedding)
        await client.delete(experiment.id)
        async for event in client.events(experiment.id):
            print(event)
"""

WRONG = """
from tgsh.client import AsyncClient, Client

def blocking(client: Client) -> None:
    client.similarity("id", order="upwards")
    client.get(1)
    client.submitt("demo")

async def awaiting(client: AsyncClient) -> None:
    client.similarity("id").labels
"""


@pytest.mark.slow
def test_programs_are_typed_and_mistakes_are_found(tmp_path: Path) -> None:
    for name, program in {"blocking": BLOCKING, "awaiting": AWAITING, "wrong": WRONG}.items():
        (tmp_path / f"{name}.py").write_text(program)
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--config-file=",
        "--follow-imports=silent",
        "blocking.py",
        "awaiting.py",
        "wrong.py",
    ]
    # An editable install is a hook that mypy does not follow; a wheel needs no path.
    environment = os.environ | {"MYPYPATH": str(ROOT)}
    checked = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=170, check=False
    )
    lines = [line for line in checked.stdout.splitlines() if ": error:" in line]
    assert [line.partition(" error: ")[0] for line in lines] == [f"wrong.py:{n}:" for n in (5, 6, 7, 10)], (
        checked.stdout + checked.stderr
    )
