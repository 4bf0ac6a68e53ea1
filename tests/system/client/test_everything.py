"""Everything that the API answers has a method, and every method asks for something that there is."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from pydantic import SecretStr

from service.app import create_app
from service.settings import ServiceSettings
from tgsh.client import Client
from tgsh.errors import TgshError

ELSEWHERE = ("/livez", "/metrics", "/dashboard")
"""For machines and browsers."""

ARGUMENTS: dict[str, Any] = {
    "geometry": "abs(index)",
    "experiment": "0" * 16,
    "spec": "demo",
    "task": 0,
    "index": 0,
    "name": "similarity",
    "images": np.zeros((1, 2, 2)),
    "experiments": ["0" * 16, "1" * 16],
    "study": "0" * 16,
    "pairs": "0-1:2-3",
    "dataset": "0" * 16,
    "path": "bundle.zip",
    "key": "0" * 64,
    "priority": 1,
    "action": "tag",
    "experiment_id": "0" * 16,
    "placement": "0" * 16,
    "weights": {0: 1.0},
    "labels": [0],
    "base": "0" * 64,
    "format": "csv",
    "report": "0" * 16,
    "study_id": "0" * 16,
    "title": "Rotations",
}
BESIDE: dict[str, dict[str, Any]] = {
    "upload": {"x": np.zeros((1, 2, 2), np.uint8), "y": [0]},
    "study": {"spec": "demo"},
    "place": {"dataset": "mnist5k"},
    "change_study": {"name": "renamed"},
    "change_report": {"title": "renamed"},
}
"""What a method needs though no argument of it is required."""
ANY_PATH = {"fetch", "study_file"}
"""Methods that could ask for whatever is below an experiment or a study: they prove nothing."""
LATER = {
    ("GET", "/experiments/{experiment_id}/placements/{placement_id}/samples"),  # placement_file(of="samples")
    ("GET", "/experiments/{experiment_id}/accuracy/matrix/job"),  # compute_accuracy_matrix
    ("GET", "/studies/{study_id}/webhooks"),  # webhooks, of a study
    # tests/api/test_reports.py runs the methods of reports.
    *((method, "/reports/{report_id}") for method in ("GET", "PATCH", "DELETE")),
    ("GET", "/reports/{report_id}/export"),
    ("GET", "/reports/{report_id}/figures/{place}.{format}"),  # for pages; a client has export_report
    ("GET", "/bases/{base_id}/nearest"),  # atlas_nearest, of the experiment's base
}
"""What a method asks for after its first request, or by an argument."""
LOCAL = {
    "close",
    "experiment_id",
    "dataset_id",
    "study_id",
    "experiment_or_study_id",
    "base_id",
    "report_figure",
}
"""Methods that send nothing of their own; of a whole id."""


def asked_by_methods() -> Iterator[tuple[str, str, str]]:
    """(method, HTTP method, path) of the first request of each."""
    asked: list[tuple[str, str]] = []

    def refuse(request: httpx.Request) -> httpx.Response:
        asked.append((request.method, request.url.path))
        return httpx.Response(418)

    with Client("http://lab", transport=httpx.MockTransport(refuse)) as client:
        for name in sorted(set(dir(Client)) - ANY_PATH - LOCAL):
            if name.startswith("_"):
                continue
            method = getattr(client, name)
            parameters = inspect.signature(method).parameters.values()
            required = [
                each.name
                for each in parameters
                if each.default is each.empty and each.kind != each.VAR_KEYWORD
            ]
            with suppress(TgshError):
                made = method(**{each: ARGUMENTS[each] for each in required}, **BESIDE.get(name, {}))
                next(iter(made))
            yield name, *asked.pop()


@pytest.fixture(scope="module")
def offered(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str]]:
    """(HTTP method, path) of every operation in the OpenAPI document."""
    home: Path = tmp_path_factory.mktemp("home")
    app = create_app(ServiceSettings(home=home, redis_url=SecretStr("redis://127.0.0.1:1/0")))
    paths = app.openapi()["paths"]
    return [(method.upper(), path) for path, operations in paths.items() for method in operations]


def matches(template: str, path: str) -> bool:
    return re.fullmatch(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(template)), path) is not None


def test_each_has_the_other(offered: list[tuple[str, str]]) -> None:
    asked = list(asked_by_methods())
    assert len(asked) > 20
    unknown = [
        name
        for name, method, path in asked
        if not any(method == known and matches(template, path) for known, template in offered)
    ]
    assert not unknown
    without = [
        (method, template)
        for method, template in offered
        if not template.startswith(ELSEWHERE)
        and (method, template) not in LATER
        and not any(method == known and matches(template, path) for _, known, path in asked)
    ]
    assert not without
