"""Traces from a submission to its result, as a collector receives them over OTLP."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.support import batch
from tgsh.stack.redis import free_port

CALLER = "4bf92f3577b34da6a3ce929d0e0e4736"
SPEC = {
    "dataset": "mnist5k",
    "suite": {"kind": "rotation", "tasks": 2},
    "training": {"epochs": 1, "train_limit": 50},
}


class Collector:
    """Spans that were received, by name: service, trace, parent and attributes."""

    def __init__(self) -> None:
        self.spans: list[dict[str, Any]] = []
        self.url = ""

    def take(self, body: bytes) -> None:
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            service = {each.key: each.value.string_value for each in resource.resource.attributes}
            for scope in resource.scope_spans:
                for span in scope.spans:
                    values = {each.key: each.value for each in span.attributes}
                    self.spans.append(
                        {
                            "name": span.name,
                            "service": service["service.name"],
                            "trace": span.trace_id.hex(),
                            "id": span.span_id.hex(),
                            "parent": span.parent_span_id.hex(),
                            "attributes": {
                                key: value.string_value or value.int_value for key, value in values.items()
                            },
                        }
                    )

    def named(self, name: str) -> list[dict[str, Any]]:
        return [span for span in self.spans if span["name"] == name]


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector that speaks OTLP over HTTP."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            collector.take(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def api(site: batch.Site) -> Iterator[str]:
    """The API as a process; its URL."""
    port = free_port()
    words = ["uvicorn", "service.app:create_app", "--factory", "--port", str(port), "--ws", "none"]
    with (site.folder / "api.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *words], env=site.environment, stdout=log, stderr=log
        )
    url = f"http://127.0.0.1:{port}"

    def is_up() -> bool:
        try:
            return httpx.get(f"{url}/livez").is_success
        except httpx.TransportError:
            return False

    try:
        site.wait(is_up)
        yield url
    finally:
        process.terminate()
        process.wait()


@pytest.mark.slow
def test_a_trace_goes_from_the_submission_to_the_finish(tmp_path: Path) -> None:
    with collecting() as collector, batch.running(tmp_path) as site:
        site.environment["TGSH_OTLP_ENDPOINT"] = collector.url
        with api(site) as url:
            headers = {"traceparent": f"00-{CALLER}-00f067aa0ba902b7-01"}
            answer = httpx.post(f"{url}/experiments", json=SPEC, headers=headers, timeout=60)
            assert answer.status_code == 202, answer.text
            experiment = answer.json()["id"]
            assert httpx.get(f"{url}/nowhere").status_code == 404
            worker = site.worker("--until-idle", "1s")
            assert worker.wait(batch.SECONDS) == 0, site.log()
            assert httpx.get(f"{url}/experiments/{experiment}/similarity", timeout=60).is_success
    (submission,) = collector.named("POST /experiments")
    assert (submission["trace"], submission["parent"]) == (CALLER, "00f067aa0ba902b7")
    assert submission["service"] == "tgsh-api"
    assert submission["attributes"]["http.response.status_code"] == 202
    assert submission["attributes"]["tgsh.experiment"] == experiment
    jobs = [*collector.named("task"), *collector.named("finish")]
    assert [span["attributes"]["tgsh.task"] for span in jobs] == ["0", "1", "finish"]
    for span in jobs:
        assert (span["service"], span["trace"]) == ("tgsh-worker", CALLER)
        assert span["parent"] == submission["id"]
        assert span["attributes"]["tgsh.experiment"] == experiment
        assert span["attributes"]["tgsh.outcome"] == "completed"
    (result,) = collector.named("GET /experiments/{experiment_id}/similarity")
    assert result["attributes"]["tgsh.experiment"] == experiment
    assert result["trace"] != CALLER, "its caller sent none"
    (unknown,) = collector.named("GET unmatched")
    assert unknown["attributes"]["http.route"] == "unmatched"


def test_nothing_is_imported_where_no_collector_is_named() -> None:
    code = (
        "import sys, service.app, worker.tasks, tgsh.traces as t; app = service.app.create_app()\n"
        "with t.Tracing(None, 'x').span('a', 'server', None, {}) as describe: describe('b', {})\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry.sdk.trace')])\n"
        "print('Tracing' in str(app.user_middleware))"
    )
    environment = {name: value for name, value in os.environ.items() if name != "TGSH_OTLP_ENDPOINT"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout.split("\n") == ["[]", "False", ""], done.stderr
