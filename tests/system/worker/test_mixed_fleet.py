"""Two workers with real processes, one of which has no torch: each gets the jobs that it can do."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.compose import ROOT
from tests.support.compose_stack import WORKER, ComposeStack
from tests.support.without_torch import hide_torch
from tests.system.test_stack import until
from tgsh.client import Client

AUGMENT: dict[str, Any] = {
    "preset": "augment-mnist",
    "dataset": "mnist5k",
    "network": {"kind": "flynet", "expansion": 1},
    "training": {"epochs": 1, "train_limit": 100},
}
ROTATION: dict[str, Any] = {
    "dataset": "mnist5k",
    "suite": {"kind": "rotation", "tasks": 6},
    "network": {"kind": "flynet", "expansion": 1},
    "training": {"epochs": 1, "train_limit": 100},
}


class MixedStack(ComposeStack):
    """A stack of which some workers have no torch."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, TGSH_DEVICES="cpu:1", TGSH_SWEEP_SECONDS="1", TGSH_ALLOW_NO_KEYS="true")
        self._hidden = hide_torch(folder / "hidden")
        self._path = str(ROOT)

    def start_worker(self, *, torch: bool) -> subprocess.Popen[bytes]:
        """One more worker; its processes' ids begin the names that jobs record."""
        self._path = str(ROOT) if torch else f"{self._hidden}:{ROOT}"
        process = self.start(WORKER)
        self._processes[f"{WORKER}-{process.pid}"] = self._processes.pop(WORKER)
        return process

    def _environment(self, name: str) -> dict[str, str]:
        return super()._environment(name) | {"PYTHONPATH": self._path}


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[MixedStack]:
    stack = MixedStack(tmp_path)
    try:
        for name in ("redis", "service"):
            stack.start(name)
        yield stack
    finally:
        stack.kill()


def workers_of(http: httpx.Client, experiment_id: str) -> set[str]:
    """Ids of the workers' parents that trained its tasks."""
    tasks = http.get(f"/experiments/{experiment_id}/tasks").json()["items"]
    return {task["worker"].split("/")[1] for task in tasks}


def test_jobs_that_need_torch_wait_for_a_worker_that_has_it(stack: MixedStack) -> None:
    light = stack.start_worker(torch=False)
    stack.wait_until_ready()
    with httpx.Client(base_url=stack.url, timeout=30) as http, Client(stack.url) as client:
        [worker] = http.get("/workers").json()["workers"]
        assert (worker["torch"], worker["datasets"]) == (False, ["mnist5k"])
        refused = http.post("/experiments", json=AUGMENT)
        assert refused.status_code == 422
        message = refused.json()["errors"][0]["message"]
        assert message.startswith("augment needs torch: pip install 'tgsh[worker]'")
        assert http.get("/experiments").json()["items"] == []

        whole = stack.start_worker(torch=True)
        assert until(lambda: len(http.get("/workers").json()["workers"]) == 2, 150)
        augment, rotation = client.submit(AUGMENT), client.submit(ROTATION)
        for experiment in (augment, rotation):
            assert client.wait(experiment.id, timeout=170).status == "completed"
        assert workers_of(http, augment.id) == {str(whole.pid)}
        assert workers_of(http, rotation.id) <= {str(light.pid), str(whole.pid)}
        stack.stop(f"{WORKER}-{whole.pid}")
        assert until(lambda: len(http.get("/workers").json()["workers"]) == 1, 150)
        again = client.submit(ROTATION | {"seed": 1})
        assert client.wait(again.id, timeout=170).status == "completed"
        assert workers_of(http, again.id) == {str(light.pid)}
