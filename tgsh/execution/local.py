"""Training of an experiment in a folder by processes of this shell; replay of a bundle."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from functools import partial
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from tgsh.arrays import LabelledArray, table_csv, to_csv, to_safetensors
from tgsh.datasets.classes import class_warnings, conversions
from tgsh.datasets.descriptions import info_of
from tgsh.datasets.downloads import fetch_missing, missing_files
from tgsh.errors import Conflict, InvalidSpec
from tgsh.execution.context import WorkerContext
from tgsh.execution.planning import plan
from tgsh.execution.presenters import accuracy_table, accuracy_view, experiment_view, with_intervals
from tgsh.execution.requirements import image_fields, require_torch_here
from tgsh.schemas import TERMINAL, Experiment, Progress
from tgsh.settings import Compute, StoreSettings
from tgsh.specs import DatasetsSuite, ExperimentSpec
from tgsh.specs.base import UploadedDataset
from tgsh.store import experiments, queries, results
from tgsh.store.artifacts import Artifacts
from tgsh.store.confusions import load_confusions
from tgsh.store.database import Database
from tgsh.store.experiments import ExperimentPlan
from tgsh.store.leases import expire_leases
from tgsh.store.results import find_stage, load_stage
from tgsh.store.scheduling import count_queued
from tgsh.system import cores, end_with_parent, keep_freed_memory

if TYPE_CHECKING:
    from tgsh.bundles.reader import Bundle

LEASE_SECONDS = 5.0
"""Short: nobody else works in this folder, so a silent child is a dead one."""

ID_LENGTH = 16
"""Hexadecimal digits of an experiment's id."""


def run(
    spec: ExperimentSpec,
    folder: Path,
    workers: int | None,
    on_progress: Callable[[Progress], None],
    compute: Compute | None = None,
) -> Experiment:
    """Train an experiment and leave its results in a folder.

    Parameters
    ----------
    spec : ExperimentSpec
        The experiment.
    folder : Path
        New, or where an earlier run of the same experiment ended.
    workers : int or None
        Processes; None for one a core.
    on_progress : callable
        Called with each Progress.
    compute : {"auto", "torch", "fused", "fused-classes"} or None, default=None
        The backend; None for that of TGSH_COMPUTE.

    Returns
    -------
    Experiment
        As it ended.

    Raises
    ------
    Conflict
        Where the folder holds another experiment.
    InvalidSpec
        Where the spec's parts do not fit together, or it names uploaded datasets.
    DatasetUnavailable
        Where images are missing and cannot be downloaded; no folder is made then.
    MachineProblem
        Where it needs torch, and that is not installed.
    """
    fetch_images(spec)
    planned = plan(spec)
    folder.mkdir(parents=True, exist_ok=True)
    settings = _settings(folder)
    if compute is not None:
        settings = settings.model_copy(update={"compute": compute})
    with opened(folder) as (database, artifacts):
        experiment_id = _submit_or_resume(database, spec, partial(_submit, database, spec, planned))
        _train(database, settings, experiment_id, workers or cores(), on_progress)
        experiment = experiment_view(queries.experiment(database, experiment_id))
        _export(database, artifacts, experiment, folder)
        return experiment


def fetch_images(spec: ExperimentSpec, *, offer: bool = True) -> dict[str, Path]:
    """Download the images that a spec needs and that are not here, where it can be trained here at all.

    Parameters
    ----------
    spec : ExperimentSpec
        The spec.
    offer : bool, default=True
        Whether an error offers mnist5k, which needs no files.

    Returns
    -------
    dict of str to Path
        Folder of each dataset that was downloaded.

    Raises
    ------
    InvalidSpec
        Where the spec's parts do not fit together, or it names uploaded datasets.
    MachineProblem
        Where it needs torch, and that is not installed.
    DatasetUnavailable
        Where images are missing and cannot be downloaded; names all of them.
    """
    data_dir = StoreSettings().data
    names = spec.suite.datasets if isinstance(spec.suite, DatasetsSuite) else (spec.dataset_key,)
    named = [name for _, name in image_fields(spec)]
    if isinstance(spec.suite, DatasetsSuite) or isinstance(spec.dataset, UploadedDataset):
        _refuse_uploads([name for name in names if name not in named], named, data_dir)
    plan(spec)
    require_torch_here(spec)
    return fetch_missing(named, data_dir, offer=offer)


def spec_warnings(spec: ExperimentSpec) -> list[str]:
    """Warnings about a spec of named datasets: classes that differ, and images that are converted.

    Parameters
    ----------
    spec : ExperimentSpec
        A spec that `fetch_images` took.

    Returns
    -------
    list of str
        Sentences without their last full stop.
    """
    info = info_of(spec)
    return [*class_warnings(spec, info), *conversions(info)]


def _refuse_uploads(uploads: Sequence[str], named: Sequence[str], data_dir: Path) -> None:
    """Raise InvalidSpec where there are uploaded datasets; it names what else is missing, too."""
    if uploads:
        missing = [name for name in named if missing_files(name, data_dir)]
        more = f"; missing here, too: {', '.join(missing)}" if missing else ""
        text = f"only a service has uploaded datasets (tgsh submit): {', '.join(uploads)}{more}"
        raise InvalidSpec("dataset", text)


