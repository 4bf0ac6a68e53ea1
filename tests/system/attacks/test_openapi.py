"""Whatever the OpenAPI document allows and forbids is sent.

`python -m tests.system.attacks fuzz --examples 1000` does it for long.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from service.app import create_app
from service.settings import ServiceSettings
from tests.support.people import people
from tests.support.serving import serving
from tests.system.attacks.fuzzing import fuzz

pytestmark = pytest.mark.attacks


@pytest.mark.timeout(300)
def test_every_answer_is_one_that_the_document_describes(tmp_path: Path) -> None:
    app = create_app(ServiceSettings(home=tmp_path, redis_url=SecretStr("redis://127.0.0.1:1/0")))
    with serving(app) as client:
        told = fuzz(client, app.state.services, examples=4, derandomize=True, say=print)
        paths = client.get("/openapi.json").json()["paths"]
    operations = {f"{method.upper()} {path}" for path, item in paths.items() for method in item}
    assert {label for label, _ in told.statuses} == operations
    assert told.statuses["POST /datasets", 200] + told.statuses["POST /datasets", 201], "no upload was right"
    assert {status for _, status in told.statuses} >= {200, 202, 204, 404, 409, 422}


ASKING = ("root", "alice", "rita")
"""Who asks; that strangers learn nothing at any route is shown by tests/api/test_keys.py."""


@pytest.mark.timeout(300)
@pytest.mark.parametrize("who", ASKING)
def test_whoever_asks_where_there_are_keys(tmp_path: Path, who: str) -> None:
    settings = {"redis_url": SecretStr("redis://127.0.0.1:1/0"), "requests_a_minute": 1_000_000}
    app = create_app(ServiceSettings(home=tmp_path, **settings))
    with serving(app) as plain, people(tmp_path, plain) as known:
        shown = {"Authorization": known[who].headers["authorization"]}
        told = fuzz(known["alice"], app.state.services, examples=1, derandomize=True, headers=shown)
    statuses = {status for operation, status in told.statuses if operation != "GET /livez"}
    assert 401 not in statuses
    assert (403 in statuses) == (who == "rita")
    assert 200 in statuses
