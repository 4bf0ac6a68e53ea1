"""Webhooks from the submission to a real receiver: signed, repeated, never to where they may not go."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from service.app import create_app
from service.dependencies import Services
from service.settings import ServiceSettings
from tests.api.conftest import SPEC, finish, work
from tgsh.webhooks import AllowedHosts
from worker.webhooks import WebhookDelivery

HOSTS = "localhost,127.0.0.1,hooks.example.org"


class Receiver(ThreadingHTTPServer):
    """What it got: paths, headers and bodies; answers in turn, the last one for ever."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        self.answers = [200]

    def url(self, path: str = "/hook", host: str = "localhost") -> str:
        return f"http://{host}:{self.server_address[1]}{path}"


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        receiver = self.server
        assert isinstance(receiver, Receiver)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        receiver.got.append((self.path, {name.lower(): text for name, text in self.headers.items()}, body))
        status = receiver.answers.pop(0) if len(receiver.answers) > 1 else receiver.answers[0]
        self.send_response(status)
        if status == 302:
            self.send_header("Location", receiver.url("/elsewhere"))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def app(tmp_path: Path, migrated_sqlite: Path, monkeypatch: pytest.MonkeyPatch) -> FastAPI:
    (tmp_path / migrated_sqlite.name).write_bytes(migrated_sqlite.read_bytes())
    monkeypatch.setenv("TGSH_WEBHOOK_HOSTS", HOSTS)
    return create_app(ServiceSettings(home=tmp_path, redis_url=SecretStr("redis://127.0.0.1:1/0")))


def delivery(
    services: Services, hosts: str = HOSTS, waits: tuple[float, ...] = (0.0, 0.0)
) -> WebhookDelivery:
    return WebhookDelivery(services.database, hosts.split(","), services.settings.webhook_key, waits)


def submitted(client: httpx.Client, url: str) -> dict[str, Any]:
    answer = client.post("/experiments", params={"anew": True}, json={**SPEC, "webhook": url})
    assert answer.status_code == 202, answer.text
    return dict(answer.json())


def state(client: httpx.Client, path: str) -> dict[str, Any]:
    (only,) = client.get(f"{path}/webhooks").json()["items"]
    return dict(only)


