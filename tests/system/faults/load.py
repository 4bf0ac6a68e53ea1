"""Many clients, experiments and open event streams at once, while the workers train."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import select

from tests.system.faults.stack import FaultStack, User, running
from tgsh.store.models import EventRecord

SPEC: dict[str, Any] = {
    "dataset": "mnist5k",
    "suite": {"kind": "rotation", "tasks": 2, "step_degrees": 30},
    "network": {"kind": "flynet", "expansion": 2},
    "training": {"epochs": 2, "train_limit": 1000},
}
READS = ("", "/tasks", "/similarity", "/accuracy", "/context-vectors?format=npy")
THINK_SECONDS = 0.4


@dataclass
class Pressed:
    """What the clients saw. times: seconds of every read. lost: events that a stream did not get."""

    experiments: int
    clients: int
    streams: int
    times: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    ended: dict[str, str] = field(default_factory=dict)
    seen: dict[str, list[int]] = field(default_factory=dict)
    lost: int = 0
    events: int = 0
    megabytes: tuple[float, float] = (0.0, 0.0)
    seconds: float = 0.0

    @property
    def kept(self) -> bool:
        """Whether everybody got everything."""
        done = len(self.ended) == self.experiments and set(self.ended.values()) == {"completed"}
        return done and not self.errors and not self.lost

    def quantile(self, share: float) -> float:
        """Milliseconds within which so many of the reads were answered."""
        return 1e3 * sorted(self.times)[min(int(share * len(self.times)), len(self.times) - 1)]

    def report(self) -> str:
        """Lines for a person."""
        completed = sum(status == "completed" for status in self.ended.values())
        return (
            f"{self.experiments} experiments from {self.clients} clients at once, {self.streams} streams: "
            f"{completed} completed in {self.seconds:.0f} s\n"
            f"{len(self.errors)} errors, {self.lost} of {self.events} events lost {self.errors[:3] or ''}\n"
            f"{len(self.times)} reads while workers trained, ms: median {self.quantile(0.5):.0f}, "
            f"p99 {self.quantile(0.99):.0f}, slowest {self.quantile(1):.0f}\n"
            f"memory of the API, MB: {self.megabytes[0]:.0f} before, {self.megabytes[1]:.0f} after"
        )


def press(folder: Path, experiments: int, clients: int, streams: int) -> Pressed:
    """Submit, follow and read on a stack of one's own, until every experiment has ended."""
    pressed = Pressed(experiments, clients, streams)
    with running(folder) as stack:
        before = _megabytes(stack)
        began = time.monotonic()
        paths: list[str] = []
        submitted = threading.Event()
        follower = threading.Thread(target=_follow_all, args=(stack.url, paths, submitted, pressed))
        with ThreadPoolExecutor(clients) as pool:
            jobs = [pool.submit(_submit, stack.url, experiments, clients, n, pressed) for n in range(clients)]
            paths += [path for job in jobs for path in job.result()]
            submitted.set()
            follower.start()
            ended = threading.Event()
            readers = [
                pool.submit(_read, stack.url, paths[n::clients], ended, pressed) for n in range(clients)
            ]
            _wait(stack.url, paths, pressed)
            ended.set()
            for reader in readers:
                reader.result()
        follower.join()
        pressed.seconds = time.monotonic() - began
        pressed.megabytes = before, _megabytes(stack)
        _count(stack, pressed)
    return pressed


def _megabytes(stack: FaultStack) -> float:
    return float(stack.parent("service").memory_info().rss) / 1e6


def _submit(url: str, experiments: int, clients: int, number: int, pressed: Pressed) -> list[str]:
    paths = []
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as http:
        for seed in range(number, experiments, clients):
            answer = http.post("/experiments", params={"anew": True}, json={**SPEC, "seed": seed})
            if answer.status_code != 202:
                pressed.errors.append(f"POST: {answer.status_code} {answer.text}")
                continue
            paths.append(answer.headers["Location"])
    return paths


def _read(url: str, paths: list[str], ended: threading.Event, pressed: Pressed) -> None:
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as http:
        while not ended.is_set():
            for path in paths:
                for read in READS:
                    began = time.perf_counter()
                    answer = http.get(f"{path}{read}")
                    pressed.times.append(time.perf_counter() - began)
                    if answer.status_code not in (200, 409):  # 409: nothing to show yet
                        pressed.errors.append(f"GET {path}{read}: {answer.status_code} {answer.text}")
                    if ended.wait(THINK_SECONDS):
                        return


def _wait(url: str, paths: list[str], pressed: Pressed) -> None:
    user = User(url)
    for path in paths:
        pressed.ended[path] = user.wait(path, seconds=3600)["status"]
    user.close()


def _follow_all(url: str, paths: list[str], submitted: threading.Event, pressed: Pressed) -> None:
    submitted.wait()
    asyncio.run(_follow(url, paths[-pressed.streams :], pressed))  # the last: theirs are open longest


async def _follow(url: str, paths: list[str], pressed: Pressed) -> None:
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=url, timeout=None, limits=limits, trust_env=False) as http:
        await asyncio.gather(*(_stream(http, path, pressed) for path in paths))


async def _stream(http: httpx.AsyncClient, path: str, pressed: Pressed) -> None:
    seen = pressed.seen.setdefault(path, [])
    last: dict[str, Any] = {}
    async with http.stream("GET", f"{path}/events") as answer:
        async for line in answer.aiter_lines():
            if line.startswith("id:"):
                seen.append(int(line.removeprefix("id:")))
            elif line.startswith("data:"):
                last = json.loads(line.removeprefix("data:"))
    if last.get("status") != "completed":
        pressed.errors.append(f"{path}: its stream ended with {last}")


def _count(stack: FaultStack, pressed: Pressed) -> None:
    """Compare what streams got with what was recorded, in order and once each."""
    database = stack.database()
    for path, seen in pressed.seen.items():
        ours = EventRecord.experiment_id == path.rsplit("/", 1)[-1]
        with database.read() as session:
            recorded = list(session.scalars(select(EventRecord.id).where(ours).order_by(EventRecord.id)))
        pressed.events += len(recorded)
        pressed.lost += len(set(recorded) - set(seen))
        if seen != sorted(set(seen)):
            pressed.errors.append(f"{path}: events came twice or out of order")
    database.dispose()
