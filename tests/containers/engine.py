"""Container engine of a test's own: its daemon, folders and networks apart from all others of the machine."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

BRIDGE, POOL = "10.231.0.1/24", "10.231.128.0/17"
GATEWAY = BRIDGE.partition("/")[0]
"""Address of this machine, as containers and builds see it."""

INTERFACE = "tgsh-test0"
GROUP = "tgsh-test"
"""Control group of all its containers."""

GROUPS = Path("/sys/fs/cgroup")
WEIGHT = 2048 * (os.cpu_count() or 1)
"""Its share of the processors. A busy process has 1024; so have, left alone, all containers together."""

PACKAGES = "docker.io buildah mmdebstrap iptables iproute2"
COMPOSE_SUITE = "trixie"
"""Release of Debian whose docker-compose is the plugin (2.26); that of bookworm is the old program."""


class Unavailable(Exception):
    """Part that this machine lacks, with what would bring it."""


def run(*words: str | Path, seconds: float = 600, quiet: bool = False, **options: Any) -> str:
    """Standard output of a command. Raises AssertionError, with all that it said, where it fails."""
    done = subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, timeout=seconds, check=False, **options
    )
    if done.returncode and not quiet:
        raise AssertionError(
            f"{' '.join(map(str, words))}: exit status {done.returncode}\n"
            f"{done.stdout[-3000:]}{done.stderr[-3000:]}"
        )
    return done.stdout


def require() -> None:
    """Raise Unavailable, in one line, where no engine can run here."""
    if os.geteuid() != 0:
        raise Unavailable("an engine of its own needs root")
    lacking = [
        name for name in ("dockerd", "docker", "mmdebstrap", "iptables", "ip") if shutil.which(name) is None
    ]
    if lacking:
        raise Unavailable(f"no {', '.join(lacking)}: apt-get install -y --no-install-recommends {PACKAGES}")


class Engine:
    """dockerd with folders of its own. Context manager: ends the daemon and unmounts what it left.

    A daemon that runs in the folder already, of another process, is used, and left as it is.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = folder / "docker.sock"
        self._config = folder / "client"
        self._daemon: subprocess.Popen[bytes] | None = None
        # The client of the engine's own package: a newer one wants a plugin for building.
        debian = Path("/usr/bin/docker")
        self.client = str(debian) if debian.exists() else str(shutil.which("docker"))

    def __enter__(self) -> Engine:
        require()
        self.folder.mkdir(parents=True, exist_ok=True)
        plugins = self._config / "cli-plugins"
        plugins.mkdir(parents=True, exist_ok=True)
        if not (plugins / "docker-compose").exists():
            shutil.copy(compose_plugin(self.folder), plugins / "docker-compose")
        if self._answers():
            return self
        words = ["dockerd", "--data-root", self.folder / "root", "--exec-root", self.folder / "exec"]
        words += ["-H", f"unix://{self.socket}", "--pidfile", self.folder / "dockerd.pid"]
        run("ip", "link", "add", INTERFACE, "type", "bridge", quiet=True)  # other engines have theirs
        run("ip", "address", "add", BRIDGE, "dev", INTERFACE, quiet=True)
        run("ip", "link", "set", INTERFACE, "up")
        words += ["--bridge", INTERFACE, "--default-address-pool", f"base={POOL},size=24"]
        if (GROUPS / "cpu/cpu.shares").exists():
            (GROUPS / "cpu" / GROUP).mkdir(exist_ok=True)
            (GROUPS / "cpu" / GROUP / "cpu.shares").write_text(str(WEIGHT))
            words += ["--cgroup-parent", f"/{GROUP}"]
        forwards = "-P FORWARD ACCEPT" in run("iptables", "-S", "FORWARD", quiet=True)
        with (self.folder / "dockerd.log").open("wb") as log:
            self._daemon = subprocess.Popen(words, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + 60
        while not self._answers():
            if self._daemon.poll() is not None or time.monotonic() > deadline:
                said = (self.folder / "dockerd.log").read_text()[-1500:]
                self.__exit__()
                raise Unavailable(f"dockerd does not run here: {said}")
            time.sleep(0.2)
        if forwards:  # the daemon may forbid it, to all of the machine and for longer than it runs itself
            run("iptables", "-P", "FORWARD", "ACCEPT")
        return self

    def _answers(self) -> bool:
        return self.socket.exists() and self.status("version") == 0

    def __exit__(self, *_: object) -> None:
        if self._daemon is None:
            return
        if self._daemon.poll() is None:
            self._daemon.terminate()
            try:
                self._daemon.wait(60)
            except subprocess.TimeoutExpired:
                self._daemon.kill()
                self._daemon.wait()
        run("ip", "link", "delete", INTERFACE, quiet=True)
        for group in GROUPS.glob(f"*/{GROUP}"):
            for folder, _, _ in os.walk(group, topdown=False):
                with contextlib.suppress(OSError):  # a process of ours that has not ended yet
                    Path(folder).rmdir()
        for line in reversed(Path("/proc/mounts").read_text().splitlines()):
            if (place := line.split()[1]).startswith(f"{self.folder}/"):
                run("umount", "-l", place, quiet=True)

    def environment(self, more: Mapping[str, str] = {}) -> dict[str, str]:  # only read
        """Variables of its client: nothing of ours that compose would fill in."""
        names = ("PATH", "HOME", "LANG", "SSL_CERT_FILE")
        inherited = {name: os.environ[name] for name in names if name in os.environ}
        own = {
            "DOCKER_HOST": f"unix://{self.socket}",
            "DOCKER_CONFIG": str(self._config),
            "DOCKER_BUILDKIT": "1",
        }
        return {**inherited, **own, **more}

    def docker(self, *words: str | Path, seconds: float = 600, quiet: bool = False, **options: Any) -> str:
        """Standard output of a command of its client."""
        return run(self.client, *words, seconds=seconds, quiet=quiet, env=self.environment(), **options)

    def status(self, *words: str | Path, seconds: float = 600) -> int:
        """Exit status of a command of its client."""
        done = subprocess.run(
            [self.client, *map(str, words)],
            env=self.environment(),
            capture_output=True,
            timeout=seconds,
            check=False,
        )
        return done.returncode

    def inspect(self, name: str) -> dict[str, Any]:
        """All about a container or an image."""
        (found,) = json.loads(self.docker("inspect", name))
        return dict(found)

    def build(self, tag: str, dockerfile: str, files: Mapping[str, bytes] = {}) -> None:  # only read
        """Build an image from a few lines and files."""
        context = self.folder / "context" / tag.replace("/", "_").replace(":", "_")
        context.mkdir(parents=True, exist_ok=True)
        (context / "Dockerfile").write_text(dockerfile)
        for name, content in files.items():
            (context / name).write_bytes(content)
        self.docker("build", "--tag", tag, context, seconds=1200)


def compose_plugin(folder: Path) -> Path:
    """The compose plugin of this machine, else that of a later Debian, unpacked below the folder."""
    places = (
        "/usr/libexec/docker/cli-plugins",
        "/usr/lib/docker/cli-plugins",
        "/usr/local/lib/docker/cli-plugins",
    )
    for place in map(Path, places):
        if (place / "docker-compose").exists():
            return place / "docker-compose"
    unpacked = folder / "compose"
    found = unpacked / "usr/libexec/docker/cli-plugins/docker-compose"
    if not found.exists():
        shutil.rmtree(unpacked, ignore_errors=True)
        words = ("--variant=extract", "--include=docker-compose", COMPOSE_SUITE, unpacked)
        run("mmdebstrap", *words, seconds=300)
    return found


class Compose:
    """`docker compose` in a folder with docker-compose.yml as it is and an `.env` of its own."""

    def __init__(self, engine: Engine, folder: Path, variables: Sequence[str]) -> None:
        self._engine, self.folder = engine, folder
        (folder / ".env").write_text("\n".join([*variables, ""]))
        (folder / ".env").chmod(0o600)

    def __call__(self, *words: str | Path, seconds: float = 600, quiet: bool = False) -> str:
        """Standard output of a command."""
        return self._engine.docker("compose", *words, seconds=seconds, quiet=quiet, cwd=self.folder)

    def containers(self, service: str = "") -> list[str]:
        """Ids of the containers of a service, or of all."""
        return self(*("ps", "--quiet", *([service] if service else []))).split()

    def health(self) -> dict[str, str]:
        """Health of every container, by the service and the container's name."""
        lines = self("ps", "--all", "--format", "json").splitlines()
        found = [json.loads(line) for line in lines]
        return {each["Name"]: each["Health"] or each["State"] for each in found}

    def wait_until_healthy(self, seconds: float = 180) -> float:
        """Wait until all containers are healthy; for how long that was."""
        began = time.monotonic()
        while set(found := self.health().values()) != {"healthy"}:
            if time.monotonic() - began > seconds:
                raise AssertionError(f"{self.health()}\n{self('logs', '--tail', '40', quiet=True)[-6000:]}")
            assert "exited" not in found, (
                f"{self.health()}\n{self('logs', '--tail', '40', quiet=True)[-6000:]}"
            )
            time.sleep(0.5)
        return time.monotonic() - began
