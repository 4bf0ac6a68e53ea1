"""Processes of docker-compose.yml without containers: same commands and environment, other folders, ports."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psutil

from tests.support.compose import ROOT, command, environment, load_compose
from tgsh.stack.redis import find_server, free_port

WORKER = "worker-cpu"


class ComposeStack:
    """Redis, service and worker as processes. Only names that exist inside containers are replaced."""

    def __init__(self, folder: Path, host: str = "127.0.0.1", **settings: str) -> None:
        """settings: TGSH_ variables that differ from those of the compose file."""
        self._folder = folder
        self._host = host
        self._settings = settings
        self._ports = {"redis": free_port(), "service": free_port(), "flower": free_port()}
        self._services = load_compose({"TGSH_REDIS_PASSWORD": "secret", "TGSH_DATA_MOUNT": "data"})[
            "services"
        ]
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self.data_dir = folder / "data"
        self.faults = folder / "faults.json"
        self.url = f"http://127.0.0.1:{self._ports['service']}"
        self.flower_url = f"http://127.0.0.1:{self._ports['flower']}"
        self.redis_url = f"redis://:secret@127.0.0.1:{self._ports['redis']}/0"

    def start(self, name: str, *more: str) -> subprocess.Popen[bytes]:
        """Start one service of the compose file with its command and environment, and `more` words."""
        service = self._services[name]
        words = [self._local(word) for word in command(service)]
        if words[0] == "redis-server":
            folder = self._folder / "redis"
            folder.mkdir(exist_ok=True)
            words = [find_server(), *words[1:], "--port", str(self._ports["redis"]), "--dir", str(folder)]
        else:
            words[0] = str(Path(sys.executable).with_name(words[0]))
        words += more
        with (self._folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                words,
                cwd=self._source(name),  # Celery and uvicorn import from there first
                env=self._environment(name),
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._processes[name] = process
        return process

    def run(self, name: str, *words: str) -> str:
        """Run a command in a service's environment, as `docker compose exec` does; its standard output."""
        program = "import sys; from tgsh.cli import app; sys.exit(app())"
        assert words[0] == "tgsh"
        command = [sys.executable, "-c", program, *words[1:]]
        result = subprocess.run(
            command, env=self._environment(name), capture_output=True, text=True, timeout=60, check=False
        )
        assert result.returncode == 0, result.stderr
        return result.stdout

    def wait_until_ready(self, seconds: float = 60) -> None:
        """Wait until /readyz reports that store, queue, disk and a worker are ready."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for name, process in self._processes.items():
                assert process.poll() is None, (self._folder / f"{name}.log").read_text()
            try:
                if httpx.get(f"{self.url}/readyz", timeout=60).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        raise AssertionError("\n".join(path.read_text()[-2000:] for path in self._folder.glob("*.log")))

    def family(self, name: str) -> list[psutil.Process]:
        """Process of a service, and its children."""
        parent = psutil.Process(self._processes[name].pid)
        return [parent, *parent.children(recursive=True)]

    def log(self, name: str) -> str:
        """Log of a service so far."""
        return (self._folder / f"{name}.log").read_text()

    def stop(self, name: str, seconds: float = 30) -> None:
        """Stop a service as `docker compose stop` does: SIGTERM, then wait (less than the compose file)."""
        process = self._processes.pop(name)
        process.send_signal(signal.SIGTERM)
        process.wait(seconds)

    def kill(self) -> None:
        """Kill all processes that still run."""
        for process in self._processes.values():
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _environment(self, name: str) -> dict[str, str]:
        declared = {key: self._local(value) for key, value in environment(self._services[name]).items()}
        # NUMBA_CACHE_DIR: else FlyNet is compiled anew in the home of each stack.
        names = ("PATH", "HOME", "LANG", "NUMBA_CACHE_DIR")
        inherited = {key: os.environ[key] for key in names if key in os.environ}
        return {
            **inherited,
            **declared,
            **self._settings,
            "TGSH_TEST_FAULTS": str(self.faults),
            "PYTHONPATH": str(self._source(name)),
        }

    def _source(self, name: str) -> Path:
        """The checkout whose code a service runs."""
        return ROOT

    def _local(self, word: str) -> str:
        """A container's host names, ports and folders as this machine's."""
        replacements = {
            "@redis:6379": f"@127.0.0.1:{self._ports['redis']}",
            "/var/lib/tgsh": str(self._folder / "home"),
            "/srv/datasets": str(self.data_dir),
            "0.0.0.0": self._host,  # by default not so that the whole network reaches it
        }
        if word == "8000":
            return str(self._ports["service"])
        if word == "5555":
            return str(self._ports["flower"])
        for name, local in replacements.items():
            word = word.replace(name, local)
        return word
