"""Time until `tgsh --help` has printed and until `tgsh up` is ready."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

import httpx

from tests.benchmarks.table import Row
from tgsh.stack.redis import free_port

TGSH = [sys.executable, "-c", "import sys; from tgsh.cli import app; sys.exit(app())"]
TIMEOUT = 120.0


def rows(rounds: int) -> list[Row]:
    """Medians over rounds."""
    return [
        Row("tgsh --help", "s", _median(rounds, _help)),
        Row("tgsh up until /readyz says 200", "s", _median(rounds, _up)),
    ]


def _median(rounds: int, measure: Callable[[], float]) -> float:
    measure()  # the first one compiles modules and fills the page cache
    return statistics.median(measure() for _ in range(rounds))


def _help() -> float:
    began = time.perf_counter()
    subprocess.run([*TGSH, "--help"], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def _up() -> float:
    """On a new folder, so with the making of the database."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    with tempfile.TemporaryDirectory(prefix="tgsh-benchmark-") as folder, httpx.Client(base_url=url) as http:
        began = time.perf_counter()
        command = [*TGSH, "up", "--port", str(port), "--home", folder]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            while not _is_ready(http):
                if process.poll() is not None or time.perf_counter() - began > TIMEOUT:
                    raise RuntimeError("tgsh up did not become ready")
                time.sleep(0.01)
            return time.perf_counter() - began
        finally:
            process.terminate()
            process.wait()


def _is_ready(http: httpx.Client) -> bool:
    try:
        return http.get("/readyz").status_code == httpx.codes.OK
    except httpx.TransportError:
        return False
