"""Random faults of every kind while two owners keep a laboratory busy, and what became of their work."""

from __future__ import annotations

import json
import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import redis
from sqlalchemy import select

from tests.support.people import bearer
from tests.system.faults.laboratory import WORKERS, Laboratory, laboratory
from tests.system.faults.stack import User, looked_after
from tests.system.faults.verdict import Verdict, judge
from tgsh.api_keys import KeyFile
from tgsh.schemas import TERMINAL
from tgsh.store.models import EventRecord, ExperimentRecord

SPEC: dict[str, Any] = {
    "dataset": "mnist5k",
    "suite": {"kind": "rotation", "tasks": 12, "step_degrees": 30},
    "network": {"kind": "flynet", "expansion": 2},
    "training": {"epochs": 3, "train_limit": 2000},
}

UNFINISHED = {"alice": 9, "bob": 4}
"""How many experiments each owner has waiting at any time: shares do not follow from that."""

OUTAGE_SECONDS = 3.0
LONGER_THAN_A_LEASE = 6.0


@dataclass
class Aftermath:
    """What was done, and what became of all experiments.

    shares: tasks completed for each owner while both had work waiting. resumed: experiments that failed with
    a reason, and went on when their owner told them to. records: experiments in the database.
    """

    faults: Counter[str]
    seconds: float
    expected: str
    shares: Counter[str]
    records: int
    resumed: list[str] = field(default_factory=list)
    verdicts: dict[str, Verdict] = field(default_factory=dict)

    @property
    def lost(self) -> int:
        """Tasks without a result, and experiments that are not completed."""
        return sum(found.lost + (found.status != "completed") for found in self.verdicts.values())

    @property
    def double(self) -> int:
        """What was recorded twice, and experiments that nobody asked for."""
        doubled = sum(found.double for found in self.verdicts.values())
        return doubled + abs(self.records - len(self.verdicts))

    @property
    def unfairness(self) -> float:
        """The largest difference of an owner's share from an equal one, as part of that."""
        equal = self.shares.total() / len(UNFINISHED)
        return max(abs(self.shares[owner] - equal) / equal for owner in UNFINISHED) if equal else 0.0

    @property
    def kept(self) -> bool:
        """Whether the promise was kept."""
        are_equal = {found.digest for found in self.verdicts.values()} == {self.expected}
        return are_equal and not self.lost and not self.double and self.unfairness <= 0.2

    def report(self) -> str:
        """Lines for a person."""
        differing = sum(found.digest != self.expected for found in self.verdicts.values())
        left_over = sum(len(found.left_over) for found in self.verdicts.values())
        what = ", ".join(f"{name} {count}" for name, count in sorted(self.faults.items()))
        who = ", ".join(f"{owner} {count}" for owner, count in sorted(self.shares.items()))
        return (
            f"{self.faults.total()} faults in {self.seconds:.0f} s, {len(self.verdicts)} experiments: "
            f"{self.lost} lost, {self.double} double, {differing} with other hashes, "
            f"{left_over} files left over, {len(self.resumed)} resumed by hand\n"
            f"shares while both had work: {who} ({self.unfairness:.0%} from equal)\n"
            f"{what}" + "".join(f"\nresumed: {reason}" for reason in self.resumed)
        )


