"""WorkerContext: store, device, batch size; fault points for tests."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tgsh.execution.uploads import StoreShelf
from tgsh.settings import Compute, StoreSettings
from tgsh.store.artifacts import Artifacts
from tgsh.store.database import Database

GPU_TASKS = 36
"""Tasks that a GPU trains in one batch: 4 MB of features each at the paper's size."""


@dataclass(frozen=True)
class Bench:
    """Where a process works: its store, its data, its device and its name.

    at_once: how many tasks of an experiment it trains in one batch. compute: see tgsh.training.paths.
    """

    database: Database
    artifacts: Artifacts
    data_dir: Path
    lease_seconds: float
    device: str
    worker: str
    at_once: int = 1
    compute: Compute = "auto"

    @cached_property
    def shelf(self) -> StoreShelf:
        """The store's uploaded datasets."""
        return StoreShelf(self.database, self.artifacts, self.data_dir)

    @classmethod
    def from_settings(cls, settings: StoreSettings, device: str, worker: str) -> Bench:
        """Connect to the store that the settings name."""
        return cls(
            Database(settings.database),
            Artifacts(settings.artifacts),
            settings.data,
            settings.lease_seconds,
            device,
            worker,
            at_once=1 if device == "cpu" else GPU_TASKS,
            compute=settings.compute,
        )


class InjectedFault(Exception):
    """What a "raise" fault raises: a failure that nobody foresaw."""


def point(name: str, index: int | None = None) -> None:
    """A named point in a job where a test may want something to go wrong."""
    path = os.environ.get("TGSH_TEST_FAULTS")
    if path is None or not Path(path).exists():
        return
    for fault in json.loads(Path(path).read_text() or "[]"):
        if fault["point"] == name and fault.get("index", index) == index and _is_its_turn(fault):
            _happen(name, fault)


def _is_its_turn(fault: dict[str, Any]) -> bool:
    if "once" not in fault:
        return True
    try:
        Path(fault["once"]).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def _happen(name: str, fault: dict[str, Any]) -> None:
    action = fault["action"]
    if action == "raise":
        raise InjectedFault(f"injected at {name}")
    if action == "kill":
        with contextlib.suppress(ProcessLookupError):  # another fault was first
            os.kill(
                int(Path(fault["victim"]).read_text()) if "victim" in fault else os.getpid(), signal.SIGKILL
            )
    if action == "sleep":
        time.sleep(fault.get("seconds", 1))
    if action == "exit":
        os._exit(1)
    if action == "allocate":
        bytearray(fault["bytes"])
