"""Store, data, device and batch size of a worker process."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tgsh.execution.uploads import UploadedDatasets
from tgsh.settings import Compute, StoreSettings
from tgsh.store.artifacts import Artifacts
from tgsh.store.database import Database

GPU_TASKS = 36
"""Tasks that a GPU trains in one batch: 4 MB of features each at the paper's size."""


@dataclass(frozen=True)
class WorkerContext:
    """Where a process works: its store, its data, its device and its name.

    at_once: how many tasks of an experiment it trains in one batch. compute: see tgsh.training.backends.
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
    def uploads(self) -> UploadedDatasets:
        """The store's uploaded datasets."""
        return UploadedDatasets(self.database, self.artifacts, self.data_dir)

    @classmethod
    def from_settings(cls, settings: StoreSettings, device: str, worker: str) -> WorkerContext:
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
