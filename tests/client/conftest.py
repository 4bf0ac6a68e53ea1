"""One real stack, and one finished experiment, for all tests of the client."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tgsh.client import Client
from tgsh.client.results import Experiment
from tgsh.stack.stack import Stack

TINY: dict[str, Any] = {
    "preset": "demo",
    "suite": {"tasks": 2},
    "training": {"epochs": 1, "train_limit": 500},
    "tags": ["tiny"],
}


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("client") / "home") as running:
        yield running


@pytest.fixture(scope="package")
def client(stack: Stack) -> Iterator[Client]:
    with Client(stack.url) as connected:
        yield connected


@pytest.fixture(scope="package")
def done(client: Client) -> Experiment:
    """Two rotations, with everything that is measured."""
    ended = client.wait(client.submit(TINY | {"accuracy_matrix": True, "name": "<i>two</i>"}).id, timeout=90)
    assert ended.status == "completed", ended.reason
    return ended
