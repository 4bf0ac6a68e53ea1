"""Time until `tgsh --help` has printed, `tgsh up` is ready, and a new process has learned its first epoch.

The latter by what the time is spent on: where nothing ran before, where something did, and as in a container
(the code is read-only, HOME new and empty each time, TGSH_HOME lasts). TGSH_BASELINE may name another
checkout of tgsh, whose times become the baseline.
"""

from __future__ import annotations

import compileall
import contextlib
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.benchmarks import startup_trace
from tests.benchmarks.table import Row
from tgsh.stack.redis import RedisConfig, find_server, free_port, wait_for_pong

ROOT = Path(__file__).resolve().parents[2]
TGSH = [sys.executable, "-c", "import sys; from tgsh.cli import app; sys.exit(app())"]
CELERY = [sys.executable, "-m", "celery", "-A", "worker.app", "worker", "--loglevel", "INFO"]
TIMEOUT = 180.0

WITHOUT_RIGHTS = ["setpriv", "--bounding-set=-all", "--"]
"""For root, to whom a file that must not be written is no obstacle otherwise."""

SUBMIT = """
import sys
from tgsh.execution.planning import plan
from tgsh.settings import StoreSettings
from tgsh.specs import ExperimentSpec
from tgsh.store import experiments
from tgsh.store.database import Database

database = Database(StoreSettings().database)
database.migrate()
spec = ExperimentSpec.model_validate_json(sys.argv[1])
experiments.submit(database, spec, plan(spec))
"""

PHASES = {
    "parent": "Python and imports of the parent",
    "imports": "imports of the child",
    "machine code": "machine code, loaded or compiled",
    "lock": "waiting for another child's",
    "images": "images and their digests",
    "base": "the random base",
    "epoch": "the epoch itself",
    "rest": "queue, database, the rest",
}


def rows(rounds: int) -> list[Row]:
    """Medians over rounds."""
    return [
        Row("tgsh --help", "s", _median(rounds, _help)),
        Row("tgsh up until /readyz says 200", "s", _median(rounds, _up)),
        *_first_epochs(rounds),
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


@dataclass(frozen=True)
class _Machine:
    """A copy of tgsh's code, and folders, as one finds them at some start."""

    code: Path
    folder: Path
    contained: bool

    @classmethod
    def made(cls, source: Path, folder: Path, *, contained: bool) -> _Machine:
        """A machine on which nothing ran yet, but with compiled modules, as an installation has them."""
        code = folder / "code"
        for package in ("tgsh", "service", "worker"):
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source / package, code / package, ignore=ignored)
        compileall.compile_dir(code, quiet=1)
        trace = folder / "trace"
        trace.mkdir()
        shutil.copy(startup_trace.__file__, trace / "sitecustomize.py")
        machine = cls(code, folder, contained)
        machine.home.mkdir()
        if contained:
            machine._take_rights()
        return machine

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def _take_rights(self) -> None:
        for path in (self.code, *self.code.rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)

    @contextlib.contextmanager
    def process(self, command: list[str], variables: Mapping[str, str], trace: Path) -> Iterator[Any]:
        """A process in a session of its own; HOME is a new folder if this is a container."""
        users_home = trace.with_name(trace.name + "-home") if self.contained else self.folder / "users-home"
        for path in (users_home, trace):
            path.mkdir(exist_ok=True)
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "TGSH_DATA_DIR") if name in os.environ}
        environment = {
            **kept,
            "HOME": str(users_home),
            "PYTHONPATH": f"{self.folder / 'trace'}:{self.code}",
            "TGSH_HOME": str(self.home),
            "TGSH_TRACE": str(trace),
            **({"PYTHONDONTWRITEBYTECODE": "1"} if self.contained else {}),
            **variables,
        }
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [*(WITHOUT_RIGHTS if self.contained and os.geteuid() == 0 else []), *command],
                cwd=self.home,
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            try:
                yield process
            finally:
                process.send_signal(signal.SIGTERM)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(15)
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()


@dataclass(frozen=True)
class _Way:
    """How training is started, and how many children there are."""

    name: str
    children: int
    worker: bool


WAYS = (_Way("tgsh run", 1, False), _Way("worker, 1 child", 1, True), _Way("worker, 2 children", 2, True))

Start = dict[str, float]
"""Seconds by phase; "all": from the start of the process until the last child has learned its first epoch."""


def _first_epochs(rounds: int) -> list[Row]:
    """Old and new code in turn, so that what else this machine does changes both."""
    baseline = os.environ.get("TGSH_BASELINE")
    trees = {"ours": ROOT, **({"baseline": Path(baseline)} if baseline else {})}
    found: dict[tuple[str, str, str], list[Start]] = {}
    with _redis() as url:
        for turn in range(rounds):
            for way in WAYS:
                for tree, source in trees.items():
                    print(f"  {turn + 1} of {rounds}: {way.name}, {tree}", file=sys.stderr)
                    for situation, start in _starts(source, way, url):
                        found.setdefault((way.name, situation, tree), []).append(start)
    return [row for way in WAYS for row in _rows_of(way.name, found)]


