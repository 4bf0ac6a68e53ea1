"""GET /similarity against a bare FastAPI route that returns the same bytes, each behind its own uvicorn."""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import psutil

from tests.benchmarks.stored import finished_experiment
from tests.benchmarks.table import Row
from tgsh.stack.redis import free_port

TASKS = 36
LATENCIES, SECONDS, ROUNDS = 1_000, 2.0, 5

BARE = """
from pathlib import Path
from fastapi import FastAPI, Response
app = FastAPI()
body = Path({body!r}).read_bytes()
@app.get("/experiments/{{experiment_id}}/similarity")
async def similarity(experiment_id: str) -> Response:
    return Response(body, media_type="application/json")
"""


def rows() -> list[Row]:
    """Latency and requests a second of tgsh and the bare route, round by round in turn; and of the 304."""
    with TemporaryDirectory() as folder:
        home = Path(folder)
        experiment_id = finished_experiment(home, TASKS)
        path = f"/experiments/{experiment_id}/similarity"
        protocol = ("--factory", "--http", "service.protocol:Bounded", "--ws", "none")
        with served("service.app:create_app", home, *protocol) as ours:
            first = httpx.get(f"{ours}{path}")
            (home / "body.json").write_bytes(first.content)
            (home / "bare.py").write_text(BARE.format(body=str(home / "body.json")))
            with served("bare:app", home, "--app-dir", str(home)) as bare:
                condition = f"If-None-Match: {first.headers['ETag']}\r\n"
                return _compare(ours, bare, path, condition)


def _compare(ours: str, bare: str, path: str, condition: str) -> list[Row]:
    kinds = {"200": (ours, ""), "304": (ours, condition), "bare": (bare, ""), "first": (ours, "")}
    latency: dict[str, list[float]] = {kind: [] for kind in kinds}
    rate: dict[str, list[float]] = {kind: [] for kind in kinds}
    for _ in range(ROUNDS):
        for kind, (url, header) in kinds.items():
            latency[kind].append(_latency(url, path, header, anew=kind == "first"))
            if kind != "first":
                rate[kind].append(_rate(url, path, header))
    p50 = {kind: statistics.median(values) for kind, values in latency.items()}
    per_second = {kind: statistics.median(values) for kind, values in rate.items() if values}
    return [
        Row(
            "GET /similarity, T = 36, p50", "ms", p50["200"] * 1e3, p50["bare"] * 1e3, "a bare FastAPI route"
        ),
        Row(
            "the same, asked for the first time, p50",
            "ms",
            p50["first"] * 1e3,
            p50["bare"] * 1e3,
            "a bare FastAPI route",
        ),
        Row("GET /similarity, 304, p50", "ms", p50["304"] * 1e3, p50["200"] * 1e3, "the answer in full"),
        Row(
            "GET /similarity, by the API's processor",
            "/s",
            per_second["200"],
            per_second["bare"],
            "a bare FastAPI route",
        ),
        Row(
            "GET /similarity, 304, likewise", "/s", per_second["304"], per_second["200"], "the answer in full"
        ),
    ]


def _latency(url: str, path: str, header: str, *, anew: bool) -> float:
    """Median seconds of consecutive requests on one connection; anew: each with another query."""
    with _Connection(url, path, header) as connection:
        times = []
        for number in range(LATENCIES):
            began = time.perf_counter()
            connection.request(f"?number={number}" if anew else "")
            times.append(time.perf_counter() - began)
    return statistics.median(times)


def _rate(url: str, path: str, header: str) -> float:
    """Requests that the server handles in a second of processor time: no client is fast enough to fill it."""
    server = _listening(url)
    with _Connection(url, path, header) as connection:
        before, count, deadline = _processor_seconds(server), 0, time.perf_counter() + SECONDS
        while time.perf_counter() < deadline:
            connection.request()
            count += 1
        return count / (_processor_seconds(server) - before)


def _listening(url: str) -> psutil.Process:
    port = int(url.rsplit(":", 1)[1])
    for process in psutil.Process().children(recursive=True):
        if any(c.laddr.port == port for c in process.net_connections() if c.status == psutil.CONN_LISTEN):
            return process
    raise RuntimeError(f"nothing listens at {url}")


def _processor_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


class _Connection:
    """Minimal HTTP client, so that the server is what is measured."""

    def __init__(self, url: str, path: str, header: str) -> None:
        host, port = url.removeprefix("http://").split(":")
        self._socket = socket.create_connection((host, int(port)))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._path, self._headers = path, f"Host: {host}\r\n{header}\r\n"

    def __enter__(self) -> _Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def request(self, query: str = "") -> None:
        """Send the request and read the whole response."""
        self._socket.sendall(f"GET {self._path}{query} HTTP/1.1\r\n{self._headers}".encode())
        received = b""
        while b"\r\n\r\n" not in received:
            received += self._socket.recv(1 << 16)
        head, _, body = received.partition(b"\r\n\r\n")
        assert head.split(None, 2)[1] in (b"200", b"304"), head
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        missing = int(fields.get(b"content-length", b"0")) - len(body)
        while missing > 0:
            missing -= len(self._socket.recv(min(missing, 1 << 20)))


@contextmanager
def served(app: str, home: Path, *options: str) -> Iterator[str]:
    """The URL of an application behind a uvicorn of its own."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", app, "--port", str(port), "--log-level", "error", *options]
    settings = {"TGSH_HOME": str(home), "TGSH_REDIS_URL": "redis://127.0.0.1:1/0"}
    with subprocess.Popen([*command, "--no-access-log"], env=os.environ | settings) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            _wait(url)
            yield url
        finally:
            process.terminate()


def _wait(url: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            httpx.get(f"{url}/livez")
            return
        except httpx.TransportError:
            time.sleep(0.05)
    raise TimeoutError(url)
