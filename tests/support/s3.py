"""Temporary S3 server (moto) in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tgsh.stack.redis import free_port


@contextmanager
def running_s3(folder: Path) -> Iterator[dict[str, str]]:
    """The environment by which fsspec finds a server that lives as long as the block."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with (folder / "s3.log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "moto.server", "-p", str(port)],
            env={"PATH": os.environ["PATH"], "MOTO_S3_CUSTOM_ENDPOINTS": url},
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
