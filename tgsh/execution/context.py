"""Store, data, device and batch size of a worker process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tgsh.execution.uploads import UploadedDatasets
from tgsh.settings import Compute, StoreSettings
from tgsh.store.artifacts import Artifacts
from tgsh.store.database import Database
from tgsh.system import has_torch
from tgsh.traces import Tracing

NO_TRACING = Tracing(None, "")

GPU_TASKS = 36
"""Tasks that a GPU trains in one batch at most: those of the paper's suite, which fill it. More would take
work from other GPUs and keep other experiments waiting. Where memory is short it is fewer."""


@dataclass(frozen=True)
class WorkerContext:
    """Store, data folder, device and name of a process that runs jobs.

    Parameters
    ----------
    database : Database
        The store's rows.
    artifacts : Artifacts
        The store's files.
    data_dir : Path
        Datasets.
    lease_seconds : float
        Seconds until a lease that is not renewed ends.
    device : str
        Such as "cpu" or "cuda:0".
    worker : str
        The process's name in the store.
    at_once : int, default=1
        Tasks of an experiment that are trained in one batch at most.
    compute : {"auto", "torch", "fused", "fused-classes"}, default="auto"
        The backend; see `tgsh.training.backends`.
    has_torch : bool, default=True
        Without it, jobs that need torch are left to others.
    stall_seconds : float, default=inf
        Seconds without progress after which leases are no longer renewed.
    tracing : Tracing
        Spans of jobs; by default none.
    trace_of : callable
        The trace context in which an experiment was submitted, by its id; None: none is known.
    cuda_graphs : bool, default=False
        Whether a GPU launches the kernels of a step as one graph.
    """

    database: Database
    artifacts: Artifacts
    data_dir: Path
    lease_seconds: float
    device: str
    worker: str
    at_once: int = 1
    compute: Compute = "auto"
    has_torch: bool = True
    stall_seconds: float = float("inf")
    tracing: Tracing = NO_TRACING
    trace_of: Callable[[str], str | None] = lambda _: None
    cuda_graphs: bool = False

    @cached_property
    def uploads(self) -> UploadedDatasets:
        """The store's uploaded datasets."""
        return UploadedDatasets(self.database, self.artifacts, self.data_dir)

    @classmethod
    def from_settings(
        cls,
        settings: StoreSettings,
        device: str,
        worker: str,
        trace_of: Callable[[str], str | None] = lambda _: None,
    ) -> WorkerContext:
        """Connect to the store that the settings name.

        Parameters
        ----------
        settings : StoreSettings
            Where the store is.
        device : str
            Such as "cpu" or "cuda:0".
        worker : str
            The process's name in the store.
        trace_of : callable
            The trace context in which an experiment was submitted, by its id; None: none is known.

        Returns
        -------
        WorkerContext
            Connected lazily.
        """
        return cls(
            Database(settings.database),
            Artifacts(settings.artifacts),
            settings.data,
            settings.lease_seconds,
            device,
            worker,
            at_once=1 if device == "cpu" else GPU_TASKS,
            compute=settings.compute,
            has_torch=has_torch(),
            stall_seconds=settings.stall_seconds,
            tracing=Tracing(settings.otlp_endpoint, "tgsh-worker"),
            trace_of=trace_of,
            cuda_graphs=settings.cuda_graphs,
        )