def test_an_end_is_told_signed_and_again_until_it_is_taken(
    client: httpx.Client, services: Services, receiver: Receiver
) -> None:
    made = submitted(client, receiver.url())
    plain = client.post("/experiments", params={"anew": True}, json=SPEC).json()
    assert made["digest"] == plain["digest"]
    assert "webhook" not in made["spec"]
    path, sender = f"/experiments/{made['id']}", delivery(services)
    assert (sender.deliver(), state(client, path)["status"]) == (0, "waiting")
    work(services, made["id"], 0, 1, 2)
    finish(services, made["id"])
    receiver.answers = [500, 302, 200]
    assert sender.deliver() == 1
    assert (state(client, path)["status"], state(client, path)["response"]) == ("due", 500)
    assert sender.deliver() == 1
    assert "redirects are not followed" in state(client, path)["reason"]
    assert sender.deliver() == 1
    ended = state(client, path)
    assert (ended["status"], ended["attempts"], ended["response"]) == ("delivered", 3, 200)
    assert (ended["reason"], ended["next_at"], ended["url"]) == (None, None, receiver.url())
    assert sender.deliver() == 0
    assert [got[0] for got in receiver.got] == ["/hook"] * 3
    assert len({headers["webhook-id"] for _, headers, _ in receiver.got}) == 1
    _, headers, body = receiver.got[-1]
    told = {"id": made["id"], "name": "three", "status": "completed", "reason": None, "mean_accuracy": 0.25}
    assert json.loads(body)["data"] == told
    key_file = services.settings.webhook_key
    assert key_file.stat().st_mode & 0o777 == 0o600
    key = base64.b64decode(key_file.read_text().strip().removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert headers["host"].startswith("localhost:")


def test_it_is_given_up_after_so_many_attempts(
    client: httpx.Client, services: Services, receiver: Receiver
) -> None:
    made = submitted(client, receiver.url())
    client.post(f"/experiments/{made['id']}/cancel")
    receiver.answers = [503]
    sender = delivery(services)
    assert [sender.deliver() for _ in range(4)] == [1, 1, 1, 0]
    ended = state(client, f"/experiments/{made['id']}")
    assert (ended["status"], ended["attempts"], ended["reason"]) == ("failed", 3, "it answered 503")
    client.post(f"/experiments/{made['id']}/resume")
    client.post(f"/experiments/{made['id']}/cancel")  # it ends again: told again, later after a failure
    slow = delivery(services, waits=(3600.0,))
    assert [slow.deliver(), slow.deliver()] == [1, 0]


def test_a_study_is_told_when_all_have_ended(
    client: httpx.Client, services: Services, receiver: Receiver
) -> None:
    body = {"spec": SPEC, "replicates": {"seeds": 2}, "webhook": receiver.url("/study")}
    study = client.post("/studies", json=body).json()
    first, second = (member["experiment"] for member in study["members"])
    sender = delivery(services)
    client.post(f"/experiments/{first}/cancel")
    assert sender.deliver() == 0
    client.post(f"/experiments/{second}/cancel")
    assert sender.deliver() == 1
    told = json.loads(receiver.got[0][2])
    assert (told["type"], told["data"]["id"]) == ("study.ended", study["id"])
    assert told["data"]["experiments"] == {"cancelled": 2}
    assert state(client, f"/studies/{study['id']}")["status"] == "delivered"


def test_private_addresses_are_not_connected_to(
    client: httpx.Client, services: Services, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = submitted(client, receiver.url(host="hooks.example.org"))
    client.post(f"/experiments/{made['id']}/cancel")
    looked: list[str] = []

    def rebound(host: str, port: int, **_: object) -> list[Any]:
        looked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr("worker.webhooks.look_up", rebound)
    assert delivery(services, "hooks.example.org", waits=(0.0,) * 9).deliver() == 1
    assert receiver.got == []
    reason = state(client, f"/experiments/{made['id']}")["reason"]
    assert "hooks.example.org is 127.0.0.1: private addresses must be named" in reason
    assert delivery(services).deliver() == 1  # where the address is named, too
    assert looked == ["hooks.example.org"] * 2  # once an attempt: it connects to the address that was checked
    assert receiver.got[0][1]["host"].startswith("hooks.example.org:")


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "169.254.169.254", "100.64.0.1", "0.0.0.0", "::1", "fe80::1%eth0", "fd00::1",
     "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "224.0.0.1"],
)  # fmt: skip
def test_addresses_that_are_not_public(address: str) -> None:
    assert not AllowedHosts.parse(["hooks.example.org"]).permits(address)
    assert AllowedHosts.parse([]).permits("93.184.216.34")
    assert AllowedHosts.parse(["10.0.0.0/8"]).permits("10.1.2.3")


def test_what_is_no_webhook_is_refused(client: httpx.Client) -> None:
    for url, words in {
        "https://other.example.org/x": "which the administrator does not allow",
        "ftp://localhost/x": "must be a URL such as",
        "http://user:pw@localhost/": "no user name",
        "http://10.0.0.1/": "which the administrator does not allow",
        "http://localhost:99999/": "is no URL",
        "nonsense": "must be a URL such as",
    }.items():
        for path, body in (("/experiments", SPEC), ("/studies", {"spec": SPEC})):
            refused = client.post(path, json={**body, "webhook": url})
            assert refused.status_code == 422
            assert refused.json()["errors"][0]["field"] == "webhook"
            assert words in refused.json()["errors"][0]["message"]
    assert "the administrator allows no host" in str(AllowedHosts().refusal("https://hooks.example.org/"))
