"""An experiment with no service at all: `tgsh run SPEC -o DIR`.

The same store (in DIR), the same jobs, the same runner; child processes instead of Celery. A second run
on the same DIR goes on from where the first one stopped.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from multiprocessing.synchronize import Event
from pathlib import Path

from tgsh.analysis.similarity import similarity
from tgsh.encoding import LabelledArray, table_csv, to_csv, to_safetensors
from tgsh.errors import Conflict
from tgsh.figures import render, similarity_figure
from tgsh.machine import cores, keep_freed_memory
from tgsh.planning import plan
from tgsh.schemas import TERMINAL, Experiment, Progress
from tgsh.settings import Compute, StoreSettings
from tgsh.spec import ExperimentSpec
from tgsh.store import experiments as lifecycle
from tgsh.store import reads
from tgsh.store.artifacts import Artifacts
from tgsh.store.database import Database
from tgsh.store.fairness import count_queued
from tgsh.store.sweeping import take_expired_leases
from tgsh.store.vectors import find_stage, load_stage
from tgsh.views import accuracy_view, experiment_view

LEASE_SECONDS = 5.0
"""Short: nobody else works in this folder, so a silent child is a dead one."""


def run(
    spec: ExperimentSpec,
    folder: Path,
    workers: int | None,
    on_progress: Callable[[Progress], None],
    compute: Compute | None = None,
) -> Experiment:
    """Train the experiment with `workers` processes (None: one a core) and leave its results in `folder`.

    compute: on which path; None: TGSH_COMPUTE says it. Raises Conflict where the folder holds another
    experiment.
    """
    planned = plan(spec)
    folder.mkdir(parents=True, exist_ok=True)
    settings = _settings(folder)
    if compute is not None:
        settings = settings.model_copy(update={"compute": compute})
    with opened(folder) as (database, artifacts):
        experiment_id = _open(database, spec, lambda: lifecycle.submit(database, spec, planned).experiment_id)
        _work(database, settings, experiment_id, workers or cores(), on_progress)
        experiment = experiment_view(reads.experiment(database, experiment_id))
        _export(database, artifacts, experiment, folder)
        return experiment


@contextmanager
def opened(folder: Path) -> Iterator[tuple[Database, Artifacts]]:
    """The store in a folder that `run` trains in, or did."""
    settings = _settings(folder)
    database = Database(settings.database)
    try:
        database.migrate()
        yield database, Artifacts(settings.artifacts)
    finally:
        database.dispose()


def _settings(folder: Path) -> StoreSettings:
    return StoreSettings(
        home=folder,
        database_url=None,
        artifacts_url=None,
        data_dir=StoreSettings().data,
        lease_seconds=LEASE_SECONDS,
    )


def _open(database: Database, spec: ExperimentSpec, submit: Callable[[], str]) -> str:
    """The folder's one experiment: submitted now, or gone on with."""
    there = reads.experiments(database, reads.Filters(), limit=1)
    if not there:
        return submit()
    record = there[0].record
    if record.digest != spec.digest():
        raise Conflict(f"the folder holds another experiment ({record.name}); choose an empty one")
    if record.status in ("failed", "cancelled"):
        lifecycle.resume(database, record.id)
    return record.id


def _work(
    database: Database,
    settings: StoreSettings,
    experiment_id: str,
    workers: int,
    on_progress: Callable[[Progress], None],
) -> None:
    """Keep the workers awake while jobs are queued, until the experiment has ended."""
    with _pool(settings, workers) as (pool, stop):
        futures: set[Future[None]] = set()
        try:
            while True:
                take_expired_leases(database, settings.max_attempts)
                for _ in range(min(count_queued(database, workers), workers - len(futures))):
                    futures.add(pool.submit(_work_off))
                done, futures = wait(futures, timeout=0.2, return_when=FIRST_COMPLETED)
                for future in done:
                    future.result()
                snapshot = reads.experiment(database, experiment_id)
                on_progress(snapshot.progress)
                if snapshot.record.status in TERMINAL:
                    return
                if not futures:
                    time.sleep(0.2)  # waiting for a lease to run out
        finally:
            stop.set()


@contextmanager
def _pool(settings: StoreSettings, workers: int) -> Iterator[tuple[ProcessPoolExecutor, Event]]:
    """Processes that are started afresh (no fork of whatever this one has open) and end on `stop`."""
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    pool = ProcessPoolExecutor(workers, context, _prepare, (settings.model_dump_json(), stop))
    try:
        yield pool, stop
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


_bench: object = None
_stop: Event | None = None


def _prepare(settings: str, stop: Event) -> None:
    """In the child: one thread, one connection; Ctrl-C is the parent's business."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["OMP_NUM_THREADS"] = "1"
    keep_freed_memory()
    import torch

    from tgsh.bench import Bench

    global _bench, _stop
    torch.set_num_threads(1)
    _stop = stop
    _bench = Bench.from_settings(StoreSettings.model_validate_json(settings), "cpu", f"local/{os.getpid()}")


def _work_off() -> None:
    """In the child: one job after the other, until none is left."""
    from tgsh import runner
    from tgsh.bench import Bench

    assert isinstance(_bench, Bench)
    assert _stop is not None
    while not _stop.is_set() and runner.run_next(_bench, _stop.is_set) is not None:
        pass


def _export(database: Database, artifacts: Artifacts, experiment: Experiment, folder: Path) -> None:
    """What a person wants to open, beside the store."""
    (folder / "spec.json").write_text(experiment.spec.model_dump_json(indent=2) + "\n")
    (folder / "experiment.json").write_text(experiment.model_dump_json(indent=2) + "\n")
    accuracy = accuracy_view(experiment.id, reads.tasks(database, experiment.id), experiment.mean_accuracy)
    rows = [(task.index, task.label, task.accuracy) for task in accuracy.tasks]
    (folder / "accuracy.csv").write_bytes(table_csv(["task", "label", "accuracy"], rows))
    ref = find_stage(database, experiment.id, "after")
    vectors = load_stage(artifacts, ref)
    about = {"experiment_id": experiment.id, "base_id": ref.base_id, "stage": ref.stage}
    (folder / "context-vectors.safetensors").write_bytes(
        to_safetensors(LabelledArray(vectors, ref.tasks, ref.labels, None, about))
    )
    matrix = similarity(vectors, ref.labels, ref.tasks, "cosine")
    (folder / "similarity.csv").write_bytes(
        to_csv(LabelledArray(matrix.values, matrix.tasks, matrix.labels, matrix.labels, about))
    )
    figure = similarity_figure(matrix.values, matrix.labels, title=experiment.name, measure=matrix.measure)
    (folder / "similarity.png").write_bytes(render(figure, "png"))
