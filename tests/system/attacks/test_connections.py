"""Connections that never end, heads and bodies that are never whole: bounded, answered, logged in a line."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Iterator

import httpx
import pytest

import service.protocol
from tests.support.wire import exchange, get, post, read_response, send
from tests.system.attacks.conftest import Service

pytestmark = pytest.mark.attacks

MB = 1 << 20
CHUNKED = b"POST /experiments HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"


def head(*lines: str) -> bytes:
    return "\r\n".join(["POST /experiments HTTP/1.1", "Host: localhost", *lines, "", ""]).encode()


HEADS = {
    "a long path": (get("/" + "a" * MB),),
    "a long query": (get("/experiments?q=" + "a" * MB),),
    "a long header": (get("/livez", "X: " + "a" * MB),),
    "an endless header": (b"GET /livez HTTP/1.1\r\nX: ", *[b"a" * MB] * 64),
    "an endless name of a header": (b"GET /livez HTTP/1.1\r\n", *[b"a" * MB] * 64),
    "thousands of headers": (get("/livez", *(f"X-{n}: a" for n in range(5_000))),),
    "endless headers": (b"GET /livez HTTP/1.1\r\n", *[b"X: " + b"a" * 1000 + b"\r\n"] * 64_000),
    "an endless extension of a chunk": (CHUNKED + b"2;", *[b"a" * MB] * 64),
    "endless trailers": (CHUNKED + b"2\r\n{}\r\n0\r\n", *[b"X: " + b"a" * 1000 + b"\r\n"] * 64_000),
}


@pytest.mark.parametrize("name", HEADS)
def test_a_head_has_a_size(service: Service, name: str) -> None:
    before = service.memory
    found = exchange(service.address, *HEADS[name])
    assert found.status == 431
    assert found.problem["type"] == "urn:tgsh:problem:head-too-large"
    assert service.memory - before < 32 * MB


NOT_HTTP = {
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 32,
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "two lengths": head("Content-Length: 2", "Content-Length: 1") + b"{}",
    "a length and chunks": head("Content-Length: 2", "Transfer-Encoding: chunked") + b"2\r\n{}\r\n0\r\n\r\n",
    "chunked twice": head("Transfer-Encoding: chunked, chunked", "Content-Length: 5") + b"0\r\n\r\n",
    "a negative length": head("Content-Length: -1"),
    "a length in words": head("Content-Length: two"),
    "a length beyond 64 bits": head(f"Content-Length: {10**30}"),
    "NUL in a header": get("/livez", "X: a\0b"),
    "NUL in the path": get("/live\0z"),
    "a bare line feed in a header": get("/livez", "X: a\nY: b\x01\x02: c"),
    "a space before the colon": get("/livez", "X : a"),
    "CONNECT": b"CONNECT tgsh:80 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "another version": b"GET /livez HTTP/9.9\r\nHost: localhost\r\n\r\n",
}


@pytest.mark.parametrize("name", NOT_HTTP)
def test_what_is_no_http_is_told_so(service: Service, name: str) -> None:
    found = exchange(service.address, NOT_HTTP[name])
    assert found.status == 400
    assert found.problem["detail"] == "what was sent is no HTTP/1.1 request"
    assert found.headers["connection"] == "close"


def test_an_endless_body_is_read_to_the_limit(service: Service) -> None:
    chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
    before = service.memory
    for method in (b"POST /experiments", b"GET /experiments", b"DELETE /experiments/" + b"f" * 16, b"PUT /"):
        head = method + b" HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        with socket.create_connection(service.address, timeout=20) as connection:
            sent = send(connection, [head, *[chunk] * 2_000])
            found = read_response(connection)
        assert found.status == 413
        assert found.problem["errors"][0]["field"] == "body"
        assert sent < 64 * MB, "it went on reading"
    assert service.memory - before < 32 * MB


def test_a_promised_body_is_refused_before_it_comes(service: Service) -> None:
    found = exchange(service.address, head(f"Content-Length: {10**15}"))
    assert found.status == 413
    expecting = exchange(service.address, head(f"Content-Length: {10**9}", "Expect: 100-continue"))
    assert expecting.status == 413


def test_trailers_are_no_headers(service: Service) -> None:
    trailed = CHUNKED + b"2\r\n{}\r\n0\r\nContent-Type: application/json\r\n\r\n"
    assert exchange(service.address, trailed).status == 422
    typed = CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Type: application/json\r\n\r\n")
    found = exchange(service.address, typed + b"2\r\n{}\r\n0\r\n\r\n")
    assert found.status == 202
    httpx.delete(service.url + found.headers["location"], timeout=60)


def test_ranges_are_not_cut_out(service: Service) -> None:
    ranges = ",".join(f"{n}-{n}" for n in range(3_000))
    found = exchange(service.address, get("/catalog", f"Range: bytes={ranges}"))
    assert (found.status, found.headers["content-type"]) == (200, "application/json")


def test_a_websocket_is_not_opened(service: Service) -> None:
    wanted = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13")
    found = exchange(service.address, get("/livez", *wanted, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="))
    assert found.status == 200


def test_requests_in_a_pipeline_are_answered_in_order_and_in_little_memory(service: Service) -> None:
    before = service.memory
    with socket.create_connection(service.address, timeout=30) as connection:
        connection.sendall(get("/livez") * 300 + get("/nowhere", "Connection: close"))
        with connection.makefile("rb") as stream:
            found = stream.read()
    assert found.count(b"HTTP/1.1 200 OK") == 300
    assert found.rindex(b"HTTP/1.1 404") > found.rindex(b"HTTP/1.1 200")
    assert service.memory - before < 32 * MB


def test_who_is_slow_is_told_so(attacked: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service.protocol, "HEAD_SECONDS", 0.3)
    address = (attacked.base_url.host, attacked.base_url.port or 0)
    for said in (b"", b"G", b"GET /livez HTTP/1.1\r\nX: a\r\n", get("/livez")):
        with socket.create_connection(address, timeout=20) as connection:
            connection.sendall(said)
            if said.endswith(b"\r\n\r\n"):
                assert read_response(connection).status == 200
                connection.sendall(b"\r\n")  # keeps it open, as far as uvicorn is concerned
            assert read_response(connection).status == 408
            assert connection.recv(1) == b""


def test_a_slow_body_has_a_deadline(started: Callable[..., Service]) -> None:
    running = started(TGSH_MAX_BODY_SECONDS="0.5")
    with socket.create_connection(running.address, timeout=20) as connection:
        connection.sendall(head("Content-Length: 1000", "Content-Type: application/json") + b"{")
        found = read_response(connection)
    assert found.status == 408
    assert found.problem["type"] == "urn:tgsh:problem:too-slow"
    assert "refused POST /experiments from 127.0.0.1: TooSlow" in running.logged()


@contextlib.contextmanager
def many(address: tuple[str, int], count: int, said: bytes) -> Iterator[list[socket.socket]]:
    """So many connections, which say that and then nothing."""
    with contextlib.ExitStack() as stack:
        opened = []
        for _ in range(count):
            connection = stack.enter_context(socket.create_connection(address, timeout=20))
            connection.sendall(said)
            opened.append(connection)
        yield opened


def status_of(connection: socket.socket) -> int:
    return int(connection.recv(65536).split(b" ", 2)[1])


def test_event_streams_are_bounded(started: Callable[..., Service]) -> None:
    running = started(TGSH_MAX_STREAMS="40", TGSH_MAX_STREAMS_PER_CLIENT="30")
    made = httpx.post(f"{running.url}/experiments", json={"preset": "demo"}, timeout=60)
    before = running.memory
    events = get(f"{made.headers['location']}/events")
    with many(running.address, 200, events) as opened:
        statuses = [status_of(connection) for connection in opened]
        assert statuses.count(200) == 30
        assert statuses.count(503) == 170
        refused = httpx.get(f"{running.url}{made.headers['location']}/events", timeout=60)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
        assert refused.headers["content-type"] == "application/problem+json"
        assert httpx.get(f"{running.url}{made.headers['location']}", timeout=60).status_code == 200
        assert running.memory - before < 100 * MB
    for _ in range(100):  # those who left make room
        with many(running.address, 1, events) as [again]:
            if status_of(again) == 200:
                return
        time.sleep(0.1)
    raise AssertionError("no stream was given back")


def test_connections_are_bounded(started: Callable[..., Service]) -> None:
    running = started()
    most = service.protocol.MAX_CONNECTIONS
    before = running.memory
    with many(running.address, most, b""):
        found = exchange(running.address, get("/livez"))
        assert (found.status, found.headers["retry-after"]) == (503, "5")
        assert found.problem["type"] == "urn:tgsh:problem:busy"
    assert running.memory - before < 100 * MB
    for _ in range(100):
        if exchange(running.address, get("/livez")).status == 200:
            return
        time.sleep(0.1)
    raise AssertionError("no connection was given back")


def test_a_refusal_is_one_line_without_the_body(started: Callable[..., Service]) -> None:
    running = started()
    secret = b"not-for-the-log"
    path = "/experiments/%0d%0aERROR%20forged%1b%5b31m%e2%80%a8x"
    requests = [
        post(path, secret, "Content-Encoding: gzip"),
        head(f"Content-Length: {10**12}") + secret,
        get("/livez", "X: " + "a" * 100_000 + secret.decode()),
        b"\x16\x03\x01" + secret,
    ]
    for request in requests:
        exchange(running.address, request)
    lines = [line for line in running.logged().splitlines() if "refused" in line]
    assert len(lines) == len(requests)
    assert secret.decode() not in running.logged()
    assert "\x1b" not in running.logged()
    assert "\u2028" not in running.logged()
    assert not [line for line in running.logged().splitlines() if line.startswith("ERROR forged")]
    assert r"\r\nERROR forged\x1b[31m\u2028x" in lines[0]
    assert "UnsupportedEncoding" in lines[0]
    assert "BodyTooLarge" in lines[1]
    assert "HeadTooLarge" in lines[2]
    assert "BadHttp" in lines[3]
