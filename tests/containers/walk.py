"""Walk through docker-compose.yml as an administrator takes it: each step is a claim of the guide, tried."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.containers.engine import Compose, Engine, Unavailable
from tests.support.people import bearer

PASSWORDS = {"TGSH_REDIS_PASSWORD": "r3d1sS3cret", "TGSH_PAGES_PASSWORD": "p4g3sS3cret"}
PASSWORDS |= {"TGSH_STORE_PASSWORD": "st0r3S3cret"}
PORT, FLOWER_PORT = 8570, 5570
URL = f"http://127.0.0.1:{PORT}"
OURS = ("service", "worker-cpu")
SMALL = {
    "dataset": "mnist5k",
    "suite": {"kind": "rotation", "tasks": 12, "step_degrees": 30},
    "training": {"epochs": 20},
}
EPOCHS = 12 * 20
BUILDERS = ("pip", "pip3", "gcc", "cc", "make", "ld", "strip", "git")
"""Programs that build, and have no use where things run."""

FIRST_EPOCH_SECONDS = 5.0


@dataclass
class Report:
    """What was tried, what was seen, and what could not be had."""

    lines: list[str] = field(default_factory=list)
    failed: int = 0
    missing: list[str] = field(default_factory=list)

    def step(self, claim: str, check: Callable[[], str]) -> None:
        """Try a claim; the check returns what it saw, or raises."""
        began = time.monotonic()
        try:
            seen, verdict = check(), "yes"
        except Unavailable:
            raise
        except Exception as error:
            seen, verdict = f"{type(error).__name__}: {error}", "NO"
            self.failed += 1
        seconds = time.monotonic() - began
        line = f"| {claim} | {verdict} | {' '.join(seen.split())[:700].replace('|', '/')} | {seconds:.1f} |"
        self.lines.append(line)
        print(line, flush=True)

    def text(self) -> str:
        """The report as a table of Markdown."""
        head = "| claim | kept | seen | s |\n|---|---|---|--:|\n"
        lacking = "".join(f"\n- {line}" for line in self.missing)
        return f"{head}{chr(10).join(self.lines)}\n\nNot to be had here:\n{lacking or ' nothing'}\n"


class Walk:
    """Claims about a deployment by compose, in their order: all with SQLite, fewer with PostgreSQL."""

    def __init__(
        self, engine: Engine, compose: Compose, report: Report, made: dict[str, str] | None = None
    ) -> None:
        self._engine, self._compose, self._report = engine, compose, report
        self._http = httpx.Client(base_url=URL, timeout=60)
        self.made: dict[str, str] = {} if made is None else made
        """SHA-256 of what was learned, which another database does not change."""

        self._services: tuple[str, ...] = ()

    def on_sqlite(self) -> None:
        """One machine as it comes, with the pages beside it."""
        self._services = ("redis", "service", "worker-cpu", "prometheus", "flower")
        self._try(
            {
                "the stack comes up healthy, monitoring and Flower at the first start": self.comes_up,
                "nobody gets in before there is a key; the first one is made inside": self.first_key,
                "an experiment is learned, and its figure is read": self.learns,
                "Prometheus reads /metrics with a key that nobody made by hand": self.scraped,
                "Flower asks for its password": self.flower,
                "users, capabilities, read-only roots, logs": self.confined,
                "no password in logs or command lines": self.secrets,
                "no tool that builds in the images": self.slim,
                "--memory 1g --cpus 0.5 is seen": self.limits,
                "the health check does not pass on a dead worker's row": self.health,
                "a worker that was killed goes on, to the same bytes": self.killed,
                "a worker that starts learns its first epoch": self.restarts,
                "workers are scaled": self.scales,
                "a stop is gentle": self.stops,
                "a backup is restored to new volumes": self.restores,
            }
        )

    def on_postgres(self) -> None:
        """The profile postgres: another database, new volumes."""
        self._services = ("redis", "postgres", "store", "service", "worker-cpu")
        self._try(
            {
                "PostgreSQL: the stack comes up healthy": self.comes_up,
                "PostgreSQL: the first key": self.first_key,
                "PostgreSQL: the same bytes as with SQLite": self.learns,
                "PostgreSQL: workers are scaled": self.scales,
                "PostgreSQL: pg_dump, artifacts and keys are restored": self.restores_postgres,
            }
        )

    def on_a_store(self) -> None:
        """The same with arrays in the S3 store."""
        self._services = ("redis", "postgres", "store", "service", "worker-cpu")
        self._try(
            {
                "S3: the stack comes up healthy": self.comes_up,
                "S3: the first key": self.first_key,
                "S3: the same bytes as in a folder": self.learns,
                "S3: the arrays are in the store, and nowhere else": self.stored,
            }
        )

    def on_an_upgrade(self, earlier: Compose, take_images: Callable[[], None]) -> None:
        """Containers of an earlier version, then this one's on the same volumes."""

        def upgraded() -> str:
            before = self._totals()
            path = self._submit(seed=6)
            self._until(lambda: self._epochs(path) >= 1, 120)
            earlier("stop", "service", "worker-cpu")
            take_images()
            self._compose("up", "--detach", "--no-build", *self._services, seconds=300)
            self._compose.wait_until_healthy()
            self._wait(path)
            assert self._totals() == {**before, path.rpartition("/")[2]: self._digest(path)}
            return f"{len(before) + 1} experiments with the same bytes, the last one finished by this version"

        later, self._services = self._compose, ("redis", "service", "worker-cpu")
        self._compose = earlier
        self._try(
            {
                "upgrade: the earlier version comes up": self.comes_up,
                "upgrade: its first key": self.first_key,
                "upgrade: it learns": self.learns,
            }
        )
        self._compose = later
        self._try({"upgrade: this version goes on, on the same volumes": upgraded})

    def _try(self, claims: dict[str, Callable[[], str]]) -> None:
        for claim, check in claims.items():
            self._report.step(claim, check)

    def comes_up(self) -> str:
        """All services, and how long that took."""
        self._compose("up", "--detach", "--no-build", *self._services, seconds=300)
        seconds = self._compose.wait_until_healthy()
        return f"{', '.join(self._services)} after {seconds:.0f} s"

    def first_key(self) -> str:
        """A key for everything."""
        closed = self._http.get("/catalog").status_code
        assert closed == 403, closed
        key = self._compose("exec", "-T", "service", "tgsh", "keys", "add", "boss", "--role", "admin").strip()
        self._http.headers.update(bearer(key))
        assert self._http.get("/catalog").status_code == 200
        return "403 before, 200 with it"

    def learns(self) -> str:
        """Submit, follow, read."""
        path, seconds = self._learn(seed=1)
        digest = self._digest(path)
        assert self.made.setdefault("vectors", digest) == digest
        figure = self._http.get(f"{path}/similarity", params={"format": "png"})
        assert figure.content.startswith(b"\x89PNG"), figure.text
        return f"{seconds:.1f} s, a PNG of {len(figure.content)} bytes"

    def stored(self) -> str:
        """As boto3 lists the bucket, and as the volume shows."""
        code = (
            "import boto3\n"
            "s3 = boto3.client('s3', endpoint_url='http://127.0.0.1:8333', region_name='us-east-1')\n"
            "print(s3.list_objects_v2(Bucket='tgsh', Prefix='artifacts/')['KeyCount'])"
        )
        count = int(self._compose("exec", "-T", "store", "/opt/moto/bin/python", "-c", code))
        assert count > 0
        script = "find /var/lib/tgsh/artifacts -type f 2>/dev/null | wc -l"
        assert self._compose("exec", "-T", "service", "sh", "-c", script).strip() == "0"
        return f"{count} objects"

    def scraped(self) -> str:
        """As Prometheus itself tells."""
        query = "http://127.0.0.1:9090/api/v1/query?query=up%7Bjob=%22tgsh%22%7D"
        words = ("exec", "-T", "prometheus", "wget", "-q", "-O", "-", query)
        found = self._until(lambda: json.loads(self._compose(*words))["data"]["result"], 60)
        assert found[0]["value"][1] == "1", found
        mode = self._compose("exec", "-T", "prometheus", "stat", "-c", "%a %u:%g", "/run/tgsh-metrics/key")
        assert mode.split()[0] == "640", mode
        listed = self._compose("exec", "-T", "service", "tgsh", "keys", "list")
        assert "prometheus" not in listed
        return f"up is 1; the key's file has mode {mode.strip()}"

    def flower(self) -> str:
        """Without and with it."""
        url = f"http://127.0.0.1:{FLOWER_PORT}/"
        closed = httpx.get(url).status_code
        opened = httpx.get(url, auth=("tgsh", PASSWORDS["TGSH_PAGES_PASSWORD"])).status_code
        assert (closed, opened) == (401, 200), (closed, opened)
        return "401, then 200"

    def confined(self) -> str:
        """What the engine says of each container, and what a process inside can do."""
        for name in self._compose.containers():
            found = self._engine.inspect(name)
            host, service = found["HostConfig"], found["Config"]["Labels"]["com.docker.compose.service"]
            assert host["ReadonlyRootfs"], service
            assert host["CapDrop"] == ["ALL"], service
            assert host["SecurityOpt"] == ["no-new-privileges:true"], service
            assert host["LogConfig"]["Config"] == {"max-size": "10m", "max-file": "5"}, service
        for service in OURS:
            script = "id -u; touch /x 2>&1; grep CapEff /proc/self/status; touch /tmp/x && echo tmp"
            said = self._compose("exec", "-T", service, "sh", "-c", script)
            assert re.match(r"10001\n.*Read-only file system\nCapEff:\s+0{16}\ntmp", said), said
        return "10001, nothing writable but volumes and /tmp, no capability, logs of 5 × 10 MB"

    def secrets(self) -> str:
        """Neither in what the containers wrote nor in what `ps` shows on the host."""
        logs = self._compose("logs")
        lines = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                lines.append(path.read_bytes().decode(errors="replace"))
            except OSError:
                continue
        everything = "\n".join([logs, *lines])
        shown = [name for name, value in PASSWORDS.items() if value in everything]
        assert not shown, shown
        return f"{len(logs)} characters of logs, {len(lines)} processes"

    def slim(self) -> str:
        """What is in the images, and how large they are."""
        sizes = []
        for image in ("tgsh-service", "tgsh-worker:cpu"):
            look = f"import shutil; print([n for n in {BUILDERS!r} if shutil.which(n)])"
            found = self._engine.docker("run", "--rm", image, "python", "-c", look).strip()
            assert found == "[]", f"{image}: {found}"
            modules = "import importlib.util as i; print([n for n in ('pip', 'ensurepip') if i.find_spec(n)])"
            assert self._engine.docker("run", "--rm", image, "python", "-c", modules).strip() == "[]", image
            sizes.append(f"{image} {self._engine.inspect(image)['Size'] / 1e6:.0f} MB")
        return ", ".join(sizes)

    def limits(self) -> str:
        """--memory and --cpus, as the code in the image sees them."""
        code = "from tgsh.system import limits; print(limits())"
        words = ("run", "--rm", "--memory", "1g", "--cpus", "0.5", "tgsh-service", "python", "-c", code)
        said = self._engine.docker(*words).strip()
        assert "cores=1" in said, said
        assert f"memory={1 << 30}" in said, said
        return said

    def health(self) -> str:
        """The check of a container whose worker was killed and begins again."""
        (name,) = self._compose.containers("worker-cpu")
        assert self._engine.status("exec", name, "python", "-m", "worker.health") == 0
        self._engine.docker("kill", name)
        self._engine.docker("start", name)
        first = self._engine.status("exec", name, "python", "-m", "worker.health")
        began = time.monotonic()
        assert first == 1, "healthy at once, by the row of the one that was killed"
        self._until(lambda: self._engine.status("exec", name, "python", "-m", "worker.health") == 0, 60)
        return f"exit status 1 at first, 0 after {time.monotonic() - began:.1f} s"

    def killed(self) -> str:
        """SIGKILL in the middle of an experiment."""
        path = self._submit(seed=1)
        self._until(lambda: self._epochs(path) >= 3, 120)
        (name,) = self._compose.containers("worker-cpu")
        self._engine.docker("kill", name)
        done = self._epochs(path)
        self._engine.docker("start", name)
        self._wait(path)
        assert self._digest(path) == self.made["vectors"]
        return f"killed after {done} epochs of {EPOCHS}; the vectors have the same SHA-256"

    def restarts(self) -> str:
        """From the container's start to the first epoch of a job that waits."""
        (name,) = self._compose.containers("worker-cpu")
        self._engine.docker("stop", name)
        path = self._submit(seed=2)
        began = time.monotonic()
        self._engine.docker("start", name)
        self._until(lambda: self._epochs(path) >= 1, 60, pause=0.02)
        seconds = time.monotonic() - began
        self._wait(path)
        said = f"{seconds:.1f} s, where a second of work takes {self._second_of_work(name):.1f}"
        assert seconds < 4 * FIRST_EPOCH_SECONDS, said
        return f"{said}, after `docker start` (aim: {FIRST_EPOCH_SECONDS:g})"

    def _second_of_work(self, name: str) -> float:
        """Seconds that a second of processor time takes inside of a container: 1 where nothing else runs."""
        code = "import time; a = time.monotonic()\nwhile time.process_time() < 1: pass\n"
        return max(
            1.0,
            float(self._engine.docker("exec", name, "python", "-Sc", f"{code}print(time.monotonic() - a)")),
        )

    def scales(self) -> str:
        """Two containers of workers, and one again."""
        scale = ("up", "--detach", "--no-build", "--no-deps", "--scale")
        self._compose(*scale, "worker-cpu=2", "worker-cpu")
        hosts = self._until(lambda: len(found := self._hosts()) == 2 and found, 60)
        path, seconds = self._learn(seed=3)
        tasks = self._http.get(f"{path}/tasks").json()["items"]
        workers = {task["worker"].split("/")[0] for task in tasks}
        assert workers == hosts, (workers, hosts)
        self._compose(*scale, "worker-cpu=1", "worker-cpu")
        self._until(lambda: len(self._hosts()) == 1, 60)
        return f"{len(hosts)} containers shared an experiment ({seconds:.1f} s); the one that left signed off"

    def stops(self) -> str:
        """`docker compose stop` in the middle of an experiment: the attempt does not count."""
        path = self._submit(seed=4)
        self._until(lambda: self._epochs(path) >= 1, 60)
        began = time.monotonic()
        (name,) = self._compose.containers("worker-cpu")
        self._compose("stop", "worker-cpu")
        seconds = time.monotonic() - began
        code = self._engine.inspect(name)["State"]["ExitCode"]
        self._compose("start", "worker-cpu")
        self._wait(path)
        tasks = self._http.get(f"{path}/tasks").json()["items"]
        attempts = {task["attempts"] for task in tasks}
        assert code == 0, f"exit status {code}"
        assert attempts == {1}, attempts
        return f"exit status 0 after {seconds:.1f} s, every task in one attempt"

    def restores(self) -> str:
        """Everything to a file, the volumes away, back again, as the guide has it."""
        before = self._totals()
        saved = self._compose.folder / "everything.tar"
        inside = "/var/lib/tgsh/everything.tar"
        said = self._compose("exec", "-T", "service", "tgsh", "backup", inside)
        self._compose("cp", f"service:{inside}", str(saved))
        self._compose("down", "--volumes")
        words = ("run", "--rm", "--no-deps", "-T", "service", "sh", "-c")
        script = f"cat > {inside} && tgsh restore {inside} && rm {inside}"
        with saved.open("rb") as file:
            self._engine.docker("compose", *words, script, cwd=self._compose.folder, stdin=file)
        self._compose("up", "--detach", "--no-build", *self._services, seconds=300)
        self._compose.wait_until_healthy()
        assert self._totals() == before, "the same key opens it, and all is there"
        return said.strip().rpartition(": ")[2]

    def restores_postgres(self) -> str:
        """In the order of the guide: the dump, then the files, then the keys."""
        before = self._totals()
        folder = self._compose.folder
        dump = ("exec", "-T", "postgres", "pg_dump", "--username", "tgsh", "--format", "custom", "tgsh")
        (folder / "tgsh.dump").write_bytes(self._bytes(*dump))
        files = ("exec", "-T", "service", "tar", "-C", "/var/lib/tgsh", "-cf", "-", "artifacts", "keys.json")
        (folder / "files.tar").write_bytes(self._bytes(*files))
        self._compose("down", "--volumes")
        self._compose("up", "--detach", "--no-build", "--wait", "postgres", "redis", "store")
        back = ("exec", "-T", "postgres", "pg_restore", "--username", "tgsh", "--dbname", "tgsh")
        unpack = ("run", "--rm", "--no-deps", "-T", "service", "tar", "-C", "/var/lib/tgsh", "-xf", "-")
        for name, words in (("tgsh.dump", back), ("files.tar", unpack)):
            with (folder / name).open("rb") as file:
                self._engine.docker("compose", *words, cwd=folder, stdin=file)
        self._compose("up", "--detach", "--no-build", *self._services, seconds=300)
        self._compose.wait_until_healthy()
        assert self._totals() == before
        return f"{len(before)} experiments, the same keys"

    def _totals(self) -> dict[str, str]:
        """Every experiment, with the hash of its vectors."""
        listed = self._http.get("/experiments", params={"limit": 100}).json()["items"]
        assert listed
        return {each["id"]: self._digest(f"/experiments/{each['id']}") for each in listed}

    def _bytes(self, *words: str) -> bytes:
        done = subprocess.run(
            [self._engine.client, "compose", *words],
            env=self._engine.environment(),
            cwd=self._compose.folder,
            capture_output=True,
            timeout=120,
            check=True,
        )
        return done.stdout

    def _learn(self, seed: int) -> tuple[str, float]:
        began = time.monotonic()
        path = self._submit(seed)
        self._wait(path)
        return path, time.monotonic() - began

    def _submit(self, seed: int) -> str:
        made = self._http.post("/experiments", params={"anew": True}, json={**SMALL, "seed": seed})
        assert made.status_code == 202, made.text
        return f"/experiments/{made.json()['id']}"

    def _wait(self, path: str) -> dict[str, Any]:
        ended = self._until(
            lambda: (found := self._http.get(path).json())["status"] in ("completed", "failed") and found, 300
        )
        assert ended["status"] == "completed", ended.get("reason")
        return dict(ended)

    def _digest(self, path: str) -> str:
        answer = self._http.get(f"{path}/context-vectors", params={"format": "npy"})
        assert answer.status_code == 200, answer.text
        return hashlib.sha256(answer.content).hexdigest()

    def _epochs(self, path: str) -> int:
        return round(EPOCHS * float(self._http.get(path).json()["progress"]["fraction"]))

    def _hosts(self) -> set[str]:
        return {worker["host"] for worker in self._http.get("/workers").json()["workers"]}

    def _until(self, condition: Callable[[], Any], seconds: float, pause: float = 0.2) -> Any:
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            assert time.monotonic() < deadline, f"not within {seconds:g} s"
            time.sleep(pause)
        return found