def _rows_of(way: str, found: Mapping[tuple[str, str, str], list[Start]]) -> Iterator[Row]:
    for situation in ("first start", "later start", "container, first start", "container, later start"):
        ours, old = (found.get((way, situation, tree), []) for tree in ("ours", "baseline"))
        for phase, title in {
            "all": "first epoch learned",
            **PHASES,
            "compiled": "functions compiled",
        }.items():
            values = [
                statistics.median(start[phase] for start in starts) if starts else None
                for starts in (ours, old)
            ]
            if max(value or 0 for value in values) >= 0.01:
                unit = "" if phase == "compiled" else "s"
                name = f"{way}, {situation}: {title}" if phase == "all" else f"… {title}"
                yield Row(name, unit, values[0] or 0, values[1], "TGSH_BASELINE" if old else "")


def _starts(source: Path, way: _Way, redis_url: str) -> Iterator[tuple[str, Start]]:
    for contained in (False, True):
        with tempfile.TemporaryDirectory(prefix="tgsh-benchmark-") as folder:
            machine = _Machine.made(source, Path(folder), contained=contained)
            for situation in ("first start", "later start"):
                name = f"container, {situation}" if contained else situation
                yield name, _start(machine, way, machine.folder / situation.replace(" ", "-"), redis_url)


def _start(machine: _Machine, way: _Way, trace: Path, redis_url: str) -> Start:
    spec = json.dumps(_spec())
    variables = {"TGSH_REDIS_URL": redis_url, "TGSH_DEVICES": f"cpu:{way.children}"}
    command = CELERY
    if way.worker:
        for path in machine.home.glob("tgsh.db*"):
            path.unlink()
        submit = [sys.executable, "-c", SUBMIT, spec]
        with machine.process(submit, variables, trace.with_name(trace.name + "-submitted")) as submitting:
            if submitting.wait(TIMEOUT):
                raise RuntimeError((machine.folder / "log").read_text())
    else:
        file = trace.with_name(trace.name + ".json")
        file.write_text(spec)
        command = [*TGSH, "run", str(file), "--output", str(machine.home / trace.name), "--workers", "1"]
    began = time.time()
    with machine.process(command, variables, trace) as process:
        while len(ended := _learned(trace)) < way.children:
            if process.poll() is not None or time.time() - began > TIMEOUT:
                raise RuntimeError((machine.folder / "log").read_text())
            time.sleep(0.02)
    last = max(ended, key=lambda pid: ended[pid])
    return _phases(_trace(trace)[last], began, ended[last]) | {
        "compiled": float(sum(_compiled(lines) for lines in _trace(trace).values()))
    }


def _spec() -> dict[str, object]:
    """RotationMNIST, on full MNIST where it is there; many more tasks than are waited for."""
    data = Path(os.environ.get("TGSH_DATA_DIR") or "nowhere")
    dataset = "mnist" if (data / "MNIST" / "raw").is_dir() else "mnist5k"
    return {"dataset": dataset, "suite": {"kind": "rotation", "tasks": 36}, "training": {"epochs": 3}}


def _trace(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Measurements by process; a line that is being written is left out."""
    return {
        path.name: [
            json.loads(line) for line in path.read_text().splitlines(keepends=True) if line[-1] == "\n"
        ]
        for path in folder.iterdir()
    }


def _learned(trace: Path) -> dict[str, float]:
    """When each child had learned its first epoch; that of warming up is none."""
    ends: dict[str, float] = {}
    for pid, lines in _trace(trace).items():
        epochs = [line for line in lines if line["name"] == "epoch" and "training" in line["around"]]
        if epochs:
            ends[pid] = epochs[0]["end"]
    return ends


def _compiled(lines: list[dict[str, Any]]) -> int:
    return sum(1 for line in lines if line["name"] == "machine code" and line["compiled"])


NAMES = {"digests": "images", "import": "imports"}


def _phases(lines: list[dict[str, Any]], began: float, ended: float) -> Start:
    """Seconds of each phase, less those of what was measured within it."""
    started = max(line["begin"] for line in lines if line["name"] in ("start", "fork"))
    seconds: Counter[str] = Counter()
    for line in lines:
        if started <= line["begin"] and line["end"] <= ended:
            lasted = line["end"] - line["begin"]
            seconds[line["name"]] += lasted
            if line["around"]:
                seconds[line["around"][-1]] -= lasted
    start: Start = dict.fromkeys(PHASES, 0.0) | {"parent": started - began}
    for name, lasted in seconds.items():
        phase = NAMES.get(name, name)
        if phase in PHASES:
            start[phase] += lasted
    start["rest"] = ended - began - sum(start.values())
    return start | {"all": ended - began}


@contextlib.contextmanager
def _redis() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="tgsh-benchmark-") as folder:
        config = RedisConfig(Path(folder))
        command = config.command(find_server())
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
        try:
            wait_for_pong(config, lambda: None)
            yield config.url
        finally:
            process.terminate()
            process.wait()