@contextmanager
def opened(folder: Path) -> Iterator[tuple[Database, Artifacts]]:
    """The store in a folder that `run` trains in.

    Parameters
    ----------
    folder : Path
        The folder.

    Yields
    ------
    tuple of Database and Artifacts
        Open until the context ends.
    """
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


def _submit(database: Database, spec: ExperimentSpec, planned: ExperimentPlan) -> str:
    """The id follows from the spec, as every byte of the exported results does."""
    named = spec.digest()[:ID_LENGTH]
    return experiments.submit(database, spec, planned, experiment_id=named).experiment_id


def _submit_or_resume(database: Database, spec: ExperimentSpec, submit: Callable[[], str]) -> str:
    """The id of the folder's one experiment."""
    snapshots = queries.experiments(database, queries.Filters(), limit=1)
    if not snapshots:
        return submit()
    record = snapshots[0].record
    if record.digest != spec.digest():
        raise Conflict(f"the folder holds another experiment ({record.name}); choose an empty one")
    if record.status in ("failed", "cancelled"):
        experiments.resume(database, record.id)
    return record.id


def _train(
    database: Database,
    settings: StoreSettings,
    experiment_id: str,
    workers: int,
    on_progress: Callable[[Progress], None],
) -> None:
    """Keep processes running while jobs are queued, until the experiment has ended."""
    with _pool(settings, workers) as (pool, stop):
        futures: set[Future[None]] = set()
        try:
            while True:
                expire_leases(database, settings.max_attempts)
                for _ in range(min(count_queued(database), workers - len(futures))):
                    futures.add(pool.submit(_run_jobs))
                done, futures = wait(futures, timeout=0.2, return_when=FIRST_COMPLETED)
                for future in done:
                    future.result()
                snapshot = queries.experiment(database, experiment_id)
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
    pool = ProcessPoolExecutor(workers, context, _open_context, (settings.model_dump_json(), stop))
    try:
        yield pool, stop
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


_context: WorkerContext | None = None
_stop: Event | None = None


def _open_context(settings: str, stop: Event) -> None:
    """In the child: one thread, one connection; Ctrl-C is the parent's business, and its end is ours."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
    os.environ["OMP_NUM_THREADS"] = "1"
    if (torch := sys.modules.get("torch")) is not None:  # a spawned __main__ may import it before this
        torch.set_num_threads(1)
    keep_freed_memory()
    global _context, _stop
    _stop = stop
    _context = WorkerContext.from_settings(
        StoreSettings.model_validate_json(settings), "cpu", f"local/{os.getpid()}"
    )


def _run_jobs() -> None:
    """In the child: one job after the other, until none is left."""
    from tgsh.execution import runner  # numba and more, which the parent needs not

    assert _context is not None
    assert _stop is not None
    while not _stop.is_set() and runner.run_next(_context, _stop.is_set) is not None:
        pass


def _export(database: Database, artifacts: Artifacts, experiment: Experiment, folder: Path) -> None:
    """Write spec, experiment, accuracies, vectors and similarities as files beside the store."""
    from tgsh.analysis.similarity import similarity  # not on top: each training process imports this module
    from tgsh.figures import render, similarity_figure

    (folder / "spec.json").write_text(experiment.spec.model_dump_json(indent=2) + "\n")
    (folder / "experiment.json").write_text(experiment.model_dump_json(indent=2) + "\n")
    accuracy = accuracy_view(experiment.id, queries.tasks(database, experiment.id), experiment.mean_accuracy)
    accuracy = with_intervals(accuracy, load_confusions(database, experiment.id), experiment.digest)
    (folder / "accuracy.csv").write_bytes(table_csv(*accuracy_table(accuracy)))
    ref = find_stage(database, experiment.id, "after")
    if not ref.tasks:
        return  # every task failed
    vectors = load_stage(artifacts, ref)
    about = {"experiment_id": experiment.id, "base_id": ref.base_id, "stage": ref.stage}
    (folder / "context-vectors.safetensors").write_bytes(
        to_safetensors(LabelledArray(vectors, ref.tasks, ref.labels, None, about))
    )
    matrix = similarity(vectors, ref.labels, ref.tasks, "cosine")
    (folder / "similarity.csv").write_bytes(
        to_csv(LabelledArray(matrix.values, matrix.tasks, matrix.labels, matrix.labels, about))
    )
    departures = experiment.spec.departures
    title = f"{experiment.name} ({departures})" if departures else experiment.name
    figure = similarity_figure(matrix.values, matrix.labels, title=title, measure=matrix.measure)
    (folder / "similarity.png").write_bytes(render(figure, "png"))


class TaskDifference(BaseModel):
    """A task whose context vectors differ from the bundle's."""

    index: int
    label: str
    epoch: int = Field(description="the first that differs; 0 is before training")
    largest: float = Field(description="largest difference of two numbers, as a part of the largest number")


