"""Clients of one service for users with different keys and roles."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

from tests.api.conftest import SPEC, submit
from tests.support.serving import another
from tgsh.api_keys import KeyFile, Role

ROLES: dict[str, Role] = {"alice": "submit", "bob": "submit", "rita": "read", "root": "admin"}

YESTERDAY = datetime.now(UTC) - timedelta(days=1)


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@contextmanager
def people(home: Path, client: httpx.Client) -> Iterator[dict[str, httpx.Client]]:
    """Client for each of ROLES, each with a new key."""
    keys = KeyFile(home / "keys.json")
    with ExitStack() as open_clients:
        yield {
            name: open_clients.enter_context(another(client, headers=bearer(keys.add(name, role, None))))
            for name, role in ROLES.items()
        }


def cancelled_experiment(client: httpx.Client, **changes: object) -> str:
    """Id of a new experiment that has ended, so that its event stream ends."""
    experiment_id = submit(client, **changes)
    assert client.post(f"/experiments/{experiment_id}/cancel").status_code == 202
    return experiment_id


def cancelled_study(client: httpx.Client, **changes: object) -> str:
    """Id of a new study of one experiment that has ended, so that its event stream ends."""
    submitted = client.post("/studies", params={"anew": True}, json={"spec": {**SPEC, **changes}})
    study_id = str(submitted.json()["id"])
    assert client.post(f"/studies/{study_id}/cancel").status_code == 202
    return study_id


def private_report(client: httpx.Client) -> str:
    """Id of a new report with a figure of an experiment of the same owner."""
    figure = {"kind": "figure", "id": cancelled_experiment(client), "figure": "similarity"}
    made = client.post("/reports", json={"title": "private", "items": [figure]})
    return str(made.json()["id"])
