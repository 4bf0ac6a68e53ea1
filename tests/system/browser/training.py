"""Small experiments that the stack of these tests really trains."""

from __future__ import annotations

import time
from typing import Any

import httpx


def submit(http: httpx.Client, tasks: int, epochs: int = 1, **changes: Any) -> dict[str, Any]:
    """A new experiment of so many rotations of a few digits; the document of the answer."""
    spec = {
        "name": f"{tasks} rotations",
        "dataset": "mnist5k",
        "suite": {"kind": "rotation", "tasks": tasks, "step_degrees": 360 / max(tasks, 2)},
        "network": {"kind": "flynet", "expansion": 3},
        "training": {"epochs": epochs, "train_limit": 500},
        **changes,
    }
    answer = http.post("/experiments", json=spec)
    assert answer.status_code in (200, 202), answer.text
    document: dict[str, Any] = answer.json()
    return document


def wait(http: httpx.Client, experiment_id: str, seconds: float = 120) -> dict[str, Any]:
    """The experiment, when it is over."""
    until = time.monotonic() + seconds
    while True:
        document: dict[str, Any] = http.get(f"/experiments/{experiment_id}").json()
        if document["status"] in ("completed", "failed", "cancelled"):
            return document
        assert time.monotonic() < until, document
        time.sleep(0.2)


def completed(http: httpx.Client, tasks: int, epochs: int = 1, **changes: Any) -> str:
    """The id of such an experiment, when it is done."""
    document = wait(http, submit(http, tasks, epochs, **changes)["id"])
    assert document["status"] == "completed", document
    return str(document["id"])
