"""How soon `tgsh --help` answers, and `tgsh up` is ready: medians, as a person sees them."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

import httpx

from tgsh.embedded.ports import free_port

TGSH = [sys.executable, "-c", "import sys; from tgsh.cli import app; sys.exit(app())"]
PATIENCE = 120.0


def report(rounds: int) -> str:
    """Seconds: the median, then all of them."""
    lines = [f"load of this machine at the start: {os.getloadavg()[0]:.1f}"]
    for name, measure in (("tgsh --help", _help), ("tgsh up until /readyz says 200", _up)):
        lines.append(f"{name}, s: {_median(rounds, measure)}")
    return "\n".join(lines)


def _median(rounds: int, measure: Callable[[], float]) -> str:
    measure()  # the first one compiles modules and fills the page cache
    seconds = sorted(measure() for _ in range(rounds))
    return f"{statistics.median(seconds):.2f} ({', '.join(f'{value:.2f}' for value in seconds)})"


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
                if process.poll() is not None or time.perf_counter() - began > PATIENCE:
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
