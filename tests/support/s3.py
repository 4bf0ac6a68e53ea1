"""Temporary S3 server (moto) in a process of its own, which refuses what it is told to refuse.

It checks no signature; `tests.support.ceph` does.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.compose import ROOT
from tgsh.stack.redis import free_port

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import fsspec.config

REFUSAL = "refusal"
"""File in the server's folder. "403": nothing is deleted. "keep": the same, told within a 200, as AWS does
where a policy protects single objects. "full": nothing is written, as where a disk is full."""


@contextmanager
def running_s3(folder: Path) -> Iterator[dict[str, str]]:
    """The environment by which fsspec finds a server that lives as long as the block."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with (folder / "s3.log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "tests.support.s3", str(port), str(folder / REFUSAL)],
            env={"PATH": os.environ["PATH"], "MOTO_S3_CUSTOM_ENDPOINTS": url, "PYTHONPATH": str(ROOT)},
            stdout=log,
            stderr=log,
        )
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                httpx.get(f"{url}/moto-api/", timeout=5)
                break
            except httpx.TransportError:
                assert server.poll() is None, (folder / "s3.log").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.05)
        yield {
            "FSSPEC_S3_ENDPOINT_URL": url,
            "FSSPEC_S3_KEY": "a-key",
            "FSSPEC_S3_SECRET": "a-secret",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
    finally:
        server.kill()
        server.wait()


@contextmanager
def s3_in_process(folder: Path) -> Iterator[dict[str, str]]:
    """`running_s3`, with fsspec of this process set to it as the environment of a service sets it."""
    with running_s3(folder) as environment, fsspec_set_to(environment):
        yield environment


@contextmanager
def fsspec_set_to(environment: Mapping[str, str]) -> Iterator[None]:
    """fsspec of this process as a service's is where it is started in this environment."""
    with pytest.MonkeyPatch.context() as patch:
        conf: dict[str, dict[str, object]] = {}
        fsspec.config.set_conf_env(conf, dict(environment))
        patch.setitem(fsspec.config.conf, "s3", conf["s3"])
        patch.setenv("AWS_DEFAULT_REGION", environment["AWS_DEFAULT_REGION"])
        yield


def _serve(port: int, refusal: Path) -> None:
    from moto.moto_server.werkzeug_app import (
        DomainDispatcherApplication,
        MotoRequestHandler,
        create_backend_app,
    )
    from werkzeug.serving import run_simple

    moto = DomainDispatcherApplication(create_backend_app)

    def application(environ: dict[str, Any], start_response: Any) -> Any:
        is_full = refusal.exists() and refusal.read_text() == "full"
        if is_full and environ["REQUEST_METHOD"] in ("PUT", "POST") and environ["QUERY_STRING"] != "delete":
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            start_response("507 Insufficient Storage", [("Content-Type", "application/xml")])
            return [b"<Error><Code>XMinioStorageFull</Code><Message>the disk is full</Message></Error>"]
        deletes_many = environ["REQUEST_METHOD"] == "POST" and environ["QUERY_STRING"].startswith("delete")
        if is_full or not refusal.exists() or not (deletes_many or environ["REQUEST_METHOD"] == "DELETE"):
            return moto(environ, start_response)
        denied = "<Code>AccessDenied</Code><Message>Access Denied</Message>"
        if deletes_many and refusal.read_text() == "keep":
            body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])).decode()
            errors = "".join(f"<Error>{key}{denied}</Error>" for key in re.findall("<Key>.*?</Key>", body))
            start_response("200 OK", [("Content-Type", "application/xml")])
            return [f"<DeleteResult>{errors}</DeleteResult>".encode()]
        start_response("403 Forbidden", [("Content-Type", "application/xml")])
        return [f"<Error>{denied}</Error>".encode()]

    run_simple("127.0.0.1", port, application, threaded=True, request_handler=MotoRequestHandler)


if __name__ == "__main__":
    _serve(int(sys.argv[1]), Path(sys.argv[2]))
