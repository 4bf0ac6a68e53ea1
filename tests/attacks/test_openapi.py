"""Whatever the OpenAPI document allows and forbids is sent.

`python -m tests.attacks fuzz --examples 1000` does it for long.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from service.app import create_app
from service.settings import ServiceSettings
from tests.attacks.fuzzing import fuzz
from tests.service.conftest import serving

pytestmark = pytest.mark.attacks


@pytest.mark.timeout(300)
def test_every_answer_is_one_that_the_document_describes(tmp_path: Path) -> None:
    app = create_app(ServiceSettings(home=tmp_path, redis_url=SecretStr("redis://127.0.0.1:1/0")))
    with serving(app) as client:
        told = fuzz(client, app.state.parts, examples=25, derandomize=True)
        paths = client.get("/openapi.json").json()["paths"]
    print(told)
    operations = {f"{method.upper()} {path}" for path, item in paths.items() for method in item}
    assert {label for label, _ in told.statuses} == operations
    assert {status for _, status in told.statuses} >= {200, 202, 204, 404, 409, 422}
