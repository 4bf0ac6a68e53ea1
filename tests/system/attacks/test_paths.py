"""No path on this machine comes from a client: every parameter of every route is tried with such things."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from pydantic import SecretStr

from service.app import create_app
from service.settings import ServiceSettings
from tests.api.conftest import SPEC
from tests.support.serving import serving
from tests.support.wire import Response, exchange
from tests.system.attacks.conftest import Service
from tests.system.attacks.fuzzing import populate

pytestmark = pytest.mark.attacks

SECRET = "root:x:0:0"
INPUTS = [
    "../../../../etc/passwd",
    "..%2f..%2f..%2fetc%2fpasswd",
    "%2e%2e/%2e%2e/etc/passwd",
    "..%252f..%252fetc%252fpasswd",
    "..%5c..%5cwindows%5cwin.ini",
    "%c0%ae%c0%ae/etc/passwd",
    "/etc/passwd",
    "//etc/passwd",
    "file:%2f%2f%2fetc%2fpasswd",
    "http:%2f%2f127.0.0.1:1%2f",
    ".",
    "..",
    "~root",
    "$HOME",
    "%00",
    "a%00b",
    "%0d%0aX-Injected:%20yes",
    "%0a",
    "%1b%5b2J",
    "%ff%fe",
    "%ed%a0%80",
    "%f0%9f%92%a9",
    "%e2%80%ae",
    "%d9%a1%d9%a2",
    "%%%",
    "a" * 9_000,
    "%41" * 3_000,
    "-1",
    "0x10",
    "1e999",
    "9" * 400,
    "NaN",
    "null",
    "true",
    "[]",
    "{}",
    "';DROP%20TABLE%20experiments;--",
    "%22%3E%3Cscript%3E",
    "{{7*7}}",
    "",
    "*",
    "%20",
]
HEADERS = [
    "../../../../etc/passwd",
    "a" * 9_000,
    "\xff\xfe\x80",
    "\t",
    "-1",
    "9" * 400,
    "nan",
    "*/*;q=nan",
    "*/*;q=" + "9" * 400,
    "a/b;" * 2_000,
    "image/*, " * 2_000,
    ",;=\"'",
    "\\r\\nX-Injected: yes",
    'W/"',
    "",
]
READ_HEADERS = [
    "Accept",
    "If-None-Match",
    "Idempotency-Key",
    "Last-Event-ID",
    "Content-Type",
    "Range",
    "Host",
    "Cookie",
]


@pytest.mark.timeout(300)
def test_every_parameter_of_every_route(tmp_path: Path) -> None:
    app = create_app(ServiceSettings(home=tmp_path / "home", redis_url=SecretStr("redis://127.0.0.1:1/0")))
    statuses: Counter[int] = Counter()
    with serving(app) as client:
        ids = populate(client, app.state.services)
        address = (client.base_url.host, client.base_url.port or 0)
        document = client.get("/openapi.json").json()
        before = _files(tmp_path)
        right = {
            "experiment_id": ids["completed"],
            "dataset_id": client.get("/datasets").json()["items"][0]["id"],
            "study_id": client.post("/studies", json={"spec": SPEC, "replicates": {"seeds": 2}}).json()["id"],
            "placement_id": "0" * 16,
            "base_id": client.get(f"/experiments/{ids['completed']}").json()["base_id"],
            "report_id": client.post("/reports", json={"title": "of all"}).json()["id"],
            "place": "0",
            "link": "0" * 32,
            "key": client.post("/previews", json=SPEC).json()["key"],
            "index": "0",
            "name": "accuracy",
            "format": "svg",
        }
        for method, path, asked in _requests(document, right):
            answer = exchange(address, asked)
            statuses[answer.status] += 1
            _check(answer, document["paths"][path][method.lower()], asked)
        assert set(client.get(f"/experiments/{ids['completed']}").json()) >= {"id", "spec"}
        made = {name for name in _files(tmp_path) - before if "tgsh.db" not in name}
        assert not made, "a request made a file"
    print(statuses)
    assert statuses.total() > 2_000
    assert {404, 406, 422} <= set(statuses)


def _files(folder: Path) -> set[str]:
    return {str(path) for path in folder.rglob("*") if path.is_file()}


def _requests(document: dict[str, Any], right: Mapping[str, str]) -> list[tuple[str, str, bytes]]:
    """(method, path of the document, request); right: values of parameters that lead somewhere."""
    found, dealt = [], 0
    for path, item in document["paths"].items():
        for method, operation in item.items():
            names = re.findall(r"{(\w+)}", path)
            filled = path.format(**{name: right[name] for name in names})
            targets = [
                path.format(**{**{name: right[name] for name in names}, tried: text})
                for tried in names
                for text in INPUTS
            ]
            queries = [part["name"] for part in operation.get("parameters", ()) if part["in"] == "query"]
            targets += [f"{filled}?{name}={text}" for name in queries for text in INPUTS]
            if method == "delete":
                targets = [target for target in targets if not target.startswith(filled)]
            else:
                # Every header with every text, dealt out over the routes: what reads headers is one for all.
                for offset, name in enumerate(READ_HEADERS):
                    text = HEADERS[(dealt + offset) % len(HEADERS)]
                    found.append((method.upper(), path, _request(method, filled, f"{name}: {text}")))
                dealt += 1
            found += [(method.upper(), path, _request(method, target)) for target in targets]
    return found


def _request(method: str, target: str, header: str = "X: y") -> bytes:
    host = "" if header.startswith("Host") else "Host: localhost\r\n"
    body = "Content-Length: 0\r\n" if method == "post" else ""
    last = "Last-Event-ID: 9\r\n" if target.endswith("/events") and "Last-Event" not in header else ""
    line = f"{method.upper()} {quote(target, safe='%/?&=:;,*~$[]{}')} HTTP/1.1\r\n"
    return f"{line}{host}{body}{last}{header}\r\n\r\n".encode("latin-1")


def _check(answer: Response, operation: dict[str, Any], asked: bytes) -> None:
    ready = operation["summary"] == "Can the service do its work"
    assert answer.status < 500 or (ready and answer.status == 503), (asked, answer)
    assert "x-injected" not in answer.headers
    assert SECRET.encode() not in answer.body
    if answer.status == 421 or (answer.status >= 400 and not ready):
        assert answer.problem["type"].startswith("urn:tgsh:problem:"), asked
        return
    documented = operation["responses"]
    # A path that was changed may lead to another route: to the API pages from its root.
    assert str(answer.status) in documented or answer.status in (200, 307), (asked, answer)


def test_keys_of_artifacts_are_made_by_the_program(tmp_path: Path) -> None:
    """Whatever names and labels a client gives: files bear ids and numbers only."""
    app = create_app(ServiceSettings(home=tmp_path / "home", redis_url=SecretStr("redis://127.0.0.1:1/0")))
    with serving(app) as client:
        evil = "../../../evil"
        suite = {"kind": "custom", "tasks": [{"label": evil}, {"label": "/etc/passwd"}, {"label": "..\\x"}]}
        populate(client, app.state.services)
        body = {"name": evil, "tags": [evil], "suite": suite}
        made = client.post("/experiments", json=body, headers={"Idempotency-Key": evil})
        assert made.status_code == 202
        assert client.get(made.headers["location"]).json()["name"] == evil
    names = {path.relative_to(tmp_path / "home").as_posix() for path in (tmp_path / "home").rglob("*")}
    experiment, dataset = (
        r"[0-9a-f]{16}(/tasks(/[\w.-]+)?|/[\w.-]+)?",
        r"datasets(/[0-9a-f]{16}-[0-9a-f]{8}(/[\w.-]+)?)?",
    )
    allowed = re.compile(rf"tgsh\.db(-wal|-shm)?|uploads|artifacts(/({experiment}|{dataset}))?")
    assert [name for name in names if not allowed.fullmatch(name)] == []
    assert not list(tmp_path.parent.glob("evil*"))


@pytest.mark.parametrize("text", INPUTS)
def test_the_files_of_the_api_pages_are_no_way_out(service: Service, text: str) -> None:
    for root in ("/static-offline-docs/", "/docs/", "/redoc/", "/"):
        answer = exchange(service.address, _request("get", root + text))
        assert answer.status in (200, 307, 400, 404, 405, 422), answer
        assert SECRET.encode() not in answer.body
        if answer.status >= 400:
            assert answer.problem
