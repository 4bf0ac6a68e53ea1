"""Whatever the OpenAPI document allows and forbids is sent; `python -m tests.attacks fuzz` does it for long."""

from __future__ import annotations

import httpx
import pytest

from service.deps import Parts
from tests.attacks.fuzzing import fuzz

pytestmark = pytest.mark.attacks


@pytest.mark.timeout(300)
def test_every_answer_is_one_that_the_document_describes(client: httpx.Client, parts: Parts) -> None:
    told = fuzz(client, parts, examples=12, derandomize=True)
    print(told)
    operations = {
        (method.upper(), path)
        for path, item in client.get("/openapi.json").json()["paths"].items()
        for method in item
    }
    assert {label for label, _ in told.statuses} == {f"{method} {path}" for method, path in operations}
    assert {status for _, status in told.statuses} >= {200, 202, 204, 404, 409, 422}