class Owner:
    """Somebody with a key who always has some experiments waiting."""

    def __init__(self, url: str, name: str, key: str, spec: dict[str, Any]) -> None:
        self.name = name
        self.user = User(url)
        self.user.http.headers.update(bearer(key))
        self.paths: list[str] = []
        self.resumed: list[str] = []
        self._spec = spec
        self._open: list[str] = []

    def submit(self, name: str) -> str:
        """The path of one more experiment; asked again under one key, it is one."""
        headers = {"Idempotency-Key": uuid.uuid4().hex}
        body = {**self._spec, "name": name}
        answer = self.user.ask("POST", "/experiments", params={"anew": True}, json=body, headers=headers)
        assert answer.status_code == 202, answer.text
        self.paths.append(str(answer.headers["Location"]))
        self._open.append(self.paths[-1])
        return self.paths[-1]

    def keep_busy(self, count: int, is_over: threading.Event) -> None:
        """Have so many experiments waiting or at work until it is over."""
        while not is_over.is_set():
            self._look()
            while len(self._open) < count:
                self.submit(f"{self.name}'s {len(self.paths)}")
            is_over.wait(0.5)

    def wait_for_all(self) -> None:
        """Wait until all experiments have ended well; resume what failed, as its reason says."""
        deadline = time.monotonic() + 600
        while self._open:
            assert time.monotonic() < deadline, self._open
            self._look()
            time.sleep(0.5)

    def _look(self) -> None:
        for path in list(self._open):
            found = self.user.look(path)
            if found["status"] == "failed":
                self.resumed.append(str(found["reason"]))
                self.user.ask("POST", f"{path}/resume")
            elif found["status"] in TERMINAL:
                self._open.remove(path)


class Chaos:
    """Faults of every kind; each ends by itself."""

    def __init__(self, lab: Laboratory, chance: random.Random) -> None:
        self._lab = lab
        self._chance = chance
        self.kinds: dict[str, Callable[[], None]] = {
            "kill child": lambda: self._child().kill(),
            "kill parent": lambda: lab.kill_one(chance.choice(WORKERS)),
            "kill API": lambda: lab.kill_one("service"),
            "kill Redis": lambda: lab.kill_one("redis"),
            "stop child": lambda: self._stop(self._child(), LONGER_THAN_A_LEASE),
            "stop parent": lambda: self._stop(lab.parent(chance.choice(WORKERS)), OUTAGE_SECONDS),
            "stop API": lambda: self._stop(lab.parent("service"), OUTAGE_SECONDS),
            "stop Redis": lambda: self._stop(lab.parent("redis"), LONGER_THAN_A_LEASE),
            "hang": self._hang,
            "full store": self._fill_store,
            "full database": self._fill_disk,
            "full Redis": self._fill_redis,
            "database restart": lab.restart_database,
            "clock step": lambda: lab.set_clock(chance.choice((-3600, -30, 0, 30, 3600))),
            "network cut": self._cut,
        }

    def inflict(self, kind: str) -> None:
        """Do it, and wait until it is over; what is not there cannot be hurt."""
        with self._lab.lock if kind.startswith("kill") else _nothing():
            try:
                self.kinds[kind]()
            except psutil.NoSuchProcess:
                return

    def _child(self) -> psutil.Process:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if children := self._lab.workers_children(self._chance.choice(WORKERS)):
                return self._chance.choice(children)
            time.sleep(0.1)
        raise psutil.NoSuchProcess(0)

    def _stop(self, process: psutil.Process, seconds: float) -> None:
        process.suspend()
        time.sleep(seconds)
        process.resume()

    def _hang(self) -> None:
        """A child whose job hangs in C, until the watch kills it."""
        done = self._lab.faults.with_name(f"hung-{uuid.uuid4().hex}")
        point = self._chance.choice(("mid-epoch", "before the results"))
        _write(self._lab.faults, json.dumps([{"point": point, "action": "hang", "once": str(done)}]))
        deadline = time.monotonic() + 30
        while not done.exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        self._lab.faults.unlink()

    def _fill_store(self) -> None:
        self._lab.fill_store(True)
        time.sleep(OUTAGE_SECONDS)
        self._lab.fill_store(False)

    def _fill_disk(self) -> None:
        """The database's disk; it may end of that, and is started again once there is room."""
        self._lab.disk.fill()
        time.sleep(OUTAGE_SECONDS)
        self._lab.disk.free()
        try:
            self._lab.set_clock(0)
        except Exception:
            self._lab.restart_database()

    def _fill_redis(self) -> None:
        try:
            with redis.Redis.from_url(self._lab.redis_url) as queue:
                queue.config_set("maxmemory", 1)
                time.sleep(OUTAGE_SECONDS)
                queue.config_set("maxmemory", 0)
        except redis.RedisError:  # it is just being started again, with room
            return

    def _cut(self) -> None:
        self._lab.pull_cables()
        time.sleep(LONGER_THAN_A_LEASE)
        self._lab.plug_cables()


