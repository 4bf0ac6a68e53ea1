"""Requests for other hosts are refused, and every answer tells browsers what it is not."""

from __future__ import annotations

import base64
import hashlib
import re
import socket
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from service.middleware.auth import AllowedHostsMiddleware, host_of
from service.middleware.security import HEADERS
from service.settings import ServiceSettings
from tests.api.conftest import submit
from tests.support.serving import serving
from tgsh.api_keys import KeyFile

pytestmark = pytest.mark.attacks

BAD_HOSTS = [
    "evil.example",
    "evil.example:8000",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "user@127.0.0.1",
    "127.0.0.1:8000@evil.example",
    "127.0.0.1/livez?",
    "127.0.0.1:8000/livez?",
    "127.0.0.1:8000#",
    "127.0.0.1 evil.example",
    "127.0.0.1,evil.example",
    "192.0.2.1",
    "[::1",
    "::1",
    "[::1].evil.example",
    "2130706433",
    "0.0.0.0",
    "localhost.",
    "127.0.0.1:port",
    "",
]


@pytest.mark.parametrize("host", BAD_HOSTS)
def test_other_hosts_are_refused_whatever_the_method(client: httpx.Client, host: str) -> None:
    for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        for path in ("/livez", "/experiments", "/docs", "/nowhere"):
            answer = client.request(method, path, headers={"Host": host})
            assert answer.status_code == 421, (method, path)
            if method != "HEAD":
                assert answer.headers["content-type"] == "application/problem+json"
                assert answer.json()["errors"][0]["field"] == "host"


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1", "127.9.9.9:80", "[::1]:8000"])
def test_loopback_names_are_ours(client: httpx.Client, host: str) -> None:
    assert client.get("/livez", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("lines", ["", "Host: 127.0.0.1\r\nHost: evil.example\r\n"])
def test_none_and_two_hosts_are_refused(app: FastAPI, lines: str) -> None:
    with (
        serving(app) as client,
        socket.create_connection((client.base_url.host, client.base_url.port or 0), 5) as raw,
    ):
        raw.sendall(f"GET /livez HTTP/1.1\r\n{lines}Connection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: raw.recv(65_536), b""))
    assert answer.split()[1] in (b"421", b"400"), answer


def test_a_host_with_a_path_opens_nothing(client: httpx.Client, tmp_path: Path) -> None:
    KeyFile(tmp_path / "keys.json").add("alice", "read", None)
    for host in ("127.0.0.1/livez?", "localhost:8000/livez#", "127.0.0.1\t/livez?"):
        assert client.get("/experiments", headers={"Host": host}).status_code in (400, 421)


def test_the_list_has_what_the_settings_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TGSH_ALLOWED_HOSTS", "Lab.example, 192.0.2.7")
    monkeypatch.setenv("TGSH_HOST", "gpu.example")
    hosts = AllowedHostsMiddleware(lambda *_: None, ServiceSettings())  # type: ignore[arg-type, return-value]

    def is_ours(host: str, server: str = "10.0.0.3") -> bool:
        return hosts._is_allowed(
            {"type": "http", "headers": [(b"host", host.encode())], "server": (server, 80)}
        )

    assert all(map(is_ours, ("lab.example", "LAB.EXAMPLE:443", "192.0.2.7:8000", "gpu.example", "10.0.0.3")))
    assert not any(map(is_ours, ("evil.lab.example", "192.0.2.8", "10.0.0.4", "*")))
    monkeypatch.setenv("TGSH_HOST", "0.0.0.0")
    hosts = AllowedHostsMiddleware(lambda *_: None, ServiceSettings(allowed_hosts=("*",)))  # type: ignore[arg-type, return-value]
    assert not any(map(is_ours, ("0.0.0.0", "evil.example", "*")))


def test_hosts_are_read_strictly() -> None:
    assert host_of("[2001:DB8::1]:443") == "2001:db8::1"
    assert host_of("Lab.Example:1") == "lab.example"
    assert [host_of(bad) for bad in ("a:b", "a/b", "a@b", "a:1:2", "[a", "a b", "", ":1")] == [""] * 8


def test_every_answer_has_the_headers(app: FastAPI, client: httpx.Client) -> None:
    experiment = f"/experiments/{submit(client)}"

    @app.get("/broken")
    def broken() -> None:
        raise RuntimeError("unforeseen")

    answers = [
        *(client.get(path) for path in ("/livez", "/nowhere", experiment, f"{experiment}/similarity")),
        *(client.get(path) for path in ("/experiments?limit=0", "/static-offline-docs/swagger-ui.css")),
        client.post("/experiments", content=b"{"),
        client.post("/experiments", content=b" " * (1 << 21)),
        client.get("/livez", headers={"Host": "evil.example"}),
        client.post("/experiments", headers={"Origin": "null"}),
        client.get("/broken"),
    ]
    assert [answer.status_code for answer in answers] == [
        *(200, 404, 200, 200, 422, 200, 422, 413, 421, 403, 500)
    ]
    for answer in answers:
        shown = {name: answer.headers.get(name) for name in HEADERS}
        assert shown == HEADERS, answer.url


class _Loaded(HTMLParser):
    """What a page loads, and the scripts within it."""

    def __init__(self) -> None:
        super().__init__()
        self.scripts: list[str] = []
        self.files: list[tuple[str, str]] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        assert not [name for name in found if name.startswith("on")], "a policy by hashes forbids handlers"
        source = found.get("src") or found.get("href")
        if source:
            self.files.append((tag, source))
        self._inside = tag == "script" and not found.get("src")

    def handle_endtag(self, tag: str) -> None:
        self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.scripts.append(data)


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
def test_the_api_pages_load_what_their_policy_allows_and_no_more(client: httpx.Client, path: str) -> None:
    page = client.get(path)
    policy = dict(part.strip().split(" ", 1) for part in page.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    loaded = _Loaded()
    loaded.feed(page.text)
    hashes = {
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
        for script in loaded.scripts
        if script.strip()
    }
    assert set(policy["script-src"].split()) - {"'self'"} == hashes
    assert "unsafe" not in policy["script-src"]
    assert loaded.files
    for _, source in loaded.files:
        assert source.startswith("/"), "all comes from here"
        assert client.get(source).status_code == 200
    assert re.search(r"/openapi\.json", page.text)
    assert policy["connect-src"] == "'self'"
    assert client.get("/openapi.json").json()["components"]["securitySchemes"]["key"]["scheme"] == "bearer"


def test_what_people_write_stays_within_its_line(client: httpx.Client) -> None:
    name = "x\r\nevent: status\r\nSet-Cookie: a=b\n\ndata: {}\"';=1+1</script>"
    suite = {"kind": "custom", "tasks": [{"label": name}, {"label": "=1+1"}]}
    made = client.post(
        "/experiments", json={"name": name, "dataset": "mnist5k", "suite": suite, "tags": ["\na"]}
    )
    assert made.status_code == 202
    path = made.headers["location"]
    assert client.post(f"{path}/cancel").status_code == 202
    stream = client.get(f"{path}/events")
    assert {line.partition(":")[0] for line in stream.text.splitlines() if line} == {"event", "data", "id"}
    assert stream.text.count("event: status") == 2  # queued and cancelled, and none of the label's
    listed = client.get("/experiments", params={"q": name, "limit": 1})
    assert listed.json()["items"][0]["name"] == name
    for query in ('?stage=";a="', "?stage=a%0d%0a", "?layer=%22%0d%0aX:%20y", "?format=%22", "?stage=x%22y"):
        refused = client.get(f"{path}/context-vectors{query}")
        assert refused.status_code in (404, 406, 409, 422)
        assert "content-disposition" not in refused.headers
    for answer in (stream, listed, made):
        assert "set-cookie" not in answer.headers


def test_settings_keep_secrets_to_themselves() -> None:
    settings = ServiceSettings(
        redis_url=SecretStr("redis://:sesame@h/0"), database_url=SecretStr("postgresql://u:sesame@h/d")
    )
    assert "sesame" not in repr(settings) + str(settings) + settings.model_dump_json()
