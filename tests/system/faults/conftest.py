"""One stack for the tests of a module, and what an experiment amounts to when nothing disturbs it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.system.faults.stack import FaultStack, User, running

SPEC: dict[str, Any] = {
    "dataset": "mnist5k",
    "suite": {"kind": "rotation", "tasks": 8, "step_degrees": 45},
    "network": {"kind": "flynet", "expansion": 2},
    "training": {"epochs": 3, "train_limit": 1000},
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of this folder is what `pytest -m faults` runs."""
    for item in items:
        if item.path.parent.name == "faults":
            item.add_marker("faults")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultStack]:
    """Redis, API and workers; an attempt too many is not what these tests are about."""
    with running(tmp_path_factory.mktemp("faults"), TGSH_MAX_ATTEMPTS="20") as stack:
        yield stack


@pytest.fixture(scope="module")
def user(stack: FaultStack) -> Iterator[User]:
    """Somebody who uses it."""
    user = User(stack.url)
    yield user
    user.close()


@pytest.fixture(scope="module")
def undisturbed(user: User) -> str:
    """The hash of the experiment's results when nothing happens."""
    path = user.submit({**SPEC, "name": "undisturbed"})
    assert user.wait(path)["status"] == "completed"
    return user.digest(path)