def bring_chaos(
    folder: Path, count: int, seed: int, pause: float = 2.0, unfinished: Mapping[str, int] = UNFINISHED
) -> Aftermath:
    """Two owners keep the laboratory busy through `count` faults; every kind comes before one comes twice.

    pause: most seconds between two faults. unfinished: experiments that each owner has waiting.
    """
    chance = random.Random(seed)
    with laboratory(folder) as lab, looked_after(lab):
        keys = KeyFile(lab.home / "keys.json")
        owners = [Owner(lab.url, name, keys.add(name, "submit", None), SPEC) for name in unfinished]
        root = User(lab.url)
        root.http.headers.update(bearer(keys.add("root", "admin", None)))
        first = owners[0].submit("undisturbed")
        owners[0].wait_for_all()
        expected = root.digest(first)
        chaos, faults = Chaos(lab, chance), Counter[str]()
        with _busy(owners, unfinished):
            began, start = time.monotonic(), _last_event(lab)
            for kind in _drawn(list(chaos.kinds), count, chance):
                time.sleep(chance.uniform(0.2, pause))
                chaos.inflict(kind)
                faults[kind] += 1
            seconds, end = time.monotonic() - began, _last_event(lab)
        for owner in owners:
            owner.wait_for_all()
        shares, records = _shares(lab, start, end)
        aftermath = Aftermath(faults, seconds, expected, shares, records)
        for owner in owners:
            aftermath.resumed += owner.resumed
            aftermath.verdicts |= {path: judge(lab, root, path) for path in owner.paths}
            owner.user.close()
        root.close()
        return aftermath


@contextmanager
def _nothing() -> Iterator[None]:
    yield


@contextmanager
def _busy(owners: list[Owner], unfinished: Mapping[str, int]) -> Iterator[None]:
    """Owners who submit during the block."""
    is_over = threading.Event()
    errors: list[BaseException] = []

    def keep_busy(owner: Owner) -> None:
        try:
            owner.keep_busy(unfinished[owner.name], is_over)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=keep_busy, args=(owner,)) for owner in owners]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        is_over.set()
        for thread in threads:
            thread.join()
    if errors:
        raise errors[0]


def _drawn(kinds: list[str], count: int, chance: random.Random) -> Iterator[str]:
    while count > 0:
        chance.shuffle(kinds)
        yield from kinds[:count]
        count -= len(kinds)


def _write(file: Path, words: str) -> None:
    """At once: whoever reads it sees all or nothing."""
    draft = file.with_suffix(".new")
    draft.write_text(words)
    draft.replace(file)


def _last_event(lab: Laboratory) -> int:
    database = lab.database()
    try:
        with database.read() as session:
            return session.scalar(select(EventRecord.id).order_by(EventRecord.id.desc()).limit(1)) or 0
    finally:
        database.dispose()


def _shares(lab: Laboratory, start: int, end: int) -> tuple[Counter[str], int]:
    """Tasks completed for each owner between two events while both had some waiting; all experiments."""
    shares: Counter[str] = Counter()
    unfinished: Counter[str] = Counter()
    known: set[str] = set()
    database = lab.database()
    with database.read() as session:
        rows = session.execute(select(ExperimentRecord.id, ExperimentRecord.owner)).all()
        owners = {row.id: row.owner for row in rows}
        for event in session.scalars(select(EventRecord).order_by(EventRecord.id)):
            owner = str(owners[event.experiment_id])
            if event.experiment_id not in known:
                known.add(event.experiment_id)
                unfinished[owner] += SPEC["suite"]["tasks"]
            if event.kind != "task" or event.data["status"] != "completed":
                continue
            is_contended = all(unfinished[name] > len(WORKERS) for name in UNFINISHED)
            if start < event.id <= end and is_contended:
                shares[owner] += 1
            unfinished[owner] -= 1
    database.dispose()
    return shares, len(owners)