class Difference(BaseModel):
    """A condition of the bytes that differs from the bundle's; None where it is absent or not recorded."""

    bundle: Any
    here: Any


class Replayed(BaseModel):
    """Comparison of a replay with its bundle. differs: versions, compute, machines and images that differ."""

    model_config = ConfigDict(frozen=True)

    same: bool
    bundle: str
    replay: str
    tasks: int
    epochs: int
    others: list[TaskDifference]
    differs: dict[str, Difference]


def replay(
    bundle: Bundle, folder: Path, workers: int | None, on_progress: Callable[[Progress], None]
) -> tuple[Experiment, Replayed | None]:
    """Train a bundle's spec and compare; on the bundle's backend, unless TGSH_COMPUTE names one.

    Parameters
    ----------
    bundle : Bundle
        The bundle.
    folder : Path
        New or empty.
    workers : int or None
        Processes; None for one a core.
    on_progress : callable
        Called with each Progress.

    Returns
    -------
    experiment : Experiment
        As it ended.
    comparison : Replayed or None
        None where training did not complete.

    Raises
    ------
    InvalidSpec
        For a folder that holds something.
    """
    if folder.exists() and any(folder.iterdir()):
        raise InvalidSpec(str(folder), "is not empty; a replay trains anew")
    ended = run(bundle.spec, folder, workers, on_progress, recorded_backend(bundle.recorded.compute))
    if ended.status != "completed":
        return ended, None
    with opened(folder) as (database, artifacts):
        return ended, _compare(bundle, database, artifacts, ended)


def recorded_backend(compute: Sequence[str]) -> Compute | None:
    """The backend on which a record is to be replayed.

    Parameters
    ----------
    compute : Sequence[str]
        Compute paths that trained its tasks, such as "cpu AVX512 numba 0.68.1 fused".

    Returns
    -------
    {"torch", "fused", "fused-classes"} or None
        None for a GPU, for several paths, and where TGSH_COMPUTE names one.
    """
    names = {_backend_name(each) for each in compute}
    if os.environ.get("TGSH_COMPUTE") or len(names) != 1:
        return None
    return names.pop()


def _backend_name(compute: str) -> Compute | None:
    """The backend of one path, such as "cpu AVX512 numba 0.68.0 fused"; None for a GPU's."""
    if not compute.startswith("cpu "):
        return None
    match compute.rpartition(" ")[2]:
        case "fused":
            return "fused"
        case "fused-classes":
            return "fused-classes"
    return "torch"


def _compare(bundle: Bundle, database: Database, artifacts: Artifacts, ended: Experiment) -> Replayed:
    ref = find_stage(database, ended.id, "after")
    [(key, sha256)] = ref.sources
    same = sha256 == bundle.vectors_sha256
    others = [] if same else _task_differences(bundle, artifacts.load_array(key, sha256), ref.labels)
    tasks = queries.tasks(database, ended.id)
    origins = results.task_origins(database, artifacts, ended.id) or []
    return Replayed(
        same=same,
        bundle=bundle.recorded.id,
        replay=ended.id,
        tasks=len(tasks),
        epochs=bundle.spec.training.epochs,
        others=others,
        differs=_differences(bundle, ended, sorted({str(task.compute) for task in tasks}), origins),
    )


def _task_differences(bundle: Bundle, ours: np.ndarray, labels: Sequence[str]) -> list[TaskDifference]:
    theirs = bundle.vectors(ours.shape)
    differences = []
    for index, label in enumerate(labels):
        one, other = theirs[:, index], ours[:, index]
        epochs = [epoch for epoch in range(len(one)) if one[epoch].tobytes() != other[epoch].tobytes()]
        if epochs:
            scale = float(np.abs(other).max()) or 1.0
            largest = float(np.abs(one.astype(np.float64) - other).max()) / scale
            differences.append(TaskDifference(index=index, label=label, epoch=epochs[0], largest=largest))
    return differences


def _differences(
    bundle: Bundle, ended: Experiment, compute: Sequence[str], origins: Sequence[results.Origin]
) -> dict[str, Difference]:
    """Conditions of the bytes beside the spec that differ, by name."""
    machines = sorted({str(origin["machine"]) for origin in origins})
    pairs: dict[str, tuple[Any, Any]] = {
        f"version of {name}": (bundle.recorded.versions.get(name), ended.versions.get(name))
        for name in sorted({*bundle.recorded.versions, *ended.versions})
    }
    pairs["compute"] = (sorted(bundle.recorded.compute), list(compute))
    pairs["machines"] = (sorted(bundle.recorded.machines), machines)
    pairs["images"] = (_images(bundle), [origin["images"] for origin in origins])
    return {
        name: Difference(bundle=theirs, here=ours) for name, (theirs, ours) in pairs.items() if theirs != ours
    }


def _images(bundle: Bundle) -> list[Mapping[str, str]]:
    """The digests of each task's images."""
    of_task = {
        task: {"train": each.train, "test": each.test} for each in bundle.images for task in each.tasks
    }
    return [of_task[task] for task in sorted(of_task)]
