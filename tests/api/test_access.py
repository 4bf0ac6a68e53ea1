"""Where no keys are; keys that come, go and break while the service runs; other sites' pages; shares."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from service.app import create_app
from service.dependencies import Services
from service.middleware.auth import AuthMiddleware
from service.middleware.quotas import RequestQuota
from service.settings import ServiceSettings
from tests.api.conftest import SPEC, submit, work
from tests.support.people import bearer, cancelled_experiment, people
from tgsh.api_keys import KeyFile, digest, new_key
from tgsh.errors import QuotaExceeded

pytestmark = pytest.mark.attacks

Headers = Mapping[str, str]


def from_elsewhere(
    app: FastAPI, method: str = "GET", path: str = "/catalog", *, client: str = "192.0.2.1", headers: Headers
) -> httpx.Response:
    """What the application answers to a client at that address; no socket is needed for that."""

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app, client=(client, 4711))
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000", timeout=60) as http,
        ):
            return await http.request(method, path, headers=dict(headers))

    return asyncio.run(ask())


def made(home: Path, **settings: object) -> FastAPI:
    values = {"home": home, "redis_url": SecretStr("redis://127.0.0.1:1/0"), **settings}
    return create_app(ServiceSettings.model_validate(values))


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE", "OPTIONS"])
def test_without_keys_nobody_gets_in_from_elsewhere(app: FastAPI, method: str) -> None:
    for client in ("192.0.2.1", "10.0.0.1", "172.18.0.1", "::ffff:192.0.2.1", "fe80::1", "/run/tgsh.sock"):
        answer = from_elsewhere(app, method, client=client, headers={})
        assert answer.status_code == 403, client
        assert method == "HEAD" or "tgsh keys add" in answer.json()["detail"]
    assert from_elsewhere(app, path="/livez", headers={}).status_code == 200


@pytest.mark.parametrize("client", ["127.0.0.1", "127.0.0.5", "::1", "::ffff:127.0.0.1"])
def test_without_keys_this_machine_gets_in_but_no_proxy_on_it(app: FastAPI, client: str) -> None:
    assert from_elsewhere(app, client=client, headers={}).status_code == 200
    for name in ("X-Forwarded-For", "Forwarded", "X-Real-IP", "Via", "X-Forwarded-Host"):
        assert from_elsewhere(app, client=client, headers={name: "127.0.0.1"}).status_code == 403


def test_who_says_so_lets_everybody_in_until_there_are_keys(tmp_path: Path) -> None:
    app = made(tmp_path, allow_no_keys=True)
    assert from_elsewhere(app, headers={}).status_code == 200
    key = KeyFile(tmp_path / "keys.json").add("alice", "read", None)
    assert from_elsewhere(app, headers={}).status_code == 401
    assert from_elsewhere(app, headers=bearer(key)).status_code == 200


def test_keys_come_and_go_while_it_runs(client: httpx.Client, tmp_path: Path) -> None:
    keys = KeyFile(tmp_path / "keys.json")
    assert client.get("/catalog").status_code == 200
    one, two = (bearer(keys.add(name, "submit", None)) for name in ("one", "two"))
    assert [client.get("/catalog", headers=shown).status_code for shown in ({}, one, two)] == [401, 200, 200]
    keys.revoke("one")
    assert [client.get("/catalog", headers=shown).status_code for shown in ({}, one, two)] == [401, 401, 200]
    keys.revoke("two")  # the last one: nobody gets in
    assert [client.get("/catalog", headers=shown).status_code for shown in ({}, one, two)] == [401, 401, 401]


@pytest.mark.parametrize("content", [b"", b"{", b'{"keys": [{}]}', b"[]", b"\xff", None])
def test_what_cannot_be_read_lets_nobody_in(
    client: httpx.Client, tmp_path: Path, content: bytes | None
) -> None:
    keys = KeyFile(tmp_path / "keys.json")
    key = bearer(keys.add("alice", "admin", None))
    assert client.get("/catalog", headers=key).status_code == 200
    kept = keys.path.read_bytes()
    if content is None:
        keys.path.unlink()
    else:
        keys.path.write_bytes(content)
    for headers in ({}, key):
        refused = client.get("/catalog", headers=headers)
        assert refused.status_code == 503
        assert refused.json()["type"] == "urn:tgsh:problem:keys-unreadable"
    assert client.get("/livez").status_code == 200
    keys.path.write_bytes(kept)
    assert client.get("/catalog", headers=key).status_code == 200


def test_who_starts_it_has_a_key_of_its_own(tmp_path: Path) -> None:
    own = new_key()
    app = made(tmp_path, stack_key_sha256=digest(own))
    assert from_elsewhere(app, headers=bearer(own)).status_code == 403  # no keys: only this machine
    KeyFile(tmp_path / "keys.json").add("alice", "read", None)
    assert from_elsewhere(app, headers=bearer(own)).status_code == 200
    assert from_elsewhere(app, headers=bearer(digest(own))).status_code == 401


def test_a_stream_ends_with_its_key_and_with_sharing(client: httpx.Client, tmp_path: Path) -> None:
    with people(tmp_path, client) as known:
        experiment = submit(known["alice"], shared=True)
        path = f"/experiments/{experiment}"

        def unshare() -> None:
            assert known["alice"].patch(path, json={"shared": False}).status_code == 200

        for name, end in (
            ("bob", unshare),
            ("alice", lambda: KeyFile(tmp_path / "keys.json").revoke("alice")),
        ):
            with known[name].stream("GET", f"{path}/events") as stream:
                lines = stream.iter_lines()
                assert next(lines) == "event: status"
                end()
                assert "event: status" not in list(lines)  # it ended, though the experiment did not
        assert known["root"].get(path).json()["status"] == "queued"


OTHER_SITES: list[Headers] = [
    {"Origin": "http://evil.example"},
    {"Origin": "http://localhost:8888"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": "http://["},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
]


@pytest.mark.parametrize("headers", OTHER_SITES)
def test_other_sites_pages_change_nothing(client: httpx.Client, tmp_path: Path, headers: Headers) -> None:
    experiment = submit(client)
    key = KeyFile(tmp_path / "keys.json").add("alice", "admin", None)
    for method, path in (
        ("POST", "/experiments"),
        ("POST", f"/experiments/{experiment}/cancel"),
        ("PATCH", f"/experiments/{experiment}"),
        ("DELETE", f"/experiments/{experiment}"),
    ):
        answer = client.request(method, path, headers=headers, auth=("browser", key))
        assert answer.status_code == 403, (method, path)
        assert "another site" in answer.json()["detail"]
    assert client.get(f"/experiments/{experiment}", auth=("", key)).json()["status"] == "queued"


def test_own_pages_may_and_links_may_be_followed(client: httpx.Client) -> None:
    own = {"Origin": str(client.base_url).rstrip("/"), "Sec-Fetch-Site": "same-origin"}
    assert client.post("/experiments", json=SPEC, headers=own).status_code == 202
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert client.get("/docs", headers=link).status_code == 200
    picture = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
    assert client.get("/catalog", headers=picture).status_code == 403


def test_no_other_origin_may_read(client: httpx.Client) -> None:
    asked = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    for answer in (client.get("/catalog", headers=asked), client.options("/experiments", headers=asked)):
        assert not [name for name in answer.headers if name.startswith("access-control-")]
    assert client.options("/experiments", headers=asked).status_code == 405


def test_a_websocket_is_closed(app: FastAPI) -> None:
    sent: list[dict[str, object]] = []

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    scope = {"type": "websocket", "path": "/experiments", "headers": []}
    asyncio.run(AuthMiddleware(app, app.state.settings, app.state.request_quota)(scope, None, send))  # type: ignore[arg-type]
    assert sent == [{"type": "websocket.close", "code": 1008}]


def test_a_bucket_is_filled_again_steadily() -> None:
    now = 0.0
    rates = RequestQuota(60, lambda: now)
    for _ in range(60):
        rates.take("alice")
    with pytest.raises(QuotaExceeded, match="60 requests a minute") as refused:
        rates.take("alice")
    assert refused.value.retry_after == 1
    rates.take("bob")
    now = 2.0
    for _ in range(2):
        rates.take("alice")
    with pytest.raises(QuotaExceeded):
        rates.take("alice")
    now = 1e6
    for _ in range(60):
        rates.take("alice")
    with pytest.raises(QuotaExceeded):
        rates.take("alice")


class TestShares:
    """What a key may take; the application of these tests has small shares."""

    @pytest.fixture
    def app(self, tmp_path: Path) -> FastAPI:
        return made(tmp_path, max_queued_tasks=7, max_stored_bytes=1_000, requests_a_minute=40)

    @pytest.fixture
    def known(self, client: httpx.Client, tmp_path: Path) -> Iterator[dict[str, httpx.Client]]:
        with people(tmp_path, client) as found:
            yield found

    def test_requests_a_minute(self, known: dict[str, httpx.Client]) -> None:
        answers = [known["alice"].get("/experiments") for _ in range(60)]
        refused = next(answer for answer in answers if answer.status_code != 200)
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) >= 1
        assert refused.json()["type"] == "urn:tgsh:problem:quota-exceeded"
        assert known["bob"].get("/experiments").status_code == 200

    def test_queued_tasks(self, known: dict[str, httpx.Client]) -> None:
        first, _ = submit(known["alice"]), submit(known["alice"])  # three tasks each
        refused = known["alice"].post("/experiments", json=SPEC)
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) > 0
        assert "6 tasks of alice wait or run" in refused.json()["detail"]
        submit(known["bob"])
        known["alice"].post(f"/experiments/{first}/cancel")
        submit(known["alice"])
        resumed = known["alice"].post(f"/experiments/{first}/resume")
        assert resumed.status_code == 429
        assert known["alice"].get(f"/experiments/{first}").json()["status"] == "cancelled"

    def test_stored_bytes(self, known: dict[str, httpx.Client], services: Services) -> None:
        experiment = submit(known["alice"])
        work(services, experiment, 0, 1, width=200)
        refused = known["alice"].post("/experiments", json=SPEC)
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) > 0
        assert "delete some" in refused.json()["detail"]
        submit(known["bob"])
        path = f"/experiments/{experiment}"
        assert known["alice"].post(f"{path}/cancel").status_code == 202
        assert known["alice"].post("/experiments", json=SPEC).status_code == 429
        assert known["alice"].delete(f"{path}?forever=true").status_code == 204
        submit(known["alice"])

    def test_nobody_is_counted_where_there_are_no_keys(self, client: httpx.Client) -> None:
        for _ in range(4):
            cancelled_experiment(client)
            submit(client)
        assert all(client.get("/experiments").status_code == 200 for _ in range(60))
