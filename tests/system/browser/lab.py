"""A service over a home of many experiments of all states, in which no worker works."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr
from sqlalchemy import update

from service.app import create_app
from service.dependencies import Services
from service.settings import ServiceSettings
from tests.api.conftest import finish, work
from tests.support.many_experiments import fill
from tests.support.serving import serving
from tgsh.store.models import ExperimentRecord

COUNT = 100
"""Experiments of all kinds and states, beside those that a test knows by name."""

SPEC: dict[str, Any] = {
    "dataset": "mnist5k",
    "suite": {"kind": "rotation", "tasks": 4, "step_degrees": 30},
    "network": {"kind": "flynet", "expansion": 1},
    "training": {"epochs": 2, "train_limit": 100},
}


@dataclass(frozen=True)
class Lab:
    """A service over a home of many experiments."""

    url: str
    http: httpx.Client
    services: Services

    def submitted(self, name: str, **changes: Any) -> str:
        """The id of an experiment that waits."""
        body = {**SPEC, "name": name, **changes}
        answer = self.http.post("/experiments?anew=true", json=body)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def completed(self, name: str, **changes: Any) -> str:
        """The id of an experiment with vectors."""
        id = self.submitted(name, **changes)
        work(self.services, id, *range(4))
        finish(self.services, id)
        return id

    def set(self, ids: Sequence[str], **values: Any) -> None:
        """Write columns of experiments."""
        with self.services.database.write() as session:
            session.execute(update(ExperimentRecord).where(ExperimentRecord.id.in_(ids)).values(values))


@contextmanager
def serving_lab(home: Path, migrated_sqlite: Path) -> Iterator[Lab]:
    """The lab, in an empty folder."""
    shutil.copy(migrated_sqlite, home)
    app = create_app(ServiceSettings(home=home, redis_url=SecretStr("redis://127.0.0.1:1/0")))
    with serving(app) as http:
        lab = Lab(str(http.base_url).rstrip("/"), http, app.state.services)
        fill(lab.services.database, COUNT)
        yield lab
